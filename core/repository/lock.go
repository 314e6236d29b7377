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

// lock makes the caller the only writer below the root. All repositories of a
// root share it, since they share the pool. The kernel drops it with the
// holder's process, so that it needs no care after a crash.
func (r *Repository) lock(ctx context.Context) (release func(), err error) {
	dir := filepath.Join(r.options.Root, "generations")
	if err := durable.Mkdir(dir); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	path := filepath.Join(dir, ".lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := r.acquire(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	// For whoever waits; the lock itself does not depend on it.
	text := fmt.Appendf(nil, "%d %s\n", os.Getpid(), r.options.Command)
	if f.Truncate(0) == nil {
		f.WriteAt(text, 0)
	}
	return func() { f.Truncate(0); f.Close() }, nil
}

func (r *Repository) acquire(ctx context.Context, f *os.File) error {
	if r.options.LockTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.options.LockTimeout, errLockTimeout)
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
		case r.options.LockTimeout < 0:
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
