package app

import (
	"context"
	"fmt"
	"slices"

	"ahriman/core/source"
)

// patchList lists the patches of a base.
type patchList struct {
	ExitCode bool     `short:"e" help:"exit 4 when there are none"`
	Variable []string `short:"v" sep:"none" placeholder:"VARIABLE" complete:"none" help:"only patches of this variable or function; may be repeated"`
	JSON     bool     `name:"json" help:"print one JSON object a line"`
	Package  string   `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (patchList) Help() string {
	return `Patches are printed as they are applied: what is appended to the PKGBUILD, and diffs.

Examples: all; one value; the diff of patch-set-add.

    ahriman patch-list hello
    ahriman patch-list --json -v pkgrel hello | jq -r .value
    ahriman patch-list --json hello | jq -r 'select(.key == null) | .value'`
}

// patchLine is what --json prints of a patch.
type patchLine struct {
	Base  string  `json:"base"`
	Key   *string `json:"key"` // null: a diff
	Value any     `json:"value"`
}

// Run prints the patches in the order in which they are applied.
func (c *patchList) Run(ctx context.Context, env *Env, globals *Globals) error {
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	patches, err := db.Patches(ctx, c.Package)
	if err != nil {
		return err
	}
	patches = slices.DeleteFunc(patches, func(p source.Patch) bool {
		return len(c.Variable) > 0 && (p.Key == nil || !slices.Contains(c.Variable, *p.Key))
	})
	for _, p := range patches {
		if err := c.print(env, p); err != nil {
			return err
		}
	}
	if c.ExitCode && len(patches) == 0 {
		return ErrNothing
	}
	return nil
}

func (c *patchList) print(env *Env, p source.Patch) error {
	if c.JSON {
		return env.Out().JSON(patchLine{Base: c.Package, Key: p.Key, Value: p.Value})
	}
	line, err := p.Line()
	if err != nil { // stored by somebody who did not look
		return fmt.Errorf("reading a patch of %s: %w", c.Package, err)
	}
	return printText(env, line)
}
