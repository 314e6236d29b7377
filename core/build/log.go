package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// DefaultLogLimit is how many bytes of a build's log are kept where nothing
// else is said.
const DefaultLogLimit = 64 << 20

// logTail is how much of a log's end is kept once the limit is reached: the
// reason of a failure stands there.
const logTail = 64 << 10

// Log is the log of a build in a file: written once, followed by any number of
// readers. It keeps so many bytes and, of what comes after, the end. It is safe
// for concurrent use.
type Log struct {
	mu      sync.Mutex
	file    *os.File
	limit   int64
	written int64
	tail    []byte // the last bytes beyond the limit
	dropped int64  // bytes beyond the limit, the tail included
	changed chan struct{}
	closed  bool
	err     error // the first error of writing
}

// CreateLog creates the log at path, which must not exist, to keep limit bytes;
// 0: DefaultLogLimit.
func CreateLog(path string, limit int64) (*Log, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating log: %w", err)
	}
	if limit <= 0 {
		limit = DefaultLogLimit
	}
	return &Log{file: file, limit: limit, changed: make(chan struct{})}, nil
}

// Path is where the log stands.
func (l *Log) Path() string { return l.file.Name() }

// Size is how many bytes the file has by now.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written
}

// Close closes the file, which stays. Readers must be gone.
func (l *Log) Close() error { return l.file.Close() }

// Write never fails: a build does not end because its log cannot be written.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := len(p)
	if room := l.limit - l.written; room > 0 {
		part := p[:min(int64(len(p)), room)]
		l.put(part)
		p = p[len(part):]
	}
	if len(p) > 0 {
		l.dropped += int64(len(p))
		l.tail = append(l.tail, p...)
		if len(l.tail) > 2*logTail {
			l.tail = append(l.tail[:0], l.tail[len(l.tail)-logTail:]...)
		}
	}
	return size, nil
}

// put appends to the file and wakes the readers.
func (l *Log) put(p []byte) {
	n, err := l.file.WriteAt(p, l.written)
	l.written += int64(n)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("writing log: %w", err)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// Finish writes what was kept of the end and lets the readers go.
func (l *Log) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.dropped > 0 {
		tail := l.tail[max(0, len(l.tail)-logTail):]
		l.put(fmt.Appendf(nil, "\n[%d bytes of log left out]\n", l.dropped-int64(len(tail))))
		l.put(tail)
	}
	l.closed = true
	close(l.changed)
}

// CopyTo copies the log from the byte at offset on to w, until it is finished
// or ctx ends, whose error it returns then.
func (l *Log) CopyTo(ctx context.Context, w io.Writer, offset int64) error {
	buffer := make([]byte, 32<<10)
	for {
		l.mu.Lock()
		written, changed, closed := l.written, l.changed, l.closed
		l.mu.Unlock()
		for offset < written {
			n, err := l.file.ReadAt(buffer[:min(int64(len(buffer)), written-offset)], offset)
			if n > 0 {
				if _, err := w.Write(buffer[:n]); err != nil {
					return err
				}
				offset += int64(n)
			} else if err != nil {
				return fmt.Errorf("reading log: %w", err)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if closed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
