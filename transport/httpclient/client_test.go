package httpclient_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpclient/clienttest"

	"github.com/google/go-cmp/cmp"
)

func serve(t *testing.T, handler http.Handler, change func(*httpclient.Config)) *httpclient.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := httpclient.Config{Address: server.URL, Timeout: 10 * time.Second}
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

func paths(requests []clienttest.Request) []string {
	var list []string
	for _, r := range requests {
		path, _, _ := strings.Cut(r.Path, "?")
		list = append(list, r.Method+" "+path)
	}
	return list
}

func TestAddress(t *testing.T) {
	for _, test := range []struct{ address, want, err string }{
		{"http://a:8080", "http://a:8080", ""},
		{"https://a/prefix/", "https://a/prefix", ""},
		{"http://user:secret@a", "http://a", ""},
		{"http+unix://%2Frun%2Fahriman.sock", "http+unix:///run/ahriman.sock", ""},
		{"http+unix:///run/ahriman.sock", "", "%2Fpath"},
		{"ftp://a", "", "http+unix"},
		{"ftp://user:secret@a", "", "http+unix"},
		{"a:8080", "", "http+unix"},
		{"http://user:secret@a b", "", "no URL"},
		{"", "", "http+unix"},
	} {
		client, err := httpclient.New(httpclient.Config{Address: test.address})
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: got %v, want an error with %q", test.address, err, test.err)
			}
		case err != nil:
			t.Errorf("%q: %v", test.address, err)
		case client.Address() != test.want:
			t.Errorf("%q: got %s, want %s", test.address, client.Address(), test.want)
		}
	}
}

func TestUnixSocketAndPrefix(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	node := &clienttest.PythonNode{}
	server := &http.Server{Handler: http.StripPrefix("/prefix", node)}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	client, err := httpclient.New(httpclient.Config{Address: "http+unix://" + url.QueryEscape(socket) + "/prefix/"})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Repository(refrepo()).SetStatus(t.Context(), api.Success); err != nil {
		t.Error(err)
	}
}

