package app

import (
	"context"

	"ahriman/core/store"
)

// packagePkgbuild prints the PKGBUILD that a package was built from.
type packagePkgbuild struct {
	ExitCode bool   `short:"e" help:"exit 4 when there is nothing to show"`
	Package  string `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (packagePkgbuild) Help() string {
	return `Prints the PKGBUILD that the package was built from, where it is known.

Example:

    ahriman package-pkgbuild hello > PKGBUILD`
}

// Run prints the text as it is stored.
func (c *packagePkgbuild) Run(ctx context.Context, env *Env, globals *Globals) error {
	return globals.printChanges(ctx, env, c.Package, c.ExitCode, func(changes store.Changes) string { return changes.PKGBUILD })
}
