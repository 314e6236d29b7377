package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// The exit statuses, which every man page lists.
const (
	statusDone    = 0
	statusFailed  = 1
	statusUsage   = 2
	statusPartly  = 3
	statusNothing = 4
	statusSignal  = 128 // plus the signal's number, as a shell counts
)

// ErrNothing is what a command returns when its result is empty and
// --exit-code was given. Nothing is printed for it.
var ErrNothing = errors.New("nothing to do")

// Hinter is an error that knows what to do about it; the hint is printed below
// the error, as "ahriman: hint: …".
type Hinter interface{ Hint() string }

// Hinted adds a hint to an error. The hint is a sentence in lower case without
// a full stop, and says what to do.
func Hinted(err error, hint string) error { return &hinted{err, hint} }

type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

// UsageError is a command line that cannot be meant: exit status 2.
type UsageError struct {
	Message string
	Usage   string // how the command is used, printed first; may be empty
}

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

func (e *UsageError) Error() string { return e.Message }

// Partial says that some items failed and the others were done: exit status 3.
// Each failure has been printed already, so that nothing is printed for it.
type Partial struct{ Failed []string }

func (e *Partial) Error() string {
	return fmt.Sprintf("%d failed: %s", len(e.Failed), strings.Join(e.Failed, ", "))
}

// Reported is an error that has been printed where it happened: it decides the
// exit status and is not printed again.
type Reported struct{ Err error }

func (e *Reported) Error() string { return e.Err.Error() }
func (e *Reported) Unwrap() error { return e.Err }

// said is whether nothing more is to be printed of an error.
func said(err error) bool {
	_, partial := errors.AsType[*Partial](err)
	_, reported := errors.AsType[*Reported](err)
	return err == nil || partial || reported || errors.Is(err, ErrNothing)
}

// status maps an error to the exit status. It is the only place that does.
func status(ctx context.Context, err error) int {
	var usage *UsageError
	var partial *Partial
	switch {
	case err == nil:
		return statusDone
	case isOutput(err) && (errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)):
		return statusSignal + int(syscall.SIGPIPE)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return statusSignal + int(signalOf(ctx))
	case errors.As(err, &usage):
		return statusUsage
	case errors.As(err, &partial):
		return statusPartly
	case errors.Is(err, ErrNothing):
		return statusNothing
	}
	return statusFailed
}

// signalOf returns the signal that ended the context. signal.NotifyContext puts
// its name at the beginning of the cause, and gives no other access to it.
func signalOf(ctx context.Context) syscall.Signal {
	name := context.Cause(ctx).Error()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		if strings.HasPrefix(name, s.String()) {
			return s
		}
	}
	return syscall.SIGINT
}

// complain prints an error and its hint, unless the exit status alone, or an
// earlier message, has said it.
func complain(w io.Writer, err error, code int) {
	if said(err) || code >= statusSignal {
		return
	}
	var usage *UsageError
	if errors.As(err, &usage) && usage.Usage != "" {
		fmt.Fprintf(w, "usage: %s\n", usage.Usage)
	}
	printError(w, err)
}

func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "ahriman: error: %s\n", err)
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "ahriman: hint: %s\n", hint)
	}
}

// hintOf is the hint that an error has; empty: none.
func hintOf(err error) string {
	var hinter Hinter
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	return ""
}
