package update_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
)

// What is in the pool but not published keeps its file names: a base whose
// version stands for one gets a release of its own, or comes back as it was.
func TestTakenFileNames(t *testing.T) {
	f := newFixture(t)
	a := newAUR(t, f)
	do := func(want ...string) {
		t.Helper()
		_, events, err := f.run()
		f.expect("events", events, want)
		if err != nil {
			t.Error(err)
		}
	}
	back := func(base, version string) {
		t.Helper()
		if _, err := f.flow().Rollback(t.Context(), base, version, false); err != nil {
			t.Fatal(err)
		}
	}
	f.want("app", pkgbuildOf("app", "1"))
	do("published app 1-1")
	f.want("app", pkgbuildOf("app", "1"))
	do("published app 1-1.1")
	f.want("app", pkgbuildOf("app", "2"))
	do("published app 2-1")

	// Gone back and not held: the next update has it again.
	back("app", "1-1.1")
	do("published app 2-1.1")
	back("app", "1-1")
	_, events, err := f.runAUR(update.Request{Local: true})
	f.expect("without increment, as it was kept", events, []string{"published app 2-1.1"})
	if err != nil {
		t.Error(err)
	}
	back("app", "1-1")
	f.want("app", pkgbuildOf("app", "1"))
	plan, _, err := f.flow().Plan(t.Context(), update.Request{Manual: true, Increment: true})
	if err != nil || plan.Due["app"].Package.Version != "1-1.2" {
		t.Errorf("planned %+v, %v", plan.Due, err)
	}
	do("published app 1-1.2")

	// Removed, and needed later.
	a.pkgbuilds["lib"] = pkgbuildOf("lib", "1")
	a.have(f, "lib", "1-1")
	if _, err := f.flow().Remove(t.Context(), []string{"lib"}); err != nil {
		t.Fatal(err)
	}
	core := filepath.Join(f.root, "core.db") // of a distribution that has no lib
	file, err := os.Create(core)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(alpm.WriteDatabase(file, nil, alpm.DatabaseOptions{}), file.Close()); err != nil {
		t.Fatal(err)
	}
	f.config.Databases = func() []string { return []string{core} }
	f.want("app", pkgbuildOf("app", "3", "depends=(lib)"))
	_, events, err = f.runAUR(update.Request{Manual: true, Increment: true, Dependencies: true})
	f.expect("events", events, []string{"published lib 1-1.1", "published app 3-1"})
	if err != nil {
		t.Error(err)
	}
	// A file of another architecture takes no name.
	other := filepath.Dir(f.config.Repository.PoolPath("new", "any"))
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := writePackage(other, "new", "new", "1-1", ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other, "new-1-1-any.pkg.tar"), filepath.Join(other, "new-1-1-aarch64.pkg.tar")); err != nil {
		t.Fatal(err)
	}
	f.want("new", pkgbuildOf("new", "1"))
	do("published new 1-1")
}

// A base whose build is not published has failed; one that is published is none
// the worse for an older file that somebody hands in.
func TestRefusedStatus(t *testing.T) {
	f := newFixture(t)
	id := f.config.Repository.ID()
	status := func(want store.Status) {
		t.Helper()
		if record, err := f.store.Package(t.Context(), id, "app"); err != nil || record.Status != want {
			t.Errorf("app is %s, want %s: %v", record.Status, want, err)
		}
	}
	f.want("app", pkgbuildOf("app", "2"))
	if _, _, err := f.run(); err != nil {
		t.Fatal(err)
	}
	f.handIn("app", "app", "1-1", "")
	_, events, _ := f.run()
	f.expect("events", events, []string{"refused app-1-1-any.pkg.tar"})
	status(store.Success)

	// An upload that its worker has announced takes the name with other bytes.
	p := source.Package{Base: "app", Version: "2-1", Origin: source.Origin{Source: source.Local}, Packages: map[string]source.Properties{"app": {}}}
	if err := f.store.SetPackage(t.Context(), id, p, store.Building); err != nil {
		t.Fatal(err)
	}
	f.handIn("app", "app", "2-1", "other bytes")
	_, events, _ = f.run()
	f.expect("events", events, []string{"refused app-2-1-any.pkg.tar"})
	status(store.Failed)
}
