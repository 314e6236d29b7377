package update_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/store"
	"ahriman/core/update"
)

// elsewhere is a worker that lives on when its master dies: it remembers its
// jobs, and builds when it is told to.
type elsewhere struct {
	*runner
	mu      sync.Mutex
	builds  map[string]int // how many, by base
	seen    map[string]bool
	release chan struct{} // builds end once it is closed
	started chan string   // bases, as they are started
	spoil   func(base, path string) error
	lost    bool
}

func (f *fixture) elsewhere(name string) *elsewhere {
	f.t.Helper()
	dir := filepath.Join(f.root, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	e := &elsewhere{runner: &runner{dir: dir, fail: map[string]bool{}, jobs: map[string]build.Job{}},
		builds: map[string]int{}, seen: map[string]bool{}, release: make(chan struct{}), started: make(chan string, 100)}
	close(e.release)
	return e
}

func (e *elsewhere) Start(ctx context.Context, job build.Job) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost {
		return fmt.Errorf("no route to host: %w", build.ErrLost)
	}
	if !e.seen[job.ID] {
		e.seen[job.ID] = true
		e.builds[job.Base]++
		// The master's sources may be gone when the build goes on.
		copied := filepath.Join(e.dir, job.ID)
		if err := os.CopyFS(copied, os.DirFS(job.Source)); err != nil {
			return err
		}
		job.Source = copied
		if err := e.runner.Start(ctx, job); err != nil {
			return err
		}
	}
	e.started <- job.Base
	return nil
}

