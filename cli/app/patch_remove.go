package app

import (
	"context"
	"errors"
)

// patchRemove removes patches of a base.
type patchRemove struct {
	Variable []string `short:"v" sep:"none" placeholder:"VARIABLE" complete:"none" help:"only the patch of this variable or function; may be repeated"`
	Package  string   `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (patchRemove) Help() string {
	return `Without --variable all patches of the base are removed, its diff too. One that is not there is no error.

Examples:

    ahriman patch-remove hello
    ahriman patch-remove --variable pkgrel --variable 'check()' hello`
}

// Run removes the patches.
func (c *patchRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	if len(c.Variable) == 0 {
		err = db.RemovePatches(ctx, c.Package)
	}
	for _, variable := range c.Variable {
		if variable == "" { // the store's word for the diff
			err = Usagef("--variable is empty")
			break
		}
		err = errors.Join(err, db.RemovePatch(ctx, c.Package, variable))
	}
	return errors.Join(err, db.Close())
}
