package httpserver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// stub is a Runner whose builds end when the test says so.
type stub struct {
	dir  string // of package files
	mu   sync.Mutex
	jobs map[string]*stubJob
}

type stubJob struct {
	build.Job
	source string // the PKGBUILD that was there
	end    chan error
}

func (s *stub) Start(_ context.Context, job build.Job) error {
	text, err := os.ReadFile(filepath.Join(job.Source, "PKGBUILD"))
	if err != nil {
		return err
	}
	for _, path := range job.Dependencies {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs == nil {
		s.jobs = map[string]*stubJob{}
	}
	s.jobs[job.ID] = &stubJob{job, string(text), make(chan error, 1)}
	return nil
}

func (s *stub) Attach(_ context.Context, id string, w io.Writer) (*build.Result, error) {
	s.mu.Lock()
	job := s.jobs[id]
	s.mu.Unlock()
	fmt.Fprintf(w, "building %s\n", job.Base)
	if err := <-job.end; err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, job.Base+"-1-1-any.pkg.tar.zst")
	return &build.Result{Files: []string{path}, Duration: time.Second}, os.WriteFile(path, []byte("package of "+job.Base), 0o600)
}

func (s *stub) Cancel(_ context.Context, id string) error {
	s.finish(id, build.ErrCancelled)
	return nil
}

func (s *stub) finish(id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.jobs[id].end <- err:
	default:
	}
}

// finishAll ends what runs.
func (s *stub) finishAll(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range s.jobs {
		select {
		case job.end <- err:
		default:
		}
	}
}

// hand is a master's hand on a worker.
type hand struct {
	t      *testing.T
	runner *stub
	builds *httpserver.Builds
	server *httptest.Server
}

func newHand(t *testing.T, config httpserver.BuildsConfig) *hand {
	t.Helper()
	h := &hand{t: t, runner: &stub{dir: t.TempDir()}}
	if config.Runner == nil {
		config.Runner = h.runner
	}
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	if config.Slots == 0 {
		config.Slots = 2
	}
	config.Version, config.Architectures = "1.0.0", []string{"x86_64"}
	var err error
	if h.builds, err = httpserver.NewBuilds(config); err != nil {
		t.Fatal(err)
	}
	h.server = httptest.NewServer(h.builds)
	t.Cleanup(func() {
		if err := h.builds.Close(); err != nil {
			t.Error(err)
		}
		h.server.Close()
	})
	return h
}

// do sends a request and returns status and body.
func (h *hand) do(method, path string, body io.Reader) (int, string) {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response.StatusCode, string(text)
}

// want sends a request and checks what is answered.
func (h *hand) want(method, path, body string, status int, text string) string {
	h.t.Helper()
	got, answer := h.do(method, path, strings.NewReader(body))
	if got != status || !strings.Contains(answer, text) {
		h.t.Errorf("%s %s: got %d %s, want %d with %q", method, path, got, answer, status, text)
	}
	return answer
}

