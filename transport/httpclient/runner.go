package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/transport/api"
)

// Bounds of a Runner.
const (
	defaultSilence = 30 * time.Second
	keptJobs       = 64 // that have ended, each with an open log
	maxStalled     = 5  // failures of a transfer in a row, without a byte
	runnerBackoff  = 200 * time.Millisecond
	runnerRetries  = 3
	forgetTime     = 10 * time.Second
	minPause       = 10 * time.Millisecond
	maxPause       = 5 * time.Second
	cancelTime     = 2 * time.Minute // that ending a build may take the worker
)

// RunnerConfig says where a worker is and how to work with it. Address and
// Scratch are required.
type RunnerConfig struct {
	// Config is how to talk to the worker. MaxRetries and Backoff, when both are
	// zero, are 3 and 200 ms.
	Config
	// Name is what results say of who built them; empty: the address.
	Name string
	// Scratch is the directory below which the Runner keeps logs and package
	// files until Close, of the last 64 jobs that ended. Others may use it too.
	Scratch string
	// Lease is that of jobs that name none; 0: api.DefaultLease. The worker ends
	// the build of a master that is silent for so long, and a worker that is
	// silent for so long is lost.
	Lease time.Duration
	// Silence is how long a connection may stand still until it is made anew;
	// 0: 30 s.
	Silence time.Duration
	// SourceLimits bound the sources of one build.
	SourceLimits source.Limits
	// Digests are those of files that several Runners send; nil: its own.
	Digests *Digests
}

// Runner builds on another node of ours, over HTTP. What a build needs is sent
// there, by digest and once; its result is fetched, checked against its digests
// and against what was asked for, and then forgotten there. A broken connection
// is made anew without a word for as long as the lease goes. It must be closed.
type Runner struct {
	config RunnerConfig
	client *Client
	dir    string   // of its own below Scratch
	lock   *os.File // held while dir is in use

	sending    chan struct{}  // holds one: objects are sent one after the other
	forgetting sync.WaitGroup // of ended builds on the worker; Close waits for it

	mu    sync.Mutex
	jobs  map[string]*remoteJob
	ended []string // ids, oldest first
}

var _ build.Runner = (*Runner)(nil)

