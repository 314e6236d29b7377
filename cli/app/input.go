package app

import (
	"context"
	"io"
)

// Input is standard input, whose reading an interrupt ends: no signal ends that
// of a pipe to which nobody writes. The error is context.Canceled then.
func (e *Env) Input() io.Reader { return &input{from: e.Stdin, interrupted: e.interrupted} }

type input struct {
	from        io.Reader
	interrupted <-chan struct{}
	buffer      []byte // not the caller's: who was interrupted may use that again
}

func (i *input) Read(p []byte) (int, error) {
	if len(i.buffer) < len(p) {
		i.buffer = make([]byte, len(p))
	}
	type read struct {
		n   int
		err error
	}
	done := make(chan read, 1)
	go func() {
		n, err := i.from.Read(i.buffer[:len(p)])
		done <- read{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, i.buffer[:r.n]), r.err
	case <-i.interrupted:
		return 0, context.Canceled
	}
}
