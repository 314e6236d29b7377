package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ahriman/core/build"
	"ahriman/core/tree"
)

// buildCommand builds packages and prints where they are.
type buildCommand struct {
	Output    string   `short:"o" default:"." placeholder:"DIR" complete:"directories" help:"directory for the package files"`
	KeepGoing bool     `short:"k" help:"after a failure, go on with what does not need the failed package"`
	DryRun    bool     `xor:"form" help:"print what would be built, in order, and build nothing"`
	Verbose   bool     `short:"v" help:"show what the builds print, also when standard error is no terminal"`
	JSON      bool     `help:"print one object a base: base, version, files, seconds, status, log"`
	Sources   []string `arg:"" name:"source" complete:"directories+packages" help:"directory with a PKGBUILD, git address, or name known to the repository, the cache or the AUR; - for standard input"`
}

// Help has the examples.
func (buildCommand) Help() string {
	return `Builds in the order of dependencies; a package that others of the same run, or the repository, need is laid into their build. Each build runs in a sandbox that sees neither the repository, nor its configuration, nor anybody's home. The source directory is never written to.

A failed build leaves its log beside the packages.

Examples: one package; what is below a directory, on one of two workers; from the AUR.

    ahriman build ~/pkgbuilds/foo
    ahriman repo-tree --from ~/pkgbuilds -p 2 --partition 0 --names | ahriman build --output /srv/out -
    ahriman build --keep-going foo bar`
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
	r := &buildRun{command: c, env: env, globals: globals, outcome: NewOutcome(env, false), sources: map[string]*buildSource{}}
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
		env.Warn("%d bases need each other in a circle: %s; they are built by name", len(members), baseNames(members))
	}
	if c.DryRun {
		return r.plan(graph)
	}
	if err := r.build(ctx, graph); err != nil {
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

// build builds all that is in the graph, one after the other; what is ready
// goes by name.
func (r *buildRun) build(ctx context.Context, graph *tree.Graph) error {
	frontier := graph.Start()
	failed := map[string]bool{}
	for ready := frontier.Ready(); len(ready) > 0; ready = ready[1:] {
		base := ready[0].Base
		err := r.one(ctx, graph, base, failed)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var written *writeError
		if errors.As(err, &written) {
			return written.error
		}
		if err != nil {
			failed[base] = true
		}
		if err != nil && !r.command.KeepGoing {
			return nil // r.outcome knows
		}
		ready = append(ready, frontier.Done(base)...)
	}
	return nil
}

// writeError is an error of printing, which ends everything.
type writeError struct{ error }

// one builds one base, unless something that it needs has failed, and prints
// what came out.
func (r *buildRun) one(ctx context.Context, graph *tree.Graph, base string, failed map[string]bool) error {
	source := r.sources[base]
	line := buildLine{Base: base, Version: source.leaf.Version}
	for _, needed := range graph.Dependencies(base) {
		if failed[needed.Base] && needed.Base != base {
			line.Status = "skipped"
			return r.failed(line, fmt.Errorf("not building %s: it needs %s", base, needed.Base))
		}
	}
	begin := time.Now()
	var files []string
	job, err := r.job(ctx, source)
	if err == nil {
		files, err = r.runner.build(ctx, job)
	}
	line.Seconds = time.Since(begin).Round(time.Millisecond).Seconds()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		line.Files, line.Version, err = r.keep(base, files)
	}
	if err != nil {
		line.Status, line.Log = "failed", r.runner.logOf(err)
		return r.failed(line, err)
	}
	line.Status = "success"
	r.outcome.Done()
	return r.print(line)
}

// print prints what became of a base.
func (r *buildRun) print(line buildLine) error {
	out := r.env.Out()
	if r.command.JSON {
		if err := out.JSON(line); err != nil {
			return &writeError{err}
		}
		return nil
	}
	for _, file := range line.Files {
		if err := out.Println(file); err != nil {
			return &writeError{err}
		}
	}
	return nil
}

// failed says that a base was not built, with the end of its log.
func (r *buildRun) failed(line buildLine, err error) error {
	if line.Log != "" && !r.runner.shown {
		printTail(r.env.Stderr, line.Log)
	}
	line.Error = err.Error()
	r.outcome.Fail(line.Base, err)
	if line.Log != "" {
		fmt.Fprintf(r.env.Stderr, "ahriman: the log is %s\n", line.Log)
	}
	if r.command.JSON {
		if err := r.print(line); err != nil {
			return err
		}
	}
	return err
}

// keep moves the packages to the output directory and offers them to the
// builds that follow.
func (r *buildRun) keep(base string, files []string) (kept []string, version string, err error) {
	for _, file := range files {
		target := filepath.Join(r.output, filepath.Base(file))
		if err := os.Rename(file, target); err != nil {
			return nil, "", fmt.Errorf("keeping the packages of %s: %w", base, err)
		}
		offer, err := offerOf(target)
		if err != nil {
			return nil, "", fmt.Errorf("keeping the packages of %s: %w", base, err)
		}
		kept, version = append(kept, target), offer.Version
		r.built = append(r.built, offer)
	}
	return kept, version, nil
}

// job returns the job of a base: what it needs comes from this run, else from
// the repository, else from the master's.
func (r *buildRun) job(ctx context.Context, s *buildSource) (build.Job, error) {
	job := build.Job{ID: s.leaf.Base, Base: s.leaf.Base, Architecture: r.architecture, Source: s.dir}
	for _, offer := range build.NewStock(append(r.built[:len(r.built):len(r.built)], r.offers...)).Needed(s.needs) {
		if offer.Path == "" {
			path, err := r.upstream.File(ctx, offer.Package)
			if err != nil {
				return job, fmt.Errorf("fetching %s, which %s needs: %w", offer.Name, s.leaf.Base, err)
			}
			offer.Path = path
		}
		job.Dependencies = append(job.Dependencies, offer.Path)
	}
	return job, nil
}
