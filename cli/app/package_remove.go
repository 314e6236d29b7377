package app

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/store"
	"ahriman/core/update"
)

type packageRemove struct {
	JSON    bool     `name:"json" help:"print one JSON object a line"`
	Package []string `arg:"" complete:"packages" help:"package bases, or - for names from standard input"`
}

// Help shows how the command is used.
func (c *packageRemove) Help() string {
	return `Packages, signatures and entries leave the repository in one publication; the generation before it stays for repo-rollback. When workers build for a master, remove the package on the worker first, then on the master.

Examples:

    ahriman package-remove hello
    ahriman package-status --status failed --json | jq -r .base | ahriman package-remove -`
}

// Run removes the bases from each selected repository that has them. One that
// none has fails alone.
func (c *packageRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	outcome := NewOutcome(env, c.JSON)
	bases, err := outcome.Names(c.Package, "base", "name")
	if err != nil {
		return err
	}
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, s := range all {
		removed, err := c.remove(ctx, env, globals, s, bases, known)
		if !removed && err == nil {
			continue
		}
		if err := outcome.Ran(err); err != nil {
			return err
		}
	}
	for _, base := range bases {
		if !known[base] {
			outcome.Fail(base, Hinted(fmt.Errorf("removing %s: %w", base, store.ErrUnknownPackage), "package-status lists what there is"))
		}
	}
	return outcome.Err()
}

// remove removes those of the bases that a repository has, and adds them to
// known.
func (c *packageRemove) remove(ctx context.Context, env *Env, globals *Globals, s *config.Settings, bases []string, known map[string]bool) (removed bool, err error) {
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return false, err
	}
	defer n.Close()
	has, err := n.has(ctx)
	if err != nil {
		return false, err
	}
	if bases = those(bases, has); len(bases) == 0 {
		return false, nil
	}
	maps.Copy(known, has)
	return true, n.remove(ctx, bases, c.JSON)
}

// has returns the bases that are published or that the store knows.
func (n *node) has(ctx context.Context) (map[string]bool, error) {
	has, err := publishedBases(ctx, n.repository)
	if err != nil {
		return nil, err
	}
	records, err := n.store.Packages(ctx, n.settings.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		has[r.Package.Base] = true
	}
	return has, nil
}

// remove removes bases of the node, all of which it has, and tells what happens.
func (n *node) remove(ctx context.Context, bases []string, json bool) error {
	flow, err := n.flow(flowOptions{observers: []update.Observer{newNarrator(n.env, n.globals, json, false)}})
	if err != nil {
		return err
	}
	_, err = flow.Remove(ctx, bases)
	return outcomeError(err)
}

func publishedBases(ctx context.Context, r *repository.Repository) (map[string]bool, error) {
	packages, err := r.Packages(ctx)
	bases := map[string]bool{}
	for _, p := range packages {
		bases[p.Base] = true
	}
	return bases, err
}

// those returns the bases that are in has.
func those(bases []string, has map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(bases), func(base string) bool { return !has[base] })
}
