package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"ahriman/core/source"
	"ahriman/core/update"
)

type packageAdd struct {
	Changes      bool     `negatable:"" default:"true" help:"keep what the sources have become since the last build, for package-changes"`
	Dependencies bool     `negatable:"" default:"true" help:"build what is needed and only the AUR has, too"`
	Increment    bool     `negatable:"" default:"true" help:"raise pkgrel of what is published already"`
	Now          bool     `short:"n" help:"build and publish at once"`
	Source       string   `short:"s" enum:"auto,archive,aur,directory,local,remote,repository" default:"auto" placeholder:"SOURCE" help:"where the packages come from: ${enum}"`
	Username     string   `short:"u" placeholder:"USERNAME" help:"build as this user: its packager"`
	Variable     []string `short:"v" sep:"none" placeholder:"KEY=VALUE" help:"set a variable of the PKGBUILD in this build; may be repeated"`
	ExitCode     bool     `short:"e" help:"exit 4 when there is nothing to do"`
	Refresh      int      `short:"y" type:"counter" help:"fetch the distribution's databases from alpm.mirror first where they have changed; twice, in any case"`
	JSON         bool     `name:"json" help:"print events, one JSON object a line"`
	Verbose      bool     `help:"print the output of the builds"`
	Package      []string `arg:"" complete:"files+packages" help:"directories with a PKGBUILD, git addresses, names in cache/, names in the AUR, package files, directories of them, or - for a list from standard input"`
}

// Help shows how the command is used.
func (c *packageAdd) Help() string {
	return `A source is remembered and queued for the next repo-update, or built at once with --now. A package file is put where the next repo-update publishes it, or published at once.

Where a package comes from, in this order: the URL of a package file; a directory with a PKGBUILD, or a name known in cache/; a directory of package files; a package file; a git address, git+https://HOST/NAME.git or what ends in .git; a name in the AUR.

Examples:

    ahriman package-add ./hello --now
    ahriman package-add --now --source aur yay
    ahriman package-add git+https://example.org/hello.git
    ahriman package-add hello-1.0-1-any.pkg.tar.zst --now
    ahriman repo-tree --from */ --partitions 2 --partition 0 --names | ahriman package-add --now -
    ahriman package-add --variable pkgrel=2 --now hello`
}

// Run adds the packages to the repository.
func (c *packageAdd) Run(ctx context.Context, env *Env, globals *Globals) error {
	outcome := NewOutcome(env, c.JSON)
	names, err := outcome.Names(c.Package, "path", "dir", "base", "name")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return cmp.Or(outcome.Err(), nothing(c.ExitCode))
	}
	patches, err := variables(c.Variable)
	if err != nil {
		return err
	}
	s, err := globals.single(env)
	if err != nil {
		return err
	}
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.refresh(ctx, c.Refresh); err != nil {
		return err
	}
	packager, err := n.packager(ctx, c.Username)
	if err != nil {
		return err
	}
	flow, err := n.flow(flowOptions{})
	if err != nil {
		return err
	}
	var bases []string
	order := update.Order{Packager: packager, Increment: c.Increment, Patches: patches}
	for _, name := range names {
		added, err := flow.Add(ctx, name, source.Kind(c.Source), order)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			outcome.Fail(name, addError(err, name))
		case !c.Now:
			outcome.Done()
		}
		bases = append(bases, added...)
	}
	if !c.Now || len(bases) == 0 {
		return outcome.Err()
	}
	done, err := n.update(ctx, update.Request{Bases: bases, Manual: true, Increment: c.Increment, Dependencies: c.Dependencies, Changes: c.Changes}, c.JSON, c.Verbose)
	if err := outcome.Ran(err); err != nil {
		return err
	}
	return cmp.Or(outcome.Err(), nothing(c.ExitCode && done.Empty()))
}

// sourceHint is for who names what no source is.
const sourceHint = "a source is a directory with a PKGBUILD in it; repo-tree --from finds those below another"

// addError adds the hint that fits.
func addError(err error, name string) error {
	info, absent := os.Stat(name)
	_, away := errors.AsType[*net.OpError](err)
	switch {
	case err != nil && absent == nil && info.IsDir() && !source.HasPKGBUILD(name):
		return Hinted(err, sourceHint)
	case away && !strings.ContainsAny(name, ":/"):
		return Hinted(err, "the AUR is asked for names that are no directory with a PKGBUILD and no package file here, and not in cache/")
	case errors.Is(err, source.ErrNotFound) && strings.Contains(name, "://"):
		return Hinted(err, "the address of a git repository begins with git+ or ends in .git, that of a package file is one's name")
	case errors.Is(err, source.ErrNotFound):
		return Hinted(err, fmt.Sprintf("%s is no directory with a PKGBUILD, no package file, and nothing in cache/ or the AUR has that name", name))
	}
	return err
}

// variables reads KEY=VALUE flags as patches.
func variables(flags []string) ([]source.Patch, error) {
	var patches []source.Patch
	for _, flag := range flags {
		key, value, ok := strings.Cut(flag, "=")
		if !ok || key == "" {
			return nil, Usagef("--variable %q is not KEY=VALUE", flag)
		}
		patch := source.Patch{Key: &key, Value: value}
		if err := patch.Validate(); err != nil {
			return nil, Usagef("--variable %q: %v", flag, err)
		}
		patches = append(patches, patch)
	}
	return patches, nil
}
