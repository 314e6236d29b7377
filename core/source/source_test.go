package source_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/alpm"
	"ahriman/core/source"
)

const foo = "pkgname=foo\npkgver=1.0\npkgrel=1\narch=(x86_64)\nsource=(local.txt)\nsha256sums=(SKIP)\npackage() {\n\t:\n}\n"

// tree writes files (name to content; "-> target" makes a link) into a new
// directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read returns the files below dir.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if entry.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			found[name] = "-> " + target
			return err
		}
		data, err := os.ReadFile(path)
		found[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPackages(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "0123456789")
	}))
	t.Cleanup(server.Close)
	for _, test := range []struct {
		limit int64
		want  error
	}{{10, nil}, {9, source.ErrTooLarge}} {
		fetcher := source.New(source.Config{MaxFile: test.limit})
		found, err := fetcher.Resolve(t.Context(), server.URL+"/foo-1%3A1.0-1-any.pkg.tar.zst", source.Auto)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		files, err := fetcher.Packages(t.Context(), found, dir)
		if !errors.Is(err, test.want) {
			t.Errorf("limit %d: got %v, want %v", test.limit, err, test.want)
		}
		if err == nil && (len(files) != 1 || filepath.Base(files[0]) != "foo-1:1.0-1-any.pkg.tar.zst") {
			t.Errorf("got %s", files)
		}
		if left := read(t, dir); len(left) != len(files) {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestFromPackages(t *testing.T) {
	packages := []alpm.Package{
		{Info: alpm.Info{Name: "b", Base: "a", Version: "1-1", Architecture: "any", Depends: []string{"c>=1:2", "d", "c<3", "libx.so=1-64"}, OptDepends: []string{"e: for x", "f"}}, FileName: "b-1-1-any.pkg.tar.zst", CompressedSize: 3},
		{Info: alpm.Info{Name: "a", Base: "a", Version: "1-1", Architecture: "any"}},
		{Info: alpm.Info{Name: "z", Version: "2-1", Architecture: "any"}},
	}
	got, err := source.FromPackages(packages, source.Origin{Source: source.Archive})
	if err != nil || len(got) != 2 || got[0].Base != "a" || len(got[0].Packages) != 2 || got[1].Base != "z" {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := source.Properties{
		Architecture: "any", ArchiveSize: 3, FileName: "b-1-1-any.pkg.tar.zst",
		Depends: []string{"c", "d", "libx.so"}, MakeDepends: []string{}, CheckDepends: []string{},
		OptDepends: []string{"e", "f"}, Provides: []string{}, Groups: []string{}, Licenses: []string{},
	}
	if diff := cmp.Diff(want, got[0].Packages["b"]); diff != "" {
		t.Error(diff)
	}
	packages[1].Version = "2-1"
	if _, err := source.FromPackages(packages, source.Origin{}); !errors.Is(err, source.ErrVersions) {
		t.Errorf("got %v, want %v", err, source.ErrVersions)
	}
}

func TestPortable(t *testing.T) {
	for address, want := range map[string]bool{
		"https://example.org/x.git": true, "git://example.org/x": true, "": true,
		"file:///srv/x.git": false, "ssh://me@example.org/x": false, "/srv/x.git": false, "me@example.org:x": false, "ext::sh -c true": false,
	} {
		o := source.Origin{Source: source.Local, GitURL: address, Branch: "main"}
		if !want {
			if got := o.Portable(); got != (source.Origin{Source: source.Local}) {
				t.Errorf("%s: %+v", address, got)
			}
		} else if got := o.Portable(); got != o {
			t.Errorf("%s: %+v", address, got)
		}
	}
}