// TrustFile returns the TLS configuration that trusts, besides the system's,
// the authorities whose certificates are in the PEM file at path.
func TrustFile(path string) (*tls.Config, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading authorities: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading authorities: %s holds no certificate in PEM", path)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// NewRunner makes a Runner. It does not talk to the worker yet.
func NewRunner(config RunnerConfig) (*Runner, error) {
	if config.MaxRetries == 0 && config.Backoff == 0 {
		config.MaxRetries, config.Backoff = runnerRetries, runnerBackoff
	}
	client, err := New(config.Config)
	if err != nil {
		return nil, err
	}
	config.Name = cmp.Or(config.Name, client.Address())
	config.Lease = cmp.Or(config.Lease, api.DefaultLease)
	config.Silence = cmp.Or(config.Silence, defaultSilence)
	config.Digests = cmp.Or(config.Digests, new(Digests))
	r := &Runner{config: config, client: client, jobs: map[string]*remoteJob{}, sending: make(chan struct{}, 1)}
	if r.dir, r.lock, err = openScratch(config.Scratch); err != nil {
		return nil, fmt.Errorf("preparing for worker %s: %w", config.Name, err)
	}
	return r, nil
}

// scratchPrefix begins the names of Runners' directories.
const scratchPrefix = "ahriman-remote-"

// openScratch makes a directory that is locked while this process lives, and
// removes those of dead ones.
func openScratch(base string) (string, *os.File, error) {
	if base == "" {
		return "", nil, errors.New("no scratch directory")
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", nil, err
	}
	for _, pattern := range []string{scratchPrefix + "*", "." + scratchPrefix + "*"} {
		old, err := filepath.Glob(filepath.Join(base, pattern))
		if err != nil {
			return "", nil, err
		}
		for _, dir := range old {
			removeDead(dir)
		}
	}
	// It gets its name once it is locked: others may remove what is not.
	young, err := os.MkdirTemp(base, "."+scratchPrefix)
	if err != nil {
		return "", nil, err
	}
	lock, err := lockDirectory(young)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Join(base, filepath.Base(young)[1:])
	return dir, lock, os.Rename(young, dir)
}

// removeDead removes a Runner's directory when its process is gone. A young one
// may not be locked yet.
func removeDead(dir string) {
	info, err := os.Lstat(dir)
	if err != nil || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() ||
		filepath.Base(dir)[0] == '.' && time.Since(info.ModTime()) < time.Minute {
		return
	}
	if lock, err := lockDirectory(dir); err == nil {
		os.RemoveAll(dir)
		lock.Close()
	}
}

func lockDirectory(dir string) (*os.File, error) {
	lock, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// Close removes what was fetched and not moved elsewhere. Builds that still run
// go on for their lease; no Attach may be in progress.
func (r *Runner) Close() error {
	r.forgetting.Wait()
	r.mu.Lock()
	for _, j := range r.jobs {
		j.log.Close()
	}
	clear(r.jobs)
	r.mu.Unlock()
	r.client.Close()
	return errors.Join(os.RemoveAll(r.dir), r.lock.Close())
}

// Name is what results say of who built them.
func (r *Runner) Name() string { return r.config.Name }

// Capabilities asks what the worker builds. A Python node's answer is
// api.ErrNotFound: it knows no such question. The error of a worker that has to be
// mended is build.ErrUnusable.
func (r *Runner) Capabilities(ctx context.Context) (*api.Builds, error) {
	return r.client.builds(ctx, nil)
}

// Check is Capabilities after the worker has looked for what builds need.
func (r *Runner) Check(ctx context.Context) (*api.Builds, error) {
	return r.client.builds(ctx, url.Values{api.QueryCheck: {""}})
}

// builds asks what the node builds.
func (c *Client) builds(ctx context.Context, query url.Values) (*api.Builds, error) {
	var builds api.Builds
	err := c.do(ctx, call{what: "asking what the worker builds", method: http.MethodGet, path: api.PathBuilds, query: query, into: &builds, safe: true})
	if errors.Is(err, api.ErrNotFound) {
		if _, stranger := c.Info(ctx); stranger != nil { // any web server answers 404
			err = stranger
		}
	}
	if err != nil {
		return nil, mending(err)
	}
	if builds.Slots < 0 || !(builds.Speed >= 0) {
		return nil, fmt.Errorf("asking what the worker builds: %s: it answers %d slots and speed %g", c.address, builds.Slots, builds.Speed)
	}
	return &builds, nil
}

// Start implements build.Runner. A worker that is not to be reached, or has no
// free slot, is lost, and one that has to be mended unusable as well; sources
// that cannot travel are a *build.Failure.
func (r *Runner) Start(ctx context.Context, spec build.Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !api.SoundName(spec.ID) || spec.Base == "" || spec.Architecture == "" || spec.Source == "" {
		return errors.New("starting a build: a job needs an id that can be a file name, a base, an architecture and a source")
	}
	for {
		j, err := r.job(spec)
		if err != nil {
			return fmt.Errorf("starting build of %s: %w", spec.Base, err)
		}
		switch err := j.start(ctx); {
		case errors.Is(err, errDropped):
			continue
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		default:
			return err
		}
	}
}

// errDropped says that another Start has found no worker for a job, and has
// given it up.
var errDropped = errors.New("the job is no more")

// drop gives up a job that was not started, unless somebody attached to it.
func (r *Runner) drop(j *remoteJob) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.readers > 0 || r.jobs[j.spec.ID] != j {
		return
	}
	j.dropped = true
	delete(r.jobs, j.spec.ID)
	j.log.Close()
	os.RemoveAll(j.dir)
}

// job returns the job of an id, which is made when there is none.
func (r *Runner) job(spec build.Job) (*remoteJob, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j, ok := r.jobs[spec.ID]; ok {
		return j, nil
	}
	j, err := newRemoteJob(r, spec)
	if err == nil {
		r.jobs[spec.ID] = j
	}
	return j, err
}

// retire remembers that a job has ended, and forgets the oldest of too many.
func (r *Runner) retire(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, id)
	for len(r.ended) > keptJobs {
		if j, ok := r.jobs[r.ended[0]]; ok {
			j.log.Close()
			os.RemoveAll(j.dir)
			delete(r.jobs, j.spec.ID)
		}
		r.ended = r.ended[1:]
	}
}

