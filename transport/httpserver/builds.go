package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/transport/api"
)

// Bounds of what a worker keeps.
const (
	defaultObjects = 16 << 30 // bytes
	keptBuilds     = 64       // that have ended and were not fetched
)

// BuildsConfig says what a node builds, and with what.
type BuildsConfig struct {
	// Runner builds; nil: nothing is built here, Reason says why, and Dir is not
	// touched.
	Runner build.Runner
	Reason string
	// Check looks for what builds need, when a master asks; nil: nobody does.
	Check func(ctx context.Context) ([]build.Lack, error)
	// Dir is the directory for objects, logs and unpacked sources. It belongs to
	// one Builds at a time; objects in it survive that.
	Dir string
	// MaxObjects is how many bytes of objects are kept; 0: 16 GiB. What was used
	// longest ago goes first, sooner when the disk is full.
	MaxObjects int64
	// SourceLimits bound the unpacked sources of one build.
	SourceLimits source.Limits

	Version       string   // of the program
	Architectures []string // that it builds for
	Slots         int      // builds at once
	Speed         float64  // relative to others; 0: 1
	Features      []string // what masters may ask for

	Log *slog.Logger // takes what a client is not told; nil: nobody does
}

// Builds is the worker's side of builds that a master hands out: see
// api.PathBuilds. It is an http.Handler that serves these paths and nothing
// else, to anyone who reaches it; in a Server they need full access. It must be
// closed.
type Builds struct {
	config  BuildsConfig
	objects *objects
	lock    *os.File // held while Dir is in use
	mux     *http.ServeMux

	mu     sync.Mutex
	builds map[string]*delegated
	closed bool
	wait   sync.WaitGroup
	close  func() error

	removeAll func(path string) error // os.RemoveAll
}

// NewBuilds makes the worker's side. Builds that an earlier one in Dir left
// behind are removed.
func NewBuilds(config BuildsConfig) (*Builds, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.MaxObjects <= 0 {
		config.MaxObjects = defaultObjects
	}
	if config.Speed <= 0 {
		config.Speed = 1
	}
	if config.Runner == nil {
		config.Slots = 0
	}
	b := &Builds{config: config, builds: map[string]*delegated{}, mux: http.NewServeMux(), removeAll: os.RemoveAll}
	b.close = sync.OnceValue(b.end)
	if config.Runner != nil {
		if err := b.open(); err != nil {
			return nil, fmt.Errorf("preparing to build for masters in %s: %w", config.Dir, err)
		}
	}
	for path, r := range b.routes() {
		b.mux.Handle(path, b.handler(r))
	}
	return b, nil
}

// open takes the directory over.
func (b *Builds) open() error {
	if err := os.MkdirAll(b.config.Dir, 0o700); err != nil {
		return err
	}
	var err error
	if b.lock, err = os.Open(b.config.Dir); err != nil {
		return err
	}
	if err := syscall.Flock(int(b.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		b.lock.Close()
		return fmt.Errorf("another process does: %w", err)
	}
	if err = os.RemoveAll(b.work()); err == nil {
		err = os.Mkdir(b.work(), 0o700)
	}
	if err == nil {
		b.objects, err = openObjects(filepath.Join(b.config.Dir, "objects"), b.config.MaxObjects)
	}
	if err != nil {
		b.lock.Close()
	}
	return err
}

// work is where builds have their logs and sources.
func (b *Builds) work() string { return filepath.Join(b.config.Dir, "builds") }

// Close ends all builds, waits for them, and removes all but the objects.
// Masters that follow one are told that this worker is lost. The Runner stays
// the caller's.
func (b *Builds) Close() error { return b.close() }

func (b *Builds) end() error {
	b.mu.Lock()
	b.closed = true
	for _, d := range b.builds {
		d.cancel(errStopping)
	}
	b.mu.Unlock()
	b.wait.Wait()
	if b.lock == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.builds {
		d.stopLease()
		d.removeResult()
	}
	return errors.Join(os.RemoveAll(b.work()), b.lock.Close())
}

// Empty says that no build is known: none runs, and no result waits to be
// fetched. A process that serves nothing else may end then.
func (b *Builds) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.builds) == 0
}

// ServeHTTP answers one request for builds or objects.
func (b *Builds) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.mux.ServeHTTP(w, r) }

// handler serves a route to whoever comes.
func (b *Builds) handler(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		c := &call{Request: request, w: w, query: request.URL.Query()}
		do, err := r.choose(c)
		if err == nil {
			err = do.run(c)
		}
		if err != nil && !errors.Is(err, errAborted) {
			c.refuse(err, b.config.Log)
		}
	})
}

// routes are the paths of builds.
func (b *Builds) routes() map[string]route {
	return map[string]route{
		api.PathBuilds: {"GET": serveJSON(api.ScopeBuild, b.getBuilds)},
		api.PathBuild: {
			"GET":    serveJSON(api.ScopeBuild, b.getBuild),
			"PUT":    serveJSON(api.ScopeBuild, b.putBuild),
			"DELETE": serveJSON(api.ScopeBuild, b.deleteBuild),
		},
		api.PathBuildLog:  {"GET": serve(api.ScopeBuild, b.getBuildLog)},
		api.PathBuildFile: {"GET": serve(api.ScopeBuild, b.getBuildFile)},
		api.PathObject: {
			"HEAD": serve(api.ScopeBuild, b.headObject), // the bytes are nobody's to read
			"PUT":  serveJSON(api.ScopeBuild, b.putObject),
		},
	}
}

