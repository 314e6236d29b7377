package httpserver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hiddenPrefix begins the names of files that are not whole yet.
const hiddenPrefix = ".upload-"

// flushEvery is after how many bytes the disk begins with a file that still
// arrives.
const flushEvery = 16 << 20

// hiddenFile is a file that has no name yet that others look at. Its process
// holds a lock on it, which tells it from what a dead one left behind.
type hiddenFile struct {
	path string
	file *os.File
	err  error // of the first write that did not succeed

	written, flushed int64 // bytes; of flushed the kernel was told to write them
}

func newHiddenFile(directory string) (*hiddenFile, error) {
	f, err := os.CreateTemp(directory, hiddenPrefix)
	if err != nil {
		return nil, err
	}
	h := &hiddenFile{path: f.Name(), file: f}
	if err := errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), f.Chmod(0o644)); err != nil {
		h.discard()
		return nil, err
	}
	return h, nil
}

func (h *hiddenFile) Write(p []byte) (int, error) {
	n, err := h.file.Write(p)
	if err != nil && h.err == nil {
		h.err = err
	}
	h.written += int64(n)
	if h.written-h.flushed >= flushEvery {
		// Only a hint: the fsync at the end has less to wait for.
		_ = unix.SyncFileRange(int(h.file.Fd()), h.flushed, h.written-h.flushed, unix.SYNC_FILE_RANGE_WRITE)
		h.flushed = h.written
	}
	return n, err
}

func (h *hiddenFile) rename(path string) error {
	if err := os.Rename(h.path, path); err != nil {
		return err
	}
	h.path = ""
	return nil
}

// discard closes the file and removes it unless it was renamed.
func (h *hiddenFile) discard() {
	if h.path != "" {
		os.Remove(h.path)
	}
	h.file.Close()
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// removeLeftovers removes hidden files of processes that are gone.
func (s *Server) removeLeftovers() {
	for _, r := range s.config.Repositories {
		if r.Shelf == nil {
			continue
		}
		entries, err := os.ReadDir(r.Shelf.Waiting())
		if err != nil {
			continue // nothing was ever uploaded
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), hiddenPrefix) {
				removeUnlocked(filepath.Join(r.Shelf.Waiting(), entry.Name()))
			}
		}
	}
}

// removeUnlocked removes a file that no process holds a lock on. Files younger
// than a minute may be about to be locked.
func removeUnlocked(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || time.Since(info.ModTime()) < time.Minute {
		return
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		os.Remove(path)
	}
}
