package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"
	"ahriman/core/update"
)

// updateFlags are what repo-update and repo-daemon have in common.
type updateFlags struct {
	AUR          bool   `name:"aur" negatable:"" default:"true" help:"build what is newer in the AUR, or in the distribution's package sources, than in the repository"`
	Changes      bool   `negatable:"" default:"true" help:"keep what the sources have become since the last build, for package-changes"`
	CheckFiles   bool   `negatable:"" default:"true" help:"build again what needs a file that no package has any more"`
	Dependencies bool   `negatable:"" default:"true" help:"build what is needed and only the AUR has, too"`
	DryRun       bool   `help:"say what would be built, in which order, and change nothing"`
	Increment    bool   `negatable:"" default:"true" help:"raise pkgrel of what was asked for and is published already"`
	Local        bool   `negatable:"" default:"true" help:"build what is newer in cache/, or at the git address it was added by, than in the repository"`
	Manual       bool   `negatable:"" default:"true" help:"publish what was uploaded or added, build what was asked for"`
	Username     string `short:"u" placeholder:"USERNAME" help:"build as this user: its packager"`
	VCS          bool   `name:"vcs" negatable:"" default:"true" help:"look upstream for what is built from git and the like, once in build.vcs_allowed_age"`
	Refresh      int    `short:"y" type:"counter" help:"fetch the distribution's databases from alpm.mirror first where they have changed; twice, in any case"`
	JSON         bool   `name:"json" help:"print events, one JSON object a line"`
}

// request is what the flags ask of an update of these bases, all without.
func (f updateFlags) request(bases []string) update.Request {
	return update.Request{
		Bases: bases, AUR: f.AUR, Manual: f.Manual, Local: f.Local, Increment: f.Increment, Dependencies: f.Dependencies,
		VCS: f.VCS, Changes: f.Changes, CheckFiles: f.CheckFiles,
	}
}

type repoUpdate struct {
	updateFlags `embed:""`
	Explain     string   `placeholder:"BASE" complete:"packages" help:"say why and when this base would be built, and what it waits for; changes nothing"`
	ExitCode    bool     `short:"e" help:"exit 4 when there is nothing to do"`
	Verbose     bool     `short:"v" help:"print the output of the builds"`
	Package     []string `arg:"" optional:"" complete:"packages" help:"only these package bases, or - for names from standard input"`
}

// Help shows how the command is used.
func (c *repoUpdate) Help() string {
	return `Publishes the package files that wait, has what is due built by the workers there are (see workers), each base as soon as what it needs is published, and runs the triggers of build.triggers. A base that fails stops only what needs it; the exit status is 3 when some failed, 1 when all did.

A VCS package (a name in -git, -svn, -hg, -bzr, -cvs, -darcs or -fossil, or a PKGBUILD with a pkgver function) is looked at upstream when its last build is older than build.vcs_allowed_age, and again after that time if there was nothing newer, or when it is named: its sources are fetched and that function runs, in the sandbox, for up to four packages at once. A dry run runs nothing, and names such packages on standard error instead.

A package that was added by the address of a git repository (git+https://…), or from the distribution's sources (--source repository), is looked at there: another commit than the one that was built last is a newer version, or with the same version a raised pkgrel.

When a package is built, it is noted which libraries of other packages its programs and libraries are linked with, and for which version of Python, Perl, Ruby or the kernel it has modules. A package is built again, with a raised pkgrel, once one of these is in no package any more (--check-files). That needs the files databases of all alpm.repositories: those that --refresh fetches, or pacman's; without them nothing is noted or checked.

An AUR or an upstream that does not answer is an error that keeps nothing else from being done. What is missing on the way is in none of alpm.repositories as pacman has fetched them, in build.server, or in this repository.

Examples:

    ahriman repo-update
    ahriman repo-update --no-aur
    ahriman repo-update --dry-run
    ahriman repo-update --explain hello
    ahriman repo-update --no-local --json | jq -r 'select(.event == "failed") | .base'`
}

