package source_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

func TestCopy(t *testing.T) {
	from := tree(t, map[string]string{
		"PKGBUILD": foo, "patches/a.patch": "a", "link": "-> patches/a.patch",
		".git/config": "x", "src/left": "x", "pkg/left": "x", "sub/src/kept": "x",
	})
	to := t.TempDir()
	var created []string
	err := source.Copy(t.Context(), from, to, source.CopyOptions{Created: func(path string) error {
		created = append(created, path)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"PKGBUILD": foo, "patches/a.patch": "a", "link": "-> patches/a.patch", "sub/src/kept": "x"}
	if diff := cmp.Diff(want, read(t, to)); diff != "" {
		t.Error(diff)
	}
	if len(created) != 7 {
		t.Errorf("created: %q", created)
	}
}

func TestCopyRefuses(t *testing.T) {
	pipe := tree(t, map[string]string{"PKGBUILD": foo})
	if err := syscall.Mkfifo(filepath.Join(pipe, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		dir    string
		limits source.Limits
		want   error
	}{
		{"absolute link", tree(t, map[string]string{"PKGBUILD": foo, "x": "-> /etc/passwd"}), source.Limits{}, source.ErrUnsafe},
		{"link that leaves", tree(t, map[string]string{"sub/x": "-> ../../secret"}), source.Limits{}, source.ErrUnsafe},
		{"pipe", pipe, source.Limits{}, source.ErrUnsafe},
		{"too many files", tree(t, map[string]string{"a": "", "b": "", "c": ""}), source.Limits{Files: 2}, source.ErrTooLarge},
		{"too many bytes", tree(t, map[string]string{"a": "xxxx", "b": "xxxx"}), source.Limits{Bytes: 7}, source.ErrTooLarge},
	} {
		err := source.Copy(t.Context(), test.dir, t.TempDir(), source.CopyOptions{Limits: test.limits})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestBundle(t *testing.T) {
	files := map[string]string{"PKGBUILD": foo, "a/b/c": "c", "link": "-> a/b/c"}
	var one, two bytes.Buffer
	first, err := source.WriteBundle(t.Context(), &one, tree(t, files), source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	other := tree(t, files)
	if err := os.Chtimes(filepath.Join(other, "PKGBUILD"), time.Unix(5, 0), time.Unix(5, 0)); err != nil {
		t.Fatal(err)
	}
	second, err := source.WriteBundle(t.Context(), &two, other, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("equal trees make unequal bundles: %s and %s", first, second)
	}
	if digest, err := source.TreeDigest(t.Context(), other, source.Limits{}); err != nil || digest != first {
		t.Errorf("TreeDigest: %s, %v; want %s", digest, err, first)
	}
	dir := t.TempDir()
	if err := source.ReadBundle(bytes.NewReader(one.Bytes()), dir, first, source.Limits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, read(t, dir)); diff != "" {
		t.Error(diff)
	}
	err = source.ReadBundle(bytes.NewReader(one.Bytes()), t.TempDir(), strings.Repeat("0", 64), source.Limits{})
	if !errors.Is(err, source.ErrDigest) {
		t.Errorf("wrong digest: got %v", err)
	}
	if err := os.Chmod(filepath.Join(other, "PKGBUILD"), 0o755); err != nil {
		t.Fatal(err)
	}
	if digest, _ := source.TreeDigest(t.Context(), other, source.Limits{}); digest == first {
		t.Error("the executable bit does not change the digest")
	}
}

func TestReadBundleRefuses(t *testing.T) {
	entry := func(header tar.Header) []tar.Header { return []tar.Header{header} }
	for _, test := range []struct {
		name    string
		entries []tar.Header
		limits  source.Limits
		want    error
	}{
		{"parent", entry(tar.Header{Name: "../x", Typeflag: tar.TypeReg}), source.Limits{}, source.ErrUnsafe},
		{"absolute", entry(tar.Header{Name: "/x", Typeflag: tar.TypeReg}), source.Limits{}, source.ErrUnsafe},
		{"device", entry(tar.Header{Name: "x", Typeflag: tar.TypeChar}), source.Limits{}, source.ErrUnsafe},
		{"hard link", entry(tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), source.Limits{}, source.ErrUnsafe},
		{"link", entry(tar.Header{Name: "x", Linkname: "/etc", Typeflag: tar.TypeSymlink}), source.Limits{}, source.ErrUnsafe},
		{"through a link", []tar.Header{
			{Name: "a", Linkname: "b", Typeflag: tar.TypeSymlink}, {Name: "b", Linkname: ".", Typeflag: tar.TypeSymlink},
			{Name: "a/../../x", Typeflag: tar.TypeReg},
		}, source.Limits{}, source.ErrUnsafe},
		{"many", []tar.Header{{Name: "a", Typeflag: tar.TypeReg}, {Name: "b", Typeflag: tar.TypeReg}}, source.Limits{Files: 1}, source.ErrTooLarge},
		{"large", entry(tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 100}), source.Limits{Bytes: 99}, source.ErrTooLarge},
	} {
		var packed bytes.Buffer
		archive := tar.NewWriter(&packed)
		for _, header := range test.entries {
			if err := archive.WriteHeader(&header); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write(make([]byte, header.Size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		if err := source.ReadBundle(&packed, t.TempDir(), "", test.limits); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestDigest(t *testing.T) {
	base := source.Inputs{Tree: "t", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"2", "1"}}
	same := source.Inputs{Tree: "t", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"1", "2"}}
	if base.Digest() != same.Digest() {
		t.Error("the order of dependencies changes the digest")
	}
	for _, other := range []source.Inputs{
		{Tree: "u", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"1", "2"}},
		{Tree: "t", Architecture: "aarch64", Flags: []string{"a"}, Dependencies: []string{"1", "2"}},
		{Tree: "t", Architecture: "x86_64", Dependencies: []string{"1", "2"}},
		{Tree: "t", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"1", "3"}},
	} {
		if base.Digest() == other.Digest() {
			t.Errorf("%+v has the digest of %+v", other, base)
		}
	}
}

func TestApply(t *testing.T) {
	for _, test := range []struct {
		name  string
		patch source.Patch
		want  string // appended
	}{
		{"variable", source.Patch{Key: new("pkgver"), Value: "2"}, "\npkgver=2\n"},
		{"quoted", source.Patch{Key: new("pkgdesc"), Value: "it's $HOME"}, "\npkgdesc='it'\\''s $HOME'\n"},
		{"empty", source.Patch{Key: new("url"), Value: ""}, "\nurl=''\n"},
		{"list", source.Patch{Key: new("depends"), Value: []any{"a", "b>=1"}}, "\ndepends=(a 'b>=1')\n"},
		{"shell array", source.Patch{Key: new("depends"), Value: "(a 'b c')"}, "\ndepends=(a 'b c')\n"},
		{"JSON array", source.Patch{Key: new("depends"), Value: `["a","b"]`}, "\ndepends=(a b)\n"},
		{"function", source.Patch{Key: new("build()"), Value: "{ make; }"}, "\nbuild() { make; }\n"},
	} {
		dir := tree(t, map[string]string{"PKGBUILD": foo})
		if err := source.Apply(t.Context(), dir, []source.Patch{test.patch}); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(foo+test.want, read(t, dir)["PKGBUILD"]); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	for _, patch := range []source.Patch{
		{Key: new("x; rm -rf /"), Value: "1"}, {Key: new("a"), Value: 1}, {Key: new("a"), Value: "(a 'b)"}, {Value: 1},
	} {
		if err := source.Apply(t.Context(), tree(t, map[string]string{"PKGBUILD": foo}), []source.Patch{patch}); err == nil {
			t.Errorf("%+v was applied", patch)
		}
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestApplyDiff(t *testing.T) {
	diff := "--- a/PKGBUILD\n+++ b/PKGBUILD\n@@ -1,4 +1,4 @@\n pkgname=foo\n-pkgver=1.0\n+pkgver=1.1\n pkgrel=1\n arch=(x86_64)\n--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+new\n"
	// Inside somebody's repository git would leave the files out silently.
	around := t.TempDir()
	git(t, around, "init", "-q")
	for _, dir := range []string{tree(t, map[string]string{"PKGBUILD": foo}), filepath.Join(around, "inner")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(foo), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := source.Apply(t.Context(), dir, []source.Patch{{Value: diff}}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"PKGBUILD": strings.Replace(foo, "1.0", "1.1", 1), "new.txt": "new\n"}
		if diff := cmp.Diff(want, read(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
	outside := "--- /dev/null\n+++ b/../outside.txt\n@@ -0,0 +1 @@\n+new\n"
	dir := tree(t, map[string]string{"PKGBUILD": foo})
	if err := source.Apply(t.Context(), dir, []source.Patch{{Value: outside}}); err == nil {
		t.Error("a diff wrote outside the directory")
	}
	link := tree(t, map[string]string{"PKGBUILD": foo, "sub": "-> /tmp"})
	through := "--- /dev/null\n+++ b/sub/ahriman-outside.txt\n@@ -0,0 +1 @@\n+new\n"
	if err := source.Apply(t.Context(), link, []source.Patch{{Value: through}}); err == nil {
		t.Error("a diff wrote through a link")
	}
}

func TestIncrement(t *testing.T) {
	for version, want := range map[string]string{"1.0-1": "1.1", "1:1.0-1.1": "1.2", "1.0-3.9": "3.10"} {
		patch, err := source.Increment(version)
		if err != nil || patch.Value != want || *patch.Key != "pkgrel" {
			t.Errorf("%s: got %+v, %v; want %s", version, patch, err, want)
		}
	}
}

func TestAddArchitecture(t *testing.T) {
	for _, test := range []struct {
		declared []string
		want     string
	}{{[]string{"any"}, ""}, {[]string{"aarch64"}, ""}, {[]string{"x86_64"}, "\narch+=(aarch64)\n"}} {
		dir := tree(t, map[string]string{"PKGBUILD": foo})
		if err := source.AddArchitecture(dir, test.declared, "aarch64"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(foo+test.want, read(t, dir)["PKGBUILD"]); diff != "" {
			t.Errorf("%s: %s", test.declared, diff)
		}
	}
}

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
