package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/internal/durable"
)

// Waiting writers look again after this long, doubled up to the second.
const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 200 * time.Millisecond
)

// Lock is a lock between processes, held on a file. The kernel drops it with
// its holder, so that it needs no care after a crash.
type Lock struct {
	Path    string        // of the file, which is created where needed
	Timeout time.Duration // how long to wait: 0 without an end, negative not at all
	Command string        // what the lock says about its holder; empty: the program's name
}

// lock makes the caller the only writer below the root. All repositories of a
// root share it, since they share the pool.
func (r *Repository) lock(ctx context.Context) (release func(), err error) {
	return Lock{
		Path:    filepath.Join(r.options.Root, "generations", ".lock"),
		Timeout: r.options.LockTimeout, Command: r.options.Command,
	}.Acquire(ctx)
}

// Acquire takes the lock. The error is a *LockedError when another process
// holds it for longer than the timeout.
func (l Lock) Acquire(ctx context.Context) (release func(), err error) {
	if l.Command == "" {
		l.Command = filepath.Base(os.Args[0])
	}
	if err := durable.Mkdir(filepath.Dir(l.Path)); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	f, err := os.OpenFile(l.Path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := l.wait(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	// For whoever waits; the lock itself does not depend on it.
	text := fmt.Appendf(nil, "%d %s\n", os.Getpid(), l.Command)
	if f.Truncate(0) == nil {
		f.WriteAt(text, 0)
	}
	return func() { f.Truncate(0); f.Close() }, nil
}

func (l Lock) wait(ctx context.Context, f *os.File) error {
	if l.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.Timeout, errLockTimeout)
		defer cancel()
	}
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		case l.Timeout < 0:
			return lockedBy(f)
		}
		select {
		case <-ctx.Done():
			if context.Cause(ctx) == errLockTimeout {
				return lockedBy(f)
			}
			return fmt.Errorf("locking %s: %w", f.Name(), ctx.Err())
		case <-time.After(poll):
		}
	}
}

var errLockTimeout = errors.New("waited for the lock too long")

func lockedBy(f *os.File) error {
	text, _ := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	pid, command, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	locked := &LockedError{Path: f.Name(), Command: command}
	locked.PID, _ = strconv.Atoi(pid)
	return locked
}
