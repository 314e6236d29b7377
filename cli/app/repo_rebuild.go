package app

import (
	"context"

	"ahriman/core/store"
	"ahriman/core/update"
)

type repoRebuild struct {
	DependsOn    []string `placeholder:"PACKAGE" complete:"packages" help:"only what needs this package, or what another one here needs to run that does; may be repeated"`
	DryRun       bool     `help:"say what would be built, in which order, and change nothing"`
	FromDatabase bool     `help:"take the bases that the store knows, published or not, as after moving to an empty repository"`
	Increment    bool     `negatable:"" default:"true" help:"raise pkgrel of what is published already"`
	ExitCode     bool     `short:"e" help:"exit 4 when there is nothing to do"`
	Status       string   `short:"s" enum:",unknown,pending,building,failed,success" default:"" placeholder:"STATUS" help:"only bases of this status; with --from-database: unknown, pending, building, failed or success"`
	Username     string   `short:"u" placeholder:"USERNAME" help:"build as this user: its packager"`
	JSON         bool     `name:"json" help:"print events, one JSON object a line"`
	Verbose      bool     `short:"v" help:"print the output of the builds"`
}

// Help shows how the command is used.
func (c *repoRebuild) Help() string {
	return `Builds again what is published, in the order of dependencies, each base with its pkgrel raised. Packages that are held, and those that were added without their source, stay as they are. Without --increment, only what is not published is built.

Examples: what needs a library that changed; and everything, into an empty repository.

    ahriman repo-rebuild --depends-on openssl --dry-run
    ahriman repo-rebuild --depends-on openssl
    ahriman repo-rebuild --from-database
    ahriman repo-rebuild --from-database --status failed`
}

// Run rebuilds in each selected repository.
func (c *repoRebuild) Run(ctx context.Context, env *Env, globals *Globals) error {
	if c.Status != "" && !c.FromDatabase {
		return Usagef("--status says something of --from-database only")
	}
	again := repoUpdate{
		updateFlags: updateFlags{DryRun: c.DryRun, Username: c.Username, JSON: c.JSON}, ExitCode: c.ExitCode, Verbose: c.Verbose,
	}
	return again.run(ctx, env, globals, update.Request{
		Increment: c.Increment,
		Rebuild:   &update.Rebuild{DependsOn: c.DependsOn, FromStore: c.FromDatabase, Status: store.Status(c.Status)},
	}, NewOutcome(env, c.JSON))
}
