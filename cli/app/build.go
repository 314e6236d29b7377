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
	Worker    []string `placeholder:"ADDRESS" sep:"none" complete:"none" help:"build on this worker, https://… or ssh://[user@]host[:port][?slots=N], and fetch the packages; may be given more than once"`
	Verbose   bool     `short:"v" help:"show what the builds print, also when standard error is no terminal"`
	JSON      bool     `help:"print one object a base: base, version, files, seconds, status, log"`
	Sources   []string `arg:"" name:"source" complete:"directories+packages" help:"directory with a PKGBUILD, git address, or name known to the repository, the cache or the AUR; - for standard input"`
}

// Help has the examples.
func (buildCommand) Help() string {
	return `Builds in the order of dependencies; a package that others of the same run, or the repository, need is laid into their build. Each build runs in a sandbox that sees neither the repository, nor its configuration, nor anybody's home. The source directory is never written to.

A failed build leaves its log beside the packages.

With --worker nothing is built here. An ssh:// worker needs sshd and makepkg and nothing of ours: keys, host keys and jumps are those of ssh_config(5), or of the file in $AHRIMAN_SSH_CONFIG. Several workers share the work.

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

// build builds all that is in the graph; what is ready goes by name, to as many
// seats as there are.
func (r *buildRun) build(ctx context.Context, graph *tree.Graph) (err error) {
	// The builds that still go on end with us.
	ctx, stop := context.WithCancel(ctx)
	results := make(chan built)
	running := 0
	defer func() {
		stop()
		for ; running > 0; running-- {
			<-results
		}
	}()
	frontier := graph.Start()
	failed := map[string]bool{}
	ready := frontier.Ready()
	for {
		for len(ready) > 0 && r.pool.free() {
			base := ready[0].Base
			ready = ready[1:]
			one, begun := r.begin(ctx, graph, base, failed)
			if !begun {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := r.finish(one); err != nil {
					return err
				}
				if failed[base] = true; !r.command.KeepGoing {
					return nil // r.outcome knows
				}
				ready = append(ready, frontier.Done(base)...)
				continue
			}
			running++
			go func() { results <- r.pool.build(ctx, one) }()
		}
		if running == 0 {
			return r.pool.exhausted(ready)
		}
		one := <-results
		running--
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.pool.leave(one) {
			r.env.Warn("%s", one.err)
			ready = append([]tree.Package{one.leaf}, ready...)
			continue
		}
		if err := r.finish(one); err != nil {
			return err
		}
		if failed[one.line.Base] = one.err != nil; one.err != nil && !r.command.KeepGoing {
			return nil // r.outcome knows
		}
		ready = append(ready, frontier.Done(one.line.Base)...)
	}
}

// built is a base that is built, or was.
type built struct {
	leaf  tree.Package
	line  buildLine
	job   build.Job
	seat  *seat // where; nil: nowhere
	begin time.Time
	files []string
	err   error
}

// writeError is an error of printing, which ends everything.
type writeError struct{ error }

// begin takes a seat for a base, unless something that it needs has failed.
func (r *buildRun) begin(ctx context.Context, graph *tree.Graph, base string, failed map[string]bool) (built, bool) {
	source := r.sources[base]
	one := built{leaf: source.leaf, line: buildLine{Base: base, Version: source.leaf.Version}, begin: time.Now()}
	for _, needed := range graph.Dependencies(base) {
		if failed[needed.Base] && needed.Base != base {
			one.line.Status = "skipped"
			one.err = fmt.Errorf("not building %s: it needs %s", base, needed.Base)
			return one, false
		}
	}
	if one.job, one.err = r.job(ctx, source); one.err != nil {
		one.line.Status = "failed"
		return one, false
	}
	one.seat = r.pool.take()
	return one, true
}

// finish keeps and prints what came out; the error is one that ends everything.
func (r *buildRun) finish(one built) error {
	line, err := one.line, one.err
	line.Seconds = time.Since(one.begin).Round(time.Millisecond).Seconds()
	if err == nil {
		line.Files, line.Version, err = r.keep(line.Base, one.files)
	}
	if err != nil {
		if line.Status == "" {
			line.Status, line.Log = "failed", r.pool.logOf(err)
		}
		err = r.failed(line, err)
	} else {
		line.Status = "success"
		r.outcome.Done()
		err = r.print(line)
	}
	var written *writeError
	if errors.As(err, &written) {
		return written.error
	}
	return nil
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
	if line.Log != "" && !r.pool.shown {
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
