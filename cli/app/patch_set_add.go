package app

import (
	"context"
	"fmt"

	"ahriman/core/alpm"
	"ahriman/core/pkgbuild"
	"ahriman/core/source"
)

// patchSetAdd keeps what a git checkout has become as the diff of its base.
type patchSetAdd struct {
	Track   []string `short:"t" sep:"none" placeholder:"TRACK" complete:"none" help:"pattern of files to take that git does not know, *.diff and *.patch when none is named; may be repeated"`
	Package string   `arg:"" complete:"directories" help:"directory with a changed PKGBUILD, in a git checkout"`
}

// Help has the examples.
func (patchSetAdd) Help() string {
	return `The difference between the directory and its last commit is applied to the sources in every build of the base, and replaces an earlier one. Neither the checkout nor its index is changed.

Examples: change a package of the AUR; with a file that is no patch.

    git clone https://aur.archlinux.org/hello.git && cd hello
    vi PKGBUILD && ahriman patch-set-add .
    ahriman patch-set-add --track '*.patch' --track hello.service ./hello`
}

// Run stores the diff.
func (c *patchSetAdd) Run(ctx context.Context, env *Env, globals *Globals) error {
	settings, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	base, err := c.base(ctx, settings.ID)
	if err != nil {
		return err
	}
	track := c.Track
	if len(track) == 0 {
		track = []string{"*.diff", "*.patch"}
	}
	diff, err := source.Diff(ctx, c.Package, track)
	if err != nil {
		return err
	}
	if diff == "" {
		return Hinted(fmt.Errorf("adding a diff of %s: nothing has changed since the last commit", base),
			"leave changes uncommitted; new files count when --track matches them")
	}
	return db.SetPatch(ctx, base, source.Patch{Value: diff})
}

// base reads the base's name.
func (c *patchSetAdd) base(ctx context.Context, id alpm.RepositoryID) (string, error) {
	if !source.HasPKGBUILD(c.Package) {
		return "", Hinted(fmt.Errorf("reading %s: no PKGBUILD in it", c.Package), "name the directory that holds the PKGBUILD")
	}
	architecture := id.Architecture
	if architecture == "" {
		architecture = machine()
	}
	info, err := pkgbuild.Evaluate(ctx, c.Package, pkgbuild.Options{Architecture: architecture})
	if err != nil {
		return "", err
	}
	return info.Base, nil
}
