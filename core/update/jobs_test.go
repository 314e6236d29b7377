package update_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/trigger"
	"ahriman/core/update"

	"github.com/google/go-cmp/cmp"
)

// jobs runs jobs with the fixture's flow.
func (f *fixture) jobs() *update.Jobs {
	open := func(_ alpm.RepositoryID, process string) (*update.Flow, func() error, error) {
		c := f.config
		c.Process = process
		flow, err := update.New(c)
		return flow, func() error { return nil }, err
	}
	jobs := update.NewJobs(f.store, open, nil)
	f.t.Cleanup(jobs.Close)
	return jobs
}

// do submits a job and returns it once it has ended.
func (f *fixture) do(jobs *update.Jobs, kind, arguments string) store.Job {
	f.t.Helper()
	id, err := jobs.Submit(f.t.Context(), f.config.Repository.ID(), kind, []byte(arguments), "somebody")
	if err != nil {
		f.t.Fatal(err)
	}
	jobs.Wait()
	job, err := f.store.Job(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return job
}

// keep puts a PKGBUILD into cache/.
func (f *fixture) keep(base, text string) {
	f.t.Helper()
	dir := filepath.Join(f.root, "cache", base)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func TestJobsEndWithTheirOutcome(t *testing.T) {
	f := newFixture(t)
	f.want("good", pkgbuildOf("good", "1"))
	f.want("bad", pkgbuildOf("bad", "1"))
	f.runner.fail["bad"] = true
	jobs := f.jobs()
	id, err := jobs.Submit(t.Context(), f.config.Repository.ID(), update.JobUpdate, []byte(`{"manual":true}`), "somebody")
	if err != nil {
		t.Fatal(err)
	}
	jobs.Wait()
	job, err := f.store.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Outcome{Updated: []string{"good"}, Failed: []store.Failure{{Base: "bad", Reason: "building bad: made to"}}}
	if diff := cmp.Diff(want, job.Outcome); job.State != store.Partial || diff != "" {
		t.Errorf("%s %s", job.State, diff)
	}
	jobs.Close()
	if _, err := jobs.Submit(t.Context(), f.config.Repository.ID(), update.JobUpdate, []byte(`{}`), ""); !errors.Is(err, update.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Names of the AUR and of cache/ are added and built; what needs the AUR too.
func TestAddJob(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	a.pkgbuilds["app"] = pkgbuildOf("app", "1", "depends=(lib)")
	a.pkgbuilds["lib"] = pkgbuildOf("lib", "1")
	f.keep("local", pkgbuildOf("local", "1"))
	jobs := f.jobs()

	job := f.do(jobs, update.JobAdd, `{"packages":["app","nowhere","local"],"increment":true,"packager":"Me <me@example.org>","patches":[{"key":"pkgrel","value":"7"}]}`)
	slices.Sort(job.Outcome.Updated)
	want := store.Outcome{Updated: []string{"app", "lib", "local"}, Failed: []store.Failure{{Base: "nowhere", Reason: "resolving nowhere: not found"}}}
	if diff := cmp.Diff(want, job.Outcome); job.State != store.Partial || diff != "" {
		t.Errorf("%s %s", job.State, diff)
	}
	f.expect("published", f.published(), []string{"app 1-7", "lib 1-1", "local 1-7"})
	for _, built := range f.runner.jobs {
		if built.Packager != "Me <me@example.org>" {
			t.Errorf("%s was built by %q", built.Base, built.Packager)
		}
	}
	if job := f.do(jobs, update.JobAdd, `{"packages":["nowhere"]}`); job.State != store.JobFailed {
		t.Errorf("nothing was added, and the job %s", job.State)
	}
	if job := f.do(jobs, update.JobAdd, `{"packages":["local"],"increment":true}`); job.State != store.Succeeded {
		t.Errorf("%+v", job)
	}
	f.expect("published", f.published(), []string{"app 1-7", "lib 1-1", "local 1-7.1"})
}

// A request is queued, with who asked, and built by the next update.
func TestRequestJob(t *testing.T) {
	f := newFixture(t)
	f.keep("a", pkgbuildOf("a", "1"))
	jobs := f.jobs()
	if job := f.do(jobs, update.JobRequest, `{"packages":["a"],"increment":true,"user":"somebody"}`); job.State != store.Succeeded {
		t.Errorf("%+v", job)
	}
	queue, err := f.store.Queue(t.Context(), f.config.Repository.ID())
	if err != nil || len(queue) != 1 || queue[0].Package.Base != "a" || queue[0].User != "somebody" || !queue[0].Increment {
		t.Errorf("%+v, %v", queue, err)
	}
	job := f.do(jobs, update.JobRequest, `{"packages":["https://127.0.0.1:1/a-1-1-any.pkg.tar.zst","git+https://127.0.0.1:1/a.git"]}`)
	if len(job.Outcome.Failed) != 2 || job.Outcome.Failed[1].Reason != "only names can be asked for" {
		t.Errorf("addresses: %+v", job)
	}
	f.expect("published", f.published(), nil)
	f.do(jobs, update.JobUpdate, `{"manual":true}`)
	f.expect("published", f.published(), []string{"a 1-1"})
}

// uploads notes what is uploaded.
type uploads struct{ files []string }

func (u *uploads) Upload(_ context.Context, paths ...string) error {
	for _, path := range paths {
		u.files = append(u.files, filepath.Base(path))
	}
	return nil
}

// deliver gives the fixture an upload trigger.
func (f *fixture) deliver() *uploads {
	f.t.Helper()
	u := &uploads{}
	ini := filepath.Join(f.root, "ahriman.ini")
	text := "[repository]\nroot = root\n[upload]\ntarget = remote-service\n[remote-service]\n"
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	file, err := config.Load(ini, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	settings, err := file.For(f.config.Repository.ID())
	if err != nil {
		f.t.Fatal(err)
	}
	options := trigger.Options{Settings: settings, Uploader: func(config.RemoteService) (trigger.Uploader, error) { return u, nil }}
	chain, err := trigger.New([]string{trigger.Upload}, options)
	if err != nil {
		f.t.Fatal(err)
	}
	f.config.Triggers = chain
	return u
}

// A delegating master asks for a version that this worker has built before: it
// is sent once more, also when it has been removed here since.
func TestAddDeliversWhatIsThere(t *testing.T) {
	f := newFixture(t)
	sent := f.deliver()
	f.keep("a", pkgbuildOf("a", "1"))
	jobs := f.jobs()
	const add = `{"packages":["a"],"increment":false}`
	for round := range 3 {
		if round == 2 {
			if _, err := f.flow().Remove(t.Context(), []string{"a"}); err != nil {
				t.Fatal(err)
			}
		}
		sent.files = nil
		if job := f.do(jobs, update.JobAdd, add); job.State != store.Succeeded {
			t.Fatalf("round %d: %+v", round, job)
		}
		f.expect("sent", sent.files, []string{"a-1-1-any.pkg.tar"})
		f.expect("published", f.published(), []string{"a 1-1"})
	}
	if len(f.runner.jobs) != 1 {
		t.Errorf("%d builds, want one", len(f.runner.jobs))
	}
}

// What needs a package is built again, directly or through others that run with
// it; what is held or has no source stays.
func TestRebuild(t *testing.T) {
	f := newFixture(t)
	f.want("ssl", pkgbuildOf("ssl", "1", "provides=(libssl.so)"))
	f.want("curl", pkgbuildOf("curl", "1", "depends=('libssl.so>=1')"))
	f.want("git", pkgbuildOf("git", "1", "depends=(curl)"))
	f.want("held", pkgbuildOf("held", "1", "depends=(ssl)"))
	f.want("tool", pkgbuildOf("tool", "1", "makedepends=(git)"))
	f.want("other", pkgbuildOf("other", "1", "depends=(tool)"))
	f.handIn("file", "file", "1-1", "")
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	if err := f.store.SetHeld(t.Context(), f.config.Repository.ID(), "held", true); err != nil {
		t.Fatal(err)
	}
	jobs := f.jobs()
	job := f.do(jobs, update.JobRebuild, `{"increment":true,"rebuild":{"depends_on":["libssl.so"]}}`)
	f.expect("rebuilt", job.Outcome.Updated, []string{"curl", "git", "tool"})
	job = f.do(jobs, update.JobRebuild, `{"increment":true,"rebuild":{"depends_on":["git"]}}`)
	f.expect("rebuilt", job.Outcome.Updated, []string{"tool"})
	job = f.do(jobs, update.JobRebuild, `{"increment":true,"rebuild":{}}`)
	f.expect("rebuilt", job.Outcome.Updated, []string{"ssl", "curl", "git", "tool", "other"})
	f.expect("left", job.Outcome.Warnings, []string{"file: it was added as a package file: its source is not known", "held: held"})
	if job := f.do(jobs, update.JobRebuild, `{"rebuild":{}}`); job.State != store.Succeeded || len(job.Outcome.Updated) != 0 {
		t.Errorf("without increment: %+v", job)
	}
}

// After moving to an empty repository, the store says what to build.
func TestRebuildFromStore(t *testing.T) {
	f := newFixture(t)
	f.keep("a", pkgbuildOf("a", "1"))
	f.keep("b", pkgbuildOf("b", "1"))
	for base, status := range map[string]store.Status{"a": store.Failed, "b": store.Success} {
		p := source.Package{Base: base, Version: "1-1", Origin: source.Origin{Source: source.Local}}
		if err := f.store.SetPackage(t.Context(), f.config.Repository.ID(), p, status); err != nil {
			t.Fatal(err)
		}
	}
	jobs := f.jobs()
	f.expect("published only", f.do(jobs, update.JobRebuild, `{"rebuild":{}}`).Outcome.Updated, nil)
	f.do(jobs, update.JobRebuild, `{"rebuild":{"from_store":true,"status":"failed"}}`)
	f.expect("published", f.published(), []string{"a 1-1"})
	f.do(jobs, update.JobRebuild, `{"rebuild":{"from_store":true}}`)
	f.expect("published", f.published(), []string{"a 1-1", "b 1-1"})
}

// lockBuilds gives the fixture's flows a build lock, which held says whether
// somebody has.
func (f *fixture) lockBuilds() (held chan struct{}) {
	held = make(chan struct{}, 1)
	f.config.Lock = func(ctx context.Context, wait bool) (func(), error) {
		release := func() { <-held }
		select {
		case held <- struct{}{}:
			return release, nil
		default:
		}
		if !wait {
			return nil, &repository.LockedError{Path: "lock", PID: 7, Command: "ahriman"}
		}
		select {
		case held <- struct{}{}:
			return release, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return held
}

// A worker's call, while the update that waits for the worker builds: what was
// uploaded is published, what is being built is left to that update.
func TestWorkersCallDoesNotWait(t *testing.T) {
	f := newFixture(t)
	held := f.lockBuilds()
	f.want("being-built", pkgbuildOf("being-built", "1"))
	f.handIn("uploaded", "uploaded", "1-1", "")
	held <- struct{}{}
	jobs := f.jobs()
	job := f.do(jobs, update.JobUpdate, `{"manual":true,"increment":true,"no_wait":true}`)
	if job.State != store.Succeeded {
		t.Errorf("%+v", job)
	}
	f.expect("published", f.published(), []string{"uploaded 1-1"})
	f.expect("left", job.Outcome.Warnings, []string{"being-built: another run builds now: lock is locked by ahriman, process 7"})
	queue, err := f.store.Queue(t.Context(), f.config.Repository.ID())
	if err != nil || len(queue) != 1 {
		t.Errorf("the queue: %v, %v", queue, err)
	}
}

// Two updates that found the same thing due build it once.
func TestWhoWaitedLooksAgain(t *testing.T) {
	f := newFixture(t)
	held := f.lockBuilds()
	f.want("a", pkgbuildOf("a", "1"))
	jobs := f.jobs()
	first := f.config.Lock
	f.config.Lock = func(ctx context.Context, wait bool) (func(), error) {
		// The other one has found what is due, and is told to wait.
		f.config.Lock = first
		if outcome, _, err := f.run(); err != nil || len(outcome.Published) != 1 {
			t.Errorf("%+v, %v", outcome, err)
		}
		return first(ctx, wait)
	}
	job := f.do(jobs, update.JobUpdate, `{"manual":true,"increment":true}`)
	if job.State != store.Succeeded || len(f.runner.jobs) != 1 || len(held) != 0 {
		t.Errorf("%+v, %d builds, lock held by %d", job, len(f.runner.jobs), len(held))
	}
}

func TestUnknownJobsAreRefused(t *testing.T) {
	jobs := newFixture(t).jobs()
	if _, err := jobs.Submit(t.Context(), alpm.RepositoryID{}, "dance", []byte(`{}`), ""); !errors.Is(err, update.ErrUnknownKind) {
		t.Errorf("got %v", err)
	}
	for _, kind := range []string{update.JobAdd, update.JobUpdate, update.JobRollback} {
		if _, err := jobs.Submit(t.Context(), alpm.RepositoryID{}, kind, []byte(`{"packages":7,"package":7}`), ""); err == nil {
			t.Errorf("%s took numbers for names", kind)
		}
	}
}

// Two workers call at once: what one publishes is told to both.
func TestTwoCallsAtOnce(t *testing.T) {
	f := newFixture(t)
	for _, base := range []string{"a", "b", "c", "d", "e"} {
		f.handIn(base, base, "1-1", "")
	}
	jobs := f.jobs()
	var ids []string
	for range 4 {
		id, err := jobs.Submit(t.Context(), f.config.Repository.ID(), update.JobUpdate, []byte(`{"manual":true,"no_wait":true}`), "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	jobs.Wait()
	for _, id := range ids {
		if job, err := f.store.Job(t.Context(), id); err != nil || job.State != store.Succeeded {
			t.Errorf("%+v, %v", job, err)
		}
	}
	f.expect("published", f.published(), []string{"a 1-1", "b 1-1", "c 1-1", "d 1-1", "e 1-1"})
}
