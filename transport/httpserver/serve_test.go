package httpserver_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"

	"golang.org/x/crypto/bcrypt"
)

// serve runs Serve on a unix socket and a TCP port until stop is called, which
// returns its error.
func serve(t *testing.T, db *store.DB, change func(*httpserver.Config)) (unix *http.Client, address string, stop func() error) {
	t.Helper()
	config := httpserver.Config{
		Store: db, Version: "1", Repositories: []httpserver.Repository{{ID: refrepo}},
		Auth: httpserver.Auth{Enabled: true, AllowReadOnly: true},
	}
	if change != nil {
		change(&config)
	}
	server, err := httpserver.New(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "socket")
	socket, err := httpserver.ListenUnix(path, true)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, socket, tcp) }()
	unix = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	return unix, "http://" + tcp.Addr().String(), func() error { cancel(); return <-ended }
}

func openDB(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "node.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func status(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestUnixSocketIsTrusted(t *testing.T) {
	unix, address, stop := serve(t, openDB(t), nil)
	if got := status(t, unix, "http://localhost"+api.PathEvents); got != 200 {
		t.Errorf("through the socket: %d", got)
	}
	if got := status(t, http.DefaultClient, address+api.PathEvents); got != 401 {
		t.Errorf("through TCP: %d", got)
	}
	if got := status(t, http.DefaultClient, address+api.PathHealth); got != 204 {
		t.Errorf("health: %d", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestGracefulStop: a stream ends at once, an answer that is being made is
// finished.
func TestGracefulStop(t *testing.T) {
	working, finish := make(chan struct{}), make(chan struct{})
	unix, address, stop := serve(t, openDB(t), func(c *httpserver.Config) {
		c.Reload = func(context.Context) error { close(working); <-finish; return nil }
	})
	stream, err := unix.Get("http://localhost" + api.PathEventStream)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	answers := make(chan error, 1)
	go func() {
		response, err := unix.Post("http://localhost"+api.PathConfig, "", nil)
		if err == nil {
			response.Body.Close()
		}
		answers <- err
	}()
	<-working
	begin := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream was broken off: %v", err)
	}
	close(finish)
	if err := <-answers; err != nil {
		t.Errorf("a request was broken off: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if _, err := http.Get(address + api.PathHealth); err == nil {
		t.Error("still answers")
	}
}

func TestListenUnix(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "socket")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	for open, mode := range map[bool]os.FileMode{true: 0o666, false: 0o600} {
		l, err := httpserver.ListenUnix(path, open)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode %v, want %v (%v)", info.Mode(), mode, err)
		}
		if _, err := httpserver.ListenUnix(path, open); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("a socket in use: %v", err)
		}
		l.Close()
	}
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := httpserver.ListenUnix(path, true); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "data" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

// TestReplace: a new configuration counts at once, and log-ins go on.
func TestReplace(t *testing.T) {
	db := openDB(t)
	config := httpserver.Config{Store: db, Version: "1", Auth: httpserver.Auth{Enabled: true, AllowReadOnly: true}}
	server, err := httpserver.New(config)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, db: db, server: httptest.NewServer(server), client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(n.server.Close)
	hash, err := bcrypt.GenerateFromPassword([]byte("p"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.SetUser(t.Context(), store.User{Name: "ann", Password: string(hash), Access: store.Full}); err != nil {
		t.Fatal(err)
	}
	session := n.login("ann", "p")
	n.want(n.do("GET", api.PathEvents, nil, session...), 404) // no repository
	config.Repositories = []httpserver.Repository{{ID: refrepo}}
	if err := server.Replace(config); err != nil {
		t.Fatal(err)
	}
	n.want(n.do("GET", api.PathEvents, nil, session...), 200)
}