// start begins a build, unless it has begun, misses objects, or finds no slot.
func (b *Builds) start(id string, request api.BuildRequest) (api.Build, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d, ok := b.builds[id]; ok {
		if d.request.Base != request.Base || d.request.Architecture != request.Architecture {
			return api.Build{}, api.Errorf(api.ErrConflict, "build %s is one of %s for %s", id, d.request.Base, d.request.Architecture)
		}
		defer d.hold()()
		return d.state(), nil
	}
	if err := b.admits(request); err != nil {
		return api.Build{}, err
	}
	if missing := b.missing(request); len(missing) > 0 {
		return api.Build{ID: id, Base: request.Base, Architecture: request.Architecture, State: api.BuildMissing, Missing: missing}, nil
	}
	d, err := b.newDelegated(id, request)
	if err != nil {
		return api.Build{}, diskError(fmt.Errorf("starting build of %s: %w", request.Base, err))
	}
	b.builds[id] = d
	b.wait.Go(func() {
		d.run()
		b.retire()
	})
	return d.state(), nil
}

// admits reports why a build cannot begin here, or not now. A build that has no
// slot is refused and not put into a queue, since its master may know another
// worker that is free.
func (b *Builds) admits(request api.BuildRequest) error {
	running := 0
	for _, d := range b.builds {
		if !d.ended() {
			running++
		}
	}
	switch {
	case b.closed:
		return api.Errorf(api.ErrUnavailable, "this worker stops")
	case b.config.Runner == nil:
		return api.Errorf(api.ErrUnavailable, "nothing is built here: %s", b.config.Reason)
	case !slices.Contains(b.config.Architectures, request.Architecture):
		return api.Errorf(api.ErrBadRequest, "this worker builds for %s, not for %s", b.config.Architectures, request.Architecture)
	case running >= b.config.Slots:
		return api.Errorf(api.ErrUnavailable, "all %d slots of this worker are taken", b.config.Slots)
	}
	return nil
}

// missing lists the objects of a request that are not there, once each.
func (b *Builds) missing(request api.BuildRequest) []api.Object {
	var missing []api.Object
	seen := map[string]bool{}
	for _, object := range append([]api.Object{request.Bundle}, request.Dependencies...) {
		have, whole := b.objects.have(object.SHA256)
		if whole || seen[object.SHA256] {
			continue
		}
		seen[object.SHA256] = true
		object.Have = have
		missing = append(missing, object)
	}
	return missing
}

// retire forgets the oldest of too many builds that have ended.
func (b *Builds) retire() {
	b.mu.Lock()
	var ended []*delegated
	for _, d := range b.builds {
		if d.ended() {
			ended = append(ended, d)
		}
	}
	slices.SortFunc(ended, func(a, b *delegated) int { return a.begun.Compare(b.begun) })
	var removes []func()
	for _, d := range ended[:max(0, len(ended)-keptBuilds)] {
		removes = append(removes, b.drop(d))
	}
	b.mu.Unlock()
	for _, remove := range removes {
		remove()
	}
}

// drop forgets a build that has ended. The caller holds the lock, and calls what
// it returns once it does not. Close removes what is there, and waits for that.
func (b *Builds) drop(d *delegated) (remove func()) {
	if b.closed || b.builds[d.id] != d {
		return func() {}
	}
	delete(b.builds, d.id)
	if !d.forget() {
		return func() {}
	}
	b.wait.Add(1)
	return func() {
		defer b.wait.Done()
		d.remove()
	}
}

// find returns the build of an id, held until release is called.
func (b *Builds) find(id string) (d *delegated, release func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.builds[id]
	if !ok {
		return nil, nil, api.Errorf(api.ErrNotFound, "No build %s is known", id)
	}
	return d, d.hold(), nil
}

// getBuilds says what this node builds.
func (b *Builds) getBuilds(c *call, _ nothing) (api.Builds, error) {
	var lacks []api.Lack
	if c.query.Has(api.QueryCheck) && b.config.Check != nil {
		found, err := b.config.Check(c.Context())
		if err != nil {
			return api.Builds{}, err
		}
		for _, lack := range found {
			lacks = append(lacks, api.Lack(lack))
		}
	}
	var free int64
	if b.lock != nil {
		var err error
		if free, err = freeBytes(b.config.Dir); err != nil {
			return api.Builds{}, err
		}
	}
	answer := api.Builds{
		Version: b.config.Version, Architectures: append([]string{}, b.config.Architectures...), Slots: b.config.Slots,
		Speed: b.config.Speed, Features: append([]string{}, b.config.Features...), Running: []string{},
		Free: free, Time: time.Now().Unix(), Reason: b.config.Reason, Lacks: lacks,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(b.builds)) {
		if !b.builds[id].ended() {
			answer.Running = append(answer.Running, id)
		}
	}
	return answer, nil
}

// await returns the build's state once it has ended, or when wait is over.
func (d *delegated) await(ctx context.Context, wait time.Duration) (api.Build, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-d.done:
	case <-over.C:
	case <-ctx.Done():
		return api.Build{}, ctx.Err()
	}
	return d.state(), nil
}