func TestSessionIsRenewed(t *testing.T) {
	node := &clienttest.PythonNode{Username: "u", Password: "p"}
	client := start(t, node, nil)
	for range 2 {
		if err := client.Repository(refrepo()).SetStatus(t.Context(), api.Success); err != nil {
			t.Fatal(err)
		}
		node.EndSessions()
	}
	want := []string{
		"POST /api/v1/login", "POST /api/v1/status",
		"POST /api/v1/status", "POST /api/v1/login", "POST /api/v1/status",
	}
	if diff := cmp.Diff(want, paths(node.Requests())); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		node   *clienttest.PythonNode
		change func(*httpclient.Config)
		fail   int
		kind   error
		text   string
		hint   string
	}{
		{"wrong password", &clienttest.PythonNode{Username: "u", Password: "p"}, func(c *httpclient.Config) { c.Password = "secret" },
			0, api.ErrUnauthorized, "Unauthorized", "the log-in of u was refused"},
		{"no password", &clienttest.PythonNode{Username: "u", Password: "p"}, func(c *httpclient.Config) { c.Username = "" },
			0, api.ErrUnauthorized, "Unauthorized", "set status.username"},
		{"token", &clienttest.PythonNode{Username: "u", Password: "p"}, func(c *httpclient.Config) { c.Token = "secret" },
			0, api.ErrUnauthorized, "Unauthorized", "token"},
		{"forbidden", &clienttest.PythonNode{}, nil, http.StatusForbidden, api.ErrForbidden, "as the test wants it", "more access"},
		{"broken", &clienttest.PythonNode{}, nil, http.StatusInternalServerError, api.ErrInternal, "as the test wants it", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := start(t, test.node, test.change)
			if test.fail != 0 {
				test.node.Fail(test.fail)
			}
			err := client.Repository(refrepo()).SetStatus(t.Context(), api.Success)
			if !errors.Is(err, test.kind) {
				t.Fatalf("got %v, want %v", err, test.kind)
			}
			told, ok := errors.AsType[*httpclient.Error](err)
			if !ok || !strings.Contains(err.Error(), test.text) || !strings.Contains(told.Hint(), test.hint) {
				t.Errorf("got %q, hint %q", err, told.Hint())
			}
			if strings.Contains(err.Error()+told.Hint(), "secret") {
				t.Errorf("credentials in %q, %q", err, told.Hint())
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	client := serve(t, http.RedirectHandler(elsewhere.URL, http.StatusMovedPermanently), nil)
	_, err := client.Info(t.Context())
	told, ok := errors.AsType[*httpclient.Error](err)
	if !ok || !strings.Contains(err.Error(), elsewhere.URL) || !strings.Contains(told.Hint(), "address") || asked.Load() > 0 {
		t.Errorf("got %v after %d requests elsewhere", err, asked.Load())
	}
}

func TestRetries(t *testing.T) {
	again := func(c *httpclient.Config) { c.MaxRetries, c.Backoff = 2, time.Millisecond }
	for _, test := range []struct {
		name   string
		fail   []int
		change func(*httpclient.Config)
		do     func(context.Context, *httpclient.Repository) error
		want   int // requests
		kind   error
	}{
		{"a state is set again", []int{503, 502}, again, setStatus, 3, nil},
		{"until it is enough", []int{503, 503, 503}, again, setStatus, 3, api.ErrUnavailable},
		{"not when told not to", []int{503}, nil, setStatus, 1, api.ErrUnavailable},
		{"a decision is final", []int{400}, again, setStatus, 1, api.ErrBadRequest},
		{"an event is not told twice", []int{502}, again, addEvent, 1, api.ErrUnavailable},
		{"unless the node put it off", []int{429}, again, addEvent, 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			node := &clienttest.PythonNode{}
			client := start(t, node, test.change)
			node.Fail(test.fail...)
			if err := test.do(t.Context(), client.Repository(refrepo())); !errors.Is(err, test.kind) {
				t.Errorf("got %v, want %v", err, test.kind)
			}
			if got := len(node.Requests()); got != test.want {
				t.Errorf("got %d requests, want %d", got, test.want)
			}
		})
	}
}

func setStatus(ctx context.Context, r *httpclient.Repository) error {
	return r.SetStatus(ctx, api.Success)
}

func addEvent(ctx context.Context, r *httpclient.Repository) error {
	return r.AddEvent(ctx, api.Event{Event: "e", ObjectID: "o"})
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := httpclient.New(httpclient.Config{Address: server.URL, MaxRetries: 1, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	err = client.Repository(refrepo()).AddEvent(t.Context(), api.Event{Event: "e", ObjectID: "o"})
	told, ok := errors.AsType[*httpclient.Error](err)
	if !ok || !strings.Contains(told.Hint(), "running there") {
		t.Errorf("got %v", err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	client := serve(t, handler, func(c *httpclient.Config) { c.Timeout = 20 * time.Millisecond })
	if _, err := client.Info(t.Context()); !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "no answer within 20ms") {
		t.Errorf("got %v", err)
	}
	client = serve(t, handler, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Info(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestEndlessAnswer(t *testing.T) {
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	}), nil)
	if _, err := client.Info(t.Context()); !errors.Is(err, api.ErrInternal) || len(err.Error()) > 2000 {
		t.Errorf("got %.100q", err)
	}
}

func TestAPageIsNoNode(t *testing.T) {
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<!doctype html>")
	}), nil)
	node, err := client.Node(t.Context())
	if err != nil || node.Has(api.FeatureLogBatch) {
		t.Errorf("got %+v, %v", node, err)
	}
}

func TestUploadToOurs(t *testing.T) {
	node := &clienttest.Node{PythonNode: clienttest.PythonNode{Directory: t.TempDir()}}
	client := serve(t, node, nil)
	file := writeFile(t, filepath.Join(t.TempDir(), "foo+plus-1:1.0-1-any.pkg.tar.zst"), 3<<20)
	writeFile(t, file+".sig", 100)
	var last, total int64
	got, err := client.Repository(refrepo()).Upload(t.Context(), file, func(a, b int64) { last, total = a, b })
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(strings.Repeat("x", 3<<20)))
	want := &httpclient.Uploaded{
		Name: "foo-plus-1:1.0-1-any.pkg.tar.zst", Size: 3 << 20, SHA256: hex.EncodeToString(sum[:]), Signed: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	requests := node.Requests()
	request := requests[len(requests)-1]
	if request.Length != total || last != total {
		t.Errorf("progress ended at %d of %d, sent were %d", last, total, request.Length)
	}
	data, err := os.ReadFile(filepath.Join(node.Directory, want.Name))
	if err != nil || sha256.Sum256(data) != sum {
		t.Errorf("the node has other bytes (%v)", err)
	}
}

func TestUploadConflict(t *testing.T) {
	const name = "a-1-1-any.pkg.tar.zst"
	node := &clienttest.Node{Stored: map[string]string{name: "abc"}}
	file := writeFile(t, filepath.Join(t.TempDir(), name), 10)
	_, err := serve(t, node, nil).Repository(refrepo()).Upload(t.Context(), file, nil)
	conflict, ok := errors.AsType[*api.Conflict](err)
	told, _ := errors.AsType[*httpclient.Error](err)
	if !ok || conflict.Stored != "abc" || len(conflict.Received) != 64 || !strings.Contains(told.Hint(), "pkgrel") {
		t.Errorf("got %v", err)
	}
}

func TestUploadIsRepeated(t *testing.T) {
	node := &clienttest.PythonNode{Directory: t.TempDir()}
	client := start(t, node, func(c *httpclient.Config) { c.MaxRetries, c.Backoff = 1, time.Millisecond })
	if _, err := client.Node(t.Context()); err != nil {
		t.Fatal(err)
	}
	node.Fail(http.StatusServiceUnavailable)
	file := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 1000)
	if _, err := client.Repository(refrepo()).Upload(t.Context(), file, nil); err != nil {
		t.Error(err)
	}
	requests := node.Requests()
	if len(requests) != 3 || requests[1].Length != requests[2].Length || requests[2].Parts[0].Size != 1000 {
		t.Errorf("got %+v", requests)
	}
}

