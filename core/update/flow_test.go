package update_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/store"
	"ahriman/core/update"
)

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
