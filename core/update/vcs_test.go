package update_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
	var looked []string
	f.config.VCSAge = time.Hour
	f.config.Version = func(_ context.Context, dir string) (string, error) {
		text, err := os.ReadFile(filepath.Join(dir, "PKGBUILD"))
		if err != nil {
			return "", err
		}
		for _, base := range names {
			if string(text) == a.pkgbuilds[base] {
				looked = append(looked, base)
			}
		}
		switch looked[len(looked)-1] {
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
}
