package app

import (
	"context"

	"ahriman/core/store"
)

// packageChangesRemove forgets what the source of a package has become since it was built.
type packageChangesRemove struct {
	Package string `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (packageChangesRemove) Help() string {
	return `What package-changes prints is forgotten; which commit was built, and the PKGBUILD, stay.

Example:

    ahriman package-changes-remove hello`
}

// Run forgets the text.
func (c *packageChangesRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.editChanges(ctx, env, c.Package, func(changes *store.Changes) { changes.Changes = "" })
}
