package httpclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/transport/api"
)

// Bounds of a PythonRunner.
const (
	defaultPoll  = 2 * time.Second
	arrivalPolls = 5 // looks for what a worker delivered, once it says it has ended
)

// PythonConfig says where a Python node is and how to work with it. Address,
// Repository and Arrived are required.
type PythonConfig struct {
	// Config is how to talk to the worker: status.username and status.password,
	// or what is said of this worker.
	Config
	// Name is what results say of who built them; empty: the address.
	Name string
	// Repository is the one that is built for, here and there.
	Repository alpm.RepositoryID
	// Arrived returns the newest version of a base that waits here or is
	// published; empty: there is none. Flow.Arrived of core/update does.
	Arrived func(ctx context.Context, base string) (version string, err error)
	// Poll is how often the worker is asked whether it is done; 0: 2 s.
	Poll time.Duration
	// Journal is a file that keeps what the worker does, for a master that starts
	// again: the same job goes on then, and another one waits for it. Empty: that
	// is forgotten.
	Journal string
}

// PythonRunner builds on a Python node: it is asked to add one base and to build
// it now, fetches the sources by itself, uploads the packages to its master and
// calls it. That leaves some promises of build.Runner open, for the node has no
// way to keep them:
//
//   - A job has to be Fetchable; others are build.ErrUnsuitable. The packages of
//     Dependencies are not sent: the worker has build.server for them, or builds
//     them by itself.
//   - The log is not attached: the worker posts it to the master, line by line.
//   - Cancel stops nothing. The job is given up, and its packages may come yet; the
//     worker counts as busy until they have.
//   - A lease ends nothing there. It is how long the worker may be silent before
//     it is lost.
//   - The node runs one process at a time, and a second one fails there: a second
//     job is ErrLost while one runs, that is, to be given to somebody else or
//     later. Two masters must not share a Python node.
//   - SourceDate is not sent.
type PythonRunner struct {
	config PythonConfig
	client *Client

	starting chan struct{} // holds one: jobs begin one after the other

	mu      sync.Mutex
	read    bool // the journal
	jobs    map[string]*pythonJob
	ended   []string   // ids, oldest first
	current *pythonJob // begun last: it may run there; nil: none
}

// pythonJob is one base that the worker was asked for.
type pythonJob struct {
	job     build.Job
	process string // the worker's
	before  string // version that was here when it began
	began   time.Time
	gone    chan struct{} // closed when it is cancelled

	mu       sync.Mutex
	silent   bool // the worker did not answer since
	result   *build.Result
	err      error
	finished bool
}

var _ build.Runner = (*PythonRunner)(nil)

// NewPythonRunner makes a PythonRunner. It does not talk to the worker yet.
func NewPythonRunner(config PythonConfig) (*PythonRunner, error) {
	if config.Repository == (alpm.RepositoryID{}) || config.Arrived == nil {
		return nil, errors.New("a Python worker needs a repository, and a way to know what has arrived")
	}
	client, err := New(config.Config)
	if err != nil {
		return nil, err
	}
	config.Name = cmp.Or(config.Name, client.Address())
	config.Poll = cmp.Or(config.Poll, defaultPoll)
	return &PythonRunner{config: config, client: client, jobs: map[string]*pythonJob{}, starting: make(chan struct{}, 1)}, nil
}

// Close closes connections. What runs on the worker goes on.
func (r *PythonRunner) Close() error {
	r.client.Close()
	return nil
}

// Name is what results say of who built them.
func (r *PythonRunner) Name() string { return r.config.Name }

// Start implements build.Runner.
func (r *PythonRunner) Start(ctx context.Context, job build.Job) error {
	if job.ID == "" || job.Base == "" {
		return errors.New("starting a build: a job needs an id and a base")
	}
	select {
	case r.starting <- struct{}{}:
		defer func() { <-r.starting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := r.recall(job); err != nil {
		return err
	}
	r.mu.Lock()
	known, current := r.jobs[job.ID], r.current
	r.mu.Unlock()
	if known != nil {
		return r.answers(ctx, known)
	}
	if err := job.Fetchable(); err != nil {
		return err
	}
	if current != nil {
		process, err := r.client.Process(ctx, current.process, 0)
		if err == nil && process.IsAlive {
			return fmt.Errorf("%w: worker %s builds %s", build.ErrLost, r.config.Name, current.job.Base)
		}
		if err != nil && !errors.Is(err, api.ErrNotFound) {
			return r.lost(ctx, err)
		}
	}
	j, err := r.begin(ctx, job)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.jobs[job.ID], r.current = j, j
	r.mu.Unlock()
	return r.note(j)
}

// noted is a job in the journal.
type noted struct {
	ID      string    `json:"id"`
	Base    string    `json:"base"`
	Process string    `json:"process"`
	Before  string    `json:"before"`
	Began   time.Time `json:"began"`
}

// note writes the journal.
func (r *PythonRunner) note(j *pythonJob) error {
	if r.config.Journal == "" {
		return nil
	}
	text, err := json.Marshal(noted{ID: j.job.ID, Base: j.job.Base, Process: j.process, Before: j.before, Began: j.began})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(r.config.Journal), 0o755)
	}
	if err == nil {
		err = os.WriteFile(r.config.Journal+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(r.config.Journal+".new", r.config.Journal)
	}
	if err != nil {
		return fmt.Errorf("keeping what worker %s does: %w", r.config.Name, err)
	}
	return nil
}

// recall reads the journal, once. What a torn one says is not known.
func (r *PythonRunner) recall(job build.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read || r.config.Journal == "" {
		return nil
	}
	text, err := os.ReadFile(r.config.Journal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading what worker %s did: %w", r.config.Name, err)
	}
	r.read = true
	var was noted
	if err != nil || json.Unmarshal(text, &was) != nil || was.Process == "" {
		return nil
	}
	r.current = &pythonJob{job: build.Job{ID: was.ID, Base: was.Base}, process: was.Process, before: was.Before, began: was.Began, gone: make(chan struct{})}
	if was.ID == job.ID {
		r.current.job = job
		r.jobs[job.ID] = r.current
	}
	return nil
}

// begin asks the worker for a base.
func (r *PythonRunner) begin(ctx context.Context, job build.Job) (*pythonJob, error) {
	before, err := r.config.Arrived(ctx, job.Base)
	if err != nil {
		return nil, err
	}
	j := &pythonJob{job: job, before: before, began: time.Now(), gone: make(chan struct{})}
	j.process, err = r.client.Repository(r.config.Repository).Add(ctx, api.AddRequest{
		Packages: []string{job.Base}, Patches: job.Patches, Packager: job.Packager, Refresh: true,
	})
	switch {
	case err == nil:
		return j, nil
	case transient(err):
		return nil, r.lost(ctx, err)
	}
	return nil, mending(err)
}

// answers returns nil when the worker of a job is there, whatever it says of
// the job.
func (r *PythonRunner) answers(ctx context.Context, j *pythonJob) error {
	if ended, _, _ := j.end(); ended {
		return nil
	}
	if _, err := r.client.Process(ctx, j.process, 0); err != nil && !errors.Is(err, api.ErrNotFound) {
		return r.lost(ctx, err)
	}
	return nil
}

// lost says that the worker is, unless it is the caller who gave up.
func (r *PythonRunner) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s: %w", build.ErrLost, r.config.Name, mending(err))
}

