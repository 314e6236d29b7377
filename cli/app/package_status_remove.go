package app

import (
	"context"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// packageStatusRemove forgets packages and leaves the repository alone.
type packageStatusRemove struct {
	Package []string `arg:"" complete:"packages" help:"package bases, or - for names from standard input"`
}

// Help has the examples.
func (packageStatusRemove) Help() string {
	return `The status is forgotten, with changes, logs and a request to build. Package files that are published stay; package-remove removes those too.

Examples:

    ahriman package-status-remove hello
    ahriman package-status --status unknown --json | ahriman package-status-remove -`
}

// Run forgets each base.
func (c *packageStatusRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.eachPackage(ctx, env, c.Package, func(db *store.DB, id alpm.RepositoryID, base string) error {
		if _, err := db.Package(ctx, id, base); err != nil {
			return err
		}
		return db.RemovePackage(ctx, id, base)
	})
}
