package httpclient_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/repository"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpclient/clienttest"
	"ahriman/transport/httpserver"

	"github.com/google/go-cmp/cmp"
)

// delegation is a master of ours that builds on a Python worker: the update, the
// repository and the endpoint are the real ones.
type delegation struct {
	t      *testing.T
	db     *store.DB
	config update.Config
	worker *clienttest.PythonWorker
	runner *httpclient.PythonRunner
	server *httptest.Server // the worker's

	arrived func(context.Context, string) (string, error)
	journal string

	mu       sync.Mutex
	fail     map[string]bool
	building chan string   // told of each base that is built; nil: nobody is
	hold     chan struct{} // builds end once it is closed; nil: at once
}

// aurSources has PKGBUILDs in the place of the AUR's git repositories.
type aurSources struct {
	*source.Fetcher
	pkgbuilds map[string]string
}

func (s aurSources) Sources(_ context.Context, found *source.Found, dir string) (string, error) {
	return "335790e0", os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(s.pkgbuilds[found.Base]), 0o644)
}

func newDelegation(t *testing.T, pkgbuilds map[string]string) *delegation {
	t.Helper()
	root := t.TempDir()
	d := &delegation{t: t, fail: map[string]bool{}}
	handler, db, repo, err := newServer(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d.db = db
	held := make(chan struct{}, 1)
	d.config = update.Config{
		Repository: repo, Store: db, ScratchDir: filepath.Join(root, "scratch"), CacheDir: filepath.Join(root, "cache"),
		Sources: aurSources{source.New(source.Config{AUR: "http://127.0.0.1:1"}), pkgbuilds},
		Workers: func(context.Context) ([]schedule.Worker, error) {
			return []schedule.Worker{{Name: "w1", Runner: d.runner}}, nil
		},
		Lock: func(ctx context.Context, wait bool) (func(), error) {
			select {
			case held <- struct{}{}:
				return func() { <-held }, nil
			default:
			}
			if !wait {
				return nil, &repository.LockedError{Path: "lock"}
			}
			t.Error("somebody waits for the lock")
			return nil, errors.New("two updates build")
		},
	}
	master := httptest.NewServer(d.withJobs(handler))
	t.Cleanup(master.Close)
	d.worker = &clienttest.PythonWorker{
		PythonNode: clienttest.PythonNode{Username: "builder-user", Password: "very-secure-password"},
		Master:     master.URL, MasterUsername: "worker-user", MasterPassword: "very-secure-password",
		Architecture: "x86_64", RepositoryName: "refrepo", Build: d.build, Poll: 5 * time.Millisecond,
	}
	d.server = httptest.NewServer(d.worker)
	t.Cleanup(d.server.Close)
	flow := d.flow()
	d.arrived, d.journal = flow.Arrived, filepath.Join(root, "journal")
	d.runner = d.newRunner()
	return d
}

// newRunner is the worker's, as a master that starts finds it.
func (d *delegation) newRunner() *httpclient.PythonRunner {
	d.t.Helper()
	runner, err := httpclient.NewPythonRunner(httpclient.PythonConfig{
		Config: httpclient.Config{Address: d.server.URL, Username: "builder-user", Password: "very-secure-password"},
		Name:   "w1", Repository: refrepo(), Arrived: d.arrived, Poll: 5 * time.Millisecond, Journal: d.journal,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { runner.Close() })
	return runner
}

func (d *delegation) flow() *update.Flow {
	d.t.Helper()
	flow, err := update.New(d.config)
	if err != nil {
		d.t.Fatal(err)
	}
	return flow
}

// updateJobs runs the updates that workers call for.
type updateJobs struct{ *update.Jobs }

func (updateJobs) Kinds() []string { return []string{httpserver.JobUpdate} }

func (j updateJobs) Submit(ctx context.Context, id alpm.RepositoryID, kind string, arguments any, user string) (string, error) {
	in := arguments.(api.UpdateRequest)
	text, err := json.Marshal(update.Request{Manual: in.Manual, Increment: in.Increment, NoWait: true})
	if err != nil {
		return "", err
	}
	return j.Jobs.Submit(ctx, id, kind, text, user)
}

// withJobs makes the master do what workers call for.
func (d *delegation) withJobs(server *httpserver.Server) *httpserver.Server {
	d.t.Helper()
	jobs := update.NewJobs(d.db, func(_ alpm.RepositoryID, process string) (*update.Flow, func() error, error) {
		c := d.config
		c.Process = process
		flow, err := update.New(c)
		return flow, func() error { return nil }, err
	}, nil)
	d.t.Cleanup(jobs.Close)
	err := server.Replace(httpserver.Config{
		Store: d.db, Version: "1.0.0", Uploads: true, Submitter: updateJobs{jobs},
		Repositories: []httpserver.Repository{{ID: refrepo(), Shelf: d.config.Repository}},
		Auth:         httpserver.Auth{Enabled: true, AllowReadOnly: true, Salt: salt},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return server
}

// build is what the worker does: it applies pkgrel and packs a package.
func (d *delegation) build(base string, patches []source.Patch) (map[string][]byte, source.Package, error) {
	d.mu.Lock()
	fail, building, hold := d.fail[base], d.building, d.hold
	d.mu.Unlock()
	if building != nil {
		building <- base
	}
	if hold != nil {
		<-hold
	}
	if fail {
		return nil, source.Package{}, errors.New("made to")
	}
	release := "1"
	for _, p := range patches {
		if *p.Key == "pkgrel" {
			release = p.Value.(string)
		}
	}
	version := "1.0-" + release
	name := base + "-" + version + "-any.pkg.tar.zst"
	content, err := packedPackage(base, version)
	p := source.Package{Base: base, Version: version, Origin: source.Origin{Source: source.AUR}, Packages: map[string]source.Properties{base: {FileName: name}}}
	return map[string][]byte{name: content}, p, err
}

func packedPackage(name, version string) ([]byte, error) {
	var b bytes.Buffer
	packed, err := alpm.Compress(&b, alpm.Zstd)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(packed)
	info := fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = %s\narch = any\nsize = 0\nbuilddate = 1795355916\n", name, name, version)
	err = archive.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info))})
	if err == nil {
		_, err = io.WriteString(archive, info)
	}
	err = errors.Join(err, archive.Close(), packed.Close())
	return b.Bytes(), err
}