func (e *elsewhere) Attach(ctx context.Context, id string, w io.Writer) (*build.Result, error) {
	e.mu.Lock()
	release := e.release
	e.mu.Unlock()
	select {
	case <-release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	result, err := e.runner.Attach(ctx, id, w)
	if err != nil || e.spoil == nil {
		return result, err
	}
	for _, path := range result.Files {
		if err := e.spoil(filepath.Base(path), path); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// hold makes builds wait until the function it returns is called.
func (e *elsewhere) hold() func() {
	release := make(chan struct{})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release = release
	return func() { close(release) }
}

// fleet makes these the workers.
func (f *fixture) fleet(workers map[string]build.Runner) {
	f.config.Workers = func(context.Context) ([]schedule.Worker, error) {
		var list []schedule.Worker
		for name, r := range workers {
			list = append(list, schedule.Worker{Name: name, Runner: r, Features: []string{build.FeatureSources}})
		}
		return list, nil
	}
	f.config.Retries = 1
}

// deadMaster is a worker whose master dies at some moment: what a context that
// ends cannot do is left undone, as after kill -9. The test's own process lives
// on, so the store keeps what was written.
type deadMaster struct{ *elsewhere }

func (deadMaster) Cancel(context.Context, string) error { return errors.New("nobody is there to call") }

// TestRestartBuildsNothingTwice has a master that dies in mid-update; the next
// one takes up what is built, where it is.
func TestRestartBuildsNothingTwice(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		f.want(name, pkgbuildOf(name, "1"))
	}
	f.want("d", pkgbuildOf("d", "1", "depends=(a b)"))
	one, two := f.elsewhere("w1"), f.elsewhere("w2")
	f.fleet(map[string]build.Runner{"w1": one, "w2": two})
	letOne, letTwo := one.hold(), two.hold()

	killed := f.killed(func() { <-one.started; <-two.started })
	if len(killed) != 2 {
		t.Fatalf("left behind: %+v", killed)
	}
	for _, a := range killed {
		if a.Worker != "w1" && a.Worker != "w2" || len(a.Input) != 64 || a.Version != "1-1" {
			t.Errorf("%+v", a)
		}
	}
	letOne()
	letTwo()
	outcome, _, err := f.run()
	if err != nil || len(outcome.Published) != 4 {
		t.Errorf("%+v, %v", outcome, err)
	}
	f.expect("published", f.published(), []string{"a 1-1", "b 1-1", "c 1-1", "d 1-1"})
	for _, name := range []string{"a", "b", "c", "d"} {
		if n := one.builds[name] + two.builds[name]; n != 1 {
			t.Errorf("%s was built %d times", name, n)
		}
		builds, err := f.store.Builds(t.Context(), f.config.Repository.ID(), name, -1)
		if err != nil || len(builds) != 1 || builds[0].Worker != "w1" && builds[0].Worker != "w2" {
			t.Errorf("%s: %+v, %v", name, builds, err)
		}
	}
	if left, err := f.store.Assignments(t.Context(), f.config.Repository.ID()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// killed runs an update until ready returns, and ends it as kill -9 would: what
// it kept is as it was at that moment.
func (f *fixture) killed(ready func()) map[string]store.Assignment {
	f.t.Helper()
	id := f.config.Repository.ID()
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan error, 1)
	config := f.config
	config.Workers = func(ctx context.Context) ([]schedule.Worker, error) {
		list, err := f.config.Workers(ctx)
		for i, w := range list {
			list[i].Runner = deadMaster{w.Runner.(*elsewhere)}
		}
		return list, err
	}
	flow, err := update.New(config)
	if err != nil {
		f.t.Fatal(err)
	}
	go func() {
		_, err := flow.Run(ctx, update.Request{Manual: true, Increment: true})
		done <- err
	}()
	ready()
	kept, err := f.store.Assignments(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		f.t.Errorf("got %v", err)
	}
	for _, a := range kept { // it had no time to forget
		if err := f.store.Assign(f.t.Context(), id, a); err != nil {
			f.t.Fatal(err)
		}
	}
	return kept
}

// TestChangedInputIsBuiltAnew has a PKGBUILD that changes while the master is
// dead: what the worker is at is not wanted any more.
func TestChangedInputIsBuiltAnew(t *testing.T) {
	f := newFixture(t)
	f.want("a", pkgbuildOf("a", "1"))
	one := f.elsewhere("w1")
	f.fleet(map[string]build.Runner{"w1": one})
	let := one.hold()
	f.killed(func() { <-one.started })
	f.want("a", pkgbuildOf("a", "2"))
	let()
	if _, _, err := f.run(); err != nil {
		t.Error(err)
	}
	f.expect("published", f.published(), []string{"a 2-1"})
	if one.builds["a"] != 2 {
		t.Errorf("%d builds", one.builds["a"])
	}
}

// TestDiesBetweenBuiltAndPublished has a master that dies with all files in the
// waiting directory, and with a part of them.
func TestDiesBetweenBuiltAndPublished(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  []string
		builds int
	}{
		{"all", []string{"split-a", "split-b"}, 0},
		{"a part", []string{"split-b"}, 1},
		{"none", nil, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			one := f.elsewhere("w1")
			f.fleet(map[string]build.Runner{"w1": one})
			f.want("split", "pkgbase=split\npkgname=(split-a split-b)\npkgver=1\npkgrel=1\narch=(any)\npackage_split-a() { :; }\npackage_split-b() { :; }\n")
			err := f.store.Assign(t.Context(), f.config.Repository.ID(), store.Assignment{Base: "split", ID: "gone", Version: "1-1",
				Input: "something", Worker: "w1", Packages: []string{"split-a", "split-b"}, Started: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range test.files {
				f.handIn(name, "split", "1-1", "")
			}
			if _, _, err := f.run(); err != nil {
				t.Error(err)
			}
			f.expect("published", f.published(), []string{"split-a 1-1", "split-b 1-1"})
			if one.builds["split"] != test.builds {
				t.Errorf("%d builds, want %d", one.builds["split"], test.builds)
			}
			// Nothing of it stands in the way of asking again.
			f.want("split", "pkgbase=split\npkgname=(split-a split-b)\npkgver=1\npkgrel=1\narch=(any)\npackage_split-a() { :; }\npackage_split-b() { :; }\n")
			if _, _, err := f.run(); err != nil {
				t.Error(err)
			}
			f.expect("asked again", f.published(), []string{"split-a 1-1.1", "split-b 1-1.1"})
		})
	}
}

// TestWrongPackages has a worker that gives what was not asked for: another one
// builds it, and nothing of the first is published.
func TestWrongPackages(t *testing.T) {
	for name, spoil := range map[string]func(base, path string) error{
		"truncated": func(_, path string) error { return os.Truncate(path, 700) },
		"another base": func(_, path string) error {
			return rewrite(path, "good", "other", "1-1")
		},
		"another version": func(_, path string) error {
			return rewrite(path, "good", "good", "2-1")
		},
		"nothing of it": func(_, path string) error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			bad, good := f.elsewhere("w1"), f.elsewhere("w2")
			bad.spoil = spoil
			f.fleet(map[string]build.Runner{"w1": bad, "w2": good})
			f.want("good", pkgbuildOf("good", "1"))
			if _, events, err := f.run(); err != nil {
				t.Errorf("%v: %q", err, events)
			}
			f.expect("published", f.published(), []string{"good 1-1"})
			if bad.builds["good"] != 1 || good.builds["good"] != 1 {
				t.Errorf("%v %v", bad.builds, good.builds)
			}
		})
	}
}

// rewrite puts another package in the place of one.
func rewrite(path, name, base, version string) error {
	other, err := writePackage(filepath.Dir(path), name, base, version, "")
	if err != nil || other == path {
		return err
	}
	return os.Rename(other, path)
}

// TestFleetWithFaults has a worker that cannot be reached and one on which
// everything fails: all is built, and what failed twice is named.
func TestFleetWithFaults(t *testing.T) {
	f := newFixture(t)
	dead, full, good := f.elsewhere("dead"), f.elsewhere("full"), f.elsewhere("good")
	dead.lost = true
	full.spoil = func(string, string) error { return &build.Failure{Base: "it", Reason: "no space left on device"} }
	good.fail["broken"] = true
	f.fleet(map[string]build.Runner{"dead": dead, "full": full, "good": good})
	var want []string
	for i := range 12 {
		name := fmt.Sprintf("p%02d", i)
		f.want(name, pkgbuildOf(name, "1"))
		want = append(want, name+" 1-1")
	}
	f.want("broken", pkgbuildOf("broken", "1"))
	outcome, _, err := f.run()
	var partly *update.OutcomeError
	if !errors.As(err, &partly) || !partly.Partial() || len(outcome.Failed) != 1 || outcome.Failed[0].Base != "broken" {
		t.Errorf("%+v, %v", outcome, err)
	}
	f.expect("published", f.published(), want)
	if n := len(full.builds); n > 8 {
		t.Errorf("the worker on which all fails was given %d of 13", n)
	}
}

// TestNoWorker has a worker that somebody has to mend: the update does not wait,
// and what was asked for is built once that is done, also what needs it.
func TestNoWorker(t *testing.T) {
	f := newFixture(t)
	f.config.Patience = time.Hour
	refusing, good := f.elsewhere("w1"), f.elsewhere("w2")
	unusable := build.Unusable(errors.New("log-in refused"))
	f.fleet(map[string]build.Runner{"w1": refusing})
	working := f.config.Workers
	f.config.Workers = func(ctx context.Context) ([]schedule.Worker, error) {
		list, err := working(ctx)
		list[0].Unusable = unusable
		return list, err
	}
	f.want("a", pkgbuildOf("a", "1"))
	f.want("b", pkgbuildOf("b", "1", "depends=(a)"))
	outcome, _, err := f.run()
	if err == nil || len(outcome.Failed) != 1 || !strings.Contains(outcome.Failed[0].Reason, "log-in refused") || len(outcome.Skipped) != 1 {
		t.Errorf("%+v, %v", outcome, err)
	}
	f.fleet(map[string]build.Runner{"w1": good})
	if _, events, err := f.run(); err != nil {
		t.Errorf("%v: %q", err, events)
	}
	f.expect("published", f.published(), []string{"a 1-1", "b 1-1"})
}

// TestResume takes up updates whose process died, but not for ever.
func TestResume(t *testing.T) {
	f := newFixture(t)
	f.want("a", pkgbuildOf("a", "1"))
	jobs := f.jobs()
	for _, arguments := range []string{`{"manual":true,"local":false,"aur":false,"increment":true}`, `{"manual":true,"resumed":3}`} {
		f.orphan(update.JobUpdate, arguments)
	}
	f.orphan(update.JobRemove, `{"packages":["a"]}`)
	if err := jobs.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs.Wait()
	all, err := f.store.Jobs(t.Context(), -1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, job := range all {
		got = append(got, fmt.Sprintf("%s %s %t", job.Kind, job.State, strings.Contains(string(job.Arguments), `"resumed":1`)))
	}
	slices.Sort(got)
	f.expect("jobs", got, []string{"remove interrupted false", "update interrupted false", "update interrupted false", "update succeeded true"})
	f.expect("published", f.published(), []string{"a 1-1"})
}

// orphan leaves a job whose process is gone: another store on the same file is
// another process to it.
func (f *fixture) orphan(kind, arguments string) {
	f.t.Helper()
	other, err := store.Open(f.t.Context(), f.store.Path())
	if err != nil {
		f.t.Fatal(err)
	}
	job, err := other.CreateJob(f.t.Context(), store.Job{Repository: f.config.Repository.ID(), Kind: kind, Arguments: []byte(arguments)})
	if err == nil {
		err = other.StartJob(f.t.Context(), job.ID)
	}
	if err := errors.Join(err, other.Close()); err != nil {
		f.t.Fatal(err)
	}
}
