package update

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"

	"ahriman/core/source"
)

// How a build's log travels: a batch is sent when it is full or old.
const (
	batchLines = 200
	batchAge   = time.Second
	maxLine    = 16 << 10 // bytes; a longer line is cut into several
)

// lineWriter cuts a build's output into lines and tells observers of them in
// batches, so that a chatty build does not make a request a line.
type lineWriter struct {
	emit func(lines []string)

	mu     sync.Mutex
	rest   []byte // of a line not ended yet
	lines  []string
	ticker *time.Ticker
	done   chan struct{}
	over   sync.WaitGroup
}

func (r *run) newLineWriter(p source.Package) io.WriteCloser {
	return NewLineWriter(func(lines []string) {
		r.emit(LogLines{Base: p.Base, Version: p.Version, Time: time.Now(), Lines: lines})
	})
}

// NewLineWriter returns a writer that gives what is written to it to emit, lines
// at a time, without their ends and whatever is not UTF-8. Close gives the rest.
func NewLineWriter(emit func(lines []string)) io.WriteCloser {
	w := &lineWriter{emit: emit, ticker: time.NewTicker(batchAge), done: make(chan struct{})}
	w.over.Go(func() {
		for {
			select {
			case <-w.ticker.C:
				w.mu.Lock()
				w.flush()
				w.mu.Unlock()
			case <-w.done:
				return
			}
		}
	})
	return w
}

// Write never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		switch {
		case i >= 0:
			w.add(string(w.rest) + string(p[:i]))
			w.rest, p = w.rest[:0], p[i+1:]
		case len(w.rest)+len(p) > maxLine:
			take := maxLine - len(w.rest)
			w.add(string(w.rest) + string(p[:take]))
			w.rest, p = w.rest[:0], p[take:]
		default:
			w.rest, p = append(w.rest, p...), nil
		}
	}
	return n, nil
}

func (w *lineWriter) add(line string) {
	line = strings.ToValidUTF8(strings.TrimSuffix(line, "\r"), "\uFFFD")
	w.lines = append(w.lines, line)
	if len(w.lines) >= batchLines {
		w.flush()
	}
}

func (w *lineWriter) flush() {
	if len(w.lines) > 0 {
		w.emit(w.lines)
		w.lines = nil
	}
}

// Close tells of what is left; it never fails.
func (w *lineWriter) Close() error {
	w.ticker.Stop()
	close(w.done)
	w.over.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.add(string(w.rest))
	}
	w.flush()
	return nil
}