func TestUploadRefusals(t *testing.T) {
	dir := t.TempDir()
	good := writeFile(t, filepath.Join(dir, "a-1-1-any.pkg.tar.zst"), 10)
	signed := writeFile(t, filepath.Join(dir, "b-1-1-any.pkg.tar.zst"), 10)
	writeFile(t, signed+".sig", 17<<10)
	for _, test := range []struct{ path, text, hint string }{
		{good, "Not Found", "enable_archive_upload"},
		{filepath.Join(dir, "none"), "no such file", ""},
		{dir, "not a regular file", ""},
		{signed, "too many for a signature", ""},
	} {
		_, err := start(t, &clienttest.PythonNode{NoUpload: true}, nil).Repository(refrepo()).Upload(t.Context(), test.path, nil)
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.text)
		}
		if told, ok := errors.AsType[*httpclient.Error](err); test.hint != "" && (!ok || !strings.Contains(told.Hint(), test.hint)) {
			t.Errorf("%s: no hint in %v", test.path, err)
		}
	}
}

// TestUploadOfAShrinkingFile checks that a file that changes is an error, not a
// request that hangs or a package that is short.
func TestUploadOfAShrinkingFile(t *testing.T) {
	node := &clienttest.PythonNode{}
	client := start(t, node, nil)
	file := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 8<<20)
	cut := false
	_, err := client.Repository(refrepo()).Upload(t.Context(), file, func(sent, _ int64) {
		if sent > 1<<20 && !cut {
			cut = true
			os.Truncate(file, 2<<20)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "shorter than it was") {
		t.Errorf("got %v", err)
	}
}

func TestStalledUpload(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != api.PathUpload {
			http.NotFound(w, r)
			return
		}
		select { // the body is not read
		case <-stop:
		case <-r.Context().Done():
		}
	}), func(c *httpclient.Config) { c.Timeout = 100 * time.Millisecond })
	file := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 64<<20)
	_, err := client.Repository(refrepo()).Upload(t.Context(), file, nil)
	if !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "nothing moved for 100ms") {
		t.Errorf("got %v", err)
	}
}

