package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/internal/durable"
	"ahriman/core/pkgbuild"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
)

// due is a base that will be built, with its source laid out.
type due struct {
	pkg      source.Package // as its PKGBUILD has it, patches applied
	reason   string
	dir      string         // the PKGBUILD's directory, below the scratch directory
	commit   string         // of the source; empty where it is not git's
	changes  string         // of the source since the last build; empty where that is not known
	patches  []source.Patch // beyond those the store keeps for the base
	packager string
	request  int64 // of the store's queue; 0: none asked
	relation relations
}

// relations are what the base and its packages need and offer, with versions.
type relations struct {
	names    []string // packages it builds
	provides []string
	needs    []string // depends, makedepends
	tests    []string // checkdepends
	kind     string   // bases of one kind take about as long
}

// all returns what a build needs.
func (r relations) all() []string {
	all := slices.Concat(r.needs, r.tests)
	slices.Sort(all)
	return slices.Compact(all)
}

// Plan is what a run would build, where and when.
type Plan struct {
	*schedule.Schedule
	Due map[string]Due // by base
}

// Plan returns what Run would build, and what it would leave alone. Nothing is
// changed but, with Changes, what is known of the sources. A node that does not build plans as if it did.
func (f *Flow) Plan(ctx context.Context, request Request) (*Plan, *Outcome, error) {
	r := f.newRun(ctx, request)
	r.observers, r.planning = onlyChanges(r.observers), true
	defer r.clean()
	dues, err := r.collect(ctx)
	if err != nil {
		return nil, nil, err
	}
	tasks, err := r.tasks(ctx, dues)
	if err != nil {
		return nil, nil, err
	}
	workers := r.Workers
	if workers == nil {
		workers = func(context.Context) ([]schedule.Worker, error) { return []schedule.Worker{{Name: "local"}}, nil }
	}
	plan := &Plan{Due: map[string]Due{}}
	if plan.Schedule, err = schedule.Plan(ctx, tasks, schedule.Config{Workers: workers}); err != nil {
		return nil, nil, err
	}
	for _, d := range dues {
		plan.Due[d.pkg.Base] = Due{Package: d.pkg, Reason: d.reason}
	}
	return plan, r.outcome, nil
}

// collect finds what is due and lays out its sources. A base whose source
// cannot be had fails alone.
func (r *run) collect(ctx context.Context) ([]*due, error) {
	published, err := r.published(ctx)
	if err != nil {
		return nil, err
	}
	records, err := r.Store.Packages(ctx, r.Repository.ID())
	if err == nil && len(records) == 0 && len(published) > 0 && !r.planning { // another program's tree
		if err = Learn(ctx, r.Store, r.Repository); err == nil {
			records, err = r.Store.Packages(ctx, r.Repository.ID())
		}
	}
	if err != nil {
		return nil, err
	}
	r.seen = published
	var found []*due
	taken := map[string]bool{}
	add := func(d *due) {
		if d != nil && !taken[d.pkg.Base] {
			taken[d.pkg.Base] = true
			found = append(found, d)
			r.emit(Due{Package: d.pkg, Reason: d.reason})
			r.learnChanges(ctx, d)
		}
	}
	if r.request.Manual {
		requests, err := r.Store.Queue(ctx, r.Repository.ID())
		if err != nil {
			return nil, err
		}
		for _, q := range requests {
			if r.wanted(q.Package.Base) {
				add(r.requested(ctx, q, "requested", published))
				taken[q.Package.Base] = true // what became of it is said
			}
		}
	}
	if r.request.Rebuild != nil {
		for _, record := range r.rebuilt(records, published) {
			if !taken[record.Package.Base] && r.wanted(record.Package.Base) {
				again := store.Request{Package: record.Package, Packager: r.request.Packager, Increment: true}
				add(r.requested(ctx, again, "rebuild", published))
			}
		}
	}
	for _, d := range r.looked(ctx, published, func(p source.Package) bool { return !taken[p.Base] && r.wanted(p.Base) }, records) {
		add(d)
	}
	if r.request.CheckFiles {
		reasons := r.broken(ctx, records, published)
		for _, record := range records {
			if reason := reasons[record.Package.Base]; reason != "" && !taken[record.Package.Base] {
				again := store.Request{Package: record.Package, Packager: r.request.Packager, Increment: true}
				add(r.requested(ctx, again, reason, published))
			}
		}
	}
	if r.request.Dependencies && r.AUR != nil {
		needed, err := r.needed(ctx, found)
		for _, d := range needed {
			add(d)
		}
		if err != nil {
			r.discard(found)
			return nil, err
		}
	}
	return found, ctx.Err()
}

