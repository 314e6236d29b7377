package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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
