package build_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/build"
)

// upstream is a git repository that is served over HTTP.
type upstream struct {
	t    *testing.T
	work string
	bare string
	url  string
}

func newUpstream(t *testing.T) *upstream {
	dir := t.TempDir()
	u := &upstream{t: t, work: filepath.Join(dir, "work"), bare: filepath.Join(dir, "served", "tool.git")}
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(u.bare))))
	t.Cleanup(server.Close)
	u.url = server.URL + "/tool.git"
	u.git("init", "-q", "-b", "main", u.work)
	u.git("init", "-q", "-b", "main", "--bare", u.bare)
	u.commit()
	return u
}

// commit makes one commit and serves it.
func (u *upstream) commit() {
	u.git("-C", u.work, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
	u.git("-C", u.work, "push", "-q", u.bare, "main")
	u.git("-C", u.bare, "update-server-info")
}

func (u *upstream) git(args ...string) {
	u.t.Helper()
	if output, err := exec.Command("git", args...).CombinedOutput(); err != nil {
		u.t.Fatalf("git %v: %v\n%s", args, err, output)
	}
}

// pkgbuild writes a PKGBUILD whose version counts the commits of the upstream.
func (u *upstream) pkgbuild(more string) string {
	dir := u.t.TempDir()
	text := "pkgname=tool-git\nepoch=1\npkgver=r1\npkgrel=3\narch=(any)\nmakedepends=(nothing-that-is-there)\n" +
		"source=(\"tool::git+" + u.url + "\")\nsha256sums=(SKIP)\n" +
		"prepare() { echo prepared; exit 1; }\n" +
		"pkgver() { cd tool; printf 'r%s' \"$(git rev-list --count HEAD)\"; }\npackage() { :; }\n" + more
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return dir
}

func TestVersion(t *testing.T) {
	u := newUpstream(t)
	dir := u.pkgbuild("")
	before, err := os.ReadFile(filepath.Join(dir, "PKGBUILD"))
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []build.Network{build.Always, build.Sources} {
		l := local(t, build.Config{Network: network})
		u.commit()
		want := strings.TrimSpace(u.count())
		got, err := l.Version(t.Context(), dir, "x86_64")
		if err != nil || got != "1:r"+want+"-1" {
			t.Errorf("%s: %q, %v; want r%s", network, got, err, want)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, "PKGBUILD"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the sources were changed: %v\n%s", err, after)
	}
}

// count returns how many commits there are.
func (u *upstream) count() string {
	u.t.Helper()
	output, err := exec.Command("git", "-C", u.work, "rev-list", "--count", "HEAD").Output()
	if err != nil {
		u.t.Fatal(err)
	}
	return string(output)
}

func TestVersionFails(t *testing.T) {
	u := newUpstream(t)
	l := local(t, build.Config{})
	for name, dir := range map[string]string{
		"no upstream": (&upstream{t: t, url: "http://127.0.0.1:1/tool.git"}).pkgbuild(""),
		"pkgver":      u.pkgbuild("pkgver() { echo because of it >&2; false; }\n"),
		"bad version": u.pkgbuild("pkgver() { echo 'a b'; }\n"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := l.Version(t.Context(), dir, "x86_64")
			var failure *build.Failure
			if !errors.As(err, &failure) || len(failure.Reason) > 5000 {
				t.Errorf("%q, %v", got, err)
			}
			if name == "pkgver" && !strings.Contains(failure.Reason, "because of it") {
				t.Errorf("it does not say why: %s", failure.Reason)
			}
		})
	}
}
