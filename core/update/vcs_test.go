package update_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
)

const pkgverText = "pkgver() { echo 9; }"

// TestUpstream has bases of the AUR and of cache/ whose PKGBUILDs are no newer
// than what is published: their upstreams may be.
func TestUpstream(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	names := []string{"tool-git", "same-hg", "young-git", "byfunction", "plain", "dead-svn"}
	for _, base := range names {
		a.have(f, base, "5-1")
		a.pkgbuilds[base] = pkgbuildOf(base, "3", pkgverText)
	}
	a.pkgbuilds["plain"] = pkgbuildOf("plain", "3")
	id := f.config.Repository.ID()
	if err := f.store.SetChanges(t.Context(), id, "byfunction", store.Changes{PKGBUILD: a.pkgbuilds["byfunction"]}); err != nil {
		t.Fatal(err)
	}
	young := source.Package{Base: "young-git", Version: "5-1", Origin: source.Origin{Source: source.AUR},
		Packages: map[string]source.Properties{"young-git": {BuildDate: time.Now().Unix()}}}
	if err := f.store.SetPackage(t.Context(), id, young, store.Success); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var looked []string
	f.config.VCSAge = time.Hour
	f.config.Version = func(_ context.Context, dir string) (string, error) {
		text, err := os.ReadFile(filepath.Join(dir, "PKGBUILD"))
		if err != nil {
			return "", err
		}
		base := names[slices.IndexFunc(names, func(base string) bool { return string(text) == a.pkgbuilds[base] })]
		mu.Lock()
		defer mu.Unlock()
		looked = append(looked, base)
		switch base {
		case "dead-svn":
			return "", errors.New("no such host")
		case "same-hg":
			return "5-1", nil
		}
		return "9-1", nil
	}

	if outcome, events, err := f.runAUR(update.Request{AUR: true}); err != nil || len(events) > 0 || !outcome.Empty() {
		t.Errorf("not asked for: %v, %v", events, err)
	}
	plan, outcome, err := f.flow().Plan(t.Context(), update.Request{AUR: true, VCS: true})
	if err != nil || len(plan.Steps) > 0 || len(looked) > 0 {
		t.Errorf("a plan ran something: %v, %v, %v", plan, looked, err)
	}
	var left []string
	for _, o := range outcome.Unchanged {
		left = append(left, o.Base)
	}
	f.expect("left by the plan", left, []string{"byfunction", "dead-svn", "same-hg", "tool-git"})

	outcome, err = f.flow().Run(t.Context(), update.Request{AUR: true, VCS: true})
	var failed *update.OutcomeError
	if !errors.As(err, &failed) {
		t.Error(err)
	}
	slices.Sort(looked)
	f.expect("looked at", looked, []string{"byfunction", "dead-svn", "same-hg", "tool-git"})
	f.expect("unavailable", outcome.Unavailable, []string{"looking upstream for dead-svn: no such host"})
	// The made-up builder does not run pkgver(): it gives what the PKGBUILD has.
	var due []string
	for _, o := range outcome.Failed {
		due = append(due, o.Base)
	}
	for _, p := range outcome.Published {
		due = append(due, p.Base)
	}
	f.expect("built", due, []string{"byfunction", "tool-git"})

	// Had nothing newer and is left alone for an hour, but for who asks for it.
	// One that did not answer, or whose build brought nothing, is looked at again.
	again := func(request update.Request, want ...string) {
		t.Helper()
		looked = nil
		_, _ = f.flow().Run(t.Context(), request)
		slices.Sort(looked)
		f.expect("looked at again", looked, want)
	}
	again(update.Request{AUR: true, VCS: true}, "byfunction", "dead-svn", "tool-git")
	again(update.Request{AUR: true, VCS: true, Bases: []string{"same-hg"}}, "same-hg")
	f.config.VCSAge = 0
	again(update.Request{AUR: true, VCS: true}, "byfunction", "dead-svn", "same-hg", "tool-git", "young-git")
	f.config.VCSAge = time.Hour
	if err := f.store.SetUpstream(t.Context(), id, "same-hg", "6-1"); err != nil { // before the repository went back
		t.Fatal(err)
	}
	// The made-up builder dates nothing: young-git is not young any more.
	again(update.Request{AUR: true, VCS: true}, "byfunction", "dead-svn", "same-hg", "tool-git", "young-git")
}

// TestUpstreamsAtOnce: a few are looked at beside one another.
func TestUpstreamsAtOnce(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	for _, base := range []string{"a-git", "b-git", "c-git", "d-git", "e-git", "f-git"} {
		a.have(f, base, "5-1")
		a.pkgbuilds[base] = pkgbuildOf(base, "3", pkgverText)
	}
	waiting, most := make(chan int, 100), atomic.Int32{}
	var now atomic.Int32
	f.config.Version = func(ctx context.Context, _ string) (string, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if waiting <- 1; len(waiting) >= 4 {
			return "5-1", nil
		}
		for len(waiting) < 4 && ctx.Err() == nil { // till others are here
			time.Sleep(time.Millisecond)
		}
		return "5-1", ctx.Err()
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if _, err := f.flow().Run(ctx, update.Request{AUR: true, VCS: true}); err != nil || most.Load() != 4 || len(waiting) != 6 {
		t.Errorf("%d of %d at once, want 4 of 6: %v", most.Load(), len(waiting), err)
	}
}
