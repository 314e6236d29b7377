package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
	"ahriman/core/pkgbuild"
	"ahriman/core/repository"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/trigger"

	"github.com/google/uuid"
)

// Sources brings the sources of bases; *source.Fetcher is one.
type Sources interface {
	Resolve(ctx context.Context, name string, kind source.Kind) (*source.Found, error)
	FromOrigin(base string, origin source.Origin) (*source.Found, error)
	Sources(ctx context.Context, found *source.Found, dir string) (commit string, err error)
	Packages(ctx context.Context, found *source.Found, dir string) ([]string, error)
	Head(ctx context.Context, found *source.Found) (commit string, err error)
	Changes(ctx context.Context, found *source.Found, from, to string) (string, error)
}

// Supply is where package files come from that builds need: this repository,
// or a master's.
type Supply interface {
	// Packages returns what there is.
	Packages(ctx context.Context) ([]alpm.Package, error)
	// File returns the path of a package file, verified against its SHA-256.
	File(ctx context.Context, p alpm.Package) (string, error)
}

// Config is what a Flow works with.
type Config struct {
	Repository *repository.Repository // required
	Store      *store.DB              // required
	// Workers are those who build, of which this machine may be one: see
	// schedule.Config. They are asked for when there is something to build, and
	// again and again while it is. Nil: this node does not build.
	Workers   func(ctx context.Context) ([]schedule.Worker, error)
	Sources   Sources        // required to add and to build
	AUR       AUR            // nil: not asked
	Triggers  *trigger.Chain // nil: none
	Supplies  []Supply       // besides the repository itself, in order of preference
	Observers []Observer     // besides the store

	// Evaluate runs a PKGBUILD that cannot be read without, in a sandbox. Nil:
	// such a base fails.
	Evaluate func(ctx context.Context, dir string) (*pkgbuild.Srcinfo, error)
	// Version fetches the sources of a PKGBUILD and returns the version that its
	// pkgver() gives, both in a sandbox. Nil: VCS packages are not looked at
	// upstream.
	Version func(ctx context.Context, dir string) (string, error)
	// VCSAge is how long a VCS package is left alone after its last build, and
	// after its upstream was looked at and had nothing newer
	// (build.vcs_allowed_age).
	VCSAge time.Duration
	// SignPackage writes path.sig beside a package file that was built here.
	// Nil: packages are not signed.
	SignPackage func(ctx context.Context, path string) error
	// ImportKey takes a public key from a keyserver, for builds that check
	// signatures of sources. Needed for JobKey only.
	ImportKey func(ctx context.Context, key Key) error
	// BuildFlags are the builder's flags, as far as they decide how a package
	// comes out: part of a build's input digest.
	BuildFlags []string
	// Patches are those that a master keeps for a base; they go before the store's
	// of the same name. Nil: there is no master.
	Patches func(ctx context.Context, base string) ([]source.Patch, error)
	// CacheDir is cache/ below the root: local packages, one directory a base.
	CacheDir string
	// ScratchDir is where sources are laid out before they are built.
	ScratchDir string
	// Ignore are bases that updates leave alone (build.ignore_packages).
	Ignore []string
	// MinAge is how old a version of the AUR has to be to be built by itself
	// (build.min_age).
	MinAge time.Duration
	// Databases are the paths of the distribution's databases, as pacman fetches
	// them: what they have is not looked for in the AUR. One that is not there
	// is passed over. Nil: none.
	Databases func() []string
	// FilesDatabases are the paths of all the distribution's files databases.
	// Where one is missing, or Nil: what needs which file is neither found out
	// nor checked.
	FilesDatabases func() []string
	// Refresh fetches these databases anew. Nil: they are left to others.
	Refresh func(ctx context.Context) error
	// Lock is taken while bases are built, so that two runs do not build the
	// same; publishing does not need it. Its error is a *repository.LockedError
	// when another run has it, at once where wait is false. Nil: none.
	Lock func(ctx context.Context, wait bool) (release func(), err error)
	// Watch is told what the scheduler does, besides what observers are told; it
	// must not take long. Nil: nobody is.
	Watch func(schedule.Event)
	// Retries is how often a failed build is tried again on another worker; Lease
	// and Patience are those of schedule.Config.
	Retries         int
	Lease, Patience time.Duration
	// Process is the process_id of the run's logs; empty: a new one for each run.
	Process string
	Logger  *slog.Logger // nil: nothing is logged
}

// Flow runs updates of one repository.
type Flow struct {
	Config
}