// Attach implements build.Runner. It writes nothing: see PythonRunner.
func (r *PythonRunner) Attach(ctx context.Context, id string, _ io.Writer) (*build.Result, error) {
	r.mu.Lock()
	j := r.jobs[id]
	r.mu.Unlock()
	if j == nil {
		return nil, fmt.Errorf("%w: %s", build.ErrUnknownJob, id)
	}
	patience := cmp.Or(j.job.Lease, api.DefaultLease)
	heard := time.Now()
	for {
		if ended, result, err := j.end(); ended {
			return result, err
		}
		process, err := r.client.Process(ctx, j.process, 0)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && !process.IsAlive:
			if err := r.judge(ctx, j, process); err != nil {
				return nil, err
			}
			continue
		case err == nil:
			heard = time.Now()
		case errors.Is(err, api.ErrNotFound): // of ours, and not what it was
			r.settle(j, nil, r.lost(ctx, err))
			continue
		case !transient(err), time.Since(heard) > patience:
			return nil, r.lost(ctx, err)
		default:
			j.setSilent()
		}
		if err := j.pause(ctx, r.config.Poll); err != nil {
			return nil, err
		}
	}
}

// judge settles a job whose process is over: its packages are here, or they
// will not come. Its error is one of looking.
func (r *PythonRunner) judge(ctx context.Context, j *pythonJob, process *api.Process) error {
	for look := range arrivalPolls {
		version, err := r.config.Arrived(ctx, j.job.Base)
		if err != nil {
			return fmt.Errorf("looking for what worker %s delivered: %w", r.config.Name, err)
		}
		if version != "" && version != j.before {
			r.settle(j, &build.Result{Delivered: true, Worker: r.config.Name, Duration: time.Since(j.began)}, nil)
			return nil
		}
		if look == arrivalPolls-1 {
			break
		}
		if err := j.pause(ctx, r.config.Poll); err != nil {
			return err
		}
	}
	r.settle(j, nil, j.verdict(r.config.Name, process))
	return nil
}

// verdict is why no package came.
func (j *pythonJob) verdict(worker string, process *api.Process) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.IndexFunc(process.Failed, func(f api.ProcessFailure) bool { return f.Base == j.job.Base })
	switch {
	case j.silent: // a restart ends what it ran, and knows nothing of it
		return fmt.Errorf("%w: %s was away, and no package came", build.ErrLost, worker)
	case i >= 0: // a node of ours says it
		return &build.Failure{Base: j.job.Base, Reason: process.Failed[i].Reason}
	case process.Message != "":
		return &build.Failure{Base: j.job.Base, Reason: process.Message}
	}
	return &build.Failure{Base: j.job.Base, Reason: fmt.Sprintf("worker %s ended without a package; the log of the base has what it said", worker)}
}

// settle keeps how a job ended; the first end counts.
func (r *PythonRunner) settle(j *pythonJob, result *build.Result, err error) {
	j.mu.Lock()
	if j.finished {
		j.mu.Unlock()
		return
	}
	j.finished, j.result, j.err = true, result, err
	j.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended = append(r.ended, j.job.ID); len(r.ended) > keptJobs {
		delete(r.jobs, r.ended[0])
		r.ended = r.ended[1:]
	}
}

// end returns how the job ended, if it has.
func (j *pythonJob) end() (ended bool, result *build.Result, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.finished, j.result, j.err
}

func (j *pythonJob) setSilent() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.silent = true
}

// pause waits, not longer than the job is wanted.
func (j *pythonJob) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-j.gone:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Cancel implements build.Runner as far as it can be: the job is given up here,
// and goes on there.
func (r *PythonRunner) Cancel(_ context.Context, id string) error {
	r.mu.Lock()
	j := r.jobs[id]
	r.mu.Unlock()
	if j == nil {
		return fmt.Errorf("%w: %s", build.ErrUnknownJob, id)
	}
	if ended, _, _ := j.end(); ended {
		return nil
	}
	r.settle(j, nil, build.ErrCancelled)
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.err, build.ErrCancelled) {
		select {
		case <-j.gone:
		default:
			close(j.gone)
		}
	}
	return nil
}
