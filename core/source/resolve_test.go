package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/source"
)

func TestResolve(t *testing.T) {
	cache := tree(t, map[string]string{"known/PKGBUILD": foo, "empty/x": ""})
	dir := tree(t, map[string]string{"PKGBUILD": foo})
	packages := tree(t, map[string]string{"foo-1.0-1-any.pkg.tar.zst": "x", "foo-1.0-1-any.pkg.tar.zst.sig": "x", "other": "x"})
	file := filepath.Join(packages, "foo-1.0-1-any.pkg.tar.zst")
	aur := standIn(t, nil)
	fetcher := source.New(source.Config{Cache: cache, AUR: aur})
	for _, test := range []struct {
		name string
		kind source.Kind
		want source.Kind
		at   string
	}{
		{"https://example.org/x/foo-1.0-1-any.pkg.tar.zst", source.Auto, source.Remote, "https://example.org/x/foo-1.0-1-any.pkg.tar.zst"},
		{dir, source.Auto, source.Local, dir},
		{"known", source.Auto, source.Local, filepath.Join(cache, "known")},
		{packages, source.Auto, source.Directory, file},
		{file, source.Auto, source.Archive, file},
		{"git+https://example.org/foo", source.Auto, source.Local, "https://example.org/foo"},
		{"https://example.org/foo.git#branch=next", source.Auto, source.Local, "https://example.org/foo.git"},
		{"split-one", source.Auto, source.AUR, aur + "/split.git"},
		{"split-one", source.AUR, source.AUR, aur + "/split.git"},
		{"pacman", source.Repository, source.Repository, "https://gitlab.archlinux.org/archlinux/packaging/packages/pacman.git"},
	} {
		found, err := fetcher.Resolve(t.Context(), test.name, test.kind)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		at := found.Dir + found.URL + found.Origin.GitURL + strings.Join(found.Files, ",")
		if found.Kind != test.want || at != test.at {
			t.Errorf("%s: got %s at %s, want %s at %s", test.name, found.Kind, at, test.want, test.at)
		}
	}
	for _, test := range []struct {
		name string
		kind source.Kind
	}{{"missing", source.Auto}, {"empty", source.Auto}, {"../known", source.Auto}, {dir, source.Archive}, {file, source.Local}} {
		if found, err := fetcher.Resolve(t.Context(), test.name, test.kind); !errors.Is(err, source.ErrNotFound) {
			t.Errorf("%s as %s: got %+v, %v", test.name, test.kind, found, err)
		}
	}
	if _, err := fetcher.Resolve(t.Context(), "git+ext::sh -c true", source.Auto); err == nil {
		t.Error("ext:: was taken")
	}
	if _, err := fetcher.Resolve(t.Context(), "git+https://me:secret@example.org/x", source.Auto); err == nil || strings.Contains(err.Error(), "secret@") {
		t.Errorf("a password: %v", err)
	}
	if _, err := fetcher.Resolve(t.Context(), "git+ext://x/y.git", source.Auto); err == nil {
		t.Error("ext:// was taken")
	}
	remote := source.New(source.Config{Cache: cache, AUR: aur, NoLocal: true})
	for _, name := range []string{dir, packages, file, "git+file://" + dir} {
		if found, err := remote.Resolve(t.Context(), name, source.Auto); err == nil {
			t.Errorf("a path of this machine was taken: %+v", found)
		}
	}
}

func TestSourcesFromGit(t *testing.T) {
	work := tree(t, map[string]string{"PKGBUILD": foo})
	git(t, work, "init", "-q", "-b", "main")
	git(t, work, "add", ".")
	git(t, work, "commit", "-qm", "first")
	git(t, work, "checkout", "-qb", "next")
	if err := os.WriteFile(filepath.Join(work, "PKGBUILD"), []byte(foo+"# next\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, work, "commit", "-qam", "second")
	fetcher := source.New(source.Config{})
	found, err := fetcher.Resolve(t.Context(), "git+file://"+work+"#branch=main", source.Auto)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := fetcher.Sources(t.Context(), found, dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"PKGBUILD": foo}, read(t, dir)); diff != "" {
		t.Error(diff)
	}
	git(t, work, "tag", "-a", "-m", "x", "v1", "main")
	for _, ref := range []string{"", "#branch=main", "#branch=next", "#tag=v1"} {
		found, err := fetcher.Resolve(t.Context(), "git+file://"+work+ref, source.Auto)
		if err != nil {
			t.Fatal(err)
		}
		head, err := fetcher.Head(t.Context(), found)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		if commit, err := fetcher.Sources(t.Context(), found, t.TempDir()); err != nil || commit != head {
			t.Errorf("%s: cloned %s, at %s before: %v", ref, commit, head, err)
		}
	}
	missing, err := fetcher.Resolve(t.Context(), "git+file://"+work+"#branch=nowhere", source.Auto)
	if err != nil {
		t.Fatal(err)
	}
	if head, err := fetcher.Head(t.Context(), missing); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("missing branch: %s, %v", head, err)
	}
	if _, err := fetcher.Sources(t.Context(), missing, t.TempDir()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("missing branch: %v", err)
	}
}

// What is remembered as local is the cache's, whatever stands where the program
// was started.
func TestFromOriginIsTheCaches(t *testing.T) {
	cache := tree(t, map[string]string{"foo/PKGBUILD": foo})
	t.Chdir(tree(t, map[string]string{"foo/PKGBUILD": foo, "bar/PKGBUILD": foo}))
	fetcher := source.New(source.Config{Cache: cache})
	found, err := fetcher.FromOrigin("foo", source.Origin{Source: source.Local})
	if err != nil || found.Dir != filepath.Join(cache, "foo") {
		t.Errorf("%+v, %v", found, err)
	}
	if found, err := fetcher.FromOrigin("bar", source.Origin{Source: source.Local}); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("%+v, %v", found, err)
	}
}