func digest(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// put sends an object and describes it.
func (h *hand) put(name, data string) api.Object {
	h.t.Helper()
	object := api.Object{Name: name, SHA256: digest(data), Size: int64(len(data))}
	h.want("PUT", fmt.Sprintf("/node/v1/objects/%s?size=%d", object.SHA256, object.Size), data, http.StatusNoContent, "")
	return object
}

// bundle sends the sources of a base.
func (h *hand) bundle(base string) api.Object {
	h.t.Helper()
	dir := h.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte("pkgname="+base+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	var packed bytes.Buffer
	if _, err := source.WriteBundle(h.t.Context(), &packed, dir, source.Limits{}); err != nil {
		h.t.Fatal(err)
	}
	return h.put("", packed.String())
}

func request(t *testing.T, r api.BuildRequest) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// start begins a build of a base under its name as id.
func (h *hand) start(base string) {
	h.t.Helper()
	body := request(h.t, api.BuildRequest{Base: base, Architecture: "x86_64", Bundle: h.bundle(base)})
	h.want("PUT", "/node/v1/builds/"+base, body, http.StatusOK, `"state":"running"`)
	h.begun(base)
}

// begun waits until the runner has a build.
func (h *hand) begun(id string) {
	h.t.Helper()
	for text := ""; !strings.Contains(text, "building"); {
		var status int
		if status, text = h.do("GET", "/node/v1/builds/"+id+"/log?wait=0.05", nil); status != http.StatusOK {
			h.t.Fatalf("build %s: %d %s", id, status, text)
		}
	}
}

func TestBuilds(t *testing.T) {
	h := newHand(t, httpserver.BuildsConfig{Features: []string{"big"}})
	h.want("GET", "/node/v1/builds", "", http.StatusOK, `"architectures":["x86_64"],"slots":2,"speed":1,"features":["big"],"running":[],`)

	r := api.BuildRequest{Base: "foo", Architecture: "x86_64", Bundle: h.bundle("foo")}
	r.Dependencies = []api.Object{{Name: "bar-1-1-any.pkg.tar.zst", SHA256: digest("a package"), Size: 9}}
	h.want("PUT", "/node/v1/builds/1", request(t, r), http.StatusOK, `"state":"missing","missing":[{"name":"bar-1-1-any.pkg.tar.zst"`)
	h.want("GET", "/node/v1/builds/1", "", http.StatusNotFound, "No build 1 is known")
	h.put("", "a package")
	h.want("PUT", "/node/v1/builds/1", request(t, r), http.StatusOK, `"state":"running"`)
	h.want("PUT", "/node/v1/builds/1", request(t, r), http.StatusOK, `"state":"running"`)
	h.want("GET", "/node/v1/builds", "", http.StatusOK, `"running":["1"]`)
	r.Base = "other"
	h.want("PUT", "/node/v1/builds/1", request(t, r), http.StatusConflict, "build 1 is one of foo for x86_64")

	h.start("second")
	r = api.BuildRequest{Base: "third", Architecture: "x86_64", Bundle: h.bundle("third")}
	h.want("PUT", "/node/v1/builds/third", request(t, r), http.StatusServiceUnavailable, "all 2 slots of this worker are taken")
	h.want("DELETE", "/node/v1/builds/second?keep", "", http.StatusNoContent, "")
	h.want("GET", "/node/v1/builds/second", "", http.StatusOK, `"state":"cancelled"`)
	h.want("DELETE", "/node/v1/builds/second", "", http.StatusNoContent, "")
	h.want("DELETE", "/node/v1/builds/second", "", http.StatusNotFound, "")

	h.begun("1")
	h.runner.finishAll(nil)
	h.want("GET", "/node/v1/builds/1?wait=30", "", http.StatusOK, `"state":"success","files":[{"name":"foo-1-1-any.pkg.tar.zst","sha256":"`+digest("package of foo"))
	h.want("GET", "/node/v1/builds/1/log?offset=9", "", http.StatusOK, "foo\n")
	h.want("GET", "/node/v1/builds/1/files/foo-1-1-any.pkg.tar.zst", "", http.StatusOK, "package of foo")
	h.want("DELETE", "/node/v1/builds/1", "", http.StatusNoContent, "")
	for _, path := range []string{"", "/log", "/files/foo-1-1-any.pkg.tar.zst"} {
		h.want("GET", "/node/v1/builds/1"+path, "", http.StatusNotFound, "")
	}
	if left, err := os.ReadDir(h.runner.dir); err != nil || len(left) > 0 {
		t.Errorf("left of what was fetched: %v, %v", left, err)
	}
}

// TestBuildOutcomes has each end of a build told apart.
func TestBuildOutcomes(t *testing.T) {
	h := newHand(t, httpserver.BuildsConfig{})
	for _, test := range []struct {
		base string
		err  error
		want string
	}{
		{"a", &build.Failure{Base: "a", Reason: "makepkg: exit status 4"}, `"state":"failed","reason":"makepkg: exit status 4"`},
		{"b", fmt.Errorf("no sandbox: %w", build.ErrLost), `"state":"lost","reason":"no sandbox: worker lost"`},
		{"c", build.ErrCancelled, `"state":"lost"`}, // nobody asked for that
	} {
		h.start(test.base)
		h.runner.finishAll(test.err)
		h.want("GET", "/node/v1/builds/"+test.base+"?wait=30", "", http.StatusOK, test.want)
	}
}

// TestBuildLease has nobody ask for a build.
func TestBuildLease(t *testing.T) {
	h := newHand(t, httpserver.BuildsConfig{})
	r := api.BuildRequest{Base: "foo", Architecture: "x86_64", Bundle: h.bundle("foo"), Lease: 0.05}
	h.want("PUT", "/node/v1/builds/1", request(t, r), http.StatusOK, `"state":"running"`)
	for { // asking for the list holds nothing
		if _, text := h.do("GET", "/node/v1/builds", nil); strings.Contains(text, `"running":[]`) {
			break
		}
	}
	// The result of another one goes with its lease too.
	r = api.BuildRequest{Base: "bar", Architecture: "x86_64", Bundle: h.bundle("bar"), Lease: 3}
	h.want("PUT", "/node/v1/builds/2", request(t, r), http.StatusOK, `"state":"running"`)
	h.begun("2")
	h.runner.finishAll(nil)
	for {
		if left, err := os.ReadDir(filepath.Join(h.runner.dir)); err == nil && len(left) == 0 {
			break
		}
	}
}

// TestRemovalHoldsUpNobody has the removal of builds take long, of one whose lease
// is over and of one that its master forgets: others are answered meanwhile.
func TestRemovalHoldsUpNobody(t *testing.T) {
	h := newHand(t, httpserver.BuildsConfig{Slots: 3})
	removing, release := make(chan struct{}, 2), make(chan struct{})
	httpserver.SetRemoveAll(h.builds, func(path string) error {
		removing <- struct{}{}
		<-release
		return os.RemoveAll(path)
	})
	h.start("kept")
	h.start("forgotten")
	r := api.BuildRequest{Base: "expires", Architecture: "x86_64", Bundle: h.bundle("expires"), Lease: 0.05}
	h.want("PUT", "/node/v1/builds/expires", request(t, r), http.StatusOK, `"state":"running"`)
	<-removing
	deleted := make(chan struct{})
	go func() {
		defer close(deleted)
		h.want("DELETE", "/node/v1/builds/forgotten", "", http.StatusNoContent, "")
	}()
	<-removing
	h.want("GET", "/node/v1/builds", "", http.StatusOK, `"running":["kept"]`)
	h.want("GET", "/node/v1/builds/kept", "", http.StatusOK, `"state":"running"`)
	h.want("GET", "/node/v1/builds/forgotten", "", http.StatusNotFound, "")
	h.start("another")
	close(release)
	<-deleted
}

// TestHostileBuilds sends what no master sends.
func TestHostileBuilds(t *testing.T) {
	dir := t.TempDir()
	h := newHand(t, httpserver.BuildsConfig{Dir: dir, SourceLimits: source.Limits{Bytes: 1 << 20, Files: 10}, MaxObjects: 1 << 20})
	good := api.BuildRequest{Base: "foo", Architecture: "x86_64", Bundle: h.bundle("foo")}
	text := request(t, good)
	for _, id := range []string{"..%2fx", "%2e%2e", ".hidden", "-x", "a%2fb", "a%00b", "a%0ab", strings.Repeat("x", 251), "%ff"} {
		h.want("PUT", "/node/v1/builds/"+id, text, http.StatusBadRequest, "cannot be the id of a build")
	}
	change := func(change func(*api.BuildRequest)) string {
		r := good
		change(&r)
		return request(t, r)
	}
	sound := api.Object{Name: "a-1-1-any.pkg.tar.zst", SHA256: good.Bundle.SHA256, Size: 5}
	named := func(name string) func(*api.BuildRequest) {
		return func(r *api.BuildRequest) {
			object := sound
			object.Name = name
			r.Dependencies = []api.Object{object}
		}
	}
	for _, test := range []struct{ body, want string }{
		{"", "not the JSON"},
		{"[]", "not the JSON"},
		{"{}", "base"},
		{change(func(r *api.BuildRequest) { r.Architecture = "i686" }), "builds for [x86_64], not for i686"},
		{change(func(r *api.BuildRequest) { r.Bundle.SHA256 = "../../etc/passwd" }), "no SHA-256"},
		{change(func(r *api.BuildRequest) { r.Bundle.SHA256 = strings.ToUpper(r.Bundle.SHA256) }), "no SHA-256"},
		{change(func(r *api.BuildRequest) { r.Lease = -1 }), "lease_seconds"},
		{change(func(r *api.BuildRequest) { r.Dependencies = []api.Object{sound, sound} }), "twice"},
		{change(func(r *api.BuildRequest) { r.Dependencies = make([]api.Object, api.MaxDependencies+1) }), "dependencies, at most"},
		{change(named("../evil")), "not a file name"},
		{change(named("..")), "not a file name"},
		{change(named("a/b")), "not a file name"},
		{change(named("")), "not a file name"},
		{change(named("a\nb")), "not a file name"},
	} {
		h.want("PUT", "/node/v1/builds/1", test.body, http.StatusBadRequest, test.want)
	}
	h.want("POST", "/node/v1/builds/1", text, http.StatusMethodNotAllowed, "")
	h.want("GET", "/node/v1/builds/1/files/..%2f..%2fetc%2fpasswd", "", http.StatusNotFound, "")
	h.want("GET", "/node/v1/objects/"+good.Bundle.SHA256, "", http.StatusMethodNotAllowed, "")

	// Bundles that are none, or are too large once unpacked.
	bomb := t.TempDir()
	if err := os.WriteFile(filepath.Join(bomb, "zeros"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if _, err := source.WriteBundle(t.Context(), &packed, bomb, source.Limits{}); err != nil {
		t.Fatal(err)
	}
	for base, data := range map[string]string{"nonsense": "nonsense", "bomb": packed.String()} {
		body := request(t, api.BuildRequest{Base: base, Architecture: "x86_64", Bundle: h.put("", data)})
		h.want("PUT", "/node/v1/builds/"+base, body, http.StatusOK, `"state":"running"`)
		h.want("GET", "/node/v1/builds/"+base+"?wait=30", "", http.StatusOK, `"state":"failed","reason":"unpacking sources`)
		h.want("GET", "/node/v1/builds/"+base+"/log", "", http.StatusOK, "==> ERROR: building "+base+": unpacking sources")
		h.want("DELETE", "/node/v1/builds/"+base, "", http.StatusNoContent, "")
	}
	if left, err := os.ReadDir(filepath.Join(dir, "builds")); err != nil || len(left) > 0 {
		t.Errorf("left of bad builds: %v, %v", left, err)
	}
}

// TestObjects sends objects, whole, broken, in parts, and others than announced.
func TestObjects(t *testing.T) {
	dir := t.TempDir()
	h := newHand(t, httpserver.BuildsConfig{Dir: dir, MaxObjects: 1000})
	files := func() (names []string) {
		entries, err := os.ReadDir(filepath.Join(dir, "objects"))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	hello := digest("hello")
	path := "/node/v1/objects/" + hello
	for _, test := range []struct {
		path, body, want string
		status           int
	}{
		{path, "hello", "size is missing", http.StatusBadRequest},
		{path + "?size=x", "hello", "must be a number", http.StatusBadRequest},
		{path + "?size=-1", "hello", "must be a number", http.StatusBadRequest},
		{path + "?size=4", "hello", "less than what is sent", http.StatusBadRequest},
		{path + "?size=5&offset=6", "", "less than what is sent", http.StatusBadRequest},
		{path + "?size=5&offset=3", "lo", "0 bytes are there", http.StatusConflict},
		{path + "?size=5", "jello", "have sha256 " + digest("jello"), http.StatusBadRequest},
		{path + "?size=1001", "hello", "keeps at most 1000", http.StatusRequestEntityTooLarge},
		{path + "?size=99999999999999", "hello", "at most", http.StatusRequestEntityTooLarge},
		{"/node/v1/objects/..%2f..%2fx?size=5", "hello", "no SHA-256", http.StatusBadRequest},
		{"/node/v1/objects/" + strings.ToUpper(hello) + "?size=5", "hello", "no SHA-256", http.StatusBadRequest},
	} {
		h.want("PUT", test.path, test.body, test.status, test.want)
		for _, name := range files() {
			if info, err := os.Stat(filepath.Join(dir, "objects", name)); err != nil || info.Size() > 0 {
				t.Errorf("PUT %s left %s", test.path, name)
			}
		}
	}
	// A body of unknown length that is too long.
	if status, text := h.do("PUT", path+"?size=5", io.MultiReader(strings.NewReader("hello"), strings.NewReader(" and more"))); status != http.StatusBadRequest {
		t.Errorf("too long a body: %d %s", status, text)
	}
	// In parts: what came before is not sent again.
	h.want("PUT", path+"?size=5", "hel", http.StatusBadRequest, "ended after 3 of 5")
	h.want("PUT", path+"?size=5&offset=3", "lo", http.StatusNoContent, "")
	h.want("PUT", path+"?size=5", "", http.StatusNoContent, "") // it is there
	if got := files(); len(got) != 1 || got[0] != hello {
		t.Errorf("objects: %v", got)
	}

	// What was used longest ago goes first.
	long := strings.Repeat("x", 500)
	other := h.put("", "1"+long)
	if err := os.Chtimes(filepath.Join(dir, "objects", hello), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "objects", other.SHA256), time.Unix(2, 0), time.Unix(2, 0)); err != nil {
		t.Fatal(err)
	}
	h.want("HEAD", path, "", http.StatusOK, "") // a use
	last := h.put("", "2"+long)
	h.want("HEAD", "/node/v1/objects/"+other.SHA256, "", http.StatusNotFound, "")
	h.want("HEAD", path, "", http.StatusOK, "")

	// They survive the worker; what is none does not.
	if err := h.builds.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "objects", "what is this"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "builds", "of a killed one", "source"), 0o700); err != nil {
		t.Fatal(err)
	}
	again := newHand(t, httpserver.BuildsConfig{Dir: dir, MaxObjects: 1000})
	again.want("HEAD", "/node/v1/objects/"+last.SHA256, "", http.StatusOK, "")
	if got := files(); len(got) != 2 {
		t.Errorf("objects: %v", got)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "builds")); err != nil || len(left) > 0 {
		t.Errorf("builds: %v, %v", left, err)
	}
	if _, err := httpserver.NewBuilds(httpserver.BuildsConfig{Dir: dir, Runner: h.runner}); err == nil || !strings.Contains(err.Error(), "another process does") {
		t.Errorf("two in one directory: %v", err)
	}
}

// TestObjectAtOnce sends one object from several masters.
func TestObjectAtOnce(t *testing.T) {
	h := newHand(t, httpserver.BuildsConfig{})
	data := strings.Repeat("0123456789", 100_000)
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() { h.put("", data) })
	}
	wait.Wait()
}

// TestNoBuilds asks a node that builds nothing.
func TestNoBuilds(t *testing.T) {
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{Reason: "refusing to build as root", Slots: 3, Dir: filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	h := &hand{t: t, server: httptest.NewServer(builds)}
	defer h.server.Close()
	h.want("GET", "/node/v1/builds", "", http.StatusOK, `"slots":0,"speed":1,"features":[],"running":[],"free_bytes":0`)
	h.want("GET", "/node/v1/builds", "", http.StatusOK, `"reason":"refusing to build as root"`)
	h.want("PUT", "/node/v1/objects/"+digest("x")+"?size=1", "x", http.StatusServiceUnavailable, "nothing is built here: refusing")
	h.want("HEAD", "/node/v1/objects/"+digest("x"), "", http.StatusServiceUnavailable, "")
	body := request(t, api.BuildRequest{Base: "foo", Architecture: "x86_64", Bundle: api.Object{SHA256: digest("x"), Size: 1}})
	h.want("PUT", "/node/v1/builds/1", body, http.StatusServiceUnavailable, "nothing is built here: refusing")
	if err := builds.Close(); err != nil {
		t.Error(err)
	}
}
