// Package durable writes files whole or not at all. What it puts in place was
// fsynced before its name appeared, and so is the directory that holds the
// name: after a crash, a power cut included, a reader finds the old bytes or
// the new ones. What a killed process leaves behind has a hidden name that
// Leftover knows and Clean removes.
package durable

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// suffix ends the name of everything that is not in place yet.
const suffix = ".part"

// Temporary returns a hidden, unused name in the directory of path, for
// something that is to be renamed to path once it is whole.
func Temporary(path string) string {
	dir, base := filepath.Split(path)
	return dir + "." + base + "." + rand.Text()[:12] + suffix
}

// Leftover reports whether name is one that Temporary gives.
func Leftover(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, suffix)
}

// Clean removes leftovers, directories with all they hold included, from dir
// itself, not from the directories below. The caller must know that no one is
// writing there. A directory that does not exist is clean.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cleaning: %w", err)
	}
	for _, entry := range entries {
		if !Leftover(entry.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("cleaning: %w", err)
		}
	}
	return nil
}

// File is a file that is being written under a temporary name. Its errors, and
// Name, have the name that it will have, which is the one that somebody knows.
type File struct {
	*os.File
	Temporary string // where it is until Commit
	done      bool
}

// Create begins the file at path. Its mode will be perm exactly, whatever the
// umask. The caller must call Commit or Abort.
func Create(path string, perm fs.FileMode) (*File, error) {
	temporary := Temporary(path)
	fd, err := -1, error(unix.EINTR)
	for err == unix.EINTR { // which file systems over a network may answer
		fd, err = unix.Open(temporary, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, uint32(perm.Perm()))
	}
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	file := &File{File: os.NewFile(uintptr(fd), path), Temporary: temporary}
	if err := file.Chmod(perm); err != nil {
		file.Abort()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return file, nil
}

// Commit puts the file in place, instead of what was there. After an error
// nothing is left behind, and nothing has changed either, unless it was the
// directory that could not be synced: see Rename.
func (f *File) Commit() error {
	defer f.Abort()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	if err := Rename(f.Temporary, f.Name()); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), withoutNames(err))
	}
	f.done = true
	return nil
}

// Abort gives the file up. After Commit it does nothing.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	os.Remove(f.Temporary)
}

// Write writes data to path, in place of what was there, with the mode perm.
func Write(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.Commit()
}

// Rename moves from to to, both on one file system, replacing what is there,
// and makes the new name last. What from names must be fsynced already. When
// only the last step fails, the move was made and the error says "sync".
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// Symlink makes path a symbolic link to target, in place of a file or link
// that was there, in one step.
func Symlink(target, path string) error {
	temporary := Temporary(path)
	err := os.Symlink(target, temporary)
	if err == nil {
		if err = Rename(temporary, path); err != nil {
			os.Remove(temporary)
		}
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, withoutNames(err))
	}
	return nil
}

// withoutNames leaves out of what went wrong with two names what they were: one
// is temporary.
func withoutNames(err error) error {
	if link, ok := errors.AsType[*os.LinkError](err); ok {
		return link.Err
	}
	return err
}

// Exchange swaps what two paths name, in one step; they may be of different
// kinds. The error is errors.ErrUnsupported where the file system cannot.
func Exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("exchanging %s and %s: %w", a, b, err)
	}
	return SyncDir(filepath.Dir(b))
}

// Mkdir makes dir and the directories above it, with mode 0755 whatever the
// umask, and makes their names last.
func Mkdir(dir string) error {
	err := os.Mkdir(dir, 0o755)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := Mkdir(filepath.Dir(dir)); err != nil {
			return err
		}
		return Mkdir(dir)
	case err != nil:
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// SyncDir makes the names in dir last.
func SyncDir(dir string) error { return Sync(dir) }

// Sync makes the bytes of the file at path, or the names of the directory
// there, last.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Copy writes all of src, from its beginning, to dst, which must be empty. Where
// the file system can, the two share their blocks until one is written to.
func Copy(ctx context.Context, dst, src *os.File) error {
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
		return nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		// In pieces, so that a copy of gigabytes can be cancelled.
		_, err := io.CopyN(dst, src, 64<<20)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Move moves the file from to to, replacing what is there: by name, or by a
// copy where the two are on different file systems. The name to never shows a
// part of the file.
func Move(ctx context.Context, from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, unix.EXDEV) {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := Create(to, 0o644)
	if err != nil {
		return err
	}
	defer target.Abort()
	if err := Copy(ctx, target.File, source); err != nil {
		return fmt.Errorf("copying %s to %s: %w", from, to, err)
	}
	if err := target.Commit(); err != nil {
		return err
	}
	return os.Remove(from)
}
