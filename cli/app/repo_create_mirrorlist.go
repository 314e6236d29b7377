package app

import (
	"context"

	"ahriman/core/trigger"
)

// repoCreateMirrorlist makes the package of the repository's mirrors.
type repoCreateMirrorlist struct{ createFlags }

// Help has the examples.
func (repoCreateMirrorlist) Help() string {
	return `Whoever installs the package has a file to include in pacman.conf, /etc/pacman.d/REPOSITORY-mirrorlist unless path says otherwise. Which packages are made says target in the section mirrorlist; the section it names has their servers, in which pacman replaces $repo and $arch.

The sources, a PKGBUILD and the list, are put into cache/, where package-add finds them by name. The names of those that are other than before are printed. With ahriman.core.support.MirrorlistTrigger in build.triggers each update makes them, and builds what is other than the published.

Examples, after target = mirrorlist-generator in the section mirrorlist, and servers in the section mirrorlist-generator: make the package aur-mirrorlist, build and publish it; the same in two steps.

    ahriman repo-create-mirrorlist --now
    ahriman repo-create-mirrorlist | ahriman package-add --now -`
}

// Run makes the sources.
func (c *repoCreateMirrorlist) Run(ctx context.Context, env *Env, globals *Globals) error {
	return c.create(ctx, env, globals, "mirrorlist", trigger.CreateMirrorlist)
}