// wanted says whether the request and the configuration let the base be built.
func (r *run) wanted(base string) bool {
	if slices.Contains(r.Ignore, base) {
		return false
	}
	return len(r.request.Bases) == 0 || slices.Contains(r.request.Bases, base)
}

// published returns the version of each base in the repository.
func (r *run) published(ctx context.Context) (map[string]string, error) {
	packages, err := r.Repository.Packages(ctx)
	if err != nil {
		return nil, err
	}
	versions := make(map[string]string, len(packages))
	for _, p := range packages {
		// "" is a version too, and newer than r1.
		if have, ok := versions[p.Base]; !ok || alpm.Vercmp(p.Version, have) > 0 {
			versions[p.Base] = p.Version
		}
	}
	return versions, nil
}

// requested lays out a base that someone asked for, why in a word. Nil: there is
// nothing to build, and the outcome says why.
func (r *run) requested(ctx context.Context, q store.Request, why string, published map[string]string) *due {
	d, err := r.prepare(ctx, q.Package, q.Patches)
	if err != nil {
		r.fail(q.Package, err)
		r.dequeue(ctx, q.ID)
		return nil
	}
	d.reason, d.packager, d.request = why, q.Packager, q.ID
	if a := r.assigned[d.pkg.Base]; r.answered(q, published) {
		r.leave(ctx, d, q.ID, fmt.Sprintf("%s was built for it and is published", a.Version))
		return nil
	}
	return r.unused(ctx, d, q.ID, published[d.pkg.Base], q.Increment)
}

// unused sees to it that the files of a base will have names that stand for no
// other bytes: by a raised pkgrel, where increment and the request want that.
// Otherwise, what is there already is what was asked for. Nil: there is nothing
// to build, and the outcome says why.
func (r *run) unused(ctx context.Context, d *due, request int64, published string, increment bool) *due {
	version := r.taken(d.pkg, published)
	if version == "" || alpm.Vercmp(d.pkg.Version, version) > 0 {
		return d
	}
	switch {
	case !increment || !r.request.Increment:
		r.settle(ctx, d, request, version, published)
		return nil
	case !sameUpstream(d.pkg.Version, version):
		r.fail(d.pkg, fmt.Errorf("version %s is older than the published %s", d.pkg.Version, version))
		r.leave(ctx, d, request, "")
		return nil
	}
	if err := d.bump(ctx, version); err != nil {
		r.fail(d.pkg, err)
		r.leave(ctx, d, request, "")
		return nil
	}
	d.reason = fmt.Sprintf("%s; %s is taken, pkgrel raised", d.reason, version)
	return d
}

// taken returns the version that a base must exceed: the published one; or the
// newest release of the same version in the pool, from before a roll-back or a
// removal, whose file names cannot be had again.
func (r *run) taken(p source.Package, published string) string {
	entries, err := os.ReadDir(filepath.Dir(r.Repository.PoolPath(p.Base, "any")))
	if err != nil {
		return published
	}
	newest := published
	for _, entry := range entries {
		_, version, arch, _, err := alpm.ParseFileName(entry.Name())
		ours := err == nil && (arch == "any" || arch == r.architecture())
		if ours && sameUpstream(version, p.Version) && (newest == "" || alpm.Vercmp(version, newest) > 0) {
			newest = version
		}
	}
	return newest
}

// inCache says whether the PKGBUILD of a base of this origin is to be looked for
// in cache/: that of one that was added as a package file may have come there
// later.
func inCache(o source.Origin) bool { return o.Source != source.AUR && o.GitURL == "" }

// prepare lays out the source of a base, patched, and reads its PKGBUILD.
func (r *run) prepare(ctx context.Context, p source.Package, patches []source.Patch) (*due, error) {
	dir, err := r.scratchDir()
	if err != nil {
		return nil, err
	}
	d, err := r.prepareIn(ctx, dir, p, patches)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return d, nil
}

// scratchDir returns a new directory that goes away with the run.
func (r *run) scratchDir() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scratch == nil {
		scratch, err := durable.NewScratch(r.ScratchDir)
		if err != nil {
			return "", err
		}
		r.scratch = scratch
	}
	return os.MkdirTemp(r.scratch.Dir, "source-")
}

func (r *run) prepareIn(ctx context.Context, dir string, p source.Package, patches []source.Patch) (*due, error) {
	found, err := r.Sources.FromOrigin(p.Base, p.Origin)
	if err != nil {
		return nil, err
	}
	commit, err := r.Sources.Sources(ctx, found, dir)
	if err != nil {
		return nil, err
	}
	stored, err := r.patches(ctx, p.Base)
	if err != nil {
		return nil, err
	}
	if err := source.Apply(ctx, dir, slices.Concat(stored, patches)); err != nil {
		return nil, err
	}
	info, err := r.read(ctx, dir)
	if err != nil {
		return nil, err
	}
	if info.Base != p.Base {
		return nil, fmt.Errorf("%s holds the PKGBUILD of %s, not of %s", dir, info.Base, p.Base)
	}
	if err := source.AddArchitecture(dir, info.Architectures(), r.architecture()); err != nil {
		return nil, err
	}
	d := &due{dir: dir, commit: commit, patches: patches, pkg: source.FromSrcinfo(info, r.architecture(), found.Origin), relation: relationsOf(info, r.architecture())}
	d.pkg.Packager = p.Packager
	return d, nil
}

