package trigger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ahriman/core/config"
)

// Call is what a master is asked to update.
type Call struct {
	AUR    bool // look for updates in the AUR
	Local  bool // look for updates of local packages
	Manual bool // take what was requested and uploaded
}

// Answer is what became of a call.
type Answer struct {
	Process  string    // the job's id on the master
	Ended    bool      // false: it was not waited for
	Outcome  string    // success, partial, failed, cancelled; empty when the master, a Python one, does not say
	Message  string    // the master's words
	Updated  []string  // bases
	Failed   []Failure // bases
	Warnings []string
}

// Err is the error of a call whose job did not succeed.
func (a *Answer) Err() error {
	switch a.Outcome {
	case "", "success":
		return nil
	}
	text := []string{fmt.Sprintf("process %s on the master ended as %s", a.Process, a.Outcome)}
	if a.Message != "" {
		text = append(text, a.Message)
	}
	for _, failure := range a.Failed {
		text = append(text, failure.Base+": "+failure.Reason)
	}
	return errors.New(strings.Join(text, ": "))
}

// Caller asks a master to update and waits for the outcome: negative not at
// all, 0 for ever. A job that outlives the wait is an error.
type Caller interface {
	Call(ctx context.Context, call Call, wait time.Duration) (*Answer, error)
}

// CallOf is what a remote-call target asks for.
func CallOf(target config.RemoteCall) Call {
	return Call{AUR: target.AUR, Local: target.Local, Manual: target.Manual}
}

// NewReporter makes the reporter of a target. Types that do not exist here are
// an error.
func NewReporter(target config.ReportTarget, options Options) (func(context.Context, Result) error, error) {
	switch {
	case target.Console != nil:
		return func(_ context.Context, result Result) error {
			return printResult(options.Output, *target.Console, result)
		}, nil
	case target.RemoteCall != nil:
		caller, err := options.Caller()
		if err != nil {
			return nil, fmt.Errorf("report target %s: %w", target.Name, err)
		}
		return func(ctx context.Context, result Result) error {
			return callMaster(ctx, caller, *target.RemoteCall, result, options)
		}, nil
	}
	return nil, unsupported("report", target.Target, "console, remote-call")
}

func newReport(options Options) (trigger, error) {
	var reporters []func(context.Context, Result) error
	var errs []error
	for _, target := range options.Settings.Report {
		reporter, err := NewReporter(target, options)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		reporters = append(reporters, reporter)
	}
	return trigger{onResult: func(ctx context.Context, result Result) error {
		var errs []error
		for _, report := range reporters {
			errs = append(errs, report(ctx, result))
		}
		return errors.Join(errs...)
	}}, errors.Join(errs...)
}

// callMaster calls also after a run that had nothing to do: an earlier upload
// may be waiting there because its call was lost. Only when all that was tried
// failed there is no reason to.
func callMaster(ctx context.Context, caller Caller, target config.RemoteCall, result Result, options Options) error {
	if result.OnlyFailures() {
		return nil
	}
	answer, err := caller.Call(ctx, CallOf(target), target.WaitTimeout)
	if err != nil {
		return err
	}
	for _, warning := range answer.Warnings {
		options.Messages.Warn("the master says", "process", answer.Process, "warning", warning)
	}
	if answer.Ended && answer.Outcome != "" {
		options.Messages.Info("the master has updated", "process", answer.Process, "outcome", answer.Outcome)
	}
	return answer.Err()
}

// printResult writes a line for each base: a mark, the base and what became of
// it.
func printResult(w io.Writer, target config.Console, result Result) error {
	good, gone, bad := "✔", "✖", "✘"
	if !target.UseUTF {
		good, gone, bad = "+", "-", "!"
	}
	var text strings.Builder
	for _, built := range result.Built {
		fmt.Fprintf(&text, "%s %s %s\n", good, built.Package.Base, built.Package.Version)
	}
	for _, base := range result.Removed {
		fmt.Fprintf(&text, "%s %s removed\n", gone, base)
	}
	for _, failure := range result.Failed {
		fmt.Fprintf(&text, "%s %s failed: %s\n", bad, failure.Base, oneLine(failure.Reason))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
