package distribution_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/distribution"

	"github.com/google/go-cmp/cmp"
)

// mirror serves databases and notes what it answered.
type mirror struct {
	*httptest.Server
	files   map[string][]byte // by path
	date    time.Time
	answers []string
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{files: map[string][]byte{}, date: time.Unix(1_700_000_000, 0)}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, ok := m.files[r.URL.Path]
	answer := "sent"
	switch {
	case !ok:
		answer = "missing"
	case r.Header.Get("If-Modified-Since") != "" && !m.date.IsZero():
		answer = "asked"
	}
	m.answers = append(m.answers, answer+" "+r.URL.Path) // while who asks waits
	switch {
	case !ok:
		http.NotFound(w, r)
	case m.date.IsZero():
		_, _ = w.Write(content)
	default:
		http.ServeContent(w, r, "", m.date, bytes.NewReader(content))
	}
}

func database(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	p := alpm.Package{Info: alpm.Info{Name: name, Base: name, Version: "1-1", Architecture: "any"}, FileName: name + "-1-1-any.pkg.tar.zst", Files: []string{"usr/", "usr/share/" + name}}
	if err := alpm.WriteDatabase(&b, []alpm.Package{p}, alpm.DatabaseOptions{Files: true}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRefresh(t *testing.T) {
	m := newMirror(t)
	d := distribution.Databases{
		Mirror: m.URL + "/$repo/os/$arch", Repositories: []string{"core", "extra"}, Architecture: "x86_64",
		Directory: filepath.Join(t.TempDir(), "sync"), Files: true,
	}
	var all []string
	for _, repository := range d.Repositories {
		for _, extension := range []string{"db", "files"} {
			path := "/" + repository + "/os/x86_64/" + repository + "." + extension
			m.files[path] = database(t, repository+"-one")
			all = append(all, path)
		}
	}
	refresh := func(what string, force bool, want string) {
		t.Helper()
		m.answers = nil
		if err := d.Refresh(t.Context(), force); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		var answers []string
		for _, path := range all {
			answers = append(answers, want+" "+path)
		}
		if diff := cmp.Diff(answers, m.answers); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
	has := func(what, want string) {
		t.Helper()
		file, err := os.Open(d.Path("extra", "db"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		packages, err := alpm.ReadDatabase(file)
		if err != nil || len(packages) != 1 || packages[0].Name != want {
			t.Errorf("%s: %v, %v; want %s", what, packages, err, want)
		}
	}
	refresh("first", false, "sent")
	has("first", "extra-one")
	refresh("again", false, "asked")
	m.files["/extra/os/x86_64/extra.db"] = database(t, "extra-two")
	refresh("not newer", false, "asked")
	has("not newer", "extra-one")
	refresh("by force", true, "sent")
	has("by force", "extra-two")
	m.files["/extra/os/x86_64/extra.db"] = database(t, "extra-three")
	m.date = m.date.Add(time.Hour)
	refresh("newer", false, "asked")
	has("newer", "extra-three")

	// Whatever goes wrong, all stay as they were.
	m.date = m.date.Add(time.Hour)
	m.files["/core/os/x86_64/core.db"] = database(t, "core-two")
	before, err := os.ReadFile(d.Path("core", "db"))
	if err != nil {
		t.Fatal(err)
	}
	whole := database(t, "extra-four")
	for name, content := range map[string][]byte{"cut": whole[:len(whole)/2], "page": []byte("<html>log in"), "missing": nil, "empty": {}} {
		m.files["/extra/os/x86_64/extra.db"] = content
		if content == nil {
			delete(m.files, "/extra/os/x86_64/extra.db")
		}
		err := d.Refresh(t.Context(), false)
		if err == nil || (name == "missing") != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		has(name, "extra-three")
		if after, err := os.ReadFile(d.Path("core", "db")); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: core has changed: %v", name, err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(d.Directory, ".fetching"))
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestUndated fetches from a mirror that does not date what it sends.
func TestUndated(t *testing.T) {
	m := newMirror(t)
	m.date = time.Time{}
	m.files["/core.db"] = database(t, "one")
	d := distribution.Databases{Mirror: m.URL, Repositories: []string{"core"}, Architecture: "x86_64", Directory: t.TempDir()}
	for range 2 {
		if err := d.Refresh(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"sent /core.db", "sent /core.db"}, m.answers); diff != "" {
		t.Errorf("answers (-want +got)\n%s", diff)
	}
	for _, bad := range []distribution.Databases{
		{Mirror: "ftp://example.org"}, {Mirror: "rsync"},
		{Mirror: m.URL, Repositories: []string{"../core"}, Directory: t.TempDir()},
		{Mirror: m.URL, Repositories: []string{"a/../../core"}, Directory: t.TempDir()},
	} {
		if err := bad.Refresh(t.Context(), false); err == nil {
			t.Errorf("no error from %+v", bad)
		}
	}
}

func TestFromFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "core.db"), database(t, "one"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := distribution.Databases{Mirror: "file://" + dir, Repositories: []string{"core"}, Directory: filepath.Join(t.TempDir(), "a", "b")}
	if err := d.Refresh(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path("core", "db")); err != nil {
		t.Error(err)
	}
}