// find returns the job of an id: one of ours, or one that the worker knows from
// an earlier life of this master.
func (r *Runner) find(ctx context.Context, id string) (*remoteJob, error) {
	r.mu.Lock()
	j, ok := r.jobs[id]
	r.mu.Unlock()
	if ok {
		return j, nil
	}
	unknown := fmt.Errorf("%w: %s", build.ErrUnknownJob, id)
	if !api.SoundName(id) {
		return nil, unknown
	}
	state, err := r.state(ctx, id)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, api.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", unknown, build.ErrLost)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", err, build.ErrLost)
	case state.Base == "" || state.Architecture == "":
		return nil, fmt.Errorf("%s: worker %s says nothing of it: %w", id, r.config.Name, build.ErrLost)
	}
	return r.job(build.Job{ID: id, Base: state.Base, Architecture: state.Architecture, Lease: api.LeaseDuration(state.Lease)})
}

// state asks how a build stands.
func (r *Runner) state(ctx context.Context, id string) (api.Build, error) {
	var state api.Build
	err := r.client.do(ctx, call{
		what: "asking for build " + id, method: http.MethodGet, path: api.Path(api.PathBuild, id), into: &state, safe: true,
	})
	return state, err
}

// Attach implements build.Runner.
func (r *Runner) Attach(ctx context.Context, id string, w io.Writer) (*build.Result, error) {
	j, err := r.find(ctx, id)
	if err != nil {
		return nil, err
	}
	defer j.join(ctx)()
	if err := j.log.CopyTo(ctx, w, 0); err != nil {
		return nil, err
	}
	select {
	case <-j.done:
		return j.result, j.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Cancel implements build.Runner.
func (r *Runner) Cancel(ctx context.Context, id string) error {
	j, err := r.find(ctx, id)
	if err != nil {
		return err
	}
	select {
	case <-j.done:
		return nil
	default:
	}
	j.cancelled.Store(true)
	err = r.client.do(ctx, call{
		what: "cancelling the build of " + j.spec.Base, method: http.MethodDelete, path: api.Path(api.PathBuild, id),
		query: url.Values{api.QueryKeep: {""}}, safe: true, wait: cancelTime,
	})
	switch {
	case errors.Is(err, api.ErrNotFound):
		return nil // with the worker's other life, all its builds are gone
	case err == nil:
		j.hearEnd(ctx)
	}
	return err
}

// objectsOf describes the dependencies of a job: of two files of one name the
// first counts.
func (r *Runner) objectsOf(paths []string) (objects []api.Object, from map[string]string, err error) {
	from = map[string]string{}
	for _, path := range paths {
		object, err := r.config.Digests.object(path)
		if err != nil {
			return nil, nil, fmt.Errorf("reading a package that is needed: %w", err)
		}
		if slices.ContainsFunc(objects, func(o api.Object) bool { return o.Name == object.Name }) {
			continue
		}
		objects = append(objects, object)
		from[object.SHA256] = path
	}
	return objects, from, nil
}

// printable is text of a worker without what would move a terminal's cursor.
func printable(text string) string {
	if len(text) > 1000 {
		text = text[:1000] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
