package update_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
)

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
