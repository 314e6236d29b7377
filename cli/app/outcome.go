package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Outcome collects what went well and what failed while a command goes through
// its items, prints each failure once, and knows the error to return.
type Outcome struct {
	env      *Env
	json     bool
	done     int
	failed   []string
	upstream bool  // a failure came in through the pipe
	first    error // our own first failure
}

// NewOutcome begins a collection. With json, failures are also printed to
// standard output, as {"name":…,"error":…}, to travel down the pipeline.
func NewOutcome(env *Env, json bool) *Outcome { return &Outcome{env: env, json: json} }

// Done counts an item that went well.
func (o *Outcome) Done() { o.done++ }

// Partly counts an item of which a part failed, and has been printed.
func (o *Outcome) Partly(partial *Partial) {
	o.done++
	o.failed = append(o.failed, partial.Failed...)
}

// Fail records that an item failed: one that came in as an *ItemFailure is
// handed on as it was, any other is printed to standard error.
func (o *Outcome) Fail(name string, err error) {
	var failure *ItemFailure
	if asFailure(err, &failure) {
		o.upstream = true
		o.failed = append(o.failed, failure.Name)
		if o.json {
			fmt.Fprintf(o.env.Stdout, "%s\n", failure.Line)
			return
		}
		fmt.Fprintf(o.env.Stderr, "ahriman: error: %s\n", err)
		return
	}
	if o.first == nil {
		o.first = err
	}
	o.failed = append(o.failed, name)
	printError(o.env.Stderr, err)
	if o.json {
		printFailure(o.env.Stdout, name, err)
	}
}

// Err is nil when all went well, *Partial (exit status 3) when some failed or a
// failure came in, and the first failure (exit status 1) when nothing was done.
func (o *Outcome) Err() error {
	switch {
	case len(o.failed) == 0:
		return nil
	case o.done > 0 || o.upstream:
		return &Partial{Failed: o.failed}
	}
	return &Reported{o.first}
}

// printFailure writes the line that Items reads back as an *ItemFailure. What
// cannot be written is seen by the command's next write.
func printFailure(w io.Writer, name string, err error) {
	line, _ := json.Marshal(struct {
		Name  string `json:"name"`
		Error string `json:"error"`
	}{name, err.Error()}) // two strings always marshal
	fmt.Fprintf(w, "%s\n", line)
}

func asFailure(err error, failure **ItemFailure) bool { return errors.As(err, failure) }
