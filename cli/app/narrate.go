package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/update"
)

// narrator tells a person, or with json a program, what a run does.
type narrator struct {
	env     *Env
	out     *ui.Output // results
	errs    *ui.Output // for people
	json    bool
	quiet   bool
	verbose bool // the builds' output too

	bases int // to be built
	done  int
	end   time.Time // when they should be
	rows  map[string]struct{}
	tails map[string][]string // by base: the last lines of builds that run
}

func newNarrator(env *Env, globals *Globals, json, verbose bool) *narrator {
	return &narrator{
		env: env, json: json, quiet: globals.Quiet, verbose: verbose, rows: map[string]struct{}{}, tails: map[string][]string{},
		out: ui.New(env.Stdout, env.Getenv), errs: ui.New(env.Stderr, env.Getenv),
	}
}

// runLine is what --json prints of an event.
type runLine struct {
	Event   string   `json:"event"` // due, planned, building, again, built, failed, skipped, published, refused, unchanged, removed, undelivered, unavailable
	Base    string   `json:"base,omitempty"`
	Version string   `json:"version,omitempty"`
	Worker  string   `json:"worker,omitempty"` // of building, again, built and failed
	Reason  string   `json:"reason,omitempty"`
	Bases   int      `json:"bases,omitempty"`   // of planned
	Guessed bool     `json:"guessed,omitempty"` // of planned: the seconds are, no base of it was built before
	Error   string   `json:"error,omitempty"`   // of what failed: later commands of a pipeline count it
	Files   []string `json:"files,omitempty"`   // base names
	Seconds float64  `json:"seconds,omitempty"` // of built and failed; of building and planned, how many are expected
}

// Observe prints the event.
func (n *narrator) Observe(_ context.Context, e update.Event) error {
	if lines, ok := e.(update.LogLines); ok {
		n.log(lines)
		return nil
	}
	n.follow(e)
	line, ok := describeEvent(e)
	if !ok {
		return nil
	}
	if n.json && n.env.unwritable() == nil { // else the end of the run says so
		_ = n.out.JSON(line)
	}
	if ended, ok := e.(update.BuildEnded); ok {
		n.tail(ended)
	}
	if !n.json {
		n.tell(line)
	}
	return nil
}

// log prints what a build says, or keeps the end of it for tail.
func (n *narrator) log(e update.LogLines) {
	if n.verbose && !n.quiet {
		for _, line := range e.Lines {
			n.print(ui.Printable(line))
		}
		return
	}
	kept := append(n.tails[e.Base], e.Lines...)
	n.tails[e.Base] = slices.Clone(kept[max(0, len(kept)-tailLines):])
}

// tail prints the end of what a failed build said, and where all of it is.
func (n *narrator) tail(e update.BuildEnded) {
	lines := n.tails[e.Package.Base]
	delete(n.tails, e.Package.Base)
	if e.Err == nil || len(lines) == 0 || n.json {
		return
	}
	for _, line := range lines {
		n.print("    " + ui.Printable(line))
	}
	n.print("    (all of it: ahriman package-logs " + e.Package.Base + ")")
}

// follow shows on a terminal who builds what, and how far all of it is.
func (n *narrator) follow(e update.Event) {
	if n.json {
		return
	}
	switch e := e.(type) {
	case update.Planned:
		n.bases, n.end = e.Bases, time.Now().Add(e.Took)
	case update.BuildStarted:
		n.set(e.Worker+" "+e.Package.Base, e.Package.Version)
	case update.Transferring:
		n.set(e.Worker+" "+e.Package.Base, cmp.Or(transferText(e.Progress), e.Package.Version))
	case update.BuildAgain:
		n.clear(e.Worker + " " + e.Package.Base)
	case update.BuildEnded:
		n.clear(e.Worker + " " + e.Package.Base)
		n.done++
	case update.Skipped:
		n.done++
	case update.RunEnded:
		for row := range n.rows { // of builds that were cancelled
			n.clear(row)
		}
		n.bases = 0
	}
	n.env.board.Total(n.done, n.bases, n.end)
}

