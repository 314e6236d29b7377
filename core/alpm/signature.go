package alpm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// maxSignature is the size of the largest signature pacman takes, in bytes.
const maxSignature = 16 << 10

// CheckSignature reports what keeps data from standing in a repository as a
// package's signature: repo-add(8) refuses armored ones and those over 16 KiB.
// It does not verify it. The error wraps ErrFormat.
func CheckSignature(data []byte) error {
	switch {
	case len(data) == 0:
		return fmt.Errorf("%w signature: empty", ErrFormat)
	case len(data) > maxSignature:
		return fmt.Errorf("%w signature: larger than %d bytes", ErrFormat, maxSignature)
	case bytes.Contains(data, []byte("BEGIN PGP SIGNATURE")):
		return fmt.Errorf("%w signature: armored, and pacman takes binary ones only", ErrFormat)
	}
	return nil
}

// readSignature reads a detached signature; nil where there is no such file.
func readSignature(path string) ([]byte, error) {
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSignature+1))
	if err == nil {
		err = CheckSignature(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}