// Run updates each selected repository.
func (c *repoUpdate) Run(ctx context.Context, env *Env, globals *Globals) error {
	outcome := NewOutcome(env, c.JSON)
	bases, err := outcome.Names(c.Package, "base", "name")
	if err != nil {
		return err
	}
	if len(bases) == 0 && len(c.Package) > 0 { // standard input names none, which is not all
		return cmp.Or(outcome.Err(), nothing(c.ExitCode))
	}
	return c.run(ctx, env, globals, c.request(bases), outcome)
}

// run does what the request says in each selected repository.
func (c *repoUpdate) run(ctx context.Context, env *Env, globals *Globals, request update.Request, outcome *Outcome) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	empty, well := true, true
	var errs []error
	for _, s := range all {
		found, err := c.update(ctx, env, globals, s, request)
		if err != nil || !found.empty() {
			errs = append(errs, outcome.Ran(err))
		}
		empty, well = empty && found.empty(), well && err == nil
		if ctx.Err() != nil {
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if well && !c.DryRun && c.Explain == "" {
		if err := outcome.Ran(c.untouched(ctx, env, globals, request.Bases)); err != nil {
			return err
		}
	}
	return cmp.Or(outcome.Err(), nothing(c.ExitCode && empty))
}

// untouched says which of the bases that were named an update that went well
// could do nothing for.
func (c *repoUpdate) untouched(ctx context.Context, env *Env, globals *Globals, bases []string) error {
	return globals.eachPackage(ctx, env, bases, func(db *store.DB, id alpm.RepositoryID, base string) error {
		record, err := db.Package(ctx, id, base)
		if err == nil && record.Status == store.Failed {
			env.Warn("%s failed before and was not tried again: package-add asks for it", base)
		}
		return err
	})
}

// nothing is the error of an empty result where --exit-code asks for one.
func nothing(asked bool) error {
	if asked {
		return ErrNothing
	}
	return nil
}

// found is whether an update had anything to do.
type found struct{ something bool }

func (f found) empty() bool { return !f.something }

func (c *repoUpdate) update(ctx context.Context, env *Env, globals *Globals, s *config.Settings, request update.Request) (found, error) {
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return found{}, err
	}
	defer n.Close()
	if err := n.refresh(ctx, c.Refresh); err != nil {
		return found{}, err
	}
	if request.Packager, err = n.packager(ctx, c.Username); err != nil {
		return found{}, err
	}
	if c.DryRun || c.Explain != "" {
		return c.plan(ctx, env, globals, n, request)
	}
	outcome, err := n.update(ctx, request, c.JSON, c.Verbose)
	return found{outcome != nil && !outcome.Empty()}, err
}

// plan prints what would be built.
func (c *repoUpdate) plan(ctx context.Context, env *Env, globals *Globals, n *node, request update.Request) (found, error) {
	flow, err := n.flow(flowOptions{plans: true})
	if err != nil {
		return found{}, err
	}
	plan, outcome, err := flow.Plan(ctx, request)
	if err != nil {
		return found{}, err
	}
	if err := c.printPlan(ctx, env, n, plan); err != nil {
		return found{}, err
	}
	for _, left := range outcome.Unchanged {
		if !globals.Quiet {
			fmt.Fprintf(env.Stderr, "ahriman: %s %s: %s\n", left.Base, left.Version, left.Reason)
		}
	}
	for _, failure := range outcome.Failed {
		fmt.Fprintf(env.Stderr, "ahriman: error: %s: %s\n", failure.Base, failure.Reason)
	}
	for _, reason := range outcome.Unavailable {
		fmt.Fprintf(env.Stderr, "ahriman: error: %s\n", reason)
	}
	return found{len(plan.Steps) > 0}, outcomeError(outcome.Err())
}

// outcomeError gives an outcome's error its exit status: the observers have
// told what failed.
func outcomeError(err error) error {
	var o *update.OutcomeError
	if !errors.As(err, &o) {
		return err
	}
	if !o.Partial() {
		return &Reported{err}
	}
	var names []string
	for _, f := range o.Outcome.Failed {
		names = append(names, f.Base)
	}
	for _, f := range o.Outcome.Skipped {
		names = append(names, f.Base)
	}
	return &Partial{Failed: names}
}
