package httpclient_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpserver"
)

// immediate is a Runner whose builds give packages at once, without makepkg.
type immediate struct {
	dir  string
	size int64  // of what a package holds, bytes
	hold string // builds last until this file exists; empty: they do not last

	mu   sync.Mutex
	jobs map[string]build.Job // a job that was cancelled has none
}

func (i *immediate) Start(_ context.Context, job build.Job) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.jobs == nil {
		i.jobs = map[string]build.Job{}
	}
	i.jobs[job.ID] = job
	return nil
}

func (i *immediate) Attach(_ context.Context, id string, w io.Writer) (*build.Result, error) {
	i.mu.Lock()
	job := i.jobs[id]
	i.mu.Unlock()
	dir := filepath.Join(i.dir, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "building %s\n", job.Base)
	for _, err := os.Stat(i.hold); i.hold != "" && err != nil; _, err = os.Stat(i.hold) {
		if i.cancelled(id) {
			return nil, build.ErrCancelled
		}
		time.Sleep(10 * time.Millisecond)
	}
	path, err := writePackage(dir, job.Base, i.size, rand.Reader)
	if err != nil {
		return nil, err
	}
	return &build.Result{Files: []string{path}, Duration: time.Second}, nil
}

func (i *immediate) cancelled(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.jobs[id]
	return !ok
}

func (i *immediate) Cancel(_ context.Context, id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.jobs, id)
	return nil
}

// immediateBuilds is the worker's side of them.
func immediateBuilds(t testing.TB, slots int) *httpserver.Builds {
	t.Helper()
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{
		Runner: &immediate{dir: t.TempDir(), size: 100_000}, Dir: t.TempDir(), Slots: slots, Architectures: []string{"x86_64"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := builds.Close(); err != nil {
			t.Error(err)
		}
	})
	return builds
}

// sources returns a directory with something that could be a PKGBUILD.
func sources(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte("pkgname=foo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// buildFoo builds foo and returns what came out.
func buildFoo(ctx context.Context, t testing.TB, runner *httpclient.Runner, id string) (*build.Result, error) {
	t.Helper()
	job := build.Job{ID: id, Base: "foo", Architecture: "x86_64", Source: sources(t)}
	if err := runner.Start(ctx, job); err != nil {
		return nil, err
	}
	return runner.Attach(ctx, id, io.Discard)
}

// changed is an answer before it is sent.
type changed struct {
	status int
	header http.Header
	body   []byte
}

// TestFalseWorker has a worker answer what it should not: it counts as lost, and
// nothing of what it sent is left.
func TestFalseWorker(t *testing.T) {
	files := func(change func(*changed)) func(*http.Request, *changed) {
		return func(r *http.Request, c *changed) {
			if strings.Contains(r.URL.Path, "/files/") {
				change(c)
			}
		}
	}
	state := func(change func(*api.Build)) func(*http.Request, *changed) {
		return func(r *http.Request, c *changed) {
			var b api.Build
			if r.Method != http.MethodGet || json.Unmarshal(c.body, &b) != nil || b.State != api.BuildSuccess {
				return
			}
			change(&b)
			c.body, _ = json.Marshal(b)
		}
	}
	for _, test := range []struct {
		name, want string
		change     func(*http.Request, *changed)
	}{
		{"other bytes", "its sha256 is", files(func(c *changed) { c.body[len(c.body)/2] ^= 1 })},
		{"truncated", "unexpected EOF", files(func(c *changed) { c.body = c.body[:0] })},
		{"another range", "asked for", files(func(c *changed) { c.header.Set("Content-Range", "bytes 1-2/3") })},
		{"no range", "asked for", files(func(c *changed) { c.status = http.StatusOK })},
		{"not there", "Not Found", files(func(c *changed) { c.status, c.body = http.StatusNotFound, nil })},
		{"a redirect", "Found to /elsewhere", files(func(c *changed) { c.status = http.StatusFound; c.header.Set("Location", "/elsewhere") })},
		{"another digest", "its sha256 is", state(func(b *api.Build) { b.Files[0].SHA256 = strings.Repeat("0", 64) })},
		{"no digest", "it answers with a file", state(func(b *api.Build) { b.Files[0].SHA256 = "" })},
		{"a path", "it answers with a file", state(func(b *api.Build) { b.Files[0].Name = "../../foo" })},
		{"the log's name", "it answers with a file", state(func(b *api.Build) { b.Files[0].Name = "foo.log" })},
		{"one name twice", "it answers with a file", state(func(b *api.Build) { b.Files = append(b.Files, b.Files[0]) })},
		{"no files", "0 package files", state(func(b *api.Build) { b.Files = nil })},
		{"too large", "it answers with a file", state(func(b *api.Build) { b.Files[0].Size = 1 << 60 })},
		{"a state of its own", `the build is \"magic\"`, state(func(b *api.Build) { b.State = "magic" })},
		{"no JSON", "reading the answer", func(r *http.Request, c *changed) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/builds/1") {
				c.body = []byte("<html>")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			builds := immediateBuilds(t, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := httptest.NewRecorder()
				builds.ServeHTTP(answer, r)
				c := &changed{answer.Code, answer.Header(), answer.Body.Bytes()}
				test.change(r, c)
				maps.Copy(w.Header(), c.header)
				if len(c.body) > 0 {
					w.Header().Set("Content-Length", strconv.Itoa(len(c.body)))
				} else {
					w.Header().Del("Content-Length")
				}
				w.WriteHeader(c.status)
				w.Write(c.body)
			}))
			defer server.Close()
			scratch := t.TempDir()
			runner := newRunner(t, strings.TrimPrefix(server.URL, "http://"), func(c *httpclient.RunnerConfig) {
				impatient(c)
				c.Scratch, c.Lease = scratch, 2*time.Second
			})
			_, err := buildFoo(t.Context(), t, runner, "1")
			wantLost(t, err)
			if err != nil && !strings.Contains(strconv.Quote(err.Error()), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			filepath.WalkDir(scratch, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.IsDir() && filepath.Base(path) != "foo.log" {
					t.Errorf("left: %s %v", path, err)
				}
				return nil
			})
		})
	}
}

