package source

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// history is a bare git repository and the commits made in it.
type history struct {
	t    *testing.T
	dir  string
	bare string
}

func newHistory(t *testing.T) *history {
	h := &history{t: t, dir: t.TempDir(), bare: filepath.Join(t.TempDir(), "foo.git")}
	h.git("init", "-q", "-b", "master", h.dir)
	h.git("init", "-q", "-b", "master", "--bare", h.bare)
	return h
}

func (h *history) git(args ...string) string {
	h.t.Helper()
	output, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("git %v: %v\n%s", args, err, output)
	}
	return strings.TrimSpace(string(output))
}

// commit makes a commit with these files and pushes it.
func (h *history) commit(files map[string]string) string {
	h.t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	h.git("-C", h.dir, "add", ".")
	h.git("-C", h.dir, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
	h.git("-C", h.dir, "push", "-q", "--force", h.bare, "master")
	h.git("-C", h.bare, "update-server-info")
	return h.git("-C", h.dir, "rev-parse", "HEAD")
}

func TestChanges(t *testing.T) {
	h := newHistory(t)
	one := h.commit(map[string]string{"PKGBUILD": "pkgver=1\n", ".SRCINFO": "pkgver = 1\n"})
	h.commit(map[string]string{"PKGBUILD": "pkgver=2\n"})
	three := h.commit(map[string]string{"PKGBUILD": "pkgver=3\n# gr\xfc\xdfe\n", ".SRCINFO": "pkgver = 3\n", "icon": "a\x00b"})
	four := h.commit(map[string]string{"PKGBUILD": strings.Repeat("a line of it\n", 50_000)})
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(h.bare)))) // cannot give one commit
	t.Cleanup(server.Close)
	f := New(Config{})
	for _, url := range []string{"file://" + h.bare, server.URL + "/foo.git"} {
		found, err := f.FromOrigin("foo", Origin{Source: Local, GitURL: url})
		if err != nil {
			t.Fatal(err)
		}
		text, err := f.Changes(t.Context(), found, one, three)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"-pkgver=1\n+pkgver=3\n", "Binary files /dev/null and b/icon differ"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", url, want, text)
			}
		}
		if strings.Contains(text, "SRCINFO") || !utf8.ValidString(text) {
			t.Errorf("%s: it has .SRCINFO, or is no UTF-8:\n%s", url, text)
		}
		if text, err := f.Changes(t.Context(), found, three, four); err != nil || len(text) > maxChanges+100 || !strings.HasSuffix(text, " bytes more\n") {
			t.Errorf("%s: a long one: %d bytes, %v", url, len(text), err)
		}
		if text, err := f.Changes(t.Context(), found, three, three); err != nil || text != "" {
			t.Errorf("%s: alike: %q, %v", url, text, err)
		}
		for _, bad := range []string{"", "HEAD", "--output=x", strings.Repeat("0", 40)} {
			if text, err := f.Changes(t.Context(), found, bad, three); err == nil {
				t.Errorf("%s: from %q: %q", url, bad, text)
			}
		}
	}
	local := &Found{Name: "foo", Dir: t.TempDir()}
	if _, err := f.Changes(t.Context(), local, one, three); err == nil {
		t.Error("no error without git")
	}
}
