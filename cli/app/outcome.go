package app

import (
	"errors"
	"fmt"
	"iter"
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

// Items goes through the arguments as the function of that name does, less the
// failures that come in through the pipe: they are recorded, and handed on.
func (o *Outcome) Items(args []string, fields ...string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for item, err := range Items(o.env, args, fields...) {
			if failure, ok := errors.AsType[*ItemFailure](err); ok {
				o.came(failure)
			} else if !yield(item, err) {
				return
			}
		}
	}
}

// Names reads all items at once, each once: what they name is handled together.
func (o *Outcome) Names(args []string, fields ...string) (names []string, err error) {
	named := map[string]bool{}
	for item, err := range o.Items(args, fields...) {
		if err != nil {
			return nil, err
		}
		if !named[item.Text] {
			named[item.Text] = true
			names = append(names, item.Text)
		}
	}
	return names, nil
}

// came records a failure of an earlier command: with json it is handed on as it
// came.
func (o *Outcome) came(failure *ItemFailure) {
	o.upstream = true
	o.failed = append(o.failed, failure.Name)
	if o.json {
		fmt.Fprintf(o.env.Stdout, "%s\n", failure.Line)
		return
	}
	printError(o.env.Stderr, failure)
}

// Fail records that an item failed, and prints it to standard error.
func (o *Outcome) Fail(name string, err error) {
	o.FailAs(name, err, struct {
		Name  string `json:"name"`
		Error string `json:"error"`
	}{name, err.Error()})
}

// FailAs is Fail with a JSON line of the command's own, which has an "error".
func (o *Outcome) FailAs(name string, err error, line any) {
	if o.first == nil {
		o.first = err
	}
	o.failed = append(o.failed, name)
	printError(o.env.Stderr, err)
	if o.json {
		_ = o.env.Out().JSON(line) // what cannot be written is seen by the next write
	}
}

// Ran records how items that were handled together came out. An error that is
// not of some of them, and nobody has printed, ends the command and is returned.
func (o *Outcome) Ran(err error) error {
	if partial, ok := errors.AsType[*Partial](err); ok {
		o.Partly(partial)
		return nil
	}
	if reported, ok := errors.AsType[*Reported](err); ok {
		o.failed = append(o.failed, reported.Error())
		if o.first == nil {
			o.first = reported.Err
		}
		return nil
	}
	if err == nil {
		o.Done()
	}
	return err
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
