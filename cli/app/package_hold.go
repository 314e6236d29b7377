package app

import (
	"context"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// packageHold keeps updates from packages.
type packageHold struct {
	Package []string `arg:"" complete:"packages" help:"package bases, or - for names from standard input"`
}

// Help has the examples.
func (packageHold) Help() string {
	return `A held package stays as it is published when its source gets newer, until package-unhold. What is asked for by package-add is built all the same.

Examples:

    ahriman package-hold linux-tools
    ahriman package-status --status failed --json | ahriman package-hold -`
}

// Run holds each base.
func (c *packageHold) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.eachPackage(ctx, env, c.Package, func(db *store.DB, id alpm.RepositoryID, base string) error {
		return db.SetHeld(ctx, id, base, true)
	})
}
