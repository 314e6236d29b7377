package app

import (
	"context"

	"ahriman/core/store"
)

// packageChanges prints what the source of a package has become since it was built.
type packageChanges struct {
	ExitCode bool   `short:"e" help:"exit 4 when there is nothing to show"`
	Package  string `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (packageChanges) Help() string {
	return `Prints the difference between the source that was built last and the present one, where repo-check or an update has found a newer one; after that is built, the difference to what was built before it. It is known for sources from git.

Example:

    ahriman package-changes hello | less`
}

// Run prints the text as it is stored.
func (c *packageChanges) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.printChanges(ctx, env, c.Package, c.ExitCode, func(changes store.Changes) string { return changes.Changes })
}
