package repository_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/alpm"
	"ahriman/core/repository"
)

var id = alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}

func open(t testing.TB, options repository.Options) *repository.Repository {
	t.Helper()
	if options.Root == "" {
		options.Root = t.TempDir()
	}
	options.ID = id
	r, err := repository.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func publish(t testing.TB, r *repository.Repository, change repository.Change) *repository.Publication {
	t.Helper()
	p, err := r.Publish(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if p.CleanUp != nil {
		t.Fatal(p.CleanUp)
	}
	return p
}

// published lists "name version" of what is published.
func published(t testing.TB, r *repository.Repository) []string {
	t.Helper()
	packages, err := r.Packages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages {
		names = append(names, p.Name+" "+p.Version)
	}
	return names
}

// tree lists the files below dir, with the targets of links.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		if target, err := os.Readlink(path); err == nil {
			name += " -> " + target
		}
		all = append(all, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPublish(t *testing.T) {
	r := open(t, repository.Options{})
	if got := published(t, r); got != nil {
		t.Errorf("before the first publication: %v", got)
	}
	foo := testPackage{name: "foo", version: "1.0-1"}.write(t, r.Waiting())
	bar := testPackage{name: "bar", version: "1:2-3", base: "base", arch: "x86_64"}.write(t, t.TempDir())
	p := publish(t, r, repository.Change{Add: []string{foo, bar}})
	if p.Generation != 1 || !p.Changed || len(p.Added) != 2 {
		t.Errorf("publication %+v", p)
	}
	if diff := cmp.Diff([]string{"bar 1:2-3", "foo 1.0-1"}, published(t, r)); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"archive/packages/b/base/bar-1:2-3-x86_64.pkg.tar.zst",
		"archive/packages/f/foo/foo-1.0-1-any.pkg.tar.zst",
		"generations/.lock",
		"generations/aur/x86_64/1/.index",
		"generations/aur/x86_64/1/aur.db -> aur.db.tar.gz",
		"generations/aur/x86_64/1/aur.db.tar.gz",
		"generations/aur/x86_64/1/aur.files -> aur.files.tar.gz",
		"generations/aur/x86_64/1/aur.files.tar.gz",
		"generations/aur/x86_64/1/bar-1:2-3-x86_64.pkg.tar.zst -> ../../../../archive/packages/b/base/bar-1:2-3-x86_64.pkg.tar.zst",
		"generations/aur/x86_64/1/foo-1.0-1-any.pkg.tar.zst -> ../../../../archive/packages/f/foo/foo-1.0-1-any.pkg.tar.zst",
		"repository/aur/x86_64 -> ../../generations/aur/x86_64/1",
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(r.Published())))
	if diff := cmp.Diff(want, tree(t, root)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(bar); err != nil {
		t.Errorf("a file that was not waiting is gone: %v", err)
	}
	if p := publish(t, r, repository.Change{Add: []string{bar}}); p.Changed || p.Generation != 1 {
		t.Errorf("adding what is published: %+v", p)
	}
}

func TestReplaceAndRemove(t *testing.T) {
	r := open(t, repository.Options{})
	dir := t.TempDir()
	var add []string
	for _, name := range []string{"a", "b", "c", "d"} {
		add = append(add, testPackage{name: name, version: "1-1"}.write(t, dir))
	}
	publish(t, r, repository.Change{Add: add})
	first, err := os.Stat(filepath.Join(r.Published(), "aur.db"))
	if err != nil {
		t.Fatal(err)
	}
	p := publish(t, r, repository.Change{
		Add: []string{
			testPackage{name: "b", version: "3-1"}.write(t, dir),
			testPackage{name: "b", version: "2-1"}.write(t, dir),
		},
		Remove: []string{"c", "unknown"},
	})
	var got []string
	for _, group := range [][]repository.Entry{p.Added, p.Replaced, p.Removed, p.Superseded} {
		for _, e := range group {
			got = append(got, e.Name+" "+e.Version)
		}
	}
	if diff := cmp.Diff([]string{"b 3-1", "b 1-1", "c 1-1", "b 2-1"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a 1-1", "b 3-1", "d 1-1"}, published(t, r)); diff != "" {
		t.Error(diff)
	}
	second, err := os.Stat(filepath.Join(r.Published(), "aur.db"))
	if err != nil {
		t.Fatal(err)
	}
	if second.ModTime().Unix() <= first.ModTime().Unix() {
		t.Errorf("modification time %s after %s", second.ModTime(), first.ModTime())
	}
	for _, name := range []string{"c-1-1-any.pkg.tar.zst", "b-1-1-any.pkg.tar.zst"} {
		if _, err := os.Lstat(filepath.Join(r.Published(), name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still published", name)
		}
	}
}

func TestConflict(t *testing.T) {
	r := open(t, repository.Options{})
	foo := testPackage{name: "foo", version: "1-1"}.write(t, t.TempDir())
	publish(t, r, repository.Change{Add: []string{foo}})
	other := testPackage{name: "foo", version: "1-1", content: "other"}.write(t, r.Waiting())
	_, err := r.Publish(t.Context(), repository.Change{Add: []string{other}})
	var conflict *repository.ConflictError
	if !errors.As(err, &conflict) || conflict.Have == conflict.Got || !strings.Contains(err.Error(), conflict.Have) || !strings.Contains(err.Error(), conflict.Got) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("the refused file is gone")
	}
	p := publish(t, r, repository.Change{Add: []string{other}, KeepPublished: true})
	if p.Changed || len(p.Conflicts) != 1 {
		t.Errorf("publication %+v", p)
	}
}

func repositoryID(name, architecture string) alpm.RepositoryID {
	return alpm.RepositoryID{Name: name, Architecture: architecture}
}
