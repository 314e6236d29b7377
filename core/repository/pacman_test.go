package repository_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/alpm"
	"ahriman/core/repository"
)

// TestPacman lets the real pacman list, show, download and install from a signed
// repository, with either compression, after publications of all kinds.
func TestPacman(t *testing.T) {
	for _, compression := range []alpm.Compression{alpm.Gzip, alpm.Zstd} {
		t.Run(string(compression), func(t *testing.T) { testPacman(t, compression) })
	}
}

func testPacman(t *testing.T, compression alpm.Compression) {
	home, g := signer(t)
	r := open(t, repository.Options{Signer: g, Compression: compression})
	dir := t.TempDir()
	var add []string
	for name := range strings.FieldsSeq("liba app tool zed") {
		p := testPackage{name: name, version: "1.0-1", arch: "x86_64"}
		if name == "app" {
			p.depends = []string{"liba>=1"}
		}
		add = append(add, signedPackage(t, g, p, dir))
	}
	publish(t, r, repository.Change{Add: add})
	c := newClient(t, fileServer(r), home.Dir)
	if diff := cmp.Diff([]string{"app 1.0-1", "liba 1.0-1", "tool 1.0-1", "zed 1.0-1"}, c.list()); diff != "" {
		t.Fatal(diff)
	}
	for _, want := range []string{"Description     : package app", "Depends On      : liba>=1"} {
		if out := c.pacman("-Si", "app"); !strings.Contains(out, want) {
			t.Errorf("-Si has no %q:\n%s", want, out)
		}
	}
	c.pacman("-Sw", "tool")
	if _, err := os.Stat(filepath.Join(c.dir, "cache", "tool-1.0-1-x86_64.pkg.tar.zst")); err != nil {
		t.Error(err)
	}
	c.pacman("-S", "app")
	if out := c.pacman("-Qq"); !strings.HasSuffix(out, "app\nliba\n") {
		t.Errorf("installed: %q", out)
	}
	publish(t, r, repository.Change{
		Add:    []string{signedPackage(t, g, testPackage{name: "liba", version: "2.0-1", arch: "x86_64"}, dir)},
		Remove: []string{"tool"},
	})
	if diff := cmp.Diff([]string{"app 1.0-1", "liba 2.0-1", "zed 1.0-1"}, c.list()); diff != "" {
		t.Error(diff)
	}
	c.pacman("-Su")
	if out := c.pacman("-Q", "liba"); !strings.HasSuffix(out, "liba 2.0-1\n") {
		t.Errorf("upgraded: %q", out)
	}
	c.pacman("-Fy")
	if out := c.pacman("-F", "usr/share/zed/content"); !strings.Contains(out, "aur/zed 1.0-1") {
		t.Errorf("-F: %s", out)
	}
	if _, err := r.Rollback(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app 1.0-1", "liba 1.0-1", "tool 1.0-1", "zed 1.0-1"}, c.list()); diff != "" {
		t.Error(diff)
	}
	publish(t, r, repository.Change{Remove: strings.Fields("app liba tool zed")})
	if got := c.list(); len(got) != 0 {
		t.Errorf("after the removal of all: %v", got)
	}
}

// TestPacmanRefuses makes sure that the pacman of these tests does look at
// signatures.
func TestPacmanRefuses(t *testing.T) {
	home, g := signer(t)
	r := open(t, repository.Options{})
	publish(t, r, repository.Change{Add: []string{testPackage{name: "foo", version: "1-1"}.write(t, t.TempDir())}})
	if out, err := newClient(t, fileServer(r), home.Dir).try("-Sy"); err == nil {
		t.Errorf("took an unsigned database:\n%s", out)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(r.Published())))
	r = open(t, repository.Options{Root: root, Signer: g})
	if p := publish(t, r, repository.Change{}); !p.Changed {
		t.Error("a signer makes no new generation")
	}
	c := newClient(t, fileServer(r), home.Dir)
	c.pacman("-Sy")
	if out, err := c.try("-Sw", "foo"); err == nil {
		t.Errorf("took an unsigned package:\n%s", out)
	}
}

// TestDialects compares each dialect's signed entries with what the real
// repo-add, pacman 6's, writes.
func TestDialects(t *testing.T) {
	_, g := signer(t)
	dir := t.TempDir()
	path := signedPackage(t, g, testPackage{name: "foo", version: "1-1"}, dir)
	database := filepath.Join(t.TempDir(), "aur.db.tar.gz")
	run(t, "repo-add", "-q", database, path)
	theirs := readRaw(t, database)
	for dialect, same := range map[alpm.Dialect]bool{alpm.Pacman6: true, alpm.Pacman7: false} {
		r := open(t, repository.Options{Dialect: dialect})
		publish(t, r, repository.Change{Add: []string{path}})
		ours := readRaw(t, filepath.Join(r.Published(), "aur.db"))
		if diff := cmp.Diff(theirs, ours); (diff == "") != same {
			t.Errorf("dialect %d: %s", dialect, diff)
		}
	}
}

func readRaw(t *testing.T, path string) string {
	t.Helper()
	return run(t, "bsdtar", "-xOf", path, "foo-1-1/desc")
}

// TestSameSecond publishes and rolls back faster than pacman can tell times
// apart: each refresh must show the last state.
func TestSameSecond(t *testing.T) {
	r := open(t, repository.Options{})
	c := newClient(t, fileServer(r), "")
	dir := t.TempDir()
	for _, version := range []string{"1-1", "2-1", "3-1"} {
		publish(t, r, repository.Change{Add: []string{testPackage{name: "foo", version: version}.write(t, dir)}})
		if diff := cmp.Diff([]string{"foo " + version}, c.list()); diff != "" {
			t.Error(diff)
		}
	}
	for n, want := range map[int]string{1: "foo 1-1", 2: "foo 2-1"} {
		if _, err := r.Rollback(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{want}, c.list()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestAgreesWithRepoAdd compares a publication of 100 packages with what the
// real repo-add makes of them.
func TestAgreesWithRepoAdd(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	r := open(t, repository.Options{})
	add := hundred(t)
	database := filepath.Join(t.TempDir(), "aur.db.tar.gz")
	run(t, "repo-add", append([]string{"-q", database}, add...)...)
	publish(t, r, repository.Change{Add: add})
	want := readDatabase(t, database)
	if diff := cmp.Diff(want, readDatabase(t, filepath.Join(r.Published(), "aur.db"))); diff != "" {
		t.Errorf("not what repo-add wrote:\n%s", diff)
	}
}

// hundred makes a hundred package files and returns their paths.
func hundred(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i := range 100 {
		name := "package" + string(rune('a'+i/10)) + string(rune('a'+i%10))
		paths = append(paths, testPackage{name: name, version: "1.0-1", size: 1 << 16}.write(t, dir))
	}
	return paths
}

// readDatabase reads a database, but for what pacman 6's repo-add adds to it.
func readDatabase(t *testing.T, path string) map[string]alpm.Package {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packages, err := alpm.ReadDatabase(f)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]alpm.Package, len(packages))
	for _, p := range packages {
		p.MD5 = ""
		all[p.Name] = p
	}
	return all
}