// New checks the configuration.
func New(config Config) (*Flow, error) {
	if config.Repository == nil || config.Store == nil {
		return nil, fmt.Errorf("an update needs a repository and a store")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Flow{Config: config}, nil
}

// run is one run of a flow.
type run struct {
	*Flow
	request   Request
	outcome   *Outcome
	observers []Observer
	mu        sync.Mutex                  // guards outcome and scratch
	telling   sync.Mutex                  // held while observers are told
	tell      context.Context             // with which observers are told; of Run and its like, it outlives their own
	assigned  map[string]store.Assignment // by base: builds that a run did not live to see the end of
	planning  bool                        // nothing may change, and no PKGBUILD run
	seen      map[string]string           // what was published when the run looked at what is due: versions by base
	filesOnce sync.Once
	files     owners // of the distribution; nil: not at hand
	filesErr  error
	scratch   *durable.Scratch // where sources are laid out; nil until some are
}

// Run does what is due. It returns the outcome, and an *OutcomeError when some
// of it failed; another error is one that ended the run early, with what was
// done before in the outcome.
func (f *Flow) Run(ctx context.Context, request Request) (*Outcome, error) {
	return f.do(ctx, request, func(r *run) error { return r.update(ctx) })
}

// Remove takes bases out of the repository, the store and whatever observes. A
// base that neither knows is an error, and nothing is removed.
func (f *Flow) Remove(ctx context.Context, bases []string) (*Outcome, error) {
	return f.do(ctx, Request{Bases: bases}, func(r *run) error { return r.remove(ctx) })
}

// do wraps work in what every run begins and ends with.
func (f *Flow) do(ctx context.Context, request Request, work func(*run) error) (*Outcome, error) {
	r := f.newRun(ctx, request)
	defer r.clean()
	tell, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(tellTime, stop) })()
	r.tell = tell
	started := time.Now()
	r.emit(RunStarted{})
	if f.Triggers != nil {
		r.triggered("starting", f.Triggers.Start(ctx))
	}
	if request.Refresh {
		r.refresh(ctx)
	}
	err := work(r)
	// What was begun is ended even when the run was cancelled.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if f.Triggers != nil {
		r.triggered("stopping", f.Triggers.Stop(ending))
	}
	r.outcome.Took = time.Since(started)
	r.emit(RunEnded{Outcome: r.outcome, Err: err})
	if err != nil {
		return r.outcome, err
	}
	return r.outcome, r.outcome.Err()
}

// newRun begins a run: its process_id, and who observes it, the store first.
func (f *Flow) newRun(ctx context.Context, request Request) *run {
	process := f.Process
	if process == "" {
		process = uuid.NewString()
	}
	store := recorder{store: f.Store, id: f.Repository.ID(), process: process}
	return &run{
		Flow: f, request: request, tell: ctx, outcome: &Outcome{Published: []source.Package{}},
		observers: append([]Observer{store}, f.Observers...),
	}
}

func (r *run) update(ctx context.Context) error {
	if err := r.resume(ctx); err != nil {
		return err
	}
	if r.request.Manual {
		warnings, err := r.Store.TakeWarnings(ctx, r.Repository.ID())
		if err != nil {
			return err
		}
		for _, warning := range warnings {
			r.Logger.Warn(warning)
		}
		r.outcome.Warnings = warnings
		if err := r.publishWaiting(ctx); err != nil {
			return err
		}
	}
	due, err := r.collect(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	release, due, err := r.lock(ctx, due)
	if err != nil {
		return err
	}
	defer release()
	return r.build(ctx, due)
}

// lock makes this run the one that builds, and returns what is due then: what
// was due before may have been published by the run that had the lock.
func (r *run) lock(ctx context.Context, dues []*due) (release func(), now []*due, err error) {
	if r.Lock == nil {
		return func() {}, dues, nil
	}
	release, err = r.Lock(ctx, !r.request.NoWait)
	if locked, ok := errors.AsType[*repository.LockedError](err); ok && r.request.NoWait {
		for _, d := range dues {
			r.left(Omission{Base: d.pkg.Base, Version: d.pkg.Version, Reason: "another run builds now: " + locked.Error()})
		}
		r.discard(dues)
		return func() {}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	before := r.seen
	if published, err := r.published(ctx); err != nil || maps.Equal(published, before) {
		return release, dues, err
	}
	r.discard(dues)
	if err = r.resume(ctx); err == nil {
		now, err = r.collect(ctx)
	}
	if err != nil {
		release()
	}
	return release, now, err
}

// note changes the outcome.
func (r *run) note(change func(*Outcome)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r.outcome)
}

// tellTime is how long telling of what was done may take once the run is
// cancelled.
const tellTime = time.Minute

// emit tells the observers, one event after the other, also of what was done
// when the run is cancelled. One that fails is logged and does not stop the run.
func (r *run) emit(e Event) {
	r.telling.Lock()
	defer r.telling.Unlock()
	for _, o := range r.observers {
		if err := o.Observe(r.tell, e); err != nil {
			r.Logger.Warn("telling of the run", "error", err)
		}
	}
}

// triggered keeps what went wrong with triggers for the outcome.
func (r *run) triggered(doing string, err error) {
	if err != nil {
		r.Logger.Error("triggers", "doing", doing, "error", err)
		r.outcome.Triggers = append(r.outcome.Triggers, err.Error())
	}
}