// TestSlots has more builds begun than a worker takes.
func TestSlots(t *testing.T) {
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{
		Runner: waits{make(chan error, 1)}, Dir: t.TempDir(), Slots: 1, Speed: 2, Features: []string{"big"}, Architectures: []string{"x86_64"},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(builds)
	defer server.Close()
	defer builds.Close()
	runner := newRunner(t, strings.TrimPrefix(server.URL, "http://"), impatient)
	job := build.Job{ID: "1", Base: "foo", Architecture: "x86_64", Source: sources(t)}
	if err := runner.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	job.ID = "2"
	err = runner.Start(t.Context(), job)
	wantLost(t, err)
	if err == nil || !strings.Contains(err.Error(), "all 1 slots of this worker are taken") {
		t.Errorf("got %v", err)
	}
	job.ID, job.Architecture = "3", "i686"
	if err := runner.Start(t.Context(), job); err == nil || !strings.Contains(err.Error(), "builds for [x86_64], not for i686") {
		t.Errorf("got %v", err)
	}
	can, err := runner.Capabilities(t.Context())
	if err != nil || can.Slots != 1 || can.Speed != 2 || strings.Join(can.Features, "") != "big" || strings.Join(can.Running, "") != "1" || can.Free <= 0 {
		t.Errorf("got %+v, %v", can, err)
	}
	// Whoever follows a worker that stops learns that it is lost.
	ended := make(chan error, 1)
	go func() {
		_, err := runner.Attach(t.Context(), "1", io.Discard)
		ended <- err
	}()
	if err := builds.Close(); err != nil {
		t.Error(err)
	}
	wantLost(t, <-ended)
}

// waits is a Runner whose only build ends when it is cancelled.
type waits struct{ ended chan error }

func (waits) Start(context.Context, build.Job) error { return nil }

func (w waits) Attach(context.Context, string, io.Writer) (*build.Result, error) {
	return nil, <-w.ended
}

func (w waits) Cancel(context.Context, string) error {
	w.ended <- build.ErrCancelled
	return nil
}

// TestBadSources has sources that cannot travel: that is the package's fault.
func TestBadSources(t *testing.T) {
	server := httptest.NewServer(immediateBuilds(t, 1))
	defer server.Close()
	runner := newRunner(t, strings.TrimPrefix(server.URL, "http://"), nil)
	job := build.Job{ID: "1", Base: "foo", Architecture: "x86_64", Source: sources(t)}
	if err := os.Symlink("/etc/passwd", filepath.Join(job.Source, "out")); err != nil {
		t.Fatal(err)
	}
	var failure *build.Failure
	if err := runner.Start(t.Context(), job); !errors.As(err, &failure) {
		t.Errorf("got %v, want a failure", err)
	}
	job.ID, job.Source, job.Dependencies = "2", sources(t), []string{filepath.Join(t.TempDir(), "none")}
	if err := runner.Start(t.Context(), job); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, build.ErrLost) {
		t.Errorf("got %v, want that the file is missing", err)
	}
	for _, id := range []string{"", "../x", "a b", "."} {
		job.ID = id
		if err := runner.Start(t.Context(), job); err == nil {
			t.Errorf("%q was taken for an id", id)
		}
		if _, err := runner.Attach(t.Context(), id, io.Discard); !errors.Is(err, build.ErrUnknownJob) {
			t.Errorf("Attach to %q: %v", id, err)
		}
	}
}

