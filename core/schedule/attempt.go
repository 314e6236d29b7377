package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	spec      build.Job
	silent    bool // the worker does not answer
}

// run returns what takes the attempt to its end and tells of it.
func (a *attempt) run(ctx context.Context) func() {
	return func() {
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
	a.spec = spec
	if err := a.worker.Runner.Start(ctx, spec); err != nil {
		a.cancel(ctx)
		if unreachable(err) {
			return Finished{}, unreached, err
		}
		return Finished{}, refused, err
	}
	a.answered()
	log := &rest{to: config.Log(a.Attempt)}
	result, err := a.follow(ctx, log)
	log.to.Close()
	if err != nil {
		a.cancel(ctx)
		return Finished{}, judge(err), err
	}
	finished := Finished{Attempt: a.Attempt, Job: spec, Result: result, Ended: time.Now()}
	if err := config.Accept(ctx, finished); err != nil {
		return Finished{}, faulty, err
	}
	return finished, succeeded, nil
}

// judge tells a build that failed from a worker that is lost.
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

// unreachable tells a worker that does not answer from one that says no.
func unreachable(err error) bool {
	var network net.Error
	return errors.Is(err, build.ErrLost) || errors.As(err, &network)
}

// brief is how long an Attach lasts, at most, that says nothing new.
const brief = 10 * time.Second

// follow waits for the end of the build. When the worker is lost it looks for
// it until the lease has ended: the build may be going on there. Starting the
// job again does no harm, and tells a worker that is there, and knows that the
// job is lost, from one that does not answer.
func (a *attempt) follow(ctx context.Context, log *rest) (*build.Result, error) {
	found := false // the worker has just answered
	var futile time.Duration
	for {
		began := time.Now()
		log.rewind()
		result, err := a.worker.Runner.Attach(ctx, a.spec.ID, log)
		if err == nil || judge(err) != lost || ctx.Err() != nil {
			return result, err
		}
		if took := time.Since(began); !found || took > brief {
			futile = 0
		} else if futile += took + time.Second; final(err) || futile > a.spec.Lease {
			return nil, err
		} else if err := sleep(ctx, time.Second); err != nil {
			return nil, err
		}
		if err := a.find(ctx, err); err != nil {
			return nil, err
		}
		found = true
	}
}

// final says whether the worker itself says that the job is lost.
func final(err error) bool {
	return errors.Is(err, build.ErrLost) || errors.Is(err, build.ErrUnknownJob)
}

// find starts the job again, until the worker answers or the lease has ended;
// then it returns why the job is lost.
func (a *attempt) find(ctx context.Context, err error) error {
	end := time.Now().Add(a.spec.Lease)
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		startErr := a.worker.Runner.Start(ctx, a.spec)
		if startErr == nil {
			a.answered()
			return nil
		}
		if !unreachable(startErr) {
			return fmt.Errorf("%w: %w", build.ErrLost, startErr)
		}
		a.lostTouch(err)
		if left := time.Until(end); left <= 0 {
			return err
		} else if err := sleep(ctx, min(pause, left)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answered tells that the worker is there.
func (a *attempt) answered() {
	a.silent = false
	s := a.scheduler
	s.tell(func(time.Time) error {
		s.state.welcome(a.job.worker)
		return nil
	})
}

// lostTouch tells that the worker does not answer: it gets nothing new.
func (a *attempt) lostTouch(err error) {
	if a.silent {
		return
	}
	a.silent = true
	s := a.scheduler
	s.tell(func(now time.Time) error {
		s.state.setAside(a.job.worker, err, now)
		return nil
	})
}

// cancel ends the build on the worker when the run ends, or when the worker may
// have begun what it is not wanted for any more.
func (a *attempt) cancel(ctx context.Context) {
	if ctx.Err() == nil {
		return
	}
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
	defer stop()
	// A worker that cannot be told ends the build with its lease.
	_ = a.worker.Runner.Cancel(ending, a.spec.ID)
}

// rest is where a log goes that may begin anew: what was written before is left
// out.
type rest struct {
	to      io.WriteCloser
	written int64
	seen    int64 // of the log that is being read
}

// rewind says that the log is read from its beginning.
func (r *rest) rewind() { r.seen = 0 }

func (r *rest) Write(p []byte) (int, error) {
	old := min(max(r.written-r.seen, 0), int64(len(p)))
	r.seen += int64(len(p))
	if old == int64(len(p)) {
		return len(p), nil
	}
	r.written = r.seen
	if _, err := r.to.Write(p[old:]); err != nil {
		return 0, err
	}
	return len(p), nil
}
