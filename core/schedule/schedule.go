// Package schedule decides which worker builds what and when, and drives the
// workers: it knows them as build.Runner and knows nothing of connections,
// repositories or the store.
//
// A task begins when all that it needs among the tasks is published. Of those
// that could begin, the one with the longest path before it goes first: its own
// time, and that of the longest chain of tasks that wait for it. Cycles are
// opened as tree.Graph.Acyclic has it.
//
// Two things that go wrong are kept apart. A build that failed is the package's
// fault or the worker's: it is tried once more elsewhere, and whoever stands
// alone with its verdict was at fault. A worker that is lost is nobody's fault:
// its Runner has looked for it until the lease ended, so its jobs go back, and
// it is set aside, ever longer, until it answers again. One that has to be mended
// first (build.ErrUnusable) is not waited for.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ahriman/core/build"
	"ahriman/core/tree"
)

// What Config's zero values stand for.
const (
	DefaultRefresh  = 5 * time.Second
	DefaultLease    = 5 * time.Minute
	DefaultPatience = 15 * time.Minute
	DefaultBackoff  = 10 * time.Second
)

const (
	// guess is how long a build takes, in seconds, when nothing at all is known.
	guess = 300
	// maxBackoff is the longest that a worker is set aside without a new try.
	maxBackoff = 5 * time.Minute
	// maxHeld is how many jobs at a time are kept for faster workers that are busy.
	maxHeld = 256
	// maxLosses is how often a task may take a worker with it, or be lost on
	// one, before it is the task that is suspected.
	maxLosses = 4
	// cancelTime bounds how long the end of a run waits for workers to end their
	// builds.
	cancelTime = 30 * time.Second
)

// ErrNoWorker is what a task fails with that no worker could take within
// Config.Patience: nothing is known against the task.
var ErrNoWorker = errors.New("no worker for it")

// Task is a base to build.
type Task struct {
	// Package is the base, what its packages need and offer, and how long it
	// takes on a worker of speed 1 (Seconds; 0: not known).
	Package tree.Package
	// Kind groups bases that take about as long as each other, for those whose
	// time is not known.
	Kind string
	// Architecture is the repository's: packages for "any" are built by whoever
	// builds for it, too. Empty: any worker will do.
	Architecture string
	// Features are those that the worker must have.
	Features []string
	// Worker has begun this task in an earlier run, and may be at it still:
	// it gets the task, as long as it is there. Empty: none has.
	Worker string
}

// Base is the package base.
func (t Task) Base() string { return t.Package.Base }

// Worker is one who builds.
type Worker struct {
	Name          string // workers of one name are the same
	Runner        build.Runner
	Slots         int      // builds at once; below 1 counts as 1
	Speed         float64  // how many times as fast as a worker of speed 1; 0: 1
	Architectures []string // that it builds for; empty: all
	Features      []string
	Bases         []string // the only ones that it may have; empty: all
	Draining      bool     // it ends what it has begun, and gets nothing new
	// Unusable says why it can build nothing before somebody mends it: it counts
	// as not there until a later list says otherwise. Nil: nothing is known
	// against it.
	Unusable error
}

// Attempt is one try at a task on one worker.
type Attempt struct {
	Task   Task
	Worker string
	Speed  float64 // of the worker; 0: 1
	Number int     // of the tries at this task, from 1
	Began  time.Time
	// Elsewhere says that another worker did not bring it to an end, so that its
	// job must not be taken up again.
	Elsewhere bool
}

// Finished is a build that gave packages.
type Finished struct {
	Attempt
	Job    build.Job
	Result *build.Result
	Ended  time.Time
}

// Config is what a Scheduler works with.
type Config struct {
	// Workers returns who there is. It is asked at the start, and every Refresh
	// while the run goes on: workers come, drain and go. An error leaves those
	// there were; at the start it ends the run. Required.
	Workers func(ctx context.Context) ([]Worker, error)
	Refresh time.Duration // 0: DefaultRefresh

	// Prepare makes the job right before it starts: it gathers the packages that
	// the build needs from what is published now. Its error fails the task. A job
	// without a lease gets Lease. It is called concurrently. Required.
	Prepare func(ctx context.Context, a Attempt) (build.Job, error)
	// Accept looks at what a worker gave; its error counts as a build that
	// failed there. It is called concurrently, while nothing depends on it yet.
	// Nil: all is accepted.
	Accept func(ctx context.Context, f Finished) error
	// Finish publishes what was accepted: all that came while it was busy with
	// the last. Of what it could not publish it returns the reason by base; an
	// error ends the run. Only one call goes on at a time. Required.
	Finish func(ctx context.Context, finished []Finished) (refused map[string]error, err error)
	// Log returns where the log of an attempt goes; it is closed at the
	// attempt's end. Nil: nowhere.
	Log func(a Attempt) io.WriteCloser
	// Progress is told what is on its way to an attempt's worker or back, between
	// its Started and its Ended. It is called concurrently. Nil: nobody is told.
	Progress func(a Attempt, p build.Progress)
	// Observe is told what happens, one event after the other, and must not take
	// long. Nil: nobody is.
	Observe func(Event)

	// Retries is how often a failed build is tried again, each time on a worker
	// that has not failed at it.
	Retries int
	// Lease is that of jobs that Prepare gives none: for so long a worker that
	// does not answer keeps its job, and builds on itself. 0: DefaultLease.
	Lease time.Duration
	// Patience is how long a task waits for a worker that could take it, when
	// there is none or none answers, before it fails with ErrNoWorker. It does not
	// wait where each that could is unusable. 0: DefaultPatience.
	Patience time.Duration
	// Backoff is how long a worker that was lost is first left alone; it doubles
	// with each loss in a row, up to five minutes. 0: DefaultBackoff.
	Backoff time.Duration
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&c.Refresh, DefaultRefresh}, {&c.Lease, DefaultLease}, {&c.Patience, DefaultPatience}, {&c.Backoff, DefaultBackoff},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if c.Accept == nil {
		c.Accept = func(context.Context, Finished) error { return nil }
	}
	if c.Log == nil {
		c.Log = func(Attempt) io.WriteCloser { return discard{} }
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	return c
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// check says what is missing.
func (c Config) check() error {
	if c.Workers == nil || c.Prepare == nil || c.Finish == nil {
		return errors.New("a schedule needs to know its workers, how to prepare a job and how to finish it")
	}
	return nil
}

// unique refuses two tasks of one base.
func unique(tasks []Task) error {
	seen := make(map[string]bool, len(tasks))
	for _, t := range tasks {
		if seen[t.Base()] {
			return fmt.Errorf("%s is to be built twice in one run", t.Base())
		}
		seen[t.Base()] = true
	}
	return nil
}
