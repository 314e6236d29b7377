package update_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/pkgbuild"
	"ahriman/core/repository"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"

	"github.com/google/go-cmp/cmp"
)

// fixture is a node in a directory of the test's, whose builds are made up:
// everything else is the real thing.
type fixture struct {
	observing sync.Mutex
	t         *testing.T
	root      string
	store     *store.DB
	runner    *runner
	config    update.Config
	events    []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, root: t.TempDir()}
	id := alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}
	var err error
	if f.store, err = store.Open(t.Context(), filepath.Join(f.root, "ahriman.sqlite")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	r, err := repository.Open(repository.Options{Root: f.root, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"cache", "scratch", "built"} {
		if err := os.Mkdir(filepath.Join(f.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.runner = &runner{dir: filepath.Join(f.root, "built"), fail: map[string]bool{}, jobs: map[string]build.Job{}}
	f.config = update.Config{
		Repository: r, Store: f.store, Sources: source.New(source.Config{Cache: filepath.Join(f.root, "cache")}),
		Workers:  f.workers(func() build.Runner { return f.runner }),
		CacheDir: filepath.Join(f.root, "cache"), ScratchDir: filepath.Join(f.root, "scratch"),
		Observers: []update.Observer{f},
	}
	return f
}

// workers is a fleet of one.
func (f *fixture) workers(runner func() build.Runner) func(context.Context) ([]schedule.Worker, error) {
	return func(context.Context) ([]schedule.Worker, error) {
		return []schedule.Worker{{Name: "local", Runner: runner(), Features: []string{build.FeatureSources}}}, nil
	}
}

// Observe notes what happened, but for logs.
func (f *fixture) Observe(_ context.Context, e update.Event) error {
	f.observing.Lock() // flows of two runs tell it
	defer f.observing.Unlock()
	switch e := e.(type) {
	case update.BuildEnded:
		if e.Err != nil {
			f.events = append(f.events, "failed "+e.Package.Base)
		}
	case update.Published:
		f.events = append(f.events, "published "+e.Package.Base+" "+e.Package.Version)
	case update.Refused:
		f.events = append(f.events, "refused "+e.File)
	case update.Skipped:
		f.events = append(f.events, "skipped "+e.Package.Base)
	}
	return nil
}

func (f *fixture) flow() *update.Flow {
	f.t.Helper()
	flow, err := update.New(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	return flow
}

// want asks for a base with this PKGBUILD.
func (f *fixture) want(base, text string) {
	f.t.Helper()
	f.keep(base, text)
	found, err := f.config.Sources.FromOrigin(base, source.Origin{Source: source.Local})
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := f.flow().Describe(f.t.Context(), found, f.t.TempDir())
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.flow().Request(f.t.Context(), p, update.Order{Increment: true}); err != nil {
		f.t.Fatal(err)
	}
}

// run updates, and returns what was told.
func (f *fixture) run() (*update.Outcome, []string, error) {
	f.events = nil
	outcome, err := f.flow().Run(f.t.Context(), update.Request{Manual: true, Local: true, Increment: true})
	return outcome, f.events, err
}

// published lists the names and versions in the repository.
func (f *fixture) published() []string {
	f.t.Helper()
	packages, err := f.config.Repository.Packages(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for _, p := range packages {
		list = append(list, p.Name+" "+p.Version)
	}
	slices.Sort(list)
	return list
}

func (f *fixture) expect(what string, got, want []string) {
	f.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func pkgbuildOf(name, version string, more ...string) string {
	return fmt.Sprintf("pkgname=%s\npkgver=%s\npkgrel=1\narch=(any)\n%s\npackage() { :; }\n", name, version, strings.Join(more, "\n"))
}

// runner makes the packages that a PKGBUILD names.
type runner struct {
	dir  string
	fail map[string]bool

	mu   sync.Mutex
	jobs map[string]build.Job
	hang chan struct{} // closed when a job hangs; nil: none does
	gone []string      // bases that were cancelled
}

func (r *runner) Start(_ context.Context, job build.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs[job.ID] = job
	return nil
}

func (r *runner) Attach(ctx context.Context, id string, w io.Writer) (*build.Result, error) {
	r.mu.Lock()
	job := r.jobs[id]
	r.mu.Unlock()
	fmt.Fprintf(w, "building %s\nwithout a line's end", job.Base)
	if r.hang != nil {
		close(r.hang)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.fail[job.Base] {
		return nil, &build.Failure{Base: job.Base, Reason: "made to"}
	}
	info, err := pkgbuild.Evaluate(ctx, job.Source, pkgbuild.Options{Architecture: job.Architecture})
	if err != nil {
		return nil, err
	}
	result := &build.Result{}
	for _, p := range info.ForArch(job.Architecture) {
		var relations strings.Builder // the description's line ends with them
		for key, list := range map[string][]string{"depend": p.Depends, "makedepend": p.MakeDepends, "provides": p.Provides} {
			for _, relation := range list {
				fmt.Fprintf(&relations, "\n%s = %s", key, relation)
			}
		}
		path, err := writePackage(r.dir, p.Name, info.Base, info.Version(), relations.String())
		if err != nil {
			return nil, err
		}
		result.Files = append(result.Files, path)
	}
	return result, nil
}

func (r *runner) Cancel(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, r.jobs[id].Base)
	return nil
}

// writePackage makes the smallest package file there is.
func writePackage(dir, name, base, version, content string) (string, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	info := fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = %s\nsize = 1\narch = any\npkgdesc = %s\n", name, base, version, content)
	var mtree bytes.Buffer
	zipped := gzip.NewWriter(&mtree)
	fmt.Fprintf(zipped, "#mtree\n./.PKGINFO type=file size=%d sha256digest=%x\n", len(info), sha256.Sum256([]byte(info)))
	if err := zipped.Close(); err != nil {
		return "", err
	}
	for _, entry := range []struct{ name, content string }{{".PKGINFO", info}, {".MTREE", mtree.String()}} {
		if err := w.WriteHeader(&tar.Header{Name: entry.name, Mode: 0o644, Size: int64(len(entry.content))}); err != nil {
			return "", err
		}
		if _, err := io.WriteString(w, entry.content); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-any.pkg.tar", name, version))
	return path, os.WriteFile(path, b.Bytes(), 0o644)
}

// handIn puts package files where uploads stand.
func (f *fixture) handIn(name, base, version, content string) {
	f.t.Helper()
	if err := os.MkdirAll(f.config.Repository.Waiting(), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if _, err := writePackage(f.config.Repository.Waiting(), name, base, version, content); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) waiting() []string {
	f.t.Helper()
	entries, err := os.ReadDir(f.config.Repository.Waiting())
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOrderFailuresAndWhatNeedsThem(t *testing.T) {
	f := newFixture(t)
	f.want("app", pkgbuildOf("app", "1", "depends=('lib>=1')"))
	f.want("lib", pkgbuildOf("lib", "1"))
	f.want("bad", pkgbuildOf("bad", "1", "provides=(virtual)"))
	f.want("needsbad", pkgbuildOf("needsbad", "1", "makedepends=(virtual)"))
	f.want("needsneeds", pkgbuildOf("needsneeds", "1", "checkdepends=(needsbad)"))
	f.runner.fail["bad"] = true
	outcome, events, err := f.run()
	var partly *update.OutcomeError
	if !errors.As(err, &partly) || !partly.Partial() {
		t.Errorf("got %v, want a partial outcome", err)
	}
	f.expect("events", events, []string{"failed bad", "skipped needsbad", "skipped needsneeds", "published lib 1-1", "published app 1-1"})
	f.expect("published", f.published(), []string{"app 1-1", "lib 1-1"})
	if len(outcome.Skipped) != 2 || outcome.Skipped[0].Reason != "needs bad" {
		t.Errorf("skipped: %+v", outcome.Skipped)
	}
	for _, job := range f.runner.jobs {
		if job.Base == "app" && (len(job.Dependencies) != 1 || filepath.Base(job.Dependencies[0]) != "lib-1-1-any.pkg.tar") {
			t.Errorf("app was built with %v", job.Dependencies)
		}
	}
	for base, want := range map[string]store.Status{"app": store.Success, "bad": store.Failed, "needsbad": store.Failed} {
		if record, err := f.store.Package(t.Context(), f.config.Repository.ID(), base); err != nil || record.Status != want {
			t.Errorf("%s: %v %v, want %s", base, record.Status, err, want)
		}
	}
	logs, err := f.store.Logs(t.Context(), f.config.Repository.ID(), "app", store.LogQuery{})
	if err != nil || len(logs) != 2 || logs[1].Message != "without a line's end" {
		t.Errorf("log of app: %+v %v", logs, err)
	}
	changes, err := f.store.Changes(t.Context(), f.config.Repository.ID(), "app")
	if err != nil || !strings.HasPrefix(changes.PKGBUILD, "pkgname=app\n") {
		t.Errorf("PKGBUILD of app: %q %v", changes.PKGBUILD, err)
	}
	builds, err := f.store.Builds(t.Context(), f.config.Repository.ID(), "app", 1)
	if err != nil || len(builds) != 1 || len(builds[0].Input) != 64 || len(builds[0].Outputs) != 1 {
		t.Errorf("record of app: %+v %v", builds, err)
	}
}

func TestNothingIsDueTwice(t *testing.T) {
	f := newFixture(t)
	f.want("a", pkgbuildOf("a", "1"))
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	outcome, events, err := f.run()
	if err != nil || !outcome.Empty() || len(events) > 0 {
		t.Errorf("got %+v, %v, %v", outcome, events, err)
	}
	f.want("a", pkgbuildOf("a", "1"))
	_, events, err = f.run()
	f.expect("asked for again", events, []string{"published a 1-1.1"})
	if err != nil {
		t.Error(err)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	f := newFixture(t)
	f.want("app", pkgbuildOf("app", "1", "depends=(lib)"))
	f.want("lib", pkgbuildOf("lib", "1"))
	for range 2 {
		plan, _, err := f.flow().Plan(t.Context(), update.Request{Manual: true, Increment: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, step := range plan.Steps {
			got = append(got, step.Task.Base()+": "+plan.Due[step.Task.Base()].Reason)
		}
		f.expect("plan", got, []string{"lib: requested", "app: requested"})
	}
	if len(f.runner.jobs) > 0 {
		t.Error("a plan built something")
	}
	left, err := os.ReadDir(f.config.ScratchDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What was built or uploaded before a crash is published by the next run.
func TestWaitingFilesArePublished(t *testing.T) {
	f := newFixture(t)
	f.handIn("one", "one", "1-1", "")
	_, events, err := f.run()
	if err != nil {
		t.Fatal(err)
	}
	f.expect("events", events, []string{"published one 1-1"})
	f.expect("waiting", f.waiting(), nil)
}

// A base whose names were posted is held back until all of them are there.
// A base that came as a package file, as from a worker, is built once cache/ has
// a newer PKGBUILD of it, and again when that is asked for.
func TestPackageFileIsFollowedInCache(t *testing.T) {
	f := newFixture(t)
	f.handIn("one", "one", "1-1", "")
	f.handIn("other", "other", "1-1", "")
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	f.keep("one", pkgbuildOf("one", "2"))
	_, events, err := f.run()
	if err != nil {
		t.Fatal(err)
	}
	f.expect("newer", events, []string{"published one 2-1"})
	record, err := f.store.Package(t.Context(), f.config.Repository.ID(), "one")
	if err != nil || record.Package.Origin.Source != source.Local {
		t.Errorf("origin: %+v, %v", record.Package.Origin, err)
	}
	f.events = nil
	if _, err := f.flow().Run(t.Context(), update.Request{Rebuild: &update.Rebuild{}, Increment: true}); err != nil {
		t.Fatal(err)
	}
	f.expect("again", f.events, []string{"published one 2-1.1"})
}

func TestIncompleteBaseWaits(t *testing.T) {
	f := newFixture(t)
	split := source.Package{Base: "split", Version: "1-1", Origin: source.Origin{Source: source.Local},
		Packages: map[string]source.Properties{"split-a": {}, "split-b": {}}}
	if err := f.store.SetPackage(t.Context(), f.config.Repository.ID(), split, store.Building); err != nil {
		t.Fatal(err)
	}
	f.handIn("split-a", "split", "1-1", "")
	outcome, events, err := f.run()
	if err != nil || len(events) > 0 || len(outcome.Unchanged) != 1 || outcome.Unchanged[0].Reason != "waiting for split-b" {
		t.Errorf("got %+v, %v, %v", outcome, events, err)
	}
	f.expect("waiting", f.waiting(), []string{"split-a-1-1-any.pkg.tar"})
	f.handIn("split-b", "split", "1-1", "")
	_, events, err = f.run()
	if err != nil {
		t.Error(err)
	}
	f.expect("published", f.published(), []string{"split-a 1-1", "split-b 1-1"})
	f.expect("events", events, []string{"published split 1-1"})

	// A package that the base builds no longer leaves the repository with it.
	split.Version, split.Packages = "2-1", map[string]source.Properties{"split-a": {}}
	if err := f.store.SetPackage(t.Context(), f.config.Repository.ID(), split, store.Building); err != nil {
		t.Fatal(err)
	}
	f.handIn("split-a", "split", "2-1", "")
	if _, _, err := f.run(); err != nil {
		t.Error(err)
	}
	f.expect("published", f.published(), []string{"split-a 2-1"})
}

// Somebody who uploads a part and never said what the base builds does not
// lose the rest.
func TestUnknownSiblingsStay(t *testing.T) {
	f := newFixture(t)
	f.handIn("split-a", "split", "1-1", "")
	f.handIn("split-b", "split", "1-1", "")
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	f.handIn("split-a", "split", "2-1", "")
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	f.expect("published", f.published(), []string{"split-a 2-1", "split-b 1-1"})
}

// What is published wins: late, different and unreadable files are refused, and
// the others go on.
func TestRefusals(t *testing.T) {
	f := newFixture(t)
	f.handIn("old", "old", "2-1", "")
	f.handIn("same", "same", "1-1", "these bytes")
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	f.handIn("old", "old", "1-1", "")
	f.handIn("same", "same", "1-1", "other bytes")
	f.handIn("good", "good", "1-1", "")
	if err := os.WriteFile(filepath.Join(f.config.Repository.Waiting(), "torn-1-1-any.pkg.tar.zst"), []byte("torn"), 0o644); err != nil {
		t.Fatal(err)
	}
	outcome, events, err := f.run()
	var partly *update.OutcomeError
	if !errors.As(err, &partly) || !partly.Partial() || len(outcome.Refused) != 3 {
		t.Errorf("got %v, %+v", err, outcome.Refused)
	}
	slices.Sort(events)
	f.expect("events", events, []string{"published good 1-1", "refused old-1-1-any.pkg.tar", "refused same-1-1-any.pkg.tar", "refused torn-1-1-any.pkg.tar.zst"})
	f.expect("published", f.published(), []string{"good 1-1", "old 2-1", "same 1-1"})
	f.expect("waiting", f.waiting(), nil)
}

// An interrupted build is cancelled, leaves nothing, and is due the next time.
func TestInterruption(t *testing.T) {
	f := newFixture(t)
	f.want("a", pkgbuildOf("a", "1"))
	f.runner.hang = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-f.runner.hang; cancel() }()
	if _, err := f.flow().Run(ctx, update.Request{Manual: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	f.expect("cancelled", f.runner.gone, []string{"a"})
	left, err := os.ReadDir(f.config.ScratchDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	f.runner.hang = nil
	_, events, err := f.run()
	if err != nil {
		t.Error(err)
	}
	f.expect("events", events, []string{"published a 1-1"})
}

func TestRemove(t *testing.T) {
	f := newFixture(t)
	f.want("a", pkgbuildOf("a", "1"))
	f.want("b", pkgbuildOf("b", "1"))
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.flow().Remove(t.Context(), []string{"a", "nothing"}); !errors.Is(err, store.ErrUnknownPackage) {
		t.Errorf("got %v", err)
	}
	f.expect("published", f.published(), []string{"a 1-1", "b 1-1"})
	if _, err := f.flow().Remove(t.Context(), []string{"a"}); err != nil {
		t.Error(err)
	}
	f.expect("published", f.published(), []string{"b 1-1"})
	if _, err := f.store.Package(t.Context(), f.config.Repository.ID(), "a"); !errors.Is(err, store.ErrUnknownPackage) {
		t.Errorf("got %v", err)
	}
}

// observer is a function that observes.
type observer func(update.Event)

func (o observer) Observe(_ context.Context, e update.Event) error {
	o(e)
	return nil
}

// What waits and is taken by another run meanwhile is that run's: it may be
// published, or gone again already.
func TestWaitingTakenByAnotherRun(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"app", "gone", "other"} {
		f.handIn(name, name, "1-1", "")
	}
	r := f.config.Repository
	// The last by name, and no package: when it is refused, the others were read.
	if err := os.WriteFile(filepath.Join(r.Waiting(), "z-1-1-any.pkg.tar"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(r.Waiting(), name+"-1-1-any.pkg.tar") }
	f.config.Observers = append(f.config.Observers, observer(func(e update.Event) {
		if _, ok := e.(update.Refused); !ok {
			return
		}
		_, err := r.Publish(t.Context(), repository.Change{Add: []string{path("app"), path("gone")}})
		if err == nil {
			_, err = r.Publish(t.Context(), repository.Change{Remove: []string{"gone"}})
		}
		if err != nil {
			t.Error(err)
		}
	}))
	outcome, events, err := f.run()
	f.expect("events", events, []string{"refused z-1-1-any.pkg.tar", "published other 1-1"})
	if len(outcome.Refused) != 1 {
		t.Errorf("%+v, %v", outcome, err)
	}
	f.expect("published", f.published(), []string{"app 1-1", "other 1-1"})
}

// Of two runs that copy a base at once, one tells of it.
func TestCopiedByTwoRuns(t *testing.T) {
	f := newFixture(t)
	from, err := repository.Open(repository.Options{Root: f.root, ID: alpm.RepositoryID{Name: "testing", Architecture: "x86_64"}})
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range []string{"app", "lib"} {
		path, err := writePackage(t.TempDir(), name, name, "1-1", "")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	if _, err := from.Publish(t.Context(), repository.Change{Add: files}); err != nil {
		t.Fatal(err)
	}
	faster := f.flow()
	f.config.SignPackage = func(context.Context, string) error { // between the plan and the publication
		_, err := faster.Copy(t.Context(), from, []string{"app"})
		return err
	}
	outcome, err := f.flow().Copy(t.Context(), from, []string{"app", "lib"})
	if err != nil {
		t.Fatal(err)
	}
	f.expect("events", f.events, []string{"published app 1-1", "published lib 1-1"})
	f.expect("published", f.published(), []string{"app 1-1", "lib 1-1"})
	if len(outcome.Published) != 1 || len(outcome.Unchanged) != 1 || outcome.Unchanged[0].Base != "app" {
		t.Errorf("%+v", outcome)
	}
}
