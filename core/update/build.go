package update

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ahriman/core/build"
	"ahriman/core/internal/durable"
	"ahriman/core/schedule"
	"ahriman/core/store"
	"ahriman/core/tree"
	"ahriman/core/trigger"

	"github.com/google/uuid"
)

// builds are the builds of one run.
type builds struct {
	*run
	dues     map[string]*due
	delivery delivery
	unserved map[string]bool // bases that found no worker; of observe alone

	mu        sync.Mutex
	published *stock                     // what there is to build with; nil: to be read
	owners    func() (*ownership, error) // who has which path; read once for each publication
	begun     map[string]*begun
	refused   map[string]error // why built bases were not published
}

// begun is the last attempt at a base.
type begun struct {
	with  *ingredients
	batch *batch // what it gave, once that is accepted
}

// build has the workers build what is due, publishes what they give, and what
// needs it next. What needs a base that failed is not tried.
func (r *run) build(ctx context.Context, dues []*due) error {
	if r.Workers == nil {
		return errors.New("this node does not build")
	}
	b := &builds{run: r, dues: map[string]*due{}, unserved: map[string]bool{}, begun: map[string]*begun{}, refused: map[string]error{}}
	b.owners = sync.OnceValues(r.owners)
	b.delivery.deliver = func(result trigger.Result) { r.deliver(ctx, result) }
	for _, d := range dues {
		b.dues[d.pkg.Base] = d
	}
	tasks, err := r.tasks(ctx, dues)
	if err != nil {
		return err
	}
	for i, t := range tasks {
		tasks[i].Worker = r.assigned[t.Base()].Worker
	}
	plan, err := schedule.Plan(ctx, tasks, schedule.Config{Workers: r.Workers})
	if err != nil {
		return err
	}
	guessed := !slices.ContainsFunc(plan.Steps, func(s schedule.Step) bool { return !s.Guessed })
	r.emit(Planned{Bases: len(tasks), Took: plan.Took, Guessed: guessed})
	s, err := schedule.New(tasks, schedule.Config{
		Workers: r.Workers, Retries: r.Retries, Lease: r.Lease, Patience: r.Patience,
		Prepare: b.prepare, Accept: b.accept, Finish: b.finish, Log: b.log,
		Observe: func(e schedule.Event) { b.observe(ctx, e) },
		Progress: func(a schedule.Attempt, p build.Progress) {
			b.emit(Transferring{Package: b.dues[a.Task.Base()].pkg, Worker: a.Worker, Progress: p})
		},
	})
	if err != nil {
		return err
	}
	err = s.Run(ctx)
	b.delivery.wait()
	return err
}

// tasks describes what is due to the scheduler.
func (r *run) tasks(ctx context.Context, dues []*due) ([]schedule.Task, error) {
	seconds, err := r.Store.BuildSeconds(ctx, r.Repository.ID())
	if err != nil {
		return nil, err
	}
	tasks := make([]schedule.Task, 0, len(dues))
	for _, d := range dues {
		var features []string
		if job := (build.Job{Base: d.pkg.Base, Origin: d.pkg.Origin, Patches: d.patches}); job.Fetchable() != nil {
			features = []string{build.FeatureSources}
		}
		tasks = append(tasks, schedule.Task{
			Kind: d.relation.kind, Architecture: r.architecture(), Features: features,
			Package: tree.Package{
				Base: d.pkg.Base, Version: d.pkg.Version, Names: d.relation.names, Provides: d.relation.provides,
				Depends: d.relation.needs, CheckDepends: d.relation.tests, Seconds: seconds[d.pkg.Base],
			},
		})
	}
	return tasks, nil
}

