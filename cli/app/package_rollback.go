package app

import (
	"context"
	"errors"

	"ahriman/core/store"
	"ahriman/core/update"
)

// packageRollback publishes an earlier version of a base.
type packageRollback struct {
	Hold     bool   `negatable:"" default:"true" help:"hold the package afterwards, or the next update builds it again"`
	Username string `short:"u" placeholder:"USERNAME" help:"user who asks, one of user-list"`
	JSON     bool   `name:"json" help:"print events, one JSON object a line"`
	Package  string `arg:"" complete:"packages" help:"package base"`
	Version  string `arg:"" complete:"versions" help:"version to go back to, as package-archives shows it"`
}

// Help has the examples.
func (packageRollback) Help() string {
	return `The package files that are kept of the version are published again, in one publication, and take the place of those that are published. pacman takes an older version with -Suu. repo-rollback goes back with the whole repository.

Examples: go back; let updates have the package again.

    ahriman package-archives hello
    ahriman package-rollback hello 1.0-1
    ahriman package-unhold hello`
}

// Run goes back and runs the triggers.
func (c *packageRollback) Run(ctx context.Context, env *Env, globals *Globals) error {
	s, err := globals.single(env)
	if err != nil {
		return err
	}
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return err
	}
	defer n.Close()
	if _, err := n.packager(ctx, c.Username); err != nil {
		return err
	}
	flow, err := n.flow(flowOptions{builds: true, observers: []update.Observer{newNarrator(env, globals, c.JSON, false)}})
	if err != nil {
		return err
	}
	_, err = flow.Rollback(ctx, c.Package, c.Version, c.Hold)
	switch {
	case errors.Is(err, store.ErrUnknownPackage):
		return Hinted(err, "package-status lists what there is")
	case errors.Is(err, update.ErrNoArchive):
		return Hinted(err, "package-archives lists the versions that are kept")
	}
	return outcomeError(err)
}