func toyPKGBUILD(name string, more ...string) string {
	return fmt.Sprintf("pkgname=%s\npkgver=1.0\npkgrel=1\narch=(any)\n%s\npackage() { :; }\n", name, strings.Join(more, "\n"))
}

// want asks the master for bases.
func (d *delegation) want(bases ...string) {
	d.t.Helper()
	for _, base := range bases {
		p := source.Package{Base: base, Version: "1.0-1", Origin: source.Origin{Source: source.AUR}}
		if err := d.flow().Request(d.t.Context(), p, update.Order{Increment: true}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// added lists what the worker was asked for.
func (d *delegation) added() []string {
	d.t.Helper()
	var bodies []string
	for _, request := range d.worker.Requests() {
		if strings.HasPrefix(request.Path, api.PathAdd) {
			text, err := json.Marshal(request.Body)
			if err != nil {
				d.t.Fatal(err)
			}
			bodies = append(bodies, request.Path+" "+string(text))
		}
	}
	return bodies
}

// ended waits for the worker's process and checks the conversation.
func (d *delegation) ended() {
	d.t.Helper()
	if collided, err := d.worker.Wait(); collided > 0 || err != nil {
		d.t.Errorf("%d processes failed on the worker's lock; %v", collided, err)
	}
}

func (d *delegation) job(id, base string) build.Job {
	return build.Job{ID: id, Base: base, Architecture: "x86_64", Origin: source.Origin{Source: source.AUR}, Lease: time.Minute}
}

// The worker gets one base at a time, and its calls are answered while the
// update that waits for it goes on: neither waits for the other.
func TestPythonWorker(t *testing.T) {
	d := newDelegation(t, map[string]string{"app": toyPKGBUILD("app", "depends=(lib)"), "lib": toyPKGBUILD("lib")})
	d.want("app", "lib")
	outcome, err := d.flow().Run(t.Context(), update.Request{Manual: true, Increment: true})
	if err != nil || len(outcome.Published) != 2 {
		t.Errorf("%+v, %v", outcome, err)
	}
	d.ended()
	d.want("lib")
	if _, err := d.flow().Run(t.Context(), update.Request{Manual: true, Increment: true, Packager: "Me <me@example.org>"}); err != nil {
		t.Error(err)
	}
	d.ended()
	const add = "/api/v1/service/add?architecture=x86_64&repository=refrepo "
	want := []string{
		add + `{"increment":false,"packages":["lib"],"patches":[],"refresh":true}`,
		add + `{"increment":false,"packages":["app"],"patches":[],"refresh":true}`,
		add + `{"increment":false,"packager":"Me \u003cme@example.org\u003e","packages":["lib"],"patches":[{"key":"pkgrel","value":"1.1"}],"refresh":true}`,
	}
	if diff := cmp.Diff(want, d.added()); diff != "" {
		t.Errorf("what the worker was asked for (-want +got)\n%s", diff)
	}
	packages, err := d.config.Repository.Packages(t.Context())
	var got []string
	for _, p := range packages {
		got = append(got, p.Name+" "+p.Version)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"app 1.0-1", "lib 1.0-1.1"}, got); err != nil || diff != "" {
		t.Errorf("published: %v %s", err, diff)
	}
	for _, base := range []string{"app", "lib"} {
		record, err := d.db.Package(t.Context(), refrepo(), base)
		if err != nil || record.Status != store.Success {
			t.Errorf("%s: %s, %v", base, record.Status, err)
		}
		logs, err := d.db.Logs(t.Context(), refrepo(), base, store.LogQuery{})
		if err != nil || len(logs) == 0 || logs[0].Message != "==> Making package: "+base {
			t.Errorf("log of %s: %+v, %v", base, logs, err)
		}
	}
}

func TestPythonWorkerFails(t *testing.T) {
	d := newDelegation(t, map[string]string{"app": toyPKGBUILD("app", "depends=(lib)"), "lib": toyPKGBUILD("lib"), "other": toyPKGBUILD("other")})
	d.fail["lib"] = true
	d.want("app", "lib", "other")
	outcome, err := d.flow().Run(t.Context(), update.Request{Manual: true, Increment: true})
	if err == nil || len(outcome.Published) != 1 || len(outcome.Failed) != 1 || len(outcome.Skipped) != 1 {
		t.Errorf("%+v, %v", outcome, err)
	}
	if want := "building lib: worker w1 ended without a package; the log of the base has what it said"; outcome.Failed[0].Reason != want {
		t.Errorf("got %q", outcome.Failed[0].Reason)
	}
	d.ended()
}

// One job at a time; one that is given up here goes on there.
func TestPythonWorkerIsBusy(t *testing.T) {
	d := newDelegation(t, nil)
	d.building, d.hold = make(chan string, 3), make(chan struct{})
	d.want("a", "b") // a master knows what it asks for
	ctx := t.Context()
	if err := d.runner.Start(ctx, d.job("1", "a")); err != nil {
		t.Fatal(err)
	}
	<-d.building
	if err := d.runner.Start(ctx, d.job("1", "a")); err != nil {
		t.Errorf("starting it again: %v", err)
	}
	if err := d.runner.Start(ctx, d.job("2", "b")); !errors.Is(err, build.ErrLost) {
		t.Errorf("a second job: %v", err)
	}
	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := d.runner.Attach(brief, "1", io.Discard); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("attaching for a moment: %v", err)
	}
	if _, err := d.runner.Attach(ctx, "2", io.Discard); !errors.Is(err, build.ErrUnknownJob) {
		t.Errorf("attaching to what never began: %v", err)
	}
	attached := make(chan error, 1)
	go func() {
		_, err := d.runner.Attach(ctx, "1", io.Discard)
		attached <- err
	}()
	if err := d.runner.Cancel(ctx, "1"); err != nil {
		t.Error(err)
	}
	if err := <-attached; !errors.Is(err, build.ErrCancelled) {
		t.Errorf("attached: %v", err)
	}
	if err := d.runner.Start(ctx, d.job("2", "b")); !errors.Is(err, build.ErrLost) {
		t.Errorf("while the cancelled one goes on: %v", err)
	}
	close(d.hold)
	d.ended()
	if err := d.runner.Start(ctx, d.job("2", "b")); err != nil {
		t.Error(err)
	}
	result, err := d.runner.Attach(ctx, "2", io.Discard)
	if err != nil || !result.Delivered || result.Worker != "w1" || len(result.Files) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	d.ended()
	if got := len(d.added()); got != 2 {
		t.Errorf("the worker was asked %d times, want 2", got)
	}
}

// A worker that is away is lost, and so is one that came back without knowing
// what it ran.
func TestPythonWorkerIsLost(t *testing.T) {
	d := newDelegation(t, nil)
	d.building, d.hold = make(chan string, 3), make(chan struct{})
	defer close(d.hold)
	ctx := t.Context()
	if err := d.runner.Start(ctx, d.job("1", "a")); err != nil {
		t.Fatal(err)
	}
	<-d.building
	d.worker.Restart()
	d.worker.Fail(503)
	if _, err := d.runner.Attach(ctx, "1", io.Discard); !errors.Is(err, build.ErrLost) {
		t.Errorf("after a restart: %v", err)
	}
	job := d.job("2", "b")
	job.Lease = time.Nanosecond
	if err := d.runner.Start(ctx, job); err != nil {
		t.Fatal(err)
	}
	d.server.CloseClientConnections()
	d.server.Listener.Close()
	if _, err := d.runner.Attach(ctx, "2", io.Discard); !errors.Is(err, build.ErrLost) {
		t.Errorf("a silent one: %v", err)
	}
	for _, job := range []build.Job{job, d.job("3", "c")} {
		if err := d.runner.Start(ctx, job); !errors.Is(err, build.ErrLost) {
			t.Errorf("starting %s: %v", job.Base, err)
		}
	}
}

func TestPythonWorkerRefusesWhatItCannotBuild(t *testing.T) {
	d := newDelegation(t, nil)
	local := d.job("1", "a")
	local.Origin = source.Origin{Source: source.Local}
	diff := d.job("2", "a")
	diff.Patches = []source.Patch{{Value: "--- a\n+++ b\n"}}
	for _, job := range []build.Job{local, diff} {
		if err := d.runner.Start(t.Context(), job); !errors.Is(err, build.ErrUnsuitable) {
			t.Errorf("%+v: %v", job, err)
		}
	}
	if asked := d.worker.Requests(); len(asked) > 0 {
		t.Errorf("the worker was asked: %+v", asked)
	}
}

// TestKinds: what a node answers a Runner tells a Python one from others.
func TestKinds(t *testing.T) {
	d := newDelegation(t, nil)
	ask := func(address, password string) error {
		t.Helper()
		r, err := httpclient.NewRunner(httpclient.RunnerConfig{Scratch: t.TempDir(), Config: httpclient.Config{
			Address: address, Username: "builder-user", Password: password,
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		_, err = r.Capabilities(t.Context())
		return err
	}
	if err := ask(d.server.URL, "very-secure-password"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a Python node: %v", err)
	}
	if err := ask(d.server.URL, "wrong"); !errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("a stranger: %v", err)
	}
	if err := ask("http://127.0.0.1:1", "very-secure-password"); err == nil || errors.Is(err, api.ErrNotFound) {
		t.Errorf("nobody is a Python node: %v", err)
	}
}

// A master that was killed goes on with what the worker builds, and gives it
// nothing else until then.
func TestPythonWorkerOutlivesItsMaster(t *testing.T) {
	d := newDelegation(t, nil)
	d.building, d.hold = make(chan string, 3), make(chan struct{})
	d.want("a", "b")
	ctx := t.Context()
	if err := d.runner.Start(ctx, d.job("1", "a")); err != nil {
		t.Fatal(err)
	}
	<-d.building
	if err := d.newRunner().Start(ctx, d.job("2", "b")); !errors.Is(err, build.ErrLost) {
		t.Errorf("another job after the restart: %v", err)
	}
	again := d.newRunner()
	if err := again.Start(ctx, d.job("1", "a")); err != nil {
		t.Fatal(err)
	}
	close(d.hold)
	result, err := again.Attach(ctx, "1", io.Discard)
	if err != nil || !result.Delivered {
		t.Errorf("%+v, %v", result, err)
	}
	if err := again.Start(ctx, d.job("2", "b")); err != nil {
		t.Error(err)
	}
	if _, err := again.Attach(ctx, "2", io.Discard); err != nil {
		t.Error(err)
	}
	d.ended()
	if got := len(d.added()); got != 2 {
		t.Errorf("the worker was asked %d times, want 2", got)
	}
}
