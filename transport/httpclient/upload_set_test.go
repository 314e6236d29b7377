package httpclient_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/core/repository"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
)

// cutter is a proxy that breaks a connection when so many bytes of it have gone
// up, and counts them.
type cutter struct {
	to   string
	sent atomic.Int64
	mu   sync.Mutex
	cuts []int64 // bytes after which the next connections that send much are cut
}

func (c *cutter) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go c.pass(conn.(*net.TCPConn))
	}
}

func (c *cutter) pass(from *net.TCPConn) {
	defer from.Close()
	up, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer up.Close()
	up.(*net.TCPConn).SetWriteBuffer(64 << 10) // what is in it is lost with the connection
	go func() {
		io.Copy(from, up)
		from.CloseWrite()
	}()
	buffer := make([]byte, 16<<10)
	for here := int64(0); ; {
		n, err := from.Read(buffer)
		c.sent.Add(int64(n))
		here += int64(n)
		if _, writeErr := up.Write(buffer[:n]); err != nil || writeErr != nil || c.cut(here) {
			from.SetLinger(0) // a reset, as by a firewall
			return
		}
	}
}

// cut takes the first of cuts when it is passed.
func (c *cutter) cut(here int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cuts) == 0 || here < c.cuts[0] {
		return false
	}
	c.cuts = c.cuts[1:]
	return true
}

// master starts a server of ours and a client that goes
// through a cutter.
func master(t *testing.T, cuts []int64) (*httpclient.Repository, *repository.Repository, *cutter) {
	t.Helper()
	handler, db, repo, err := newServer(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() { server.Close(); db.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &cutter{to: strings.TrimPrefix(server.URL, "http://"), cuts: cuts}
	go c.serve(l)
	client, err := httpclient.New(httpclient.Config{
		Address: "http://" + l.Addr().String(), Username: "worker-user", Password: "very-secure-password",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client.Repository(refrepo()), repo, c
}

// TestUploadGoesOn cuts an upload at 20 places; little is sent twice.
func TestUploadGoesOn(t *testing.T) {
	const size = 64 << 20
	path, err := writePackage(t.TempDir(), "big", size, &numbers{})
	if err != nil {
		t.Fatal(err)
	}
	var cuts []int64
	for range 20 {
		cuts = append(cuts, 64<<10+rand.Int64N(size/25))
	}
	r, repo, c := master(t, cuts)
	done, err := r.Upload(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sent, got := readFile(t, path), readFile(t, filepath.Join(repo.Waiting(), filepath.Base(path)))
	if !bytes.Equal(sent, got) || done.SHA256 != digest(sent) {
		t.Error("other bytes arrived")
	}
	if c.cut(1 << 60) {
		t.Error("not all cuts were made")
	}
	extra := float64(c.sent.Load())/float64(len(sent)) - 1
	t.Logf("%.2f %% more sent than the file has", 100*extra)
	if extra > 0.05 {
		t.Errorf("%.1f %% sent twice, want at most 5", 100*extra)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// TestUploadGivesUp: a node that takes no byte is not asked for ever.
func TestUploadGivesUp(t *testing.T) {
	var puts atomic.Int64
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == api.PathNode:
			io.WriteString(w, `{"version":"1","features":["upload-sets"]}`)
		case r.Method == http.MethodPut:
			puts.Add(1)
			panic(http.ErrAbortHandler)
		default:
			http.NotFound(w, r)
		}
	}), func(c *httpclient.Config) { c.Backoff = time.Millisecond })
	path := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 1000)
	if _, err := client.Repository(refrepo()).Upload(t.Context(), path, nil); err == nil || puts.Load() > 20 {
		t.Errorf("after %d tries: %v", puts.Load(), err)
	}
}

// TestSetIsTakenTogether: what is wrong with one file keeps out all.
func TestSetIsTakenTogether(t *testing.T) {
	r, repo, _ := master(t, nil)
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"one", "two"} {
		path, err := writePackage(dir, name, 1000, &numbers{})
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	set, err := r.NewUploadSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	add := func(path string) error { _, err := set.Add(t.Context(), path, nil); return err }
	waiting := func(want int) {
		t.Helper()
		entries, err := os.ReadDir(repo.Waiting())
		if err != nil || len(entries) != want {
			t.Errorf("%d are there, want %d (%v): %v", len(entries), want, entries, err)
		}
	}
	if err := errors.Join(add(paths[0]), add(paths[1])); err != nil {
		t.Fatal(err)
	}
	waiting(1) // a hidden directory
	set.Abandon(t.Context())
	waiting(0)

	other := writeFile(t, filepath.Join(dir, "other-1-1-any.pkg.tar.zst"), 1000)
	if err := add(paths[0]); err != nil {
		t.Fatal(err)
	}
	if err := add(other); !errors.Is(err, api.ErrBadRequest) {
		t.Errorf("no package: %v", err)
	}
	waiting(0)
	set.Abandon(t.Context())

	if err := errors.Join(add(paths[0]), add(paths[1]), set.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	waiting(2)
	if err := errors.Join(add(paths[0]), add(paths[1]), set.Commit(t.Context())); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	os.Remove(filepath.Join(repo.Waiting(), filepath.Base(paths[0])))
	if err := os.WriteFile(filepath.Join(repo.Waiting(), filepath.Base(paths[1])), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(add(paths[0]), add(paths[1])); err != nil {
		t.Fatal(err)
	}
	if _, conflict := errors.AsType[*api.Conflict](set.Commit(t.Context())); !conflict {
		t.Error("no conflict")
	}
	waiting(1)
}

// TestAnswerIsLost: a set whose files wait is not sent again because the client
// was not told so.
func TestAnswerIsLost(t *testing.T) {
	handler, db, repo, err := newServer(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var puts, lost atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			puts.Add(1)
		}
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/node/v1/uploads/") && lost.Add(1) == 1 {
			handler.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { server.Close(); db.Close() })
	client, err := httpclient.New(httpclient.Config{Address: server.URL, Username: "worker-user", Password: "very-secure-password"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	path, err := writePackage(t.TempDir(), "one", 1000, &numbers{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Repository(refrepo()).Upload(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	if puts.Load() != 1 || lost.Load() != 2 {
		t.Errorf("%d files were sent, and committed %d times", puts.Load(), lost.Load())
	}
	if !bytes.Equal(readFile(t, path), readFile(t, filepath.Join(repo.Waiting(), filepath.Base(path)))) {
		t.Error("other bytes wait")
	}
}
