package source_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/source"
)

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
