package app

import (
	"context"
	"errors"
	"time"

	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/update"
)

// repoRollback publishes an earlier generation once more.
type repoRollback struct {
	List       bool `xor:"form" help:"print the generations that are kept, and what each changed"`
	DryRun     bool `xor:"form" help:"print what would change and change nothing"`
	JSON       bool `help:"print one object a line"`
	Generation *int `arg:"" optional:"" complete:"none" help:"number of the generation to go back to; the one before the current one when it is left out"`
}

// Help has the examples.
func (repoRollback) Help() string {
	return `Each publication is a generation: databases, signatures and the packages they list. The last ten are kept, with their package files. Going back publishes an earlier one as a new generation, so that pacman takes it and a second rollback can undo the first. A later update publishes newer versions again: see package-hold.

What changed is printed, one package a line: + added, - removed, and both versions of what was replaced.

Examples: undo the last publication; look first; go back to a given generation.

    ahriman repo-rollback
    ahriman repo-rollback --list
    ahriman repo-rollback --dry-run 41 && ahriman repo-rollback 41`
}

// rollbackLine is what --json prints of a change.
type rollbackLine struct {
	Generation int    `json:"generation"` // the current one afterwards
	Name       string `json:"name"`
	Base       string `json:"base"`
	Old        string `json:"old,omitempty"` // version; missing when it was added
	New        string `json:"new,omitempty"` // version; missing when it was removed
}

// Run goes back, or lists where one could go.
func (c *repoRollback) Run(ctx context.Context, env *Env, globals *Globals) error {
	s, err := globals.single(env)
	if err != nil {
		return err
	}
	r, err := globals.openRepository(s, databaseSigner(env, s))
	if err != nil {
		return err
	}
	if c.List {
		return c.list(ctx, env, r)
	}
	n := 0
	if c.Generation != nil {
		if n = *c.Generation; n < 1 {
			return Usagef("generations are counted from 1")
		}
	}
	act := r.Rollback
	if c.DryRun {
		act = r.PlanRollback
	}
	p, err := act(ctx, n)
	if errors.Is(err, repository.ErrNoGeneration) {
		return Hinted(err, "repo-rollback --list shows what is kept")
	}
	if err != nil {
		return err
	}
	if !c.DryRun {
		learn(ctx, env, s, r, p)
	}
	return c.print(env, p)
}

// learn ends a publication that no update made: the store is told of it. It
// stands, whatever goes wrong with that.
func learn(ctx context.Context, env *Env, s *config.Settings, r *repository.Repository, p *repository.Publication) {
	warnCleanUp(env, p)
	db, err := openStore(ctx, s)
	if err == nil {
		err = errors.Join(update.LearnPublication(ctx, db, r, p), db.Close())
	}
	if err != nil {
		env.Warn("package-status does not show what was published: %s", err)
	}
}

func (c *repoRollback) list(ctx context.Context, env *Env, r *repository.Repository) error {
	generations, err := r.Generations(ctx)
	if err != nil {
		return err
	}
	out := env.Out()
	if c.JSON {
		for _, g := range generations {
			if err := out.JSON(g); err != nil {
				return err
			}
		}
		return nil
	}
	table := out.Table("generation", "published", "packages", "signed", "added", "removed", "replaced", "state")
	for _, g := range generations {
		current, signed := "", "no"
		if g.Current {
			current = "current"
		}
		if g.Signed {
			signed = "yes"
		}
		table.Row(g.Number, g.Published.Local().Format(time.DateTime), g.Packages, signed,
			len(g.Added)-len(g.Replaced), len(g.Removed), len(g.Replaced), current)
	}
	return table.Flush()
}

func (c *repoRollback) print(env *Env, p *repository.Publication) error {
	for _, line := range changes(p) {
		var err error
		switch out := env.Out(); {
		case c.JSON:
			err = out.JSON(line)
		case line.Old == "":
			err = out.Println("+", line.Name, line.New)
		case line.New == "":
			err = out.Println("-", line.Name, line.Old)
		default:
			err = out.Println(line.Name, line.Old, "->", line.New)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changes puts what a publication did in lines, one a package.
func changes(p *repository.Publication) []rollbackLine {
	old := map[string]string{}
	for _, e := range p.Replaced {
		old[e.Name] = e.Version
	}
	var lines []rollbackLine
	for _, e := range p.Added {
		lines = append(lines, rollbackLine{Generation: p.Generation, Name: e.Name, Base: e.Base, Old: old[e.Name], New: e.Version})
	}
	for _, e := range p.Removed {
		lines = append(lines, rollbackLine{Generation: p.Generation, Name: e.Name, Base: e.Base, Old: e.Version})
	}
	return lines
}
