package update_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
)

// aur stands in for the AUR: its RPC interface over HTTP, and in place of git
// the PKGBUILDs themselves.
type aur struct {
	*source.Fetcher
	server    *httptest.Server
	pkgbuilds map[string]string // by base
	modified  map[string]int64  // unix seconds, by base
	asked     []string          // names
	down      bool
}

func newAUR(t *testing.T, f *fixture) *aur {
	a := &aur{pkgbuilds: map[string]string{}, modified: map[string]int64{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	a.Fetcher = source.New(source.Config{Cache: filepath.Join(f.root, "cache"), AUR: a.server.URL})
	f.config.Sources, f.config.AUR = a, a
	return a
}

// ServeHTTP answers /rpc/v5/info; each base is one package of its name.
func (a *aur) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.down || r.URL.Path != "/rpc/v5/info" {
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
		return
	}
	results := []source.AURPackage{}
	for _, name := range r.URL.Query()["arg[]"] {
		a.asked = append(a.asked, name)
		if text, ok := a.pkgbuilds[name]; ok {
			_, version, _ := strings.Cut(text, "pkgver=")
			version, _, _ = strings.Cut(version, "\n")
			results = append(results, source.AURPackage{Name: name, Base: name, Version: version + "-1", LastModified: a.modified[name]})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "multiinfo", "results": results})
}

// Sources lays out what is not in cache/.
func (a *aur) Sources(ctx context.Context, found *source.Found, dir string) (string, error) {
	if found.Kind != source.AUR {
		return a.Fetcher.Sources(ctx, found, dir)
	}
	return "", os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(a.pkgbuilds[found.Base]), 0o644)
}