// TestNoWorker talks to nobody, and to a node that is no worker of ours.
func TestNoWorker(t *testing.T) {
	known := http.NewServeMux()
	known.HandleFunc(api.PathInfo, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"auth":false,"repositories":[],"version":"2"}`)
	})
	python := httptest.NewServer(known)
	nobody := httptest.NewServer(nil)
	nobody.Close()
	defer python.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, server := range []*httptest.Server{python, nobody, other} {
		runner := newRunner(t, strings.TrimPrefix(server.URL, "http://"), impatient)
		_, err := buildFoo(t.Context(), t, runner, "1")
		wantLost(t, err)
		_, err = runner.Attach(t.Context(), "2", io.Discard)
		wantLost(t, err)
		if _, err := runner.Capabilities(t.Context()); errors.Is(err, api.ErrNotFound) != (server == python) || errors.Is(err, build.ErrUnusable) != (server == other) {
			t.Errorf("Capabilities: %v", err)
		}
	}
}

// TestUnusable talks to those who will answer the same however long one waits.
func TestUnusable(t *testing.T) {
	var answer atomic.Pointer[http.HandlerFunc]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*answer.Load())(w, r) }))
	defer server.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", code) }
	}
	plain := strings.TrimPrefix(server.URL, "http://")
	for name, test := range map[string]struct {
		answer   http.HandlerFunc
		address  string
		unusable bool
	}{
		"401":      {status(http.StatusUnauthorized), server.URL, true},
		"403":      {status(http.StatusForbidden), server.URL, true},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, server.URL, true},
		"a page":   {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }, server.URL, true},
		"no TLS":   {status(http.StatusOK), "https://" + plain, true},
		"no HTTP":  {status(http.StatusOK), "http://" + sayHello(t), true},
		"429":      {status(http.StatusTooManyRequests), server.URL, false},
		"500":      {status(http.StatusInternalServerError), server.URL, false},
		"503":      {status(http.StatusServiceUnavailable), server.URL, false},
		"nobody":   {status(http.StatusOK), "http://127.0.0.1:1", false},
	} {
		answer.Store(&test.answer)
		runner := newRunner(t, "", func(c *httpclient.RunnerConfig) { impatient(c); c.MaxRetries, c.Address = 1, test.address })
		_, asked := runner.Capabilities(t.Context())
		started := runner.Start(t.Context(), build.Job{ID: "1", Base: "foo", Architecture: "x86_64", Source: sources(t)})
		wantLost(t, started)
		if errors.Is(asked, build.ErrUnusable) != test.unusable || errors.Is(started, build.ErrUnusable) != test.unusable {
			t.Errorf("%s: unusable should be %t: Capabilities %v, Start %v", name, test.unusable, asked, started)
		}
	}
}

// sayHello returns the address of something that greets like a mail server.
func sayHello(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			_, _ = conn.Read(make([]byte, 1)) // what comes before a request is another error, now and then
			io.WriteString(conn, "220 mail.example.com\r\n")
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestScratch has Runners share a directory, and one clean up after a dead one.
func TestScratch(t *testing.T) {
	scratch := t.TempDir()
	dead := filepath.Join(scratch, "ahriman-remote-dead", "job")
	if err := os.MkdirAll(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	var runners []*httpclient.Runner
	for range 2 {
		r, err := httpclient.NewRunner(httpclient.RunnerConfig{Config: httpclient.Config{Address: "http://localhost"}, Scratch: scratch})
		if err != nil {
			t.Fatal(err)
		}
		runners = append(runners, r)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "*")); err != nil || len(left) != 2 {
		t.Errorf("two live ones and a dead one have %s, %v", left, err)
	}
	for _, r := range runners {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestStartAgain has several Starts of one job find no worker, and then one.
func TestStartAgain(t *testing.T) {
	builds := immediateBuilds(t, 1)
	var open atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !open.Load() {
			http.Error(w, "not now", http.StatusBadGateway)
			return
		}
		builds.ServeHTTP(w, r)
	}))
	defer server.Close()
	scratch := t.TempDir()
	runner := newRunner(t, strings.TrimPrefix(server.URL, "http://"), func(c *httpclient.RunnerConfig) { impatient(c); c.MaxRetries, c.Scratch = 1, scratch })
	job := build.Job{ID: "1", Base: "foo", Architecture: "x86_64", Source: sources(t)}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { wantLost(t, runner.Start(t.Context(), job)) })
	}
	wait.Wait()
	if left, err := filepath.Glob(filepath.Join(scratch, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left of what was not started: %s, %v", left, err)
	}
	open.Store(true)
	if _, err := buildFoo(t.Context(), t, runner, "1"); err != nil {
		t.Error(err)
	}
}

// TestPrivateAuthority talks to a worker whose certificate nobody knows.
func TestPrivateAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(immediateBuilds(t, 1))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of handshakes
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	trust, err := httpclient.TrustFile(file)
	if err != nil {
		t.Fatal(err)
	}
	address := func(c *httpclient.RunnerConfig) { c.Address = server.URL }
	_, err = buildFoo(t.Context(), t, newRunner(t, "", address), "1")
	wantLost(t, err)
	if !errors.Is(err, build.ErrUnusable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	trusting := newRunner(t, "", func(c *httpclient.RunnerConfig) { address(c); c.TLS = trust })
	if _, err := buildFoo(t.Context(), t, trusting, "1"); err != nil {
		t.Error(err)
	}
	if _, err := httpclient.TrustFile(file + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := httpclient.TrustFile(file); err == nil || !strings.Contains(err.Error(), "no certificate in PEM") {
		t.Errorf("no certificate: %v", err)
	}
}

// TestFullDisk has a worker whose disk has no room: that is not the package's
// fault, and the worker is of use again for what does fit.
func TestFullDisk(t *testing.T) {
	w := startWorker(t, func(o *workerOptions) { o.Immediate, o.Disk = true, 4<<20 })
	runner := newRunner(t, w.address, impatient)
	dir := t.TempDir()
	needs := func(id string, size int64) build.Job {
		path, err := writePackage(dir, "needed"+id, size, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return build.Job{ID: id, Base: "foo", Architecture: "x86_64", Source: sources(t), Dependencies: []string{path}}
	}
	err := runner.Start(t.Context(), needs("1", 6<<20))
	wantLost(t, err)
	if err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("too large a dependency: %v", err)
	}
	large := build.Job{ID: "2", Base: "foo", Architecture: "x86_64", Source: sources(t)}
	if err := os.WriteFile(filepath.Join(large.Source, "zeros"), make([]byte, 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := runner.Start(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	_, err = runner.Attach(t.Context(), large.ID, io.Discard)
	wantLost(t, err)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("too large sources: %v", err)
	}
	// The disk has room for one of these at a time.
	for _, id := range []string{"3", "4", "5"} {
		job := needs(id, 2<<20)
		if err := runner.Start(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if _, err := runner.Attach(t.Context(), id, io.Discard); err != nil {
			t.Errorf("what has room: %v", err)
		}
	}
}
