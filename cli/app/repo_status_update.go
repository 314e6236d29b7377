package app

import (
	"context"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// repoStatusUpdate sets the status of the service.
type repoStatusUpdate struct {
	Status string `short:"s" enum:"unknown,pending,building,failed,success" default:"success" placeholder:"STATUS" help:"new status: ${enum}"`
}

// Help has the examples.
func (repoStatusUpdate) Help() string {
	return `It is the status of each selected repository as a whole, which package-status --ahriman shows.

Example:

    ahriman repo-status-update --status failed --repository aur --architecture x86_64`
}

// Run sets the status of the service for each selected repository.
func (c *repoStatusUpdate) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.eachStore(ctx, env, func(db *store.DB, id alpm.RepositoryID) error {
		return db.SetServiceStatus(ctx, id, store.Status(c.Status))
	})
}