func TestWait(t *testing.T) {
	update := func(t *testing.T, client *httpclient.Client) string {
		t.Helper()
		id, err := client.Repository(refrepo()).Update(t.Context(), api.NewUpdateRequest())
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	t.Run("python", func(t *testing.T) {
		client := start(t, &clienttest.PythonNode{Polls: 2}, nil)
		id := update(t, client)
		process, err := client.Wait(t.Context(), id, 0)
		if err != nil || process.IsAlive || process.Outcome != "" || process.ID != id {
			t.Errorf("got %+v, %v", process, err)
		}
	})
	t.Run("ours", func(t *testing.T) {
		want := api.Process{ID: "x", Outcome: api.OutcomePartial, Failed: []api.ProcessFailure{{Base: "a", Reason: "r"}}}
		client := serve(t, &clienttest.Node{PythonNode: clienttest.PythonNode{Polls: 1}, Process: want}, nil)
		process, err := client.Wait(t.Context(), update(t, client), time.Minute)
		if diff := cmp.Diff(&want, process); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
	t.Run("too long", func(t *testing.T) {
		client := start(t, &clienttest.PythonNode{Polls: 1000}, nil)
		if _, err := client.Wait(t.Context(), update(t, client), 100*time.Millisecond); !errors.Is(err, httpclient.ErrStillRunning) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the node goes away for a while", func(t *testing.T) {
		node := &clienttest.PythonNode{Polls: 2}
		client := start(t, node, nil)
		id := update(t, client)
		if _, err := client.Node(t.Context()); err != nil {
			t.Fatal(err)
		}
		node.Fail(503, 502)
		if _, err := client.Wait(t.Context(), id, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestLogIsBatched(t *testing.T) {
	node := &clienttest.Node{}
	client := serve(t, node, nil)
	log := client.Repository(refrepo()).Log(t.Context(), "a", "", "job")
	for i := range 2500 {
		fmt.Fprintf(log, "line %d\r\nand ", i)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	records := node.Logs()
	if len(records) != 2501 || records[1].Message != "and line 1" || records[2500].Message != "and " {
		t.Fatalf("got %d records, %+v", len(records), records[1])
	}
	if r := records[0]; r.Version != api.UnknownVersion || r.ProcessID != "job" || r.Created < 1e9 {
		t.Errorf("got %+v", r)
	}
	if n := len(node.Requests()); n > 5 {
		t.Errorf("took %d requests", n)
	}
}

func TestLogIsJoinedForPython(t *testing.T) {
	node := &clienttest.PythonNode{}
	log := start(t, node, nil).Repository(refrepo()).Log(t.Context(), "a", "1-1", "")
	for i := range 3000 {
		fmt.Fprintf(log, "line %d\n", i)
	}
	fmt.Fprintf(log, "%s\n\xff", strings.Repeat("x", 1<<20))
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, request := range node.Requests() {
		if strings.HasPrefix(request.Path, "/api/v1/packages/a/logs?") {
			text = append(text, request.Body.(map[string]any)["message"].(string))
		}
	}
	lines := strings.Split(strings.Join(text, "\n"), "\n")
	if len(lines) != 3002 || lines[2999] != "line 2999" || len(lines[3000]) != 16<<10 || lines[3001] != "\uFFFD" {
		t.Errorf("got %d lines", len(lines))
	}
	if len(text) > 6 {
		t.Errorf("took %d requests", len(text))
	}
}

func TestLogOfADeadNode(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := httpclient.New(httpclient.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	log := client.Repository(refrepo()).Log(t.Context(), "a", "1-1", "")
	line := []byte(strings.Repeat("x", 1000) + "\n")
	for range 10000 { // more than the queue holds
		log.Write(line)
	}
	if err := log.Close(); err == nil {
		t.Error("no error")
	}
}

func TestUnregister(t *testing.T) {
	ours, python := &clienttest.Node{}, &clienttest.PythonNode{}
	for _, handler := range []http.Handler{ours, python} {
		if err := serve(t, handler, nil).Unregister(t.Context(), "w:1"); err != nil {
			t.Error(err)
		}
	}
	want := []string{"GET " + api.PathNode}
	if diff := cmp.Diff(want, paths(python.Requests())); diff != "" {
		t.Error(diff)
	}
	want = append(want, "DELETE /node/v1/workers/w:1")
	if diff := cmp.Diff(want, paths(ours.Requests())); diff != "" {
		t.Error(diff)
	}
}
