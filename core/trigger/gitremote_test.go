package trigger_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/source"
	"ahriman/core/trigger"
)

// git runs the real git and returns what it prints.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// remote makes a repository with these files on its branch.
func remote(t *testing.T, branch string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "--quiet", "--initial-branch", branch)
	put(t, dir, files)
	git(t, dir, "add", "--all")
	git(t, dir, "commit", "--quiet", "--allow-empty", "-m", "c")
	return dir
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_DIR=/nonexistent"}
}

func TestRemotePull(t *testing.T) {
	root := t.TempDir()
	upstream := remote(t, "main", map[string]string{
		"toy-a/PKGBUILD":       "pkgname=toy-a",
		"toy-a/fix.patch":      "p",
		"deep/dir/PKGBUILD":    "pkgname=toy-b",
		"deep/dir/.SRCINFO":    "pkgbase = toy-b\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = any\n\npkgname = toy-b\n",
		"deep/dir/x/PKGBUILD":  "part of toy-b",
		"README":               "r",
		"empty/not-a-PKGBUILD": "",
	})
	put(t, root, map[string]string{"cache/toy-a/old": "gone", "cache/other/PKGBUILD": "stays"})
	s := settings(t, "[repository]\nroot = "+root+"\n[remote-pull]\ntarget = gitremote\n[gitremote]\npull_url = "+upstream+"\npull_branch = main")
	chain := mustNew(t, []string{trigger.RemotePull}, trigger.Options{Settings: s, Environ: environment()})
	for range 2 {
		if err := run(t.Context(), chain); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"toy-a/PKGBUILD": "pkgname=toy-a", "toy-a/fix.patch": "p", "toy-a/old": "",
		"toy-b/PKGBUILD": "pkgname=toy-b", "toy-b/x/PKGBUILD": "part of toy-b", "other/PKGBUILD": "stays",
	} {
		if got := read(t, filepath.Join(root, "cache", path)); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, ".remote-pull-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestRemotePullFails(t *testing.T) {
	root := t.TempDir()
	for url, want := range map[string]string{
		remote(t, "master", nil):                   "no branch main",
		"https://user:secret@127.0.0.1:1/repo.git": "git ls-remote",
		"https://user:sec%20ret@127.0.0.1:1/r.git": "git ls-remote",
	} {
		s := settings(t, "[repository]\nroot = "+root+"\n[gitremote]\npull_branch = main\npull_url = "+url)
		chain := mustNew(t, []string{trigger.RemotePull}, trigger.Options{Settings: s, Environ: environment()})
		err := run(t.Context(), chain)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
}

func TestRemotePush(t *testing.T) {
	upstream := remote(t, "master", map[string]string{"a/stale": "gone", "other/PKGBUILD": "stays"})
	git(t, upstream, "checkout", "--quiet", "-b", "elsewhere") // a branch that is checked out refuses pushes
	for _, branch := range []string{"master", "fresh"} {
		s := settings(t, "[gitremote]\ncommit_user = me\npush_url = "+upstream+"\npush_branch = "+branch)
		chain := mustNew(t, []string{trigger.RemotePush}, trigger.Options{
			Settings: s, Environ: environment(),
			Sources: func(_ context.Context, p source.Package, dir string) error {
				put(t, dir, map[string]string{"PKGBUILD": "of " + p.Base, ".gitignore": "*\n", ".git/config": "x"})
				return nil
			},
		})
		for range 2 { // the second has nothing to commit
			if err := run(t.Context(), chain, level("a", "b"), level()); err != nil {
				t.Fatal(err)
			}
		}
		want := "a/.gitignore\na/PKGBUILD\nb/.gitignore\nb/PKGBUILD\n"
		if branch == "master" {
			want += "other/PKGBUILD\n"
		}
		if got := git(t, upstream, "ls-tree", "-r", "--name-only", branch); got != want {
			t.Errorf("%s: got %q, want %q", branch, got, want)
		}
		if got := git(t, upstream, "log", "-1", "--format=%an %s", branch); got != "me Update a, b\n" {
			t.Errorf("%s: %q", branch, got)
		}
	}
}
