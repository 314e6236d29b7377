package httpclient_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpclient/clienttest"

	"github.com/google/go-cmp/cmp"
)

// refrepo is the repository of the captures.
func refrepo() alpm.RepositoryID { return alpm.RepositoryID{Name: "refrepo", Architecture: "x86_64"} }

// start serves a stand-in and returns a client of it.
func start(t *testing.T, node *clienttest.PythonNode, change func(*httpclient.Config)) *httpclient.Client {
	t.Helper()
	server := httptest.NewServer(node)
	t.Cleanup(server.Close)
	config := httpclient.Config{
		Address: server.URL, Username: node.Username, Password: node.Password, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	client, err := httpclient.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func writeFile(t *testing.T, path string, size int) string {
	t.Helper()
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConversation says what a Python worker said in the capture, and compares
// what went over the wire: methods, paths, queries, bodies by type and value,
// parts, lengths, and the headers that carry the log-in.
func TestConversation(t *testing.T) {
	capture, err := os.ReadFile("testdata/mode1-aur-signed.txt")
	if err != nil {
		t.Fatal(err)
	}
	python, err := clienttest.ReadCapture(capture, "worker-to-master")
	if err != nil {
		t.Fatal(err)
	}
	node := &clienttest.PythonNode{Username: "worker-user", Password: "very-secure-password", Directory: t.TempDir(), Polls: 1}
	speak(t, start(t, node, nil), python)

	const id = `/process/[0-9a-f-]{36}$`
	index := map[string][]clienttest.Request{} // the capture's, by method and path
	for _, request := range python {
		key := request.Method + " " + regexp.MustCompile(id).ReplaceAllString(request.Path, "/process/ID")
		index[key] = append(index[key], request)
	}
	seen := 0
	for _, got := range node.Requests() {
		if got.Path == api.PathNode {
			continue // our question what the node is
		}
		key := got.Method + " " + regexp.MustCompile(id).ReplaceAllString(got.Path, "/process/ID")
		candidates := index[key]
		if len(candidates) == 0 {
			t.Errorf("a Python worker does not ask %s", key)
			continue
		}
		seen++
		compare(t, key, candidates, got)
	}
	if seen < 15 {
		t.Errorf("compared %d requests only", seen)
	}
}

// compare looks for the captured request that is the same.
func compare(t *testing.T, key string, candidates []clienttest.Request, got clienttest.Request) {
	t.Helper()
	type content struct {
		Body   any
		Parts  []clienttest.Part
		Length int64
		Type   string
		Basic  string
		Cookie bool
	}
	of := func(r clienttest.Request) content {
		c := content{Body: r.Body}
		c.Cookie = regexp.MustCompile(`^AHRIMAN="[^"]+"$`).MatchString(r.Header.Get("Cookie"))
		c.Type, _, _ = strings.Cut(r.Header.Get("Content-Type"), ";")
		for _, part := range r.Parts {
			part.SHA256 = ""
			c.Parts = append(c.Parts, part)
		}
		if len(r.Parts) > 0 {
			c.Length = r.Length // of JSON it depends on white space
		} else {
			c.Basic = r.Header.Get("Authorization") // which Python leaves out of uploads
		}
		return c
	}
	diff := ""
	for _, want := range candidates {
		if diff = cmp.Diff(of(want), of(got)); diff == "" {
			return
		}
	}
	t.Errorf("%s (-python +ours):\n%s", key, diff)
}

// speak does a worker's round by the client's calls, with the values of the
// capture.
func speak(t *testing.T, client *httpclient.Client, python []clienttest.Request) {
	t.Helper()
	ctx := t.Context()
	repository := client.Repository(refrepo())
	body := func(path string, n int, into any) {
		t.Helper()
		for _, request := range python {
			if request.Method != "POST" || !strings.HasPrefix(request.Path, path+"?") {
				continue
			}
			if n--; n >= 0 {
				continue
			}
			data, err := json.Marshal(request.Body)
			if err == nil {
				err = json.Unmarshal(data, into)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Fatalf("no POST %s in the capture", path)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const base = "aur-toy-a"

	_, err := repository.Status(ctx)
	check(err)
	check(repository.SetStatus(ctx, api.Building))
	if _, err := repository.Package(ctx, base); err == nil {
		t.Error("the package is known before it was posted")
	}
	var update api.PackageUpdate
	body(api.Path(api.PathPackage, base), 0, &update)
	check(repository.SetPackage(ctx, base, update.Status, update.Package))
	entry, err := repository.Package(ctx, base)
	check(err)
	if diff := cmp.Diff(*update.Package, entry.Package); diff != "" {
		t.Errorf("the package came back changed: %s", diff)
	}
	check(repository.SetPackage(ctx, base, api.Building, nil))
	for n := range 2 {
		var event api.Event
		body(api.PathEvents, n, &event)
		check(repository.AddEvent(ctx, event))
		var changes api.Changes
		body(api.Path(api.PathChanges, base), n, &changes)
		check(repository.SetChanges(ctx, base, changes))
	}
	check(repository.SetDependencies(ctx, base, nil))
	var patches []source.Patch
	if patches, err = client.Patches(ctx, base); err == nil && len(patches) > 0 {
		t.Errorf("patches: %v", patches)
	}
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "aur-toy-a-1.0.0-1-any.pkg.tar.zst"), 1129)
	writeFile(t, file+".sig", 119)
	_, err = repository.Upload(ctx, file, nil)
	check(err)
	request := api.NewUpdateRequest()
	request.AUR, request.Local = false, false
	process, err := repository.Update(ctx, request)
	check(err)
	_, err = client.Wait(ctx, process, 0)
	check(err)
	check(repository.SetStatus(ctx, api.Success))
}
