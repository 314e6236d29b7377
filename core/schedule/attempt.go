package schedule

import (
	"context"
	"errors"
	"net"
	"time"

	"ahriman/core/build"
)

// attempt is one try at a job on one worker.
type attempt struct {
	Attempt
	scheduler *Scheduler
	job       *job
	worker    Worker
}

// run takes the attempt to its end and tells of it.
func (a *attempt) run(ctx context.Context) {
	finished, v, err := a.try(ctx)
	if ctx.Err() != nil && v != succeeded {
		v = aborted
	}
	s := a.scheduler
	s.tell(func(now time.Time) error {
		if v == aborted {
			s.state.abort(a.job, now)
			return nil
		}
		s.state.settle(a.job, v, err, now)
		if v == succeeded {
			s.state.results = append(s.state.results, finished)
		}
		return nil
	})
}

// try builds, and says how that ended.
func (a *attempt) try(ctx context.Context) (Finished, verdict, error) {
	config := a.scheduler.config
	spec, err := config.Prepare(ctx, a.Attempt)
	if err != nil {
		return Finished{}, hopeless, err
	}
	if spec.Lease == 0 {
		spec.Lease = config.Lease
	}
	if config.Progress != nil {
		spec.Progress = func(p build.Progress) { config.Progress(a.Attempt, p) }
	}
	if err := a.worker.Runner.Start(ctx, spec); err != nil {
		a.cancel(ctx, spec.ID)
		return Finished{}, turnedDown(err), err
	}
	a.scheduler.tell(func(time.Time) error {
		a.scheduler.state.welcome(a.job.worker)
		return nil
	})
	log := config.Log(a.Attempt)
	result, err := a.worker.Runner.Attach(ctx, spec.ID, log)
	log.Close()
	if err != nil {
		a.cancel(ctx, spec.ID)
		return Finished{}, judge(err), err
	}
	finished := Finished{Attempt: a.Attempt, Job: spec, Result: result, Ended: time.Now()}
	if err := config.Accept(ctx, finished); err != nil {
		return Finished{}, faulty, err
	}
	return finished, succeeded, nil
}

// judge tells a build that failed from a worker that is lost: a Runner has looked
// for it then until the lease ended.
func judge(err error) verdict {
	var failure *build.Failure
	switch {
	case errors.As(err, &failure):
		return faulty
	case errors.Is(err, build.ErrCancelled):
		return hopeless // somebody wanted it that way
	}
	return lost
}

// turnedDown is the verdict on an error of Start: it tells a worker that does not
// answer from one that says no.
func turnedDown(err error) verdict {
	var failure *build.Failure
	var network net.Error
	switch {
	case errors.As(err, &failure):
		return faulty
	case errors.Is(err, build.ErrUnusable):
		return unusable
	case errors.Is(err, build.ErrUnsuitable):
		return unsuitable
	case errors.Is(err, build.ErrLost), errors.As(err, &network):
		return unreached
	}
	return refused
}

// cancel ends the build on the worker when the run ends.
func (a *attempt) cancel(ctx context.Context, id string) {
	if ctx.Err() == nil {
		return
	}
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	// A worker that cannot be told ends the build with its lease.
	_ = a.worker.Runner.Cancel(ending, id)
}
