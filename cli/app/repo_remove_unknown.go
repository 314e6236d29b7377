package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ahriman/core/config"
	"ahriman/core/source"
	"ahriman/core/store"
)

// repoRemoveUnknown removes what has no source any more.
type repoRemoveUnknown struct {
	DryRun bool `help:"print what would be removed, and change nothing"`
	JSON   bool `help:"print what is removed, or would be, one JSON object a line"`
}

// Help has the examples.
func (*repoRemoveUnknown) Help() string {
	return `Removes packages of the AUR that it does not have any more, and local ones whose directory in cache/ is gone. Packages from elsewhere stay, and so do all when the AUR does not answer.

Examples: what would go; by cron.

    ahriman repo-remove-unknown --dry-run
    ahriman -q repo-remove-unknown`
}

// Run removes them from each selected repository.
func (c *repoRemoveUnknown) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	outcome := NewOutcome(env, c.JSON)
	var errs []error
	for _, s := range all {
		errs = append(errs, outcome.Ran(c.remove(ctx, env, globals, s)))
	}
	return cmp.Or(errors.Join(errs...), outcome.Err())
}

func (c *repoRemoveUnknown) remove(ctx context.Context, env *Env, globals *Globals, s *config.Settings) error {
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return err
	}
	defer n.Close()
	unknown, err := n.unknown(ctx)
	if err != nil {
		return err
	}
	if !c.DryRun && len(unknown) > 0 {
		return n.remove(ctx, unknown, c.JSON)
	}
	out := env.Out()
	for _, base := range unknown {
		show := func() error { return out.Println(base) }
		if c.JSON {
			show = func() error { return out.JSON(unknownLine{base, s.ID.Name, s.ID.Architecture}) }
		}
		if err := show(); err != nil {
			return err
		}
	}
	return nil
}

// unknownLine is what --dry-run --json prints of a base.
type unknownLine struct {
	Base         string `json:"base"`
	Repository   string `json:"repository"`
	Architecture string `json:"architecture"`
}

// unknown returns the bases whose source is gone.
func (n *node) unknown(ctx context.Context) ([]string, error) {
	records, err := n.store.Packages(ctx, n.settings.ID)
	if err != nil {
		return nil, err
	}
	has, err := n.inAUR(ctx, records)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for _, r := range records {
		switch p := r.Package; p.Origin.Source {
		case source.AUR:
			if !has[p.Base] {
				unknown = append(unknown, p.Base)
			}
		case source.Local:
			if p.Origin.GitURL != "" {
				continue // never in cache/
			}
			_, err := os.Stat(filepath.Join(n.path("cache"), p.Base))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("looking for the source of %s: %w", p.Base, err)
			}
			if err != nil {
				unknown = append(unknown, p.Base)
			}
		}
	}
	return unknown, nil
}

// inAUR returns which bases the AUR has: by any of their packages.
func (n *node) inAUR(ctx context.Context, records []store.Record) (map[string]bool, error) {
	var names []string
	for _, r := range records {
		if r.Package.Origin.Source == source.AUR {
			names = append(names, r.Package.Base)
			for name := range r.Package.Packages {
				if name != r.Package.Base {
					names = append(names, name)
				}
			}
		}
	}
	has := map[string]bool{}
	if len(names) == 0 {
		return has, nil
	}
	found, err := n.sources.Info(ctx, names...)
	for _, p := range found {
		has[p.Base] = true
	}
	return has, err
}
