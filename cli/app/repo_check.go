package app

import (
	"context"
)

// repoCheck says what an update would build because its source is newer.
type repoCheck struct {
	Changes    bool     `negatable:"" default:"true" help:"keep what the sources have become since the last build, for package-changes"`
	CheckFiles bool     `negatable:"" default:"true" help:"build again what needs a file that no package has any more"`
	ExitCode   bool     `short:"e" help:"exit 4 when there is nothing to do"`
	VCS        bool     `name:"vcs" negatable:"" default:"true" help:"look upstream for what is built from git and the like, once in build.vcs_allowed_age"`
	Refresh    int      `short:"y" type:"counter" help:"fetch the distribution's databases from alpm.mirror first where they have changed; twice, in any case"`
	JSON       bool     `name:"json" help:"print one JSON object a line"`
	Package    []string `arg:"" optional:"" complete:"packages" help:"only these package bases, or - for names from standard input"`
}

// Help shows how the command is used.
func (c *repoCheck) Help() string {
	return `It is repo-update --dry-run --no-manual --no-dependencies: what was asked for is left out, and nothing changes but what package-changes shows. No PKGBUILD is run either: VCS packages that only an update looks at upstream are named on standard error.

Examples: what is newer; a letter when something is.

    ahriman repo-check
    ahriman repo-check -e > updates && mail -s updates root < updates`
}

// Run prints what is due.
func (c *repoCheck) Run(ctx context.Context, env *Env, globals *Globals) error {
	check := repoUpdate{updateFlags: updateFlags{
		AUR: true, Local: true, DryRun: true, Increment: true, VCS: c.VCS, CheckFiles: c.CheckFiles, Changes: c.Changes, Refresh: c.Refresh, JSON: c.JSON,
	}, ExitCode: c.ExitCode, Package: c.Package}
	return check.Run(ctx, env, globals)
}
