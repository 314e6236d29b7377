package app

import (
	"context"

	"ahriman/core/store"
)

// packagePkgbuildRemove forgets the PKGBUILD that a package was built from.
type packagePkgbuildRemove struct {
	Package string `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (packagePkgbuildRemove) Help() string {
	return `What package-pkgbuild prints is forgotten; changes, and the source itself, stay.

Example:

    ahriman package-pkgbuild-remove hello`
}

// Run forgets the text.
func (c *packagePkgbuildRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.editChanges(ctx, env, c.Package, func(changes *store.Changes) { changes.PKGBUILD = "" })
}