// prepare makes the job of an attempt and keeps who has it. A job that an
// earlier run began on this worker, with the same input, goes on.
func (b *builds) prepare(ctx context.Context, a schedule.Attempt) (build.Job, error) {
	d := b.dues[a.Task.Base()]
	stock, err := b.stock(ctx)
	if err != nil {
		return build.Job{}, err
	}
	with, err := stock.gather(ctx, d.relation.all())
	if err != nil {
		return build.Job{}, err
	}
	if with.digest, err = b.inputDigest(ctx, d, with); err != nil {
		return build.Job{}, err
	}
	b.mu.Lock()
	b.begun[d.pkg.Base] = &begun{with: with}
	b.mu.Unlock()
	id := uuid.NewString()
	if before := b.assigned[d.pkg.Base]; a.Task.Worker == a.Worker && before.Input == with.digest {
		id = before.ID
	}
	err = b.Store.Assign(ctx, b.Repository.ID(), store.Assignment{
		Base: d.pkg.Base, ID: id, Version: d.pkg.Version, Input: with.digest, Worker: a.Worker, Started: a.Began,
	})
	return build.Job{
		ID: id, Base: d.pkg.Base, Architecture: b.architecture(), Source: d.dir,
		Packager: cmp.Or(d.packager, b.request.Packager), Dependencies: with.files,
		Origin: d.pkg.Origin, Patches: d.patches,
	}, err
}

// stock returns what there is to build with now.
func (b *builds) stock(ctx context.Context) (*stock, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.published == nil {
		stock, err := b.run.stock(ctx)
		if err != nil {
			return nil, err
		}
		b.published = stock
	}
	return b.published, nil
}

func (b *builds) log(a schedule.Attempt) io.WriteCloser {
	return b.newLineWriter(b.dues[a.Task.Base()].pkg)
}