func (n *narrator) set(row, text string) {
	n.rows[row] = struct{}{}
	n.env.board.Set(row, text)
}

func (n *narrator) clear(row string) {
	delete(n.rows, row)
	n.env.board.Clear(row)
}

// print writes a line for a person.
func (n *narrator) print(line string) { fmt.Fprintln(n.env.Stderr, line) }

// describeEvent turns an event into a line; false: there is nothing to say.
func describeEvent(e update.Event) (runLine, bool) {
	switch e := e.(type) {
	case update.Due:
		return runLine{Event: "due", Base: e.Package.Base, Version: e.Package.Version, Reason: e.Reason}, true
	case update.Planned:
		return runLine{Event: "planned", Bases: e.Bases, Seconds: e.Took.Seconds(), Guessed: e.Guessed}, true
	case update.BuildStarted:
		return runLine{Event: "building", Base: e.Package.Base, Version: e.Package.Version, Worker: e.Worker, Seconds: e.Expected.Seconds()}, true
	case update.BuildAgain:
		return runLine{Event: "again", Base: e.Package.Base, Version: e.Package.Version, Worker: e.Worker, Reason: e.Err.Error()}, true
	case update.BuildEnded:
		line := runLine{Event: "built", Base: e.Package.Base, Version: e.Package.Version, Worker: e.Worker, Seconds: e.Took.Seconds()}
		if e.Err != nil {
			line.Event, line.Error = "failed", e.Err.Error()
		}
		for _, p := range e.Package.Packages {
			if p.FileName != "" {
				line.Files = append(line.Files, p.FileName)
			}
		}
		return line, true
	case update.Skipped:
		reason := "not tried: needs " + strings.Join(e.Needs, ", ")
		return runLine{Event: "skipped", Base: e.Package.Base, Version: e.Package.Version, Error: reason}, true
	case update.Published:
		return runLine{Event: "published", Base: e.Package.Base, Version: e.Package.Version}, true
	case update.Refused:
		return runLine{Event: "refused", Base: e.Base, Files: []string{e.File}, Error: e.Reason}, true
	case update.Undelivered:
		var bases []string
		for _, p := range e.Packages {
			bases = append(bases, p.Base)
		}
		return runLine{Event: "undelivered", Base: strings.Join(bases, " "), Error: e.Err.Error()}, true
	case update.Left:
		return runLine{Event: "unchanged", Base: e.Base, Version: e.Version, Reason: e.Reason}, true
	case update.Unavailable:
		return runLine{Event: "unavailable", Error: e.Err.Error()}, true
	case update.Removed:
		return runLine{Event: "removed", Base: e.Base}, true
	}
	return runLine{}, false
}

// tell prints what a person wants to know: failures always, progress unless
// --quiet.
func (n *narrator) tell(line runLine) {
	name := strings.TrimSpace(line.Base + " " + line.Version)
	if line.Error != "" {
		if name == "" {
			name = strings.Join(line.Files, ", ")
		}
		if name != "" {
			name = " " + name
		}
		n.print(fmt.Sprintf("%s%s: %s", n.errs.Paint(ui.Bad, line.Event), name, line.Error))
		return
	}
	if n.quiet {
		return
	}
	text := n.errs.Paint(ui.Bold, line.Event) + " " + name
	switch {
	case line.Event == "planned":
		text += fmt.Sprintf("%d to build", line.Bases)
		if !line.Guessed && line.Seconds > 0 {
			text += fmt.Sprintf(", about %s", seconds(line.Seconds).Round(time.Second))
		}
	case line.Worker != "" && line.Worker != workerName(localWorker):
		text += " on " + line.Worker
	}
	if line.Reason != "" {
		text += " (" + line.Reason + ")"
	}
	if line.Event == "built" {
		text += fmt.Sprintf(" in %s", seconds(line.Seconds).Round(100*time.Millisecond))
	}
	n.print(text)
}
