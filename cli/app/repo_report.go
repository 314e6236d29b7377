package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ahriman/core/config"
	"ahriman/core/trigger"
)

// repoReport makes the reports that are configured, or those that are named.
type repoReport struct {
	Wait    bool     `help:"wait until the master has done what it is asked, whatever wait_timeout says"`
	JSON    bool     `help:"print one object a line: target, process, outcome, message, updated, failed, warnings"`
	Targets []string `arg:"" optional:"" name:"target" help:"names out of report.target; also remote-call without configuration; - waits for the end of standard input, and reports if something came"`
}

// Help has the examples.
func (repoReport) Help() string {
	return `For remote-call the master (status.address) is asked to update its repository; the job's id and outcome are printed, and the exit status is the outcome's: 0, 1 when it failed, 3 when some packages did. A Python master does not tell the outcome: there it is "ended". Without waiting it is "running". The console has nothing to say outside of a run.

Examples: tell the master of what was uploaded, and wait for it; at the end of a pipeline whose failures come in as JSON lines, and make the exit status 3.

    ahriman upload out/*.pkg.tar.zst && ahriman report remote-call --wait
    ahriman build -k --json foo bar | ahriman upload --json - | ahriman report --wait -`
}

// reportLine is what --json prints.
type reportLine struct {
	Target   string            `json:"target"`
	Process  string            `json:"process"`
	Outcome  string            `json:"outcome"` // success, partial, failed, cancelled, ended, running
	Message  string            `json:"message,omitempty"`
	Updated  []string          `json:"updated,omitempty"`
	Failed   []trigger.Failure `json:"failed,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
}

// Run makes the reports of each repository.
func (c *repoReport) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	outcome := NewOutcome(env, c.JSON)
	if came, err := c.await(outcome); err != nil || !came {
		return cmp.Or(err, outcome.Err())
	}
	for _, s := range all {
		targets, err := c.choose(s)
		if err != nil {
			return err
		}
		for _, target := range targets {
			err := c.report(ctx, env, s, target)
			if ctx.Err() != nil || isOutput(err) {
				return err
			}
			if err := outcome.Ran(err); err != nil {
				outcome.Fail(target.Name, err)
			}
		}
	}
	return outcome.Err()
}

// await reads standard input to its end where "-" asks for it, and says whether
// there is something to report: without, there always is.
func (c *repoReport) await(outcome *Outcome) (came bool, err error) {
	named := len(c.Targets)
	c.Targets = slices.DeleteFunc(c.Targets, func(name string) bool { return name == "-" })
	if len(c.Targets) == named {
		return true, nil
	}
	for _, err := range outcome.Items([]string{"-"}, "path", "base", "name") {
		if err != nil {
			return false, err
		}
		came = true
	}
	return came, nil
}

// choose returns the targets that are named, all configured ones without names.
func (c *repoReport) choose(s *config.Settings) ([]config.ReportTarget, error) {
	if len(c.Targets) == 0 {
		return s.Report, nil
	}
	var chosen []config.ReportTarget
	for _, name := range c.Targets {
		target, ok := findReport(s, name)
		if !ok {
			var names []string
			for _, t := range s.Report {
				names = append(names, t.Name)
			}
			return nil, Hinted(Usagef("report target %q is not configured", name),
				"report.target names "+strings.Join(names, ", ")+"; remote-call can be used without")
		}
		chosen = append(chosen, target)
	}
	return chosen, nil
}

// findReport returns a configured target; remote-call can be had without one,
// and then takes in what was uploaded.
func findReport(s *config.Settings, name string) (config.ReportTarget, bool) {
	for _, target := range s.Report {
		if target.Name == name {
			return target, true
		}
	}
	return config.ReportTarget{
		Target:     config.Target{Name: name, Type: name},
		RemoteCall: &config.RemoteCall{Manual: true, WaitTimeout: -1},
	}, name == "remote-call"
}

func (c *repoReport) report(ctx context.Context, env *Env, s *config.Settings, target config.ReportTarget) error {
	if target.RemoteCall == nil {
		// The rest is for runs; only whether it exists is told.
		_, err := trigger.NewReporter(target, trigger.Options{Settings: s, Output: env.Stdout})
		return err
	}
	to, err := connect(s, nil)
	if err != nil {
		return err
	}
	defer to.Client().Close()
	wait := target.RemoteCall.WaitTimeout
	if c.Wait && wait < 0 {
		wait = 0
	}
	answer, err := to.Call(ctx, trigger.CallOf(*target.RemoteCall), wait)
	if err != nil {
		return err
	}
	if err := c.print(env, target.Name, answer); err != nil {
		return err
	}
	return told(env, answer)
}

func (c *repoReport) print(env *Env, target string, answer *trigger.Answer) error {
	line := reportLine{
		Target: target, Process: answer.Process, Outcome: answer.Outcome, Message: answer.Message,
		Updated: answer.Updated, Failed: answer.Failed, Warnings: answer.Warnings,
	}
	switch {
	case !answer.Ended:
		line.Outcome = "running"
	case answer.Outcome == "":
		line.Outcome = "ended"
	}
	if c.JSON {
		return env.Out().JSON(line)
	}
	return env.Out().Println(line.Process, line.Outcome)
}

// told prints warnings and failures, and makes the outcome an error: *Partial
// when the master did a part.
func told(env *Env, answer *trigger.Answer) error {
	for _, warning := range answer.Warnings {
		env.Warn("%s", warning)
	}
	if answer.Outcome != "partial" {
		return answer.Err()
	}
	partial := &Partial{}
	if len(answer.Failed) == 0 { // it does not say which
		partial.Failed = []string{"process " + answer.Process}
		printError(env.Stderr, answer.Err())
	}
	for _, failure := range answer.Failed {
		printError(env.Stderr, fmt.Errorf("%s: %s", failure.Base, failure.Reason))
		partial.Failed = append(partial.Failed, failure.Base)
	}
	return partial
}
