package httpserver_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
)

// publishPackage makes and publishes a package.
func (n *node) publishPackage(fileName string) []byte {
	n.t.Helper()
	content := packageFile(n.t, fileName, nil)
	path := filepath.Join(n.repo.Waiting(), fileName)
	if err := os.MkdirAll(n.repo.Waiting(), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		n.t.Fatal(err)
	}
	n.publish(fileName)
	return content
}

func TestRepositoryFiles(t *testing.T) {
	n := start(t, nil)
	const root = "/repo/refrepo/x86_64/"
	n.want(n.do("GET", root+"refrepo.db", nil), 404) // nothing was published yet
	old := n.publishPackage("foo-1-1-any.pkg.tar.zst")

	first := n.want(n.do("GET", root+"refrepo.db", nil), http.StatusFound)
	location := root + first.header.Get("Location")
	database := n.want(n.do("GET", location, nil), 200)
	n.publishPackage("foo-2-1-any.pkg.tar.zst")
	if again := root + n.do("GET", root+"refrepo.db", nil).header.Get("Location"); again == location {
		t.Errorf("still at %s after a publication", again)
	}
	// Who was led to the first generation stays there, also for its packages.
	if same := n.want(n.do("GET", location, nil), 200); string(same.body) != string(database.body) {
		t.Error("a generation's database has changed")
	}
	if got := n.want(n.do("GET", root+"foo-1-1-any.pkg.tar.zst", nil), 200); string(got.body) != string(old) {
		t.Error("the package of the first generation is another")
	}
	for _, file := range []string{"refrepo.files", "refrepo.db.tar.gz", "refrepo.files.tar.gz"} {
		n.want(n.do("GET", root+file, nil), http.StatusFound)
	}

	whole := n.want(n.do("GET", root+"foo-2-1-any.pkg.tar.zst", nil), 200)
	part := n.want(n.do("GET", root+"foo-2-1-any.pkg.tar.zst", nil, "Range", "bytes=10-19"), http.StatusPartialContent)
	if string(part.body) != string(whole.body[10:20]) {
		t.Errorf("range: %q", part.body)
	}
	n.want(n.do("GET", root+"foo-2-1-any.pkg.tar.zst", nil, "If-None-Match", whole.header.Get("Etag")), 304)
	n.want(n.do("GET", root+"foo-2-1-any.pkg.tar.zst", nil, "If-Modified-Since", whole.header.Get("Last-Modified")), 304)
	n.want(n.do("HEAD", root+"foo-2-1-any.pkg.tar.zst", nil), 200)

	for _, path := range []string{"bar-1-1-any.pkg.tar.zst", ".lock", "generations/99/refrepo.db", "%2e%2e%2fx"} {
		n.want(n.do("GET", root+path, nil, worker()...), 404)
	}
	n.want(n.do("POST", root+"refrepo.db", nil, worker()...), 405)
}

// TestForeignRepositoryFiles serves a directory that another program keeps.
func TestForeignRepositoryFiles(t *testing.T) {
	n := start(t, nil)
	if err := os.MkdirAll(n.repo.Published(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.repo.Published(), "refrepo.db"), []byte("db"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := n.want(n.do("GET", "/repo/refrepo/x86_64/refrepo.db", nil), 200); string(got.body) != "db" {
		t.Errorf("got %q", got.body)
	}
}

func TestArchives(t *testing.T) {
	n := start(t, nil)
	path := api.Path(api.PathArchives, "foo")
	n.want(n.do("GET", path, nil, worker()...), 404)
	for _, version := range []string{"10-1", "9-1"} {
		n.publishPackage("foo-" + version + "-any.pkg.tar.zst")
	}
	p := source.Package{Base: "foo", Version: "10-1", Origin: source.Origin{Source: source.AUR}}
	if err := n.db.SetPackage(t.Context(), refrepo, p, store.Success); err != nil {
		t.Fatal(err)
	}
	var got []source.Package
	if err := json.Unmarshal(n.want(n.do("GET", path, nil, worker()...), 200).body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Version != "9-1" || got[1].Version != "10-1" || got[0].Origin.Source != source.AUR ||
		got[1].Packages["foo"].FileName != "foo-10-1-any.pkg.tar.zst" || got[1].Packages["foo"].ArchiveSize == 0 {
		t.Errorf("archives: %+v", got)
	}
	strange := source.Package{Base: "..", Version: "1-1"}
	if err := n.db.SetPackage(t.Context(), refrepo, strange, store.Success); err != nil {
		t.Fatal(err)
	}
	n.sameJSON(n.want(n.do("GET", "/api/v1/packages/%2e%2e/archives", nil, worker()...), 200).body, "[]")
}