// have stores a base of the AUR, and publishes a version of it.
func (a *aur) have(f *fixture, base, version string) {
	f.t.Helper()
	p := source.Package{Base: base, Version: version, Origin: source.Origin{Source: source.AUR}}
	if err := f.store.SetPackage(f.t.Context(), f.config.Repository.ID(), p, store.Success); err != nil {
		f.t.Fatal(err)
	}
	f.handIn(base, base, version, "")
	if _, _, err := f.run(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) runAUR(request update.Request) (*update.Outcome, []string, error) {
	f.events = nil
	outcome, err := f.flow().Run(f.t.Context(), request)
	return outcome, f.events, err
}

func TestAURUpdates(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	for _, base := range []string{"held", "ignored", "newer", "older", "same", "young", "gone"} {
		a.have(f, base, "2-1")
		a.pkgbuilds[base] = pkgbuildOf(base, "3")
	}
	a.pkgbuilds["same"], a.pkgbuilds["older"] = pkgbuildOf("same", "2"), pkgbuildOf("older", "1")
	delete(a.pkgbuilds, "gone")
	f.config.Ignore, f.config.MinAge = []string{"ignored"}, time.Hour
	a.modified["young"] = time.Now().Unix()
	if err := f.store.SetHeld(t.Context(), f.config.Repository.ID(), "held", true); err != nil {
		t.Fatal(err)
	}

	_, events, err := f.runAUR(update.Request{Manual: true, Local: true})
	if err != nil || len(events) > 0 || len(a.asked) > 0 {
		t.Errorf("not asked for: %v %v %v", events, a.asked, err)
	}
	outcome, events, err := f.runAUR(update.Request{AUR: true})
	if err != nil {
		t.Error(err)
	}
	f.expect("events", events, []string{"published newer 3-1"})
	f.expect("asked", a.asked, []string{"gone", "newer", "older", "same", "young"})
	var left []string
	for _, o := range outcome.Unchanged {
		left = append(left, o.Base)
	}
	f.expect("left", left, []string{"gone", "young"})
	if _, events, err = f.runAUR(update.Request{AUR: true}); err != nil || len(events) > 0 {
		t.Errorf("again: %v, %v", events, err)
	}
}

// An AUR that does not answer fails the run, and nothing else of it.
func TestAURIsDown(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	a.have(f, "there", "1-1")
	f.want("here", pkgbuildOf("here", "1"))
	a.down = true
	outcome, events, err := f.runAUR(update.Request{AUR: true, Manual: true, Local: true})
	var partly *update.OutcomeError
	if !errors.As(err, &partly) || !partly.Partial() {
		t.Errorf("got %v", err)
	}
	f.expect("events", events, []string{"published here 1-1"})
	want := "asking the AUR at " + a.server.URL + ": "
	if len(outcome.Unavailable) != 1 || !strings.HasPrefix(outcome.Unavailable[0], want) {
		t.Errorf("got %q, want one beginning with %q", outcome.Unavailable, want)
	}
}

// A base that has another name in the AUR is named.
func TestRenamedInAUR(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	a.have(f, "old", "1-1")
	renamed := source.Package{Base: "old", Version: "1-1", Origin: source.Origin{Source: source.AUR}, Packages: map[string]source.Properties{"new": {}}}
	if err := f.store.SetPackage(t.Context(), f.config.Repository.ID(), renamed, store.Success); err != nil {
		t.Fatal(err)
	}
	a.pkgbuilds["new"] = pkgbuildOf("new", "1")
	outcome, _, err := f.runAUR(update.Request{AUR: true})
	want := "the AUR builds new from new now: package-add new, and package-remove old"
	if err != nil || len(outcome.Unchanged) != 1 || outcome.Unchanged[0].Reason != want {
		t.Errorf("got %+v, %v, want %q", outcome.Unchanged, err, want)
	}
}

// What is needed and only the AUR has comes first, and needs others in turn.
func TestAURDependencies(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	a.have(f, "published", "1-1")
	for _, base := range []string{"published", "one", "two", "three", "ignored", "glibc", "offered", "stray"} {
		a.pkgbuilds[base] = pkgbuildOf(base, "1")
	}
	a.pkgbuilds["one"] = pkgbuildOf("one", "1", "depends=('two>=1' glibc)", "provides=(offered)")
	a.pkgbuilds["two"] = pkgbuildOf("two", "1", "makedepends=(three one offered)")
	f.config.Ignore = []string{"ignored"}
	f.config.Databases = func() []string { return []string{filepath.Join(f.root, "none.db"), filepath.Join(f.root, "core.db")} }
	file, err := os.Create(f.config.Databases()[1])
	if err != nil {
		t.Fatal(err)
	}
	glibc := []alpm.Package{{Info: alpm.Info{Name: "glibc", Base: "glibc", Version: "2-1", Architecture: "x86_64"}, FileName: "glibc-2-1-x86_64.pkg.tar.zst"}}
	if err := errors.Join(alpm.WriteDatabase(file, glibc, alpm.DatabaseOptions{}), file.Close()); err != nil {
		t.Fatal(err)
	}
	app := pkgbuildOf("app", "1", "depends=(one published glibc ignored nowhere)")

	f.want("app", app)
	_, events, err := f.runAUR(update.Request{Manual: true, Increment: true})
	if err != nil {
		t.Error(err)
	}
	f.expect("without dependencies", events, []string{"published app 1-1"})

	f.want("app", app)
	request := update.Request{Bases: []string{"app"}, Manual: true, Increment: true, Dependencies: true}
	plan, _, err := f.flow().Plan(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	var due []string
	for base, d := range plan.Due {
		due = append(due, base+": "+d.Reason)
	}
	slices.Sort(due)
	f.expect("plan", due, []string{
		"app: requested; 1-1 is taken, pkgrel raised", "one: needed by app", "three: needed by two", "two: needed by one",
	})
	_, events, err = f.runAUR(request)
	if err != nil {
		t.Error(err)
	}
	// one and two need each other: one of them goes without.
	slices.Sort(events)
	f.expect("events", events, []string{"published app 1-1.1", "published one 1-1", "published three 1-1", "published two 1-1"})
}
