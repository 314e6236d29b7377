package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"

	"ahriman/cli/ui"
	"ahriman/core/build"
	"ahriman/transport/sshdial"
)

// Env is everything a command has from the process around it. Commands read
// and write through it only, which is what lets tests run them in-process.
type Env struct {
	Args    []string  // the command line without the program's name
	Stdin   io.Reader // items for a command given "-": see Input
	Stdout  io.Writer // results: one a line, or a table
	Stderr  io.Writer // everything meant for a person
	Environ []string  // "KEY=value", as os.Environ gives it; the last one wins

	interrupted <-chan struct{} // closed when the command is to end

	// sshDialer is that of all workers, so that a passphrase is asked for once.
	sshDialer func() (*sshdial.Dialer, error)

	board *ui.Board // what goes on, on a terminal; nil: nobody is to see it
}

// maxBoard is how many lines a board has.
const maxBoard = 21

// openBoard lets commands show what goes on, where standard error is a terminal;
// the function it returns takes that off the screen. In a pipeline others write
// to the terminal too, and there is one line for all.
func (e *Env) openBoard() (closeBoard func()) {
	limit := 1
	if e.Out().Terminal() {
		limit = maxBoard
	}
	if e.board = e.Err().Board(limit); e.board == nil {
		return func() {}
	}
	errs := e.Stderr
	e.Stderr = e.board.Above(errs)
	if out, ok := e.Stdout.(*stdout); ok && limit > 1 {
		out.Writer = e.board.Above(out.Writer)
	}
	return func() {
		e.board.Close()
		e.Stderr = errs
	}
}

// showTransfer shows what is on its way to or from somebody.
func (e *Env) showTransfer(row string, p build.Progress) {
	if text := transferText(p); text != "" {
		e.board.Set(row, text)
	} else {
		e.board.Clear(row)
	}
}

// transferText is a transfer for a line of a board; empty: there is none.
func transferText(p build.Progress) string {
	if p == (build.Progress{}) {
		return ""
	}
	return ui.Transfer(p.What, p.Bytes, p.Of)
}

// Getenv returns the value of an environment variable, empty when it is unset.
func (e *Env) Getenv(name string) string {
	value, _ := e.lookup(name)
	return value
}

func (e *Env) lookup(name string) (string, bool) {
	for i := len(e.Environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(e.Environ[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// Warn prints "ahriman: warning: …" to standard error.
func (e *Env) Warn(format string, args ...any) {
	fmt.Fprintf(e.Stderr, "ahriman: warning: %s\n", fmt.Sprintf(format, args...))
}

// stdout remembers that it could not be written, so that the end of `ahriman … |
// head` can be told from the same error on a network connection.
type stdout struct {
	io.Writer
	failed atomic.Pointer[outputError]
}

func (s *stdout) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err == nil {
		return n, nil
	}
	failed := &outputError{err}
	s.failed.Store(failed)
	return n, failed
}

// unwritable returns the error of writing to standard output, nil without one.
func (e *Env) unwritable() error {
	if s, ok := e.Stdout.(*stdout); ok {
		if failed := s.failed.Load(); failed != nil {
			return failed
		}
	}
	return nil
}

// outputError is an error of writing to standard output: it ends the command,
// whatever of its items it met it with.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

func (e *outputError) Error() string {
	if inner, ok := errors.AsType[*fs.PathError](e.error); ok { // whose path is nothing that somebody named
		return "writing to standard output: " + inner.Err.Error()
	}
	return "writing to standard output: " + e.error.Error()
}

func isOutput(err error) bool {
	_, ok := errors.AsType[*outputError](err)
	return ok
}

// Fd is the descriptor below, for code that asks whether it is a terminal; the
// highest number, which no file has, when there is none.
func (s *stdout) Fd() uintptr {
	if f, ok := s.Writer.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

// Out is standard output with what it can show: tables and JSON lines.
func (e *Env) Out() *ui.Output { return ui.New(e.Stdout, e.Getenv) }

// Err is standard error with what it can show: progress and colour.
func (e *Env) Err() *ui.Output { return ui.New(e.Stderr, e.Getenv) }
