package update_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"

	"github.com/google/go-cmp/cmp"
)

// commitIn commits a PKGBUILD to a git repository and returns the commit.
func commitIn(t *testing.T, dir, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	script := "test -d .git || git init -q -b master; git add . && git -c user.name=a -c user.email=a@b commit -qm x && git rev-parse HEAD"
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return strings.TrimSpace(string(output))
}

// told keeps the changes that a run tells.
type told struct{ changed, ended []string }

func (o *told) Observe(_ context.Context, e update.Event) error {
	switch e := e.(type) {
	case update.Changed:
		o.changed = append(o.changed, e.Commit+" "+e.Changes)
	case update.BuildEnded:
		o.ended = append(o.ended, e.Commit+" "+e.Changes)
	}
	return nil
}

func TestChanges(t *testing.T) {
	f := newFixture(t)
	ctx, id, dir := t.Context(), f.config.Repository.ID(), t.TempDir()
	o := &told{}
	f.config.Observers = append(f.config.Observers, o)
	ask := func() {
		t.Helper()
		p := source.Package{Base: "foo", Origin: source.Origin{Source: source.Local, GitURL: "file://" + dir}}
		if err := f.flow().Request(ctx, p, update.Order{Increment: true}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(changes bool) {
		t.Helper()
		if _, err := f.flow().Run(ctx, update.Request{Manual: true, Increment: true, Changes: changes}); err != nil {
			t.Fatal(err)
		}
	}
	stored := func(what, commit, change string) {
		t.Helper()
		got, err := f.store.Changes(ctx, id, "foo")
		if err != nil || got.LastCommit != commit || (change == "") != (got.Changes == "") || !strings.Contains(got.Changes, change) {
			t.Errorf("%s: %+v, %v; want %s %q", what, got, err, commit, change)
		}
	}
	one := commitIn(t, dir, pkgbuildOf("foo", "1"))
	ask()
	run(true)
	stored("built first", one, "")
	two := commitIn(t, dir, pkgbuildOf("foo", "2"))
	ask()
	if _, _, err := f.flow().Plan(ctx, update.Request{Manual: true}); err != nil {
		t.Fatal(err)
	}
	stored("planned without", one, "")
	if _, _, err := f.flow().Plan(ctx, update.Request{Manual: true, Changes: true}); err != nil {
		t.Fatal(err)
	}
	const diff = "-pkgver=1\n+pkgver=2\n"
	stored("planned", one, diff)
	run(true)
	stored("built", two, diff)
	ask() // once more, from the same commit
	run(true)
	stored("built again", two, diff)
	three := commitIn(t, dir, pkgbuildOf("foo", "3"))
	ask()
	run(false)
	stored("not asked for", three, "")

	shown, err := f.store.Changes(ctx, id, "foo")
	if err != nil || shown.PKGBUILD != pkgbuildOf("foo", "3") {
		t.Errorf("the PKGBUILD: %+v, %v", shown, err)
	}
	var lines []string
	for _, text := range append(o.changed, o.ended...) {
		commit, text, _ := strings.Cut(text, " ")
		lines = append(lines, commit+map[bool]string{true: " with a diff"}[strings.Contains(text, diff)])
	}
	want := []string{one + " with a diff", one + " with a diff", one, two + " with a diff", two + " with a diff", three}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
	// What the store has may come from elsewhere.
	if err := f.store.SetChanges(ctx, id, "foo", store.Changes{LastCommit: "--output=x"}); err != nil {
		t.Fatal(err)
	}
	ask()
	run(true)
	stored("no commit", three, "")
}
