package app

import (
	"context"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// packageUnhold lets updates have packages again.
type packageUnhold struct {
	Package []string `arg:"" complete:"packages" help:"package bases, or - for names from standard input"`
}

// Help has the examples.
func (packageUnhold) Help() string {
	return `The next update builds the package when its source is newer.

Examples: one package; all that are held.

    ahriman package-unhold linux-tools
    ahriman package-status --json | jq -r 'select(.is_held) | .base' | ahriman package-unhold -`
}

// Run releases each base.
func (c *packageUnhold) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.eachPackage(ctx, env, c.Package, func(db *store.DB, id alpm.RepositoryID, base string) error {
		return db.SetHeld(ctx, id, base, false)
	})
}
