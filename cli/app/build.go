package app

import (
	"context"
	"fmt"

	"ahriman/core/tree"
)

// buildCommand builds packages and prints where they are.
type buildCommand struct {
	Output        string   `short:"o" default:"." placeholder:"DIR" complete:"directories" help:"directory for the package files"`
	KeepGoing     bool     `short:"k" help:"after a failure, go on with what does not need the failed package"`
	DryRun        bool     `xor:"form" help:"print what would be built, in order, and build nothing"`
	Worker        []string `placeholder:"ADDRESS" sep:"none" complete:"none" help:"build on this worker, https://… or ssh://[user@]host[:port], and fetch the packages; ?slots=N&speed=N may follow"`
	AcceptHostKey string   `placeholder:"SHA256:…" complete:"none" help:"with --worker: trust an ssh worker whose host key has this fingerprint, from now on"`
	Verbose       bool     `short:"v" help:"show what the builds print, also when standard error is no terminal"`
	JSON          bool     `help:"print one object a base: base, version, files, seconds, status, log"`
	Sources       []string `arg:"" name:"source" complete:"directories+packages" help:"directory with a PKGBUILD, git address, or name known to the repository, the cache or the AUR; - for standard input"`
}

// Help has the examples.
func (buildCommand) Help() string {
	return `Builds in the order of dependencies; a package that others of the same run, or the repository, need is laid into their build. Each build runs in a sandbox that sees neither the repository, nor its configuration, nor anybody's home. The source directory is never written to.

A failed build leaves its log beside the packages.

With --worker nothing is built here, unless local:// is among them. An ssh:// worker needs sshd and makepkg and nothing of ours: keys, host keys and jumps are those of ssh_config(5), or of the file in $AHRIMAN_SSH_CONFIG; ProxyCommand is not known, and an unknown host key is an error whatever StrictHostKeyChecking says. The program is put into the cache directory there, and ends by itself five minutes after its last use. Several workers share the work: what has the longest chain of others behind it goes first, to the fastest that is free. What fails on one is tried on another (build.retries), and what one takes with it when it is lost goes to the others.

Examples: one package; what is below a directory, on one of two workers; from the AUR; on another machine.

    ahriman build ~/pkgbuilds/foo
    ahriman repo-tree --from ~/pkgbuilds -p 2 --partition 0 --json | ahriman build --output /srv/out -
    ahriman build --keep-going foo bar
    ahriman build --worker ssh://builder@laptop --worker 'ssh://tower?slots=4' ~/pkgbuilds/*`
}

// buildLine is what --json prints.
type buildLine struct {
	Base    string   `json:"base"`
	Version string   `json:"version"`
	Status  string   `json:"status"` // planned, success, failed, skipped
	Files   []string `json:"files,omitempty"`
	Seconds float64  `json:"seconds,omitempty"`
	Level   *int     `json:"level,omitempty"` // of a plan
	Log     string   `json:"log,omitempty"`   // of a failed build
	Error   string   `json:"error,omitempty"`
}

// Run builds the sources.
func (c *buildCommand) Run(ctx context.Context, env *Env, globals *Globals) (err error) {
	r := &buildRun{
		command: c, env: env, globals: globals, outcome: NewOutcome(env, c.JSON),
		sources: map[string]*buildSource{}, took: map[string]float64{}, kept: map[string]buildLine{},
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() {
		if closeErr := r.close(); err == nil {
			err = closeErr
		}
	}()
	if err := r.collect(ctx, c.Sources); err != nil {
		return err
	}
	var packages []tree.Package
	for _, source := range r.sources {
		packages = append(packages, source.leaf)
	}
	graph := tree.New(packages)
	for _, members := range graph.Cycles() {
		env.Warn("%d bases need each other in a circle: %s; the first is built without the others", len(members), baseNames(members))
	}
	if c.DryRun {
		return r.plan(graph)
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	return r.outcome.Err()
}

// plan prints what would be built.
func (r *buildRun) plan(graph *tree.Graph) error {
	for level, bases := range graph.Levels() {
		for _, base := range bases {
			var err error
			if r.command.JSON {
				err = r.env.Out().JSON(buildLine{Base: base.Base, Version: base.Version, Status: "planned", Level: &level})
			} else {
				err = r.env.Out().Println(base.Base, base.Version)
			}
			if err != nil {
				return err
			}
		}
	}
	return r.outcome.Err()
}

// print prints what became of a base.
func (r *buildRun) print(line buildLine) error {
	out := r.env.Out()
	if r.command.JSON {
		return out.JSON(line)
	}
	for _, file := range line.Files {
		if err := out.Println(file); err != nil {
			return err
		}
	}
	return nil
}

// failed says that a base was not built, with the end of its log. The error is
// that of standard output, which nobody reads.
func (r *buildRun) failed(line buildLine, err error) error {
	if line.Log != "" && !r.shown {
		printTail(r.env.Stderr, line.Log)
	}
	line.Error = err.Error()
	r.outcome.FailAs(line.Base, err, line)
	if line.Log != "" {
		fmt.Fprintf(r.env.Stderr, "ahriman: the log is %s\n", line.Log)
	}
	return r.env.unwritable()
}
