package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
)

// TestSnapshot copies a database that another connection writes to all the time.
func TestSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ahriman.sqlite")
	open := func(path string) *store.DB {
		t.Helper()
		db, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db, other := open(path), open(path)
	id := alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}
	set := func(db *store.DB, bases ...string) error {
		var updates []store.Update
		for _, base := range bases {
			updates = append(updates, store.Update{Package: source.Package{Base: base, Version: "1-1"}, Status: store.Success})
		}
		return db.SetPackages(t.Context(), id, updates)
	}
	if err := set(db, "kept"); err != nil {
		t.Fatal(err)
	}
	writing, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		var err error
		for writing.Err() == nil && err == nil {
			err = set(other, "a", "b") // both or none
		}
		done <- err
	}()
	copied, remove, err := db.Snapshot(t.Context())
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	snapshot := open(copied)
	records, err := snapshot.Packages(t.Context(), id)
	if err != nil || len(records)%2 != 1 {
		t.Errorf("packages %v, %v", records, err)
	}
	// It is in WAL mode: readers do not wait for writers.
	if err := set(snapshot, "new"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(copied + "-wal"); err != nil {
		t.Error(err)
	}
	snapshot.Close()
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".scratch", "*")); left != nil {
		t.Errorf("left: %v", left)
	}
}
