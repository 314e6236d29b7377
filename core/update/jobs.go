package update

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// The kinds of jobs.
const (
	JobAdd      = "add"      // arguments: an Addition, which is built
	JobRequest  = "request"  // arguments: an Addition, which is queued
	JobUpdate   = "update"   // arguments: a Request
	JobRebuild  = "rebuild"  // arguments: a Request with Rebuild
	JobRemove   = "remove"   // arguments: a Request, of which Bases is read
	JobRollback = "rollback" // arguments: a Return
	JobKey      = "key"      // arguments: a Key, which Config.ImportKey gets
)

// Key is a public key to be had from a keyserver.
type Key struct {
	ID     string `json:"key"`
	Server string `json:"server"`
}

// Return says which version of a base to go back to, as Rollback has it.
type Return struct {
	Base    string `json:"package"`
	Version string `json:"version"`
	Hold    bool   `json:"hold"`
}

// ErrClosed is what Submit returns once the node is going down.
var ErrClosed = errors.New("the node is going down")

// ErrUnknownKind is what Submit returns for a kind of job there is not.
var ErrUnknownKind = errors.New("unknown kind of job")

// Jobs runs work that requests ask for, each as a job in the store. A job ends
// with its outcome there, whatever becomes of who asked.
type Jobs struct {
	store  *store.DB
	open   Opener
	logger *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// Opener makes the flow of a repository for one job, whose id is the process_id
// of its logs. The flow is used until done is called.
type Opener func(id alpm.RepositoryID, process string) (flow *Flow, done func() error, err error)

// NewJobs returns Jobs, which must be closed. A nil logger is told nothing.
func NewJobs(db *store.DB, open Opener, logger *slog.Logger) *Jobs {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Jobs{store: db, open: open, logger: logger, ctx: ctx, cancel: cancel}
}

// Submit stores a job and starts it. The id is the API's process_id.
func (j *Jobs) Submit(ctx context.Context, id alpm.RepositoryID, kind string, arguments json.RawMessage, user string) (string, error) {
	work, err := workOf(kind, arguments)
	if err != nil {
		return "", err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return "", ErrClosed
	}
	job, err := j.store.CreateJob(ctx, store.Job{Repository: id, Kind: kind, Arguments: arguments, User: user})
	if err != nil {
		return "", err
	}
	j.running.Go(func() { j.run(job, work) })
	return job.ID, nil
}

// maxResumed is how often an update is taken up again: it may be what its
// processes died of.
const maxResumed = 3

// Resume says which jobs ended with their process, and takes up the updates
// among them, as new jobs: what they had given to workers goes on there.
func (j *Jobs) Resume(ctx context.Context) error {
	lost, err := j.store.RecoverJobs(ctx)
	if err != nil {
		return err
	}
	for _, job := range lost {
		log := j.logger.With("id", job.ID, "kind", job.Kind, "repository", job.Repository.String())
		arguments, ok := again(job)
		if !ok {
			log.Warn("a job was interrupted")
			continue
		}
		id, err := j.Submit(ctx, job.Repository, job.Kind, arguments, job.User)
		if err != nil {
			return err
		}
		log.Warn("an update was interrupted, and is taken up again", "as", id)
	}
	return nil
}

// again returns the arguments with which an interrupted job is taken up; false:
// it is not.
func again(job store.Job) (json.RawMessage, bool) {
	var request Request
	if job.Kind != JobUpdate || json.Unmarshal(job.Arguments, &request) != nil || request.Resumed >= maxResumed {
		return nil, false
	}
	request.Resumed++
	arguments, err := json.Marshal(request)
	return arguments, err == nil
}

type work func(ctx context.Context, f *Flow) (*Outcome, error)

// workOf reads the arguments of a job.
func workOf(kind string, arguments json.RawMessage) (work, error) {
	var request Request
	var addition Addition
	var back Return
	var key Key
	var into any
	var do work
	switch kind {
	case JobAdd:
		into, do = &addition, func(ctx context.Context, f *Flow) (*Outcome, error) { return f.AddNow(ctx, addition) }
	case JobRequest:
		into, do = &addition, func(ctx context.Context, f *Flow) (*Outcome, error) { return f.Queue(ctx, addition) }
	case JobUpdate, JobRebuild:
		into, do = &request, func(ctx context.Context, f *Flow) (*Outcome, error) { return f.Run(ctx, request) }
	case JobRemove:
		into, do = &request, func(ctx context.Context, f *Flow) (*Outcome, error) { return f.Remove(ctx, request.Bases) }
	case JobRollback:
		into, do = &back, func(ctx context.Context, f *Flow) (*Outcome, error) {
			return f.Rollback(ctx, back.Base, back.Version, back.Hold)
		}
	case JobKey:
		into, do = &key, func(ctx context.Context, f *Flow) (*Outcome, error) { return &Outcome{}, f.ImportKey(ctx, key) }
	default:
		return nil, fmt.Errorf("%w: %s", ErrUnknownKind, kind)
	}
	if err := json.Unmarshal(arguments, into); err != nil {
		return nil, fmt.Errorf("reading the arguments of a job: %w", err)
	}
	return do, nil
}

// run does one job and stores how it ended.
func (j *Jobs) run(job store.Job, work work) {
	outcome, err := j.work(job, work)
	state, message := store.Succeeded, ""
	var partly *OutcomeError
	switch {
	case err == nil:
	case j.ctx.Err() != nil:
		state, message = store.Cancelled, "the node went down"
	case errors.As(err, &partly) && partly.Partial():
		state, message = store.Partial, err.Error()
	default:
		state, message = store.JobFailed, err.Error()
	}
	if err != nil {
		j.logger.Error("job", "id", job.ID, "kind", job.Kind, "repository", job.Repository.String(), "error", err)
	}
	if err := j.store.EndJob(context.WithoutCancel(j.ctx), job.ID, state, outcome.stored(), message); err != nil {
		j.logger.Error("ending a job", "id", job.ID, "error", err)
	}
}

// work does the work of one job.
func (j *Jobs) work(job store.Job, work work) (*Outcome, error) {
	if err := j.store.StartJob(j.ctx, job.ID); err != nil {
		return &Outcome{}, err
	}
	flow, done, err := j.open(job.Repository, job.ID)
	if err != nil {
		return &Outcome{}, err
	}
	outcome, err := work(j.ctx, flow)
	return outcome, errors.Join(err, done())
}

// Close cancels the jobs that run and waits for them.
func (j *Jobs) Close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.cancel()
	j.running.Wait()
}

// stored is the outcome as a job keeps it.
func (o *Outcome) stored() store.Outcome {
	var s store.Outcome
	for _, p := range o.Published {
		s.Updated = append(s.Updated, p.Base)
	}
	s.Updated = append(s.Updated, o.Removed...)
	for _, f := range o.Failed {
		s.Failed = append(s.Failed, store.Failure{Base: f.Base, Reason: f.Reason})
	}
	for _, skipped := range o.Skipped {
		s.Failed = append(s.Failed, store.Failure{Base: skipped.Base, Reason: "not tried: " + skipped.Reason})
	}
	for _, f := range o.Refused {
		s.Warnings = append(s.Warnings, f.File+" was refused: "+f.Reason)
	}
	for _, f := range o.Unchanged {
		s.Warnings = append(s.Warnings, f.Base+": "+f.Reason)
	}
	s.Warnings = slices.Concat(s.Warnings, o.Warnings, o.Triggers, o.Unavailable)
	return s
}
