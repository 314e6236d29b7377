package alpm

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// metadataEntries is how many entries may stand before .PKGINFO: makepkg puts
// it among the first.
const metadataEntries = 64

// open opens a file to read it. One that is a pipe without a writer is empty,
// where os.Open would wait for one, past every signal.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// ReadInfo reads the .PKGINFO of the package file at path and nothing behind
// it. It does not tell whether the file is whole: OpenPackage does. Errors wrap
// ErrFormat when the file is at fault.
func ReadInfo(path string) (Info, error) {
	f, err := open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	info, err := readInfo(f)
	if err != nil {
		return Info{}, fmt.Errorf("reading %s: %w", filepath.Base(path), err)
	}
	return info, nil
}

func readInfo(r io.Reader) (Info, error) {
	packed := &packedReader{r: r}
	unpacked, err := Decompress(packed)
	if err != nil {
		return Info{}, malformed(err)
	}
	defer unpacked.Close()
	archive := tar.NewReader(&boundedReader{r: unpacked, packed: packed, limits: Limits{}.withDefaults()})
	for range metadataEntries {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Info{}, malformed(err)
		}
		if header.Name == ".PKGINFO" {
			info, err := ParsePkginfo(archive)
			return info, malformed(err)
		}
	}
	return Info{}, fmt.Errorf("%w: no .PKGINFO among the first entries, so not a package", ErrFormat)
}
