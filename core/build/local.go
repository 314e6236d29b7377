package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// keptJobs is how many ended jobs a Local remembers.
const keptJobs = 1024

// Local builds on this machine. It must be closed.
type Local struct {
	config  Config
	who     identity
	dir     string      // scratch directory of this Local
	lock    *os.File    // held while dir is in use
	without atomic.Bool // the kernel has no namespaces for us

	mu     sync.Mutex
	jobs   map[string]*job
	ended  []string // ids, oldest first
	closed bool
	wait   sync.WaitGroup
}

var _ Runner = (*Local)(nil)

// NewLocal returns a Runner that builds on this machine. It finds out who
// builds: the error is ErrRoot when that would be root.
func NewLocal(config Config) (*Local, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	who, err := config.builder()
	if err != nil {
		return nil, err
	}
	dir, lock, err := openScratch(config.Scratch, who)
	if err != nil {
		return nil, err
	}
	if config.Output == "" {
		config.Output = dir + "/output"
	}
	l := &Local{config: config, who: who, dir: dir, lock: lock, jobs: map[string]*job{}}
	return l, nil
}

// Close cancels all jobs, waits for them, and removes the scratch directory.
func (l *Local) Close() error {
	l.mu.Lock()
	l.closed = true
	for _, j := range l.jobs {
		j.cancel(ErrCancelled)
	}
	l.mu.Unlock()
	l.wait.Wait()
	defer l.lock.Close()
	sweep(l.config.Scratch)
	return removeTree(l.dir)
}

// Isolation says how builds are kept apart from the machine: "namespaces", or
// "none" with the reason.
func (l *Local) Isolation(ctx context.Context) (string, error) {
	if err := l.probe(ctx); err != nil {
		return "none", err
	}
	return "namespaces", nil
}

// Start implements Runner.
func (l *Local) Start(ctx context.Context, spec Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if spec.ID == "" || spec.Base == "" || spec.Architecture == "" || spec.Source == "" {
		return errors.New("starting a build: a job needs an id, a base, an architecture and a source")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("starting a build: the runner is closed")
	}
	if j, ok := l.jobs[spec.ID]; ok {
		j.renew()
		return nil
	}
	j, err := newJob(l, spec)
	if err != nil {
		return fmt.Errorf("starting build of %s: %w", spec.Base, err)
	}
	l.jobs[spec.ID] = j
	l.wait.Go(func() {
		j.run()
		l.retire(spec.ID)
	})
	return nil
}

// retire remembers that a job has ended, and forgets the oldest of too many.
func (l *Local) retire(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, id)
	for len(l.ended) > keptJobs {
		l.jobs[l.ended[0]].log.Close()
		delete(l.jobs, l.ended[0])
		l.ended = l.ended[1:]
	}
}

// find returns the job of an id.
func (l *Local) find(id string) (*job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j, ok := l.jobs[id]; ok {
		return j, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnknownJob, id)
}

// Attach implements Runner.
func (l *Local) Attach(ctx context.Context, id string, w io.Writer) (*Result, error) {
	j, err := l.find(id)
	if err != nil {
		return nil, err
	}
	defer j.hold()()
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

// Cancel implements Runner.
func (l *Local) Cancel(ctx context.Context, id string) error {
	j, err := l.find(id)
	if err != nil {
		return err
	}
	j.cancel(ErrCancelled)
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sandbox runs what prepare returns: in namespaces or, where the kernel does
// not allow them, without, which warn is told. It tries the one before it
// thinks of the other.
func (l *Local) sandbox(ctx context.Context, warn func(reason error), prepare func(mode string, dirs directories) (*launch, error)) (sandboxReport, error) {
	reason := errors.New("turned off")
	if !l.config.NoNamespaces && !l.without.Load() {
		run, err := prepare(modeIsolated, insideDirectories())
		if err != nil {
			return sandboxReport{}, err
		}
		report, err := run.run(ctx)
		if err == nil || !refused(err) || ctx.Err() != nil {
			return report, err
		}
		// Was it this build, or is it all of them?
		if reason = l.probe(ctx); reason == nil || !refused(reason) {
			return report, err
		}
		l.without.Store(true)
		l.config.Logger.Warn("building without isolation: the kernel does not allow namespaces", "reason", reason)
	}
	warn(reason)
	run, err := prepare(modeSupervise, directories{})
	if err != nil {
		return sandboxReport{}, err
	}
	return run.run(ctx)
}

// probe finds out whether the kernel lets us build in namespaces.
func (l *Local) probe(ctx context.Context) error {
	if l.config.NoNamespaces {
		return errors.New("turned off")
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	dir, err := os.MkdirTemp(l.dir, "probe-")
	if err != nil {
		return err
	}
	defer func() { _ = removeTree(dir) }()
	if err := makeJobDirectories(dir, l.who); err != nil {
		return err
	}
	if err := os.WriteFile(below(dir).conf, nil, 0o644); err != nil {
		return err
	}
	run := &launch{spec: l.spec(modeProbe, dir, directories{startdir: "/"}), who: l.who, output: io.Discard}
	run.spec.Environ, run.spec.Commands = buildPath(), []command{{Args: []string{"true"}}}
	report, err := run.run(ctx)
	if err == nil && (report.Status != 0 || report.Signal != 0) {
		err = errors.New(report.describe([]string{"true"}))
	}
	return err
}

// spec returns what all sandboxes have in common.
func (l *Local) spec(mode, scratch string, dirs directories) sandboxSpec {
	return sandboxSpec{
		Mode: mode, UID: l.who.uid, GID: l.who.gid, Scratch: scratch, Layers: l.layers(),
		Hidden: l.config.hidden(), PacmanDB: l.config.PacmanDB, Dir: dirs.startdir,
	}
}

// layers is where this Local keeps unpacked packages.
func (l *Local) layers() string { return l.dir + "/layers" }