// accept checks and signs what a worker gave, and moves it to the waiting
// directory, where the next run finds it if this one dies.
func (b *builds) accept(ctx context.Context, f schedule.Finished) error {
	d := b.dues[f.Task.Base()]
	begun := b.of(d)
	given := &batch{base: d.pkg.Base, origin: d.pkg.Origin}
	b.record(ctx, d, begun.with, f.Attempt, f.Result)
	var err error
	if f.Result.Delivered {
		given, err = b.arrived(ctx, given)
	} else {
		err = b.handOver(ctx, d, f, given)
	}
	if err != nil {
		return err
	}
	d.pkg.Version = given.version() // pkgver() may have changed it
	p, err := given.describe(nil)
	if err != nil {
		return err
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	b.mu.Lock()
	begun.batch = given
	owners := b.owners
	b.mu.Unlock()
	b.emit(BuildEnded{Package: p, Worker: f.Worker, Took: f.Ended.Sub(f.Began), Commit: d.commit, Changes: d.changes, PKGBUILD: text})
	b.learnDependencies(ctx, d.pkg.Base, given.files, owners)
	b.dequeue(ctx, d.request)
	return nil
}

func (b *builds) of(d *due) *begun {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun[d.pkg.Base]
}

// finish publishes what was accepted.
func (b *builds) finish(ctx context.Context, finished []schedule.Finished) (map[string]error, error) {
	var batches []*batch
	for _, f := range finished {
		batches = append(batches, b.of(b.dues[f.Task.Base()]).batch)
	}
	published, refused, err := b.publish(ctx, batches)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.published, b.owners = nil, sync.OnceValues(b.run.owners)
	maps.Copy(b.refused, refused)
	b.mu.Unlock()
	b.delivery.add(trigger.Result{Built: published})
	return refused, nil
}

// observe takes over what the scheduler says of a base.
func (b *builds) observe(ctx context.Context, e schedule.Event) {
	switch e := e.(type) {
	case schedule.Started:
		b.emit(BuildStarted{Package: b.dues[e.Task.Base()].pkg, Worker: e.Worker, Expected: e.Expected})
	case schedule.Ended:
		b.ended(ctx, e)
	case schedule.Published:
		b.over(ctx, e.Task)
	case schedule.Failed:
		b.failed(ctx, e)
	case schedule.Skipped:
		d := b.dues[e.Task.Base()]
		b.skip(d, e.Needs)
		if !slices.ContainsFunc(e.Needs, func(base string) bool { return b.unserved[base] }) {
			b.dequeue(ctx, d.request)
		}
		b.over(ctx, e.Task)
	}
	if b.Watch != nil {
		b.Watch(e)
	}
}

// ended takes over how an attempt ended.
func (b *builds) ended(ctx context.Context, e schedule.Ended) {
	d := b.dues[e.Task.Base()]
	failure, isFailure := errors.AsType[*build.Failure](e.Err)
	switch {
	case e.Err == nil:
	case ctx.Err() != nil:
		b.interrupted(d)
		b.over(ctx, e.Task)
	case isFailure && failure != nil:
		b.record(ctx, d, b.of(d).with, e.Attempt, nil)
	}
	if e.Err != nil && e.Again {
		b.emit(BuildAgain{Package: d.pkg, Worker: e.Worker, Err: e.Err})
	}
}

// failed takes over that a base was given up.
func (b *builds) failed(ctx context.Context, e schedule.Failed) {
	d := b.dues[e.Task.Base()]
	b.mu.Lock()
	refused := b.refused[d.pkg.Base] != nil
	b.mu.Unlock()
	if !refused { // else it is among the refused
		b.fail(d.pkg, e.Err)
		b.delivery.add(trigger.Result{Failed: []trigger.Failure{{Base: d.pkg.Base, Reason: e.Err.Error()}}})
	}
	if errors.Is(e.Err, schedule.ErrNoWorker) { // what was asked for is, until there is one
		b.unserved[d.pkg.Base] = true
	} else {
		b.dequeue(ctx, d.request)
	}
	b.over(ctx, e.Task)
}

// over forgets a base that is done with, whatever became of it.
func (b *builds) over(ctx context.Context, t schedule.Task) {
	b.discard([]*due{b.dues[t.Base()]})
	if err := b.Store.Unassign(context.WithoutCancel(ctx), b.Repository.ID(), t.Base()); err != nil {
		b.Logger.Warn("a base is done with", "error", err)
	}
}

func (r *run) skip(d *due, needs []string) {
	omission := Omission{Base: d.pkg.Base, Version: d.pkg.Version, Reason: "needs " + strings.Join(needs, ", ")}
	r.note(func(o *Outcome) { o.Skipped = append(o.Skipped, omission) })
	r.emit(Skipped{Package: d.pkg, Needs: needs})
}

// interrupted sets a base back to what is due: its request is still queued.
func (r *run) interrupted(d *due) {
	r.emit(Due{Package: d.pkg, Reason: "interrupted"})
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

// handOver signs package files and moves them to the waiting directory.
func (b *builds) handOver(ctx context.Context, d *due, f schedule.Finished, to *batch) error {
	infos, err := d.verify(f.Result.Files, b.architecture())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.Repository.Waiting(), 0o755); err != nil {
		return err
	}
	// If this run dies from here on, the next one knows what has to be there to
	// be published, and that it is not to be built again: see resume.
	var names []string
	for _, info := range infos {
		names = append(names, info.Name)
	}
	err = b.Store.Assign(ctx, b.Repository.ID(), store.Assignment{
		Base: d.pkg.Base, ID: f.Job.ID, Version: infos[0].Version, Input: b.of(d).with.digest, Worker: f.Worker, Packages: names, Started: f.Began,
	})
	if err != nil {
		return err
	}
	for i, path := range f.Result.Files {
		waiting := filepath.Join(b.Repository.Waiting(), filepath.Base(path))
		if b.SignPackage != nil {
			if err := b.SignPackage(ctx, path); err != nil {
				return err
			}
			if err := durable.Move(ctx, path+".sig", waiting+".sig"); err != nil {
				return err
			}
		}
		if err := durable.Move(ctx, path, waiting); err != nil {
			return err
		}
		if err := to.add(waiting, infos[i]); err != nil {
			return err
		}
	}
	return nil
}
