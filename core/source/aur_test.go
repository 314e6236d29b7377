package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/source"
)

// standIn serves an AUR: the RPC interface, and git repositories by git's own
// http-backend. It knows base split with packages split-one and split-two.
func standIn(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	root := t.TempDir()
	work := tree(t, map[string]string{"PKGBUILD": foo, ".SRCINFO": "pkgbase = split\n", "local.txt": "x"})
	git(t, work, "init", "-q", "-b", "master")
	git(t, work, "add", ".")
	git(t, work, "commit", "-qm", "first")
	git(t, root, "clone", "-q", "--bare", work, filepath.Join(root, "split.git"))
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: path, Args: []string{"http-backend"}, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}}
	mux := http.NewServeMux()
	mux.Handle("/split.git/", backend)
	mux.HandleFunc("/rpc/v5/info", func(w http.ResponseWriter, r *http.Request) {
		var results []string
		for _, name := range r.URL.Query()["arg[]"] {
			if name == "split-one" || name == "split-two" {
				results = append(results, `{"Name":"`+name+`","PackageBase":"split","Version":"1.0-1"}`)
			}
		}
		_, _ = io.WriteString(w, `{"type":"multiinfo","version":5,"results":[`+strings.Join(results, ",")+`]}`)
	})
	mux.HandleFunc("/rpc/v5/search/{term}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("term") == "no" {
			_, _ = io.WriteString(w, `{"type":"error","error":"Query arg too small.","results":[]}`)
			return
		}
		_, _ = io.WriteString(w, `{"type":"search","version":5,"results":[{"Name":"split-two","PackageBase":"split"},{"Name":"split-one","PackageBase":"split"}]}`)
	})
	var handler http.Handler = mux
	if wrap != nil {
		handler = wrap(mux)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestSourcesFromAUR(t *testing.T) {
	fetcher := source.New(source.Config{AUR: standIn(t, nil)})
	found, err := fetcher.Resolve(t.Context(), "split-two", source.Auto)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	commit, err := fetcher.Sources(t.Context(), found, dir)
	if err != nil || len(commit) != 40 {
		t.Fatalf("commit %q, %v", commit, err)
	}
	want := map[string]string{"PKGBUILD": foo, ".SRCINFO": "pkgbase = split\n", "local.txt": "x"}
	if diff := cmp.Diff(want, read(t, dir)); diff != "" {
		t.Error(diff)
	}
	again, err := fetcher.FromOrigin("split", found.Origin)
	if err != nil || again.Origin != found.Origin || again.Name != "split" {
		t.Errorf("FromOrigin: %+v, %v", again, err)
	}
	list, err := fetcher.Search(t.Context(), "split", "one")
	if err != nil || len(list) != 2 || list[0].Name != "split-one" {
		t.Errorf("Search: %+v, %v", list, err)
	}
	if _, err := fetcher.Search(t.Context(), "no"); err == nil || !strings.Contains(err.Error(), "too small") {
		t.Errorf("Search: got %v", err)
	}
}

func TestRetries(t *testing.T) {
	calls := 0
	flaky := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls < 3 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	address := standIn(t, flaky)
	if _, err := source.New(source.Config{AUR: address}).Info(t.Context(), "split-one"); err == nil {
		t.Error("no retries were asked for, but made")
	}
	calls = 0
	found, err := source.New(source.Config{AUR: address, Retries: 2}).Info(t.Context(), "split-one", "nothing")
	if err != nil || len(found) != 1 {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestTimeout(t *testing.T) {
	silent := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}
	fetcher := source.New(source.Config{AUR: standIn(t, silent), Timeout: 50 * time.Millisecond})
	begin := time.Now()
	if _, err := fetcher.Info(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := fetcher.Info(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What an AUR that is broken, or somebody else's, may answer.
func TestHostileAUR(t *testing.T) {
	var answer func(http.ResponseWriter)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	t.Cleanup(server.Close)
	text := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) }
	}
	for name, test := range map[string]struct {
		answer  func(http.ResponseWriter)
		want    string
		timeout time.Duration // 0: a usual one
	}{
		"page":    {text("<html>are you human?</html>"), "the answer is not JSON: ", 0},
		"number":  {text(`{"results":[{"Name":5}]}`), "a JSON number at byte ", 0},
		"list":    {text(`[1]`), "a JSON array at byte ", 0},
		"path":    {text(`{"results":[{"Name":"x","PackageBase":"../x"}]}`), `answered with the name "x/../x"`, 0},
		"refusal": {text(`{"type":"error","error":"too many"}`), "refused: too many", 0},
		"huge": {func(w http.ResponseWriter) {
			for range 17 << 10 {
				if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<10)); err != nil {
					return
				}
			}
		}, "too large", 0},
		"trickle": {func(w http.ResponseWriter) {
			for range 10000 {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond) // well within the timeout
			}
		}, "too slowly", 250 * time.Millisecond},
		"come again": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "answered 429 Too Many Requests, and not to ask again for 1h0m0s", 0},
	} {
		answer = test.answer
		asked := source.New(source.Config{AUR: server.URL, Timeout: test.timeout, Retries: 1})
		if _, err := asked.Info(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s: got %v, want one with %q", name, err, test.want)
		}
	}
	answer = text(`{"results":[{"Name":"y","PackageBase":"y"},{"Name":"x","PackageBase":"x"}]}`)
	if found, err := source.New(source.Config{AUR: server.URL}).Info(t.Context(), "x"); err != nil || len(found) != 1 || found[0].Name != "x" {
		t.Errorf("what was not asked for: got %+v, %v", found, err)
	}
}

// An AUR that wants to be asked later is, when that is soon.
func TestRetryAfter(t *testing.T) {
	var asked []time.Time
	address := standIn(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked = append(asked, time.Now()); len(asked) == 1 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	found, err := source.New(source.Config{AUR: address, Retries: 1}).Info(t.Context(), "split-one")
	if err != nil || len(found) != 1 || len(asked) != 2 || asked[1].Sub(asked[0]) < time.Second {
		t.Errorf("got %+v, %v, asked at %v", found, err, asked)
	}
}

// More names than one address holds are asked for in several requests.
func TestManyNames(t *testing.T) {
	longest, requests := 0, 0
	address := standIn(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			longest, requests = max(longest, len(r.URL.String())), requests+1
			next.ServeHTTP(w, r)
		})
	})
	names := []string{"split-one"}
	for i := range 500 {
		names = append(names, fmt.Sprintf("a-package-with-a-name+%d", i))
	}
	found, err := source.New(source.Config{AUR: address}).Info(t.Context(), append(names, "split-two")...)
	if err != nil || len(found) != 2 || requests < 2 || longest > 4100 {
		t.Errorf("got %+v, %v, in %d requests of up to %d bytes", found, err, requests, longest)
	}
}
