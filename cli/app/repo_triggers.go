package app

import (
	"context"
	"errors"

	"ahriman/core/config"
	"ahriman/core/trigger"
)

// repoTriggers runs triggers without an update.
type repoTriggers struct {
	Triggers []string `arg:"" optional:"" name:"trigger" complete:"none" help:"names of triggers, instead of those of build.triggers"`
}

// Help has the examples.
func (repoTriggers) Help() string {
	return `Triggers run as around an update that has built nothing: each one's start, then its result, then, in reverse order, its stop. One that fails does not stop the next.

Examples: fetch the PKGBUILDs of remote repositories; call the master again after it was away.

    ahriman repo-triggers ahriman.core.gitremote.RemotePullTrigger
    ahriman repo-triggers ahriman.core.report.ReportTrigger`
}

// Run runs the triggers for each repository.
func (c *repoTriggers) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	outcome := NewOutcome(env, false)
	for _, s := range all {
		err := c.run(ctx, env, globals, s)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			outcome.Fail(identifier(s.ID), err)
			continue
		}
		outcome.Done()
	}
	return outcome.Err()
}

func (c *repoTriggers) run(ctx context.Context, env *Env, globals *Globals, s *config.Settings) error {
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return err
	}
	defer n.Close()
	chain, err := n.triggers(c.Triggers)
	if err != nil {
		return err
	}
	return errors.Join(
		chain.Start(ctx),
		chain.Result(ctx, trigger.Result{Repository: s.ID}),
		chain.Stop(ctx),
	)
}
