package app

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpserver"
)

// TestAnotherCredential has a worker that refuses us be given another credential
// while a run goes on.
func TestAnotherCredential(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"slots":2,"speed":1}`)
	}))
	defer server.Close()
	c := &connections{env: &Env{}, scratch: t.TempDir(), open: map[string]*connection{}}
	reach := func(token string, slots int) schedule.Worker {
		t.Helper()
		m := member{Member: store.Member{Address: server.URL, Name: "w1", Token: token, Slots: slots}}
		connected, err := c.reach(t.Context(), []member{m}, askTime)
		if err != nil {
			t.Fatal(err)
		}
		return connected[0].worker()
	}
	if w := reach("wrong", 0); !errors.Is(w.Unusable, api.ErrUnauthorized) {
		t.Errorf("refused: %v", w.Unusable)
	}
	if w := reach("wrong", 1); w.Unusable == nil || w.Slots != 1 || len(c.outdated) != 0 {
		t.Errorf("changed otherwise: %+v", w)
	}
	mended := reach("right", 1)
	if mended.Unusable != nil || mended.Slots != 1 {
		t.Errorf("with another: %+v", mended)
	}
	if w := reach("right again", 2); w.Runner != mended.Runner || w.Slots != 2 {
		t.Errorf("nothing is wrong with it: %+v", w)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestHereNothingBuilds has this machine, which cannot build, among others, and
// alone.
func TestHereNothingBuilds(t *testing.T) {
	root := func() (*build.Local, error) { return nil, build.ErrRoot }
	c := &connections{env: &Env{}, scratch: t.TempDir(), local: root, open: map[string]*connection{}}
	defer c.Close()
	here, there := member{Member: store.Member{Address: localWorker, Name: "local"}}, member{Member: store.Member{Address: "http://127.0.0.1:1", Name: "there"}}
	connected, err := c.reach(t.Context(), []member{here, there}, askTime)
	if err != nil {
		t.Fatal(err)
	}
	if w := connected[0].worker(); !errors.Is(w.Unusable, build.ErrRoot) {
		t.Errorf("this machine: %v", w.Unusable)
	}
	if w := connected[1].worker(); w.Unusable != nil || w.Runner == nil {
		t.Errorf("another: %+v", w)
	}
	if _, err := c.reach(t.Context(), []member{here}, askTime); !errors.Is(err, build.ErrRoot) {
		t.Errorf("alone: %v", err)
	}
}

// TestMendedWorker asks a worker that refuses the log-in: a scheduler hears of it,
// also while the worker says something else that is no answer, until it is mended.
func TestMendedWorker(t *testing.T) {
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{Reason: "no makepkg"})
	if err != nil {
		t.Fatal(err)
	}
	defer builds.Close()
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == api.PathInfo { // any node has that
			io.WriteString(w, "{}")
		} else if code := int(status.Load()); code != 0 {
			http.Error(w, "no", code)
		} else {
			builds.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	runner, err := httpclient.NewRunner(httpclient.RunnerConfig{
		Config:  httpclient.Config{Address: server.URL, Token: "wrong", MaxRetries: 1, Backoff: time.Millisecond},
		Scratch: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer runner.Close()
	c := &connection{member: member{Member: store.Member{Address: server.URL, Name: "w1", Token: "wrong"}}, runner: runner}
	asked := func(code int, later time.Duration) error {
		status.Store(int64(code))
		c.asked = c.asked.Add(-later)
		c.ask(t.Context(), askTime, askAgain)
		return c.worker().Unusable
	}
	if err := asked(http.StatusServiceUnavailable, 0); err != nil {
		t.Errorf("a worker that passes: %v", err)
	}
	const login = "give this master another credential: "
	if err := asked(http.StatusUnauthorized, askTime); !errors.Is(err, build.ErrUnusable) || !errors.Is(err, api.ErrUnauthorized) || hintOf(err)[:len(login)] != login {
		t.Errorf("log-in refused: %v; hint %q", err, hintOf(err))
	}
	if err := asked(http.StatusTooManyRequests, askAgain); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("after too many of them: %v", err)
	}
	if err := asked(0, askTime); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("asked again too early: %v", err)
	}
	if err := asked(0, askAgain); !errors.Is(err, build.ErrUnusable) || err.Error() != "no makepkg" {
		t.Errorf("mended, but it builds nothing: %v", err)
	}
	c.python = func() (build.Runner, error) { return nil, nil }
	if err := asked(http.StatusNotFound, askAgain); err != nil || c.kind != kindPython {
		t.Errorf("a Python node in its place: %v, kind %s", err, c.kind)
	}
}
