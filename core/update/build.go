package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/internal/durable"
	"ahriman/core/tree"
	"ahriman/core/trigger"

	"github.com/google/uuid"
)

// levels puts what is due in the order of its dependencies.
func levels(dues []*due) [][]*due {
	byBase := map[string]*due{}
	var nodes []tree.Package
	for _, d := range dues {
		byBase[d.pkg.Base] = d
		nodes = append(nodes, tree.Package{Base: d.pkg.Base, Version: d.pkg.Version,
			Names: d.relation.names, Provides: d.relation.provides, Depends: d.relation.needs})
	}
	var result [][]*due
	for _, level := range tree.New(nodes).Levels() {
		var dues []*due
		for _, p := range level {
			dues = append(dues, byBase[p.Base])
		}
		result = append(result, dues)
	}
	return result
}

// build builds what is due, level by level, and publishes each level before the
// next is begun. What needs a base that failed is not tried.
func (r *run) build(ctx context.Context, dues []*due) error {
	if r.Runner == nil {
		return errors.New("this node does not build")
	}
	runner, err := r.Runner()
	if err != nil {
		return err
	}
	failed := map[string]string{} // a name or provision of what failed: its base
	for _, level := range levels(dues) {
		stock, err := r.stock(ctx)
		if err != nil {
			return err
		}
		var built []*batch
		before := len(r.outcome.Failed)
		for _, d := range level {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if needs := d.needing(failed); len(needs) > 0 {
				r.skip(ctx, d, needs)
				r.dequeue(ctx, d.request)
				d.markFailed(failed)
				continue
			}
			b, err := r.buildOne(ctx, runner, d, stock)
			switch {
			case ctx.Err() != nil:
				r.interrupted(ctx, d)
				return ctx.Err()
			case err != nil:
				r.fail(ctx, d.pkg, err)
				r.dequeue(ctx, d.request)
				d.markFailed(failed)
			default:
				built = append(built, b)
				r.dequeue(ctx, d.request)
			}
		}
		r.discard(level)
		published, err := r.publish(ctx, built)
		if err != nil {
			return err
		}
		if failures := r.outcome.Failed[before:]; len(published)+len(failures) > 0 {
			r.deliver(ctx, trigger.Result{Built: published, Failed: triggerFailures(failures)})
		}
	}
	return nil
}

func triggerFailures(failures []Failure) []trigger.Failure {
	var result []trigger.Failure
	for _, f := range failures {
		result = append(result, trigger.Failure{Base: f.Base, Reason: f.Reason})
	}
	return result
}

// needing returns the failed bases that d needs, sorted.
func (d *due) needing(failed map[string]string) []string {
	needs := map[string]bool{}
	for _, text := range d.relation.needs {
		if relation, err := alpm.ParseRelation(text); err == nil && failed[relation.Name] != "" {
			needs[failed[relation.Name]] = true
		}
	}
	return slices.Sorted(maps.Keys(needs))
}

func (d *due) markFailed(failed map[string]string) {
	for _, name := range d.relation.names {
		failed[name] = d.pkg.Base
	}
	for _, text := range d.relation.provides {
		if relation, err := alpm.ParseRelation(text); err == nil {
			failed[relation.Name] = d.pkg.Base
		}
	}
}

func (r *run) skip(ctx context.Context, d *due, needs []string) {
	r.outcome.Skipped = append(r.outcome.Skipped, Omission{Base: d.pkg.Base, Version: d.pkg.Version,
		Reason: "needs " + strings.Join(needs, ", ")})
	r.emit(ctx, Skipped{Package: d.pkg, Needs: needs})
}

// interrupted sets a base back to what is due: its request is still queued.
func (r *run) interrupted(ctx context.Context, d *due) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	r.emit(ctx, Due{Package: d.pkg, Reason: "interrupted"})
}

// buildOne builds a base, signs what it gave and hands it over to the waiting
// directory, where the next run finds it if this one dies.
func (r *run) buildOne(ctx context.Context, runner build.Runner, d *due, stock *stock) (*batch, error) {
	with, err := stock.gather(ctx, d.relation.needs)
	if err != nil {
		return nil, err
	}
	if with.digest, err = r.inputDigest(ctx, d, with); err != nil {
		return nil, err
	}
	r.emit(ctx, BuildStarted{Package: d.pkg})
	started := time.Now()
	result, err := r.start(ctx, runner, d, with.files)
	r.record(ctx, d, with, started, result)
	if err != nil {
		return nil, err
	}
	b := &batch{base: d.pkg.Base, origin: d.pkg.Origin}
	if result.Delivered {
		b, err = r.arrived(ctx, b)
	} else {
		err = r.handOver(ctx, result.Files, b)
	}
	if err != nil {
		return nil, err
	}
	d.pkg.Version = b.version() // pkgver() may have changed it
	p, err := b.describe(nil)
	if err != nil {
		return nil, err
	}
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	r.emit(ctx, BuildEnded{Package: p, Took: time.Since(started), Commit: d.commit, PKGBUILD: text})
	return b, nil
}

// maxPKGBUILD is how much of a PKGBUILD is kept, in bytes.
const maxPKGBUILD = 1 << 20

// text returns the PKGBUILD.
func (d *due) text() (string, error) {
	file, err := os.Open(filepath.Join(d.dir, "PKGBUILD"))
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPKGBUILD))
	return strings.ToValidUTF8(string(text), "\uFFFD"), err
}

// start runs one job and copies its log to the observers.
func (r *run) start(ctx context.Context, runner build.Runner, d *due, dependencies []string) (*build.Result, error) {
	job := build.Job{
		ID: uuid.NewString(), Base: d.pkg.Base, Architecture: r.architecture(), Source: d.dir,
		Packager: cmp.Or(d.packager, r.request.Packager), Dependencies: dependencies,
		Origin: d.pkg.Origin, Patches: d.patches,
	}
	if err := runner.Start(ctx, job); err != nil {
		return nil, err
	}
	lines := r.newLineWriter(ctx, d.pkg)
	result, err := runner.Attach(ctx, job.ID, lines)
	lines.Close()
	if ctx.Err() != nil {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if err := runner.Cancel(ending, job.ID); err != nil {
			r.Logger.Error("cancelling a build", "base", d.pkg.Base, "error", err)
		}
	}
	return result, err
}

// handOver signs package files and moves them to the waiting directory.
func (r *run) handOver(ctx context.Context, files []string, b *batch) error {
	if len(files) == 0 {
		return errors.New("the build gave no package")
	}
	if err := os.MkdirAll(r.Repository.Waiting(), 0o755); err != nil {
		return err
	}
	for _, path := range files {
		info, err := alpm.ReadInfo(path)
		if err != nil {
			return err
		}
		if info.Base != b.base {
			return fmt.Errorf("%s is a package of %s", filepath.Base(path), info.Base)
		}
		if r.SignPackage != nil {
			if err := r.SignPackage(ctx, path); err != nil {
				return err
			}
		}
		waiting := filepath.Join(r.Repository.Waiting(), filepath.Base(path))
		if r.SignPackage != nil {
			if err := durable.Move(ctx, path+".sig", waiting+".sig"); err != nil {
				return err
			}
		}
		if err := durable.Move(ctx, path, waiting); err != nil {
			return err
		}
		if err := b.add(waiting, info); err != nil {
			return err
		}
	}
	return nil
}
