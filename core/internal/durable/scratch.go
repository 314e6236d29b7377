package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Scratch is a directory that lives no longer than its process: the next
// NewScratch below the same parent removes what dead processes left.
type Scratch struct {
	Dir  string
	lock *os.File
}

// NewScratch makes an empty directory below parent, which it creates.
func NewScratch(parent string) (*Scratch, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("creating a scratch directory: %w", err)
	}
	sweep(parent)
	for {
		dir, err := os.MkdirTemp(parent, "")
		if err != nil {
			return nil, fmt.Errorf("creating a scratch directory: %w", err)
		}
		lock, err := lockDir(dir)
		// Between the two another process may have taken it for a leftover.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("creating a scratch directory: %w", err)
		}
		if _, err := os.Lstat(dir); err == nil {
			return &Scratch{Dir: dir, lock: lock}, nil
		}
		lock.Close()
	}
}

// Remove removes the directory. Nil is no scratch directory.
func (s *Scratch) Remove() error {
	if s == nil {
		return nil
	}
	defer s.lock.Close()
	return os.RemoveAll(s.Dir)
}

// sweep removes the directories that no living process holds.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		dir := filepath.Join(parent, entry.Name())
		if lock, err := lockDir(dir); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
}

// lockDir fails with EWOULDBLOCK when a living process holds the directory.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
