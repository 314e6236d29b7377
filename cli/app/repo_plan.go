package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ahriman/core/store"
	"ahriman/core/update"
)

// planLine is what --dry-run --json prints of a base.
type planLine struct {
	Level   int     `json:"level"`
	Base    string  `json:"base"`
	Version string  `json:"version"`
	Reason  string  `json:"reason"`
	Worker  string  `json:"worker,omitempty"` // empty: there is none for it
	Begin   float64 `json:"begin"`            // seconds after the start
	End     float64 `json:"end"`
	Guessed bool    `json:"guessed,omitempty"` // its time is that of other builds
	Explain string  `json:"explain,omitempty"` // why it begins then and there
}

// printPlan prints what would be built, in the order in which it would, where
// and when; or what --explain asks.
func (c *repoUpdate) printPlan(ctx context.Context, env *Env, n *node, plan *update.Plan) error {
	if c.Explain != "" {
		return c.explain(ctx, env, n, plan)
	}
	out := env.Out()
	table := out.Table("#level", "package", "version", "worker", "#begin", "#end", "why")
	for _, step := range plan.Steps {
		due := plan.Due[step.Task.Base()]
		if c.JSON {
			line := planLine{
				Level: step.Level, Base: due.Package.Base, Version: due.Package.Version, Reason: due.Reason, Worker: step.Worker,
				Begin: step.Begin.Seconds(), End: step.End.Seconds(), Guessed: step.Guessed, Explain: step.Why,
			}
			if err := out.JSON(line); err != nil {
				return err
			}
			continue
		}
		worker, begin, end := step.Worker, clock(step.Begin), clock(step.End)
		if worker == "" {
			worker, begin, end = "none", "", ""
		}
		table.Row(step.Level, due.Package.Base, due.Package.Version, worker, begin, end, due.Reason)
	}
	return table.Flush()
}

// clock is a duration to the second.
func clock(d time.Duration) string { return d.Round(time.Second).String() }

// explain says where a base stands: what an update that goes on does with it,
// and what the next would.
func (c *repoUpdate) explain(ctx context.Context, env *Env, n *node, plan *update.Plan) error {
	assigned, err := n.store.Assignments(ctx, n.settings.ID)
	if err != nil {
		return err
	}
	if a, ok := assigned[c.Explain]; ok {
		return env.Out().Println(fmt.Sprintf("%s %s was given to %s %s ago", a.Base, a.Version, a.Worker, clock(time.Since(a.Started))))
	}
	due, ok := plan.Due[c.Explain]
	if !ok {
		record, err := n.store.Package(ctx, n.settings.ID, c.Explain)
		if errors.Is(err, store.ErrUnknownPackage) {
			return Hinted(err, "package-add asks for one")
		}
		why := "nothing newer is known"
		if record.Status == store.Failed {
			why = "it failed (package-logs) and nothing newer is known; package-add asks for it again"
		}
		return env.Out().Println(c.Explain + " is not due: " + why)
	}
	return env.Out().Println(fmt.Sprintf("%s %s is due: %s. %s", due.Package.Base, due.Package.Version, due.Reason, plan.Explain(c.Explain)))
}
