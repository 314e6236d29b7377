package store

import (
	"errors"
	"testing"

	"ahriman/core/source"
)

func TestPackages(t *testing.T) {
	db, ctx := open(t), t.Context()
	revision := func() int64 {
		t.Helper()
		n, err := db.Revision(ctx, aur)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if records, err := db.Packages(ctx, aur); err != nil || records == nil || len(records) != 0 {
		t.Errorf("empty: %v, %v", records, err)
	}
	before := revision()
	if err := db.SetPackages(ctx, aur, []Update{{pkg("b", "1-1"), Unknown}, {pkg("a", "1-1"), Success}}); err != nil {
		t.Fatal(err)
	}
	if revision() == before {
		t.Error("revision did not change")
	}
	if err := db.SetHeld(ctx, aur, "a", true); err != nil {
		t.Fatal(err)
	}
	before = revision()
	if err := db.SetStatus(ctx, aur, "a", Failed); err != nil {
		t.Fatal(err)
	}
	if revision() == before {
		t.Error("revision did not change with the status")
	}
	before = revision()
	if err := db.SetPackage(ctx, other, pkg("a", "7-1"), Unknown); err != nil {
		t.Fatal(err)
	}
	if revision() != before {
		t.Error("revision changed with another repository")
	}
	if err := db.SetPackage(ctx, aur, pkg("a", "2-1"), Pending); err != nil {
		t.Fatal(err)
	}
	got, err := db.Packages(ctx, aur)
	check(t, "packages", got, []Record{
		{stored(pkg("a", "2-1")), Pending, 1795305600, true},
		{stored(pkg("b", "1-1")), Unknown, 1795305600, false},
	}, err)
	one, err := db.Package(ctx, aur, "a")
	check(t, "package", one, got[0], err)
	if u, err := db.Upstream(ctx, aur, "a"); err != nil || u != (Upstream{}) {
		t.Errorf("an upstream that nobody looked at: %+v, %v", u, err)
	}
	if err := errors.Join(db.SetUpstream(ctx, aur, "a", "2-1"), db.SetUpstream(ctx, aur, "a", "3-1")); err != nil {
		t.Error(err)
	}
	if u, err := db.Upstream(ctx, aur, "a"); err != nil || u.Version != "3-1" || !u.Looked.Equal(db.now()) {
		t.Errorf("upstream: %+v, %v", u, err)
	}
	if err := errors.Join(db.RemovePackage(ctx, aur, "a"), db.RemovePackage(ctx, aur, "a")); err != nil {
		t.Error(err)
	}
	if u, err := db.Upstream(ctx, aur, "a"); err != nil || u != (Upstream{}) {
		t.Errorf("the upstream of a removed one: %+v, %v", u, err)
	}
	for what, err := range map[string]error{
		"SetStatus": db.SetStatus(ctx, aur, "a", Success),
		"SetHeld":   db.SetHeld(ctx, aur, "a", true),
		"Package":   func() error { _, err := db.Package(ctx, aur, "a"); return err }(),
	} {
		if !errors.Is(err, ErrUnknownPackage) {
			t.Errorf("%s of a removed one: %v", what, err)
		}
	}
	if _, err := db.Package(ctx, other, "a"); err != nil {
		t.Errorf("the other repository's: %v", err)
	}
	if err := db.SetPackages(ctx, aur, []Update{{pkg("c", "1-1"), Success}, {pkg("d", "1-1"), "bogus"}}); err == nil {
		t.Error("bogus status: no error")
	}
	if _, err := db.Package(ctx, aur, "c"); !errors.Is(err, ErrUnknownPackage) {
		t.Errorf("half of a failed update is there: %v", err)
	}
}

func TestService(t *testing.T) {
	db, ctx := open(t), t.Context()
	status, changed, err := db.ServiceStatus(ctx, aur)
	check(t, "never said", []any{status, changed}, []any{Unknown, int64(0)}, err)
	err = db.SetServiceStatus(ctx, aur, Building)
	check(t, "set", nil, nil, err)
	status, changed, err = db.ServiceStatus(ctx, aur)
	check(t, "said", []any{status, changed}, []any{Building, int64(1795305600)}, err)

	for _, want := range []Changes{{}, {LastCommit: "a"}, {"b", "c", "d"}, {}} {
		check(t, "set changes", nil, nil, db.SetChanges(ctx, aur, "x", want))
		got, err := db.Changes(ctx, aur, "x")
		check(t, "changes", got, want, err)
	}
	for _, want := range []map[string][]string{{}, {"/a": {"b", "c"}}} {
		check(t, "set dependencies", nil, nil, db.SetDependencies(ctx, aur, "x", want))
		got, err := db.Dependencies(ctx, aur, "x")
		check(t, "dependencies", got, want, err)
	}
}

func TestPatches(t *testing.T) {
	db, ctx := open(t), t.Context()
	for _, p := range []source.Patch{
		{Key: new("k"), Value: "v"}, {Value: "diff 1"}, {Key: new("k"), Value: []string{"x", "y"}}, {Value: "diff 2"},
	} {
		if err := db.SetPatch(ctx, "foo", p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Patches(ctx, "foo")
	check(t, "patches", got, []source.Patch{{Key: new("k"), Value: []any{"x", "y"}}, {Value: "diff 2"}}, err)
	one, err := db.Patch(ctx, "foo", "")
	check(t, "diff", one, source.Patch{Value: "diff 2"}, err)
	check(t, "remove", nil, nil, db.RemovePatch(ctx, "foo", "k"))
	if _, err := db.Patch(ctx, "foo", "k"); !errors.Is(err, ErrUnknownPatch) {
		t.Errorf("removed patch: %v", err)
	}
	check(t, "remove all", nil, nil, db.RemovePatches(ctx, "foo"))
	got, err = db.Patches(ctx, "foo")
	check(t, "none", got, []source.Patch{}, err)
}
