package repository_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/repository"
)

// serve serves the repository as a node does.
func serve(t *testing.T, r *repository.Repository) *httptest.Server {
	t.Helper()
	prefix := "/repo/" + id.String()
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, r.Handler()))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	server.URL += prefix
	return server
}

// TestRefreshDuringPublications refreshes without a pause, with signatures
// required, while packages are published, removed and rolled back.
func TestRefreshDuringPublications(t *testing.T) {
	home, g := signer(t)
	r := open(t, repository.Options{Signer: g})
	dir := t.TempDir()
	var versions [][]string
	for i := range 10 {
		var paths []string
		for _, name := range []string{"a", "b"} {
			paths = append(paths, signedPackage(t, g, testPackage{name: name, version: strconv.Itoa(i+1) + "-1"}, dir))
		}
		versions = append(versions, paths)
	}
	publish(t, r, repository.Change{Add: versions[0]})
	c := newClient(t, serve(t, r).URL, home.Dir)
	done := make(chan struct{})
	var wait sync.WaitGroup
	refreshed, downloaded := 0, 0
	wait.Go(func() {
		for {
			if out, err := c.try("-Sy"); err != nil {
				t.Errorf("refresh number %d: %v\n%s", refreshed, err, out)
				return
			}
			if refreshed++; refreshed%5 == 0 { // what was listed can still be had; b is not always
				if out, err := c.try("-Sw", "a"); err != nil {
					t.Errorf("download: %v\n%s", err, out)
					return
				}
				downloaded++
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	start := time.Now()
	publications := count(30, 200)
	for n := range publications {
		change := repository.Change{Add: versions[n%10]}
		if n%10 == 5 {
			change.Remove, change.Add = []string{"b"}, change.Add[:1]
		}
		if p := publish(t, r, change); !p.Changed && n > 0 {
			t.Errorf("publication %d changed nothing", n)
		}
	}
	took := time.Since(start)
	close(done)
	wait.Wait()
	t.Logf("%d publications in %s, %d refreshes and %d downloads beside them", publications, took, refreshed, downloaded)
	if want, got := strings.Join(published(t, r), "\n"), strings.Join(c.list(), "\n"); want != got {
		t.Errorf("pacman sees %q, published is %q", got, want)
	}
}

func TestHandler(t *testing.T) {
	_, g := signer(t)
	root := t.TempDir()
	r := open(t, repository.Options{Root: root, Signer: g})
	dir := t.TempDir()
	server := serve(t, r)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	get := func(method, path string, header ...string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	if response, _ := get("GET", "/aur.db"); response.StatusCode != http.StatusNotFound {
		t.Errorf("before the first publication: %s", response.Status)
	}
	foo := testPackage{name: "foo", version: "1:1-1"}.write(t, dir)
	publish(t, r, repository.Change{Add: []string{foo}})
	content, err := os.ReadFile(foo)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"db", "files"} {
		for _, name := range []string{"aur." + kind, "aur." + kind + ".sig", "aur." + kind + ".tar.gz"} {
			response, _ := get("GET", "/"+name)
			if want := "generations/1/" + name; response.StatusCode != http.StatusFound || response.Header.Get("Location") != want {
				t.Errorf("%s: %s to %s", name, response.Status, response.Header.Get("Location"))
			}
		}
	}
	response, _ := get("GET", "/generations/1/aur.db")
	tag, modified := response.Header.Get("Etag"), response.Header.Get("Last-Modified")
	if response.StatusCode != http.StatusOK || tag == "" || modified == "" {
		t.Errorf("the database: %s, %v", response.Status, response.Header)
	}
	for _, test := range []struct {
		method, path string
		header       []string
		status       int
		body         string
	}{
		{"GET", "/foo-1:1-1-any.pkg.tar.zst", nil, 200, string(content)},
		{"GET", "/foo-1%3A1-1-any.pkg.tar.zst", nil, 200, string(content)},
		{"HEAD", "/foo-1:1-1-any.pkg.tar.zst", nil, 200, ""},
		{"GET", "/foo-1:1-1-any.pkg.tar.zst", []string{"Range", "bytes=10-19"}, 206, string(content[10:20])},
		{"GET", "/generations/1/aur.db", []string{"If-None-Match", tag}, 304, ""},
		{"GET", "/generations/1/aur.db", []string{"If-Modified-Since", modified}, 304, ""},
		{"GET", "/generations/1/foo-1:1-1-any.pkg.tar.zst", nil, 200, string(content)},
		{"GET", "/foo-1:1-1-any.pkg.tar.zst.sig", nil, 404, "not found\n"},
		{"GET", "/absent-1-1-any.pkg.tar.zst", nil, 404, "not found\n"},
		{"GET", "/", nil, 404, "not found\n"},
		{"GET", "/.index", nil, 404, "not found\n"},
		{"GET", "/generations/1/.index", nil, 404, "not found\n"},
		{"GET", "/generations/1/", nil, 404, "not found\n"},
		{"GET", "/generations/2/aur.db", nil, 404, "not found\n"},
		{"GET", "/generations/01/aur.db", nil, 404, "not found\n"},
		{"GET", "/generations/..%2F1/aur.db", nil, 404, "not found\n"},
		{"GET", "/..%2Fx86_64%2Faur.db", nil, 404, "not found\n"},
		{"POST", "/aur.db", nil, 405, "method not allowed\n"},
	} {
		response, body := get(test.method, test.path, test.header...)
		if response.StatusCode != test.status || body != test.body {
			t.Errorf("%s %s: %s, %.60q", test.method, test.path, response.Status, body)
		}
	}
	testFormerPackages(t, r, dir, func(path string) int {
		response, _ := get("GET", path)
		return response.StatusCode
	})
}

// testFormerPackages checks that what was replaced is served while a generation
// has it, and what was written but not published is not.
func testFormerPackages(t *testing.T, r *repository.Repository, dir string, status func(path string) int) {
	t.Helper()
	publish(t, r, repository.Change{Add: []string{testPackage{name: "foo", version: "2-1"}.write(t, dir)}})
	for path, want := range map[string]int{
		"/foo-1:1-1-any.pkg.tar.zst": 200, "/foo-2-1-any.pkg.tar.zst": 200,
		"/generations/1/foo-2-1-any.pkg.tar.zst": 404, "/generations/2/foo-2-1-any.pkg.tar.zst": 200,
	} {
		if got := status(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(r.Published())))
	unpublished := filepath.Join(root, "generations", id.String(), "3")
	if err := os.Mkdir(unpublished, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(unpublished, "bar-1-1-any.pkg.tar.zst"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/generations/3/bar-1-1-any.pkg.tar.zst", "/bar-1-1-any.pkg.tar.zst"} {
		if got := status(path); got != 404 {
			t.Errorf("%s: %d before its publication", path, got)
		}
	}
	if p := publish(t, r, repository.Change{Remove: []string{"foo"}}); p.Generation != 3 {
		t.Error(fmt.Sprint("generation ", p.Generation, " after what a killed run left"))
	}
}
