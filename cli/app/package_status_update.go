package app

import (
	"context"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// packageStatusUpdate sets the status of packages.
type packageStatusUpdate struct {
	Status  string   `short:"s" enum:"unknown,pending,building,failed,success" default:"success" placeholder:"STATUS" help:"new status: ${enum}"`
	Package []string `arg:"" optional:"" complete:"packages" help:"package bases, or - for names from standard input; the service when none is named"`
}

// Help has the examples.
func (packageStatusUpdate) Help() string {
	return `Only what is shown changes: nothing is built or published.

Examples: a failure that was looked at; the service.

    ahriman package-status-update hello
    ahriman package-status-update --status failed`
}

// Run sets the status of each base, or of the service.
func (c *packageStatusUpdate) Run(ctx context.Context, env *Env, globals *Globals) error {
	if len(c.Package) == 0 {
		return (&repoStatusUpdate{Status: c.Status}).Run(ctx, env, globals)
	}
	return globals.eachPackage(ctx, env, c.Package, func(db *store.DB, id alpm.RepositoryID, base string) error {
		return db.SetStatus(ctx, id, base, store.Status(c.Status))
	})
}