// patches returns the patches that are kept for a base, the store's first.
func (r *run) patches(ctx context.Context, base string) ([]source.Patch, error) {
	stored, err := r.Store.Patches(ctx, base)
	if err != nil || r.Patches == nil {
		return stored, err
	}
	masters, err := r.Patches(ctx, base)
	if err != nil {
		return nil, err
	}
	name := func(p source.Patch) string {
		if p.Key == nil {
			return "" // the diff, of which there is one
		}
		return *p.Key
	}
	stored = slices.DeleteFunc(stored, func(own source.Patch) bool {
		return slices.ContainsFunc(masters, func(p source.Patch) bool { return name(p) == name(own) })
	})
	return slices.Concat(stored, masters), nil
}

// read reads a PKGBUILD: one that must be run for that is run in the sandbox,
// but never for a plan.
func (r *run) read(ctx context.Context, dir string) (*pkgbuild.Srcinfo, error) {
	info, err := pkgbuild.Evaluate(ctx, dir, pkgbuild.Options{Architecture: r.architecture()})
	var needs *pkgbuild.NeedsEvaluation
	if !errors.As(err, &needs) || r.Evaluate == nil || r.planning {
		return info, err
	}
	return r.Evaluate(ctx, dir)
}

func relationsOf(info *pkgbuild.Srcinfo, arch string) relations {
	var r relations
	for _, p := range info.ForArch(arch) {
		r.names = append(r.names, p.Name)
		r.provides = append(r.provides, p.Provides...)
		r.needs = append(r.needs, slices.Concat(p.Depends, p.MakeDepends)...)
		r.tests = append(r.tests, p.CheckDepends...)
	}
	if slices.Contains(info.Architectures(), "any") {
		r.kind = "any" // mostly, there is nothing to compile
	}
	return r
}

// sameUpstream says whether two versions differ in their release alone.
func sameUpstream(a, b string) bool {
	x, y := alpm.SplitVersion(a), alpm.SplitVersion(b)
	x.Release, y.Release = "", ""
	return alpm.Vercmp(x.String(), y.String()) == 0
}

// bump gives the base the release after the published version's.
func (d *due) bump(ctx context.Context, published string) error {
	patch, err := source.Increment(published)
	if err != nil {
		return err
	}
	if err := source.Apply(ctx, d.dir, []source.Patch{patch}); err != nil {
		return err
	}
	d.patches = append(slices.Clip(d.patches), patch)
	d.pkg.Version, err = alpm.NextRelease(published)
	return err
}

// fail says that a base could not be had.
func (r *run) fail(p source.Package, err error) {
	failure := Failure{Base: p.Base, Version: p.Version, Reason: err.Error()}
	if build, ok := errors.AsType[*build.Failure](err); ok {
		failure.Log = build.Log
	}
	r.note(func(o *Outcome) { o.Failed = append(o.Failed, failure) })
	r.emit(BuildEnded{Package: p, Err: err})
}

// leave drops a base that will not be built, with the reason if it is no
// failure.
func (r *run) leave(ctx context.Context, d *due, request int64, reason string) {
	if reason != "" {
		r.left(Omission{Base: d.pkg.Base, Version: d.pkg.Version, Reason: reason})
	}
	r.dequeue(ctx, request)
	r.discard([]*due{d})
}

// left says that a base was left as it is.
func (r *run) left(o Omission) {
	r.note(func(outcome *Outcome) { outcome.Unchanged = append(outcome.Unchanged, o) })
	r.emit(Left(o))
}

// dequeue takes a request off the queue; a plan leaves it there.
func (r *run) dequeue(ctx context.Context, id int64) {
	if id == 0 || r.planning {
		return
	}
	if err := r.Store.Dequeue(ctx, id); err != nil {
		r.Logger.Warn("removing a request", "error", err)
	}
}

// clean removes all that the run laid out.
func (r *run) clean() {
	if err := r.scratch.Remove(); err != nil {
		r.Logger.Warn("cleaning up", "error", err)
	}
}

// discard removes the laid out sources.
func (r *run) discard(dues []*due) {
	for _, d := range dues {
		os.RemoveAll(d.dir)
	}
}

func (r *run) architecture() string { return r.Repository.ID().Architecture }
