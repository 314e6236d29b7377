package app

import (
	"context"
	"errors"

	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/update"
)

// serviceTreeMigrate brings the tree of an older program up to date.
type serviceTreeMigrate struct {
	DryRun bool `help:"show what would be moved, and move nothing"`
	JSON   bool `name:"json" help:"print one object a line: from, to"`
}

// Help has the examples.
func (serviceTreeMigrate) Help() string {
	return `The directories of ahriman before 2.12, repository/ARCHITECTURE and those beside it, get the repository's name. Then the published directory, the Python ahriman's of any version or repo-add's, becomes a generation, with its package files in the pool; pacman sees the same packages, signatures and paths. The first publication does the latter by itself. What is moved is printed. Nothing else may work there meanwhile: stop timers and web services first.

Examples: what would be moved; a tree from before repositories had names.

    ahriman service-tree-migrate --dry-run
    ahriman -r aur -a x86_64 service-tree-migrate`
}

// Run migrates each selected repository.
func (c *serviceTreeMigrate) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	outcome := NewOutcome(env, c.JSON)
	for _, s := range all {
		r, err := globals.openRepository(s, databaseSigner(env, s))
		if err != nil {
			return err
		}
		moves, err := r.Migrate(ctx, c.DryRun)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			outcome.Fail(identifier(s.ID), err)
			continue
		}
		if len(moves) > 0 && !c.DryRun {
			if err := c.learn(ctx, s, r); err != nil {
				return err
			}
		}
		outcome.Done()
		for _, m := range moves {
			if err := c.print(env, m); err != nil {
				return err
			}
		}
	}
	return outcome.Err()
}

// learn tells the store of what is published in the tree.
func (c *serviceTreeMigrate) learn(ctx context.Context, s *config.Settings, r *repository.Repository) error {
	db, err := openStore(ctx, s)
	if err != nil {
		return err
	}
	return errors.Join(update.Learn(ctx, db, r), db.Close())
}

func (c *serviceTreeMigrate) print(env *Env, m repository.Move) error {
	if c.JSON {
		return env.Out().JSON(m)
	}
	return env.Out().Println(m.From, "->", m.To)
}
