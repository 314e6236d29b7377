package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// logTail is how much of a log's end is kept once the limit is reached: the
// reason of a failure stands there.
const logTail = 64 << 10

// logFile is a job's log: written once, followed by any number of readers from
// its beginning. It keeps limit bytes and, of what comes after, the end.
type logFile struct {
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

// createLog creates the log at path, which must not exist.
func createLog(path string, limit int64) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating log: %w", err)
	}
	return &logFile{file: file, limit: limit, changed: make(chan struct{})}, nil
}

// Write never fails: a build does not end because its log cannot be written.
func (l *logFile) Write(p []byte) (int, error) {
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
func (l *logFile) put(p []byte) {
	n, err := l.file.WriteAt(p, l.written)
	l.written += int64(n)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("writing log: %w", err)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// finish writes what was kept of the end and lets the readers go.
func (l *logFile) finish() {
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

// copyTo copies the log to w from its beginning until it is finished.
func (l *logFile) copyTo(ctx context.Context, w io.Writer) error {
	var offset int64
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
