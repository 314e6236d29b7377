package repository

import (
	"errors"
	"fmt"
)

// ErrNoGeneration is returned for a generation that is not, or no longer, kept.
var ErrNoGeneration = errors.New("no such generation")

// LockedError says that another writer holds the root for longer than the
// caller would wait.
type LockedError struct {
	Path    string // the lock file
	PID     int    // of the holder; 0 when it has not said yet
	Command string // of the holder
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by %s, process %d", e.Path, e.Command, e.PID)
}

// Hint says what to do about it.
func (e *LockedError) Hint() string {
	return "wait for it to end, or give --wait-timeout; a lock dies with its process, there is nothing to remove"
}

// ConflictError says that a file name is taken by other bytes. Nothing was
// overwritten.
type ConflictError struct {
	Source    string // the file that was to be added
	Published string // the file that has the name
	Have      string // SHA-256 of Published, hex
	Got       string // SHA-256 of Source, hex
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("adding %s: %s exists with other bytes: sha256 %s there, %s here", e.Source, e.Published, e.Have, e.Got)
}

// Hint says what to do about it.
func (e *ConflictError) Hint() string { return "raise pkgrel and build again" }

// FileError is a package file that cannot be published.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("adding %s: %s", e.Path, e.Err) }

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }
