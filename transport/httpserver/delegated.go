package httpserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/transport/api"
)

// Why a build is made to end.
var (
	errLease    = errors.New("nobody asked for it until its lease ended")
	errStopping = errors.New("the worker stops")
)

// delegated is one build for a master.
type delegated struct {
	builds  *Builds
	id      string
	request api.BuildRequest
	lease   time.Duration
	begun   time.Time
	dir     string // of its log, sources and dependencies
	log     *build.Log
	ctx     context.Context
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed once it has ended

	attached bool // to the runner, whose log says how it ended

	mu        sync.Mutex
	outcome   api.Build         // State is BuildRunning until the end
	paths     map[string]string // of result files, by name
	leftovers []string          // files of the runner that are ours to remove
	holders   int               // requests in progress
	timer     *time.Timer       // of the lease
	forgotten bool
}

// newDelegated prepares a build: its objects are its own from here on.
func (b *Builds) newDelegated(id string, request api.BuildRequest) (*delegated, error) {
	dir, err := os.MkdirTemp(b.work(), "")
	if err != nil {
		return nil, err
	}
	d := &delegated{
		builds: b, id: id, request: request, lease: api.LeaseDuration(request.Lease), begun: time.Now(), dir: dir,
		done: make(chan struct{}), outcome: api.Build{State: api.BuildRunning}, paths: map[string]string{},
	}
	if err := d.prepare(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	// The build outlives the request that started it.
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	d.timer = time.AfterFunc(d.lease, d.expire)
	return d, nil
}

func (d *delegated) prepare() error {
	for _, dir := range []string{d.source(), d.needs()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := d.builds.objects.link(d.request.Bundle.SHA256, d.bundle()); err != nil {
		return err
	}
	for _, object := range d.request.Dependencies {
		if err := d.builds.objects.link(object.SHA256, filepath.Join(d.needs(), object.Name)); err != nil {
			return err
		}
	}
	var err error
	// The runner bounds it; this is above that.
	d.log, err = build.CreateLog(filepath.Join(d.dir, "log"), build.DefaultLogLimit+1<<20)
	return err
}

func (d *delegated) bundle() string { return filepath.Join(d.dir, "bundle") }
func (d *delegated) source() string { return filepath.Join(d.dir, "source") }
func (d *delegated) needs() string  { return filepath.Join(d.dir, "needs") }

// expire is called when the lease has ended: of a build that runs, or of a
// result that nobody fetched.
func (d *delegated) expire() {
	d.builds.mu.Lock()
	d.mu.Lock()
	held, running := d.holders > 0, !d.outcome.State.Ended()
	d.mu.Unlock()
	remove := func() {}
	switch {
	case held:
	case running:
		d.cancel(errLease)
	default:
		remove = d.builds.drop(d)
	}
	d.builds.mu.Unlock()
	remove()
}

// hold keeps the lease from ending until the function it returns is called,
// which begins it anew.
func (d *delegated) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holders++
	d.timer.Stop()
	return func() {
		d.mu.Lock()
		d.holders--
		remove := d.holders == 0 && d.forgotten
		if d.holders == 0 && !d.forgotten {
			d.timer.Reset(d.lease)
		}
		d.mu.Unlock()
		if remove {
			d.remove()
		}
	}
}

func (d *delegated) stopLease() { d.timer.Stop() }

// forget says that what a build left can go: now, or else with the last request
// that reads it.
func (d *delegated) forget() (now bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer.Stop()
	d.forgotten = true
	return d.holders == 0
}

// remove removes what a build left, which takes its time: nobody holds a lock. What
// cannot be removed now is when the next worker begins.
func (d *delegated) remove() {
	d.log.Close()
	if err := d.builds.removeAll(d.dir); err != nil {
		d.builds.config.Log.Warn("removing a build", "error", err)
	}
	d.removeResult()
}

// removeResult removes the runner's files, and their directory when nothing
// else is in it.
func (d *delegated) removeResult() {
	for _, path := range d.leftovers {
		os.Remove(path)
	}
	for _, path := range d.leftovers {
		os.Remove(filepath.Dir(path))
	}
}

func (d *delegated) ended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.outcome.State.Ended()
}

// state is what a master is told.
func (d *delegated) state() api.Build {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := d.outcome
	state.ID, state.Base, state.Architecture = d.id, d.request.Base, d.request.Architecture
	state.LogSize, state.Lease = d.log.Size(), d.lease.Seconds()
	return state
}

// run builds and says how it ended.
func (d *delegated) run() {
	result, err := d.build()
	outcome := api.Build{State: api.BuildSuccess}
	if err == nil {
		outcome.Seconds = result.Duration.Seconds()
		outcome.Files, err = d.describe(result)
	}
	if err != nil {
		outcome = d.explain(err)
		if !d.attached {
			fmt.Fprintf(d.log, "==> ERROR: building %s: %s\n", d.request.Base, outcome.Reason)
		}
	}
	d.cancel(nil)
	for _, path := range []string{d.bundle(), d.source(), d.needs()} {
		if err := os.RemoveAll(path); err != nil {
			d.builds.config.Log.Warn("removing what a build was made from", "error", err)
		}
	}
	d.mu.Lock()
	d.outcome = outcome
	d.log.Finish()
	close(d.done)
	if d.holders == 0 {
		d.timer.Reset(d.lease)
	}
	d.mu.Unlock()
}

// build hands the build to the runner, and copies its log.
func (d *delegated) build() (*build.Result, error) {
	if err := d.unpack(); err != nil {
		return nil, err
	}
	job := build.Job{
		// Ids are the masters', who may use one again for another build.
		ID: "delegated-" + rand.Text(), Base: d.request.Base, Architecture: d.request.Architecture, Source: d.source(),
		Packager: d.request.Packager, SourceDate: d.request.SourceDate,
	}
	for _, object := range d.request.Dependencies {
		job.Dependencies = append(job.Dependencies, filepath.Join(d.needs(), object.Name))
	}
	if err := d.builds.config.Runner.Start(d.ctx, job); err != nil {
		return nil, err
	}
	cancelled := make(chan struct{})
	d.attached = true
	stop := context.AfterFunc(d.ctx, func() {
		defer close(cancelled)
		// Attach tells what becomes of it.
		_ = d.builds.config.Runner.Cancel(context.Background(), job.ID)
	})
	result, err := d.builds.config.Runner.Attach(context.Background(), job.ID, d.log)
	if !stop() {
		<-cancelled
	}
	return result, err
}

// unpack unpacks the sources. They are what the master makes of them, so it is
// the package's fault when they are not sound.
func (d *delegated) unpack() error {
	file, err := os.Open(d.bundle())
	if err != nil {
		return err
	}
	defer file.Close()
	err = source.ReadBundle(file, d.source(), "", d.builds.config.SourceLimits)
	if err == nil || diskError(err) != err {
		return err
	}
	return &build.Failure{Base: d.request.Base, Reason: err.Error()}
}

// describe lists the result's files with their digests.
func (d *delegated) describe(result *build.Result) ([]api.Object, error) {
	d.mu.Lock()
	d.leftovers = append(d.leftovers, result.Files...)
	if result.Log != "" {
		d.leftovers = append(d.leftovers, result.Log)
	}
	d.mu.Unlock()
	var files []api.Object
	for _, path := range result.Files {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		digest, err := digestOf(path)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		d.mu.Lock()
		d.paths[name] = path
		d.mu.Unlock()
		files = append(files, api.Object{Name: name, SHA256: digest, Size: info.Size()})
	}
	return files, nil
}

// explain turns the error of a build into what the master is told.
func (d *delegated) explain(err error) api.Build {
	cause := context.Cause(d.ctx)
	failure, failed := errors.AsType[*build.Failure](err)
	switch {
	case errors.Is(cause, errLease), errors.Is(cause, errStopping):
		return api.Build{State: api.BuildLost, Reason: cause.Error()}
	case errors.Is(cause, build.ErrCancelled):
		return api.Build{State: api.BuildCancelled}
	case failed:
		if failure.Log != "" {
			d.mu.Lock()
			d.leftovers = append(d.leftovers, failure.Log)
			d.mu.Unlock()
		}
		return api.Build{State: api.BuildFailed, Reason: failure.Reason}
	}
	d.builds.config.Log.Error("a build for a master could not be made", "base", d.request.Base, "error", err)
	return api.Build{State: api.BuildLost, Reason: err.Error()}
}
