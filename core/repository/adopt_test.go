package repository_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/repository"
)

// TestAdopt takes a directory of repo-add's over: its database stays as the
// first generation, what stood beside it is handed on.
func TestAdopt(t *testing.T) {
	s := adoptScene(t)
	r := s.repository()
	theirs, err := os.ReadFile(filepath.Join(r.Published(), "aur.db"))
	if err != nil {
		t.Fatal(err)
	}
	before := []string{"a 3-1", "b 3-1", "c 3-1", "moved 3-1"}
	if diff := cmp.Diff(before, published(t, r)); diff != "" {
		t.Error(diff)
	}
	if list := generations(t, s); list != nil {
		t.Errorf("generations of a directory: %+v", list)
	}
	// Signed in a later second than repo-add wrote it: pacman, which asks for the
	// signature by itself, has to see that the next one is newer.
	later := time.Now().Add(5 * time.Second)
	if err := os.Chtimes(filepath.Join(r.Published(), "aur.db.sig"), later, later); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, fileServer(r), s.home.Dir)
	if diff := cmp.Diff(before, c.list()); diff != "" {
		t.Error(diff)
	}
	p := publish(t, r, s.job.Change)
	if p.Generation != 2 || len(p.Dropped) != 0 {
		t.Errorf("publication %+v", p)
	}
	want := []string{"a 4-1", "c 3-1", "moved 4-1", "new 4-1", "unsigned 4-1"}
	if diff := cmp.Diff(want, c.list()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, audit(t, r)); diff != "" {
		t.Error(diff)
	}
	auditClean(t, s.job.Root, "")
	kept, err := os.ReadFile(filepath.Join(s.job.Root, "generations", id.String(), "1", "aur.db"))
	if err != nil || string(kept) != string(theirs) {
		t.Errorf("the first generation is not what repo-add wrote: %v", err)
	}
	for range 4 { // a page survives generations, spare ones too
		publish(t, r, repository.Change{Add: s.packages("5-1", "a")})
		publish(t, r, repository.Change{Remove: []string{"a"}})
		if text, err := os.ReadFile(filepath.Join(r.Published(), "index.html")); err != nil || string(text) != "packages" {
			t.Fatalf("the page beside the database: %q, %v", text, err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.Published(), "index.html"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	publish(t, r, repository.Change{Remove: []string{"c"}})
	if text, err := os.ReadFile(filepath.Join(r.Published(), "index.html")); err != nil || string(text) != "new" {
		t.Errorf("the page beside the database: %q, %v", text, err)
	}
}

func TestAdoptRollback(t *testing.T) {
	s := adoptScene(t)
	r := s.repository()
	publish(t, r, s.job.Change)
	c := newClient(t, fileServer(r), s.home.Dir)
	c.pacman("-Sy")
	if _, err := r.Rollback(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a 3-1", "b 3-1", "c 3-1", "moved 3-1"}, c.list()); diff != "" {
		t.Error(diff)
	}
}

// TestAdoptBroken takes over what is not in order.
func TestAdoptBroken(t *testing.T) {
	pool := func(s *scene, name string) string {
		return filepath.Join(s.job.Root, "archive", "packages", name[:1], name)
	}
	for name, test := range map[string]struct {
		damage  func(t *testing.T, s *scene, dir string)
		dropped []string
		refused bool
	}{
		"file gone": {
			damage: func(t *testing.T, s *scene, dir string) {
				remove(t, filepath.Join(pool(s, "c"), "c-3-1-any.pkg.tar.zst"))
			}, dropped: []string{"c"},
		},
		"link gone": {
			damage: func(t *testing.T, s *scene, dir string) { remove(t, filepath.Join(dir, "c-3-1-any.pkg.tar.zst")) },
		},
		"other bytes in the pool": {
			damage: func(t *testing.T, s *scene, dir string) {
				testPackage{name: "b", version: "3-1", content: "other"}.write(t, pool(s, "b"))
			},
			refused: true,
		},
		"directory in it": {
			damage: func(t *testing.T, s *scene, dir string) {
				if err := os.Mkdir(filepath.Join(dir, "directory"), 0o755); err != nil {
					t.Fatal(err)
				}
			},
			refused: true,
		},
		"published through a link to elsewhere": {
			damage: func(t *testing.T, s *scene, dir string) {
				elsewhere := filepath.Join(s.job.Root, "repository", "aur", "elsewhere") // as deep: links are relative
				if err := os.Rename(dir, elsewhere); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(elsewhere, dir); err != nil {
					t.Fatal(err)
				}
			},
		},
		"empty": {
			damage: func(t *testing.T, s *scene, dir string) {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := adoptScene(t)
			r := s.repository()
			test.damage(t, s, r.Published())
			before := tree(t, r.Published()+"/")
			p, err := r.Publish(t.Context(), s.job.Change)
			if test.refused {
				if err == nil {
					t.Error("not refused")
				}
				if diff := cmp.Diff(before, tree(t, r.Published()+"/")); diff != "" {
					t.Error(diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var dropped []string
			for _, e := range p.Dropped {
				dropped = append(dropped, e.Name)
			}
			if diff := cmp.Diff(test.dropped, dropped); diff != "" {
				t.Error(diff)
			}
			if got := audit(t, r); !slices.Contains(got, "a 4-1") {
				t.Errorf("published %v", got)
			}
			newClient(t, fileServer(r), s.home.Dir).pacman("-Sy")
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestRelink finishes a take-over where directories and links cannot be
// exchanged, and the run was killed between the two steps.
func TestRelink(t *testing.T) {
	s := newScene(t)
	r := s.repository()
	remove(t, r.Published())
	publish(t, r, s.job.Change)
	if got := audit(t, r); !slices.Contains(got, "c 3-1") || !slices.Contains(got, "a 4-1") {
		t.Errorf("published %v", got)
	}
}

// TestExport lets repo-add and repo-remove work on a copy and takes it back.
func TestExport(t *testing.T) {
	s := newScene(t)
	r := s.repository()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := r.Export(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := r.Export(t.Context(), dir); err == nil {
		t.Error("exported over a directory that is not empty")
	}
	c := newClient(t, "file://"+dir, s.home.Dir)
	if diff := cmp.Diff(published(t, r), c.list()); diff != "" {
		t.Error(diff)
	}
	c.pacman("-Sw", "a", "b", "c", "moved")
	if p, err := r.Import(t.Context(), dir); err != nil || p.Changed {
		t.Errorf("importing what was exported: %+v, %v", p, err)
	}
	before := tree(t, s.job.Root)
	database := filepath.Join(dir, "aur.db.tar.gz")
	for _, path := range s.packages("7-1", "a", "other") {
		run(t, "cp", path, path+".sig", dir)
		run(t, "repo-add", "-q", database, filepath.Join(dir, filepath.Base(path)))
	}
	run(t, "repo-remove", "-q", database, "b")
	if diff := cmp.Diff(before, tree(t, s.job.Root)); diff != "" {
		t.Errorf("the repository changed with the copy:\n%s", diff)
	}
	p, err := r.Import(t.Context(), dir)
	if err != nil || len(p.Added) != 2 || len(p.Replaced) != 1 || len(p.Removed) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if diff := cmp.Diff([]string{"a 7-1", "c 3-1", "moved 3-1", "other 7-1"}, audit(t, r)); diff != "" {
		t.Error(diff)
	}
}

// TestMove moves the whole root, which must go on working.
func TestMove(t *testing.T) {
	s := newScene(t)
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(s.job.Root, moved); err != nil {
		t.Fatal(err)
	}
	s.job.Root = moved
	r := s.repository()
	newClient(t, fileServer(r), s.home.Dir).pacman("-Sy")
	publish(t, r, repository.Change{Add: s.packages("9-1", "a")})
	if got := audit(t, r); !slices.Contains(got, "a 9-1") {
		t.Errorf("published %v", got)
	}
}

// TestPool follows the files of a package through generations: each stays as
// long as a generation has it, the newest KeepBuilt versions longer.
func TestPool(t *testing.T) {
	for _, test := range []struct {
		keepBuilt int
		want      []string
	}{
		{0, []string{"1", "2", "3", "4", "5", "6"}},
		{1, []string{"5", "6"}},
		{4, []string{"3", "4", "5", "6"}},
	} {
		root, dir := t.TempDir(), t.TempDir()
		r := open(t, repository.Options{Root: root, Keep: 2, Grace: -1, KeepBuilt: test.keepBuilt})
		other := testPackage{name: "gone", version: "1-1"}.write(t, dir)
		publish(t, r, repository.Change{Add: []string{other}})
		for _, version := range []string{"1", "2", "3", "4", "5", "6"} {
			publish(t, r, repository.Change{
				Add:    []string{testPackage{name: "foo", version: version + "-1", base: "base"}.write(t, dir)},
				Remove: []string{"gone"},
			})
		}
		var got []string
		for _, path := range tree(t, filepath.Join(root, "archive", "packages", "b", "base")) {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(path, "foo-"), "-1-any.pkg.tar.zst"))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("keeping %d: %s", test.keepBuilt, diff)
		}
		_, err := os.Lstat(filepath.Join(root, "archive", "packages", "g"))
		if pruned := errors.Is(err, fs.ErrNotExist); pruned != (test.keepBuilt > 0) {
			t.Errorf("keeping %d: files of a removed package: %v", test.keepBuilt, err)
		}
	}
}

// TestSharedPool publishes one file in two repositories of a root: pruning one
// leaves it to the other.
func TestSharedPool(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	options := repository.Options{Root: root, Keep: 1, Grace: -1, KeepBuilt: 1}
	r := open(t, options)
	options.ID = repositoryID("other", "aarch64")
	second, err := repository.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	add := repository.Change{Add: []string{testPackage{name: "foo", version: "1-1"}.write(t, dir)}}
	publish(t, r, add)
	publish(t, second, add)
	publish(t, r, repository.Change{Remove: []string{"foo"}})
	publish(t, r, repository.Change{Add: []string{testPackage{name: "bar", version: "1-1"}.write(t, dir)}})
	audit(t, second)
	publish(t, second, repository.Change{Remove: []string{"foo"}})
	if _, err := os.Lstat(filepath.Join(root, "archive", "packages", "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that no repository has: %v", err)
	}
}

func TestGenerations(t *testing.T) {
	r := open(t, repository.Options{Keep: 3, Grace: -1})
	dir := t.TempDir()
	for _, version := range []string{"1-1", "2-1", "3-1"} {
		publish(t, r, repository.Change{Add: []string{testPackage{name: "foo", version: version}.write(t, dir)}})
	}
	publish(t, r, repository.Change{Remove: []string{"foo"}, Add: []string{testPackage{name: "bar", version: "1-1"}.write(t, dir)}})
	list, err := r.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range list {
		line := []string{string(rune('0' + g.Number))}
		for sign, entries := range map[string][]repository.Entry{"+": g.Added, "-": g.Removed, "~": g.Replaced} {
			for _, e := range entries {
				line = append(line, sign+e.Name+" "+e.Version)
			}
		}
		slices.Sort(line[1:])
		got = append(got, strings.Join(line, " "))
		if g.Current != (g.Number == 4) || g.Packages != 1 || g.Published.IsZero() {
			t.Errorf("generation %+v", g)
		}
	}
	if diff := cmp.Diff([]string{"2", "3 +foo 3-1 ~foo 2-1", "4 +bar 1-1 -foo 3-1"}, got); diff != "" {
		t.Error(diff)
	}
	plan, err := r.PlanRollback(t.Context(), 0)
	if err != nil || plan.Generation != 4 || len(plan.Added) != 1 || len(plan.Removed) != 1 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	for _, n := range []int{1, 5, -1} {
		if _, err := r.Rollback(t.Context(), n); !errors.Is(err, repository.ErrNoGeneration) {
			t.Errorf("rolling back to %d: %v", n, err)
		}
	}
	if p, err := r.Rollback(t.Context(), 4); err != nil || p.Changed {
		t.Errorf("rolling back to the current one: %+v, %v", p, err)
	}
	if _, err := open(t, repository.Options{}).Rollback(t.Context(), 0); !errors.Is(err, repository.ErrNoGeneration) {
		t.Errorf("rolling back nothing: %v", err)
	}
}
