package httpserver

import (
	"context"
	"errors"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/transport/api"
)

// pollJob is how often a long poll looks at a job that another process runs.
const pollJob = time.Second

// submit makes the endpoint that begins jobs of a kind.
func submit[In any](s *Server, scope api.Scope, kind string) endpoint {
	return serveJSON(scope, inRepository(s, func(c *call, id alpm.RepositoryID, in In) (api.ProcessReply, error) {
		if err := c.who.mayAsk(kind, in); err != nil {
			return api.ProcessReply{}, err
		}
		job, err := s.config.Submitter.Submit(c.Context(), id, kind, in, c.who.name)
		return api.ProcessReply{ProcessID: job}, err
	}))
}

// mayAsk refuses a job that is, or may come to be, about bases that are not the
// user's.
func (who identity) mayAsk(kind string, arguments any) error {
	var bases []string
	switch a := arguments.(type) {
	case api.UpdateRequest:
		if !publishes(a) && (len(who.bases) > 0 || !who.access.Allows(api.ScopeManage)) {
			return api.Errorf(api.ErrForbidden, "User %s may ask for an update with manual only", who.name)
		}
	case api.AddRequest:
		bases = a.Packages
	case api.BasesRequest:
		if kind == JobRebuild && len(who.bases) > 0 {
			return api.Errorf(api.ErrForbidden, "User %s may not ask for a rebuild of whatever needs a package", who.name)
		}
		bases = a.Packages
	case api.RollbackRequest:
		bases = []string{a.Package}
	}
	for _, base := range bases {
		if err := who.about(base); err != nil {
			return err
		}
	}
	return nil
}

// publishes says whether an update only takes what was uploaded and requested.
func publishes(r api.UpdateRequest) bool { return r.Manual && !r.AUR && !r.Local }

// getProcess answers while a job waits or runs, as Python clients expect.
func (s *Server) getProcess(c *call, _ nothing) (api.Process, error) {
	process, err := s.process(c.Context(), c.PathValue("id"))
	if errors.Is(err, store.ErrUnknownJob) || err == nil && !process.IsAlive {
		err = unknownProcess(c)
	}
	return process, err
}

func unknownProcess(c *call) error {
	return api.Errorf(api.ErrNotFound, "No process %s found", c.PathValue("id"))
}

// getNodeProcess answers during and after a job, and waits for its end when
// asked to.
func (s *Server) getNodeProcess(c *call, _ nothing) (api.Process, error) {
	wait, err := api.ParseWait(c.query)
	if err != nil {
		return api.Process{}, err
	}
	process, err := s.await(c.Context(), c.PathValue("id"), wait)
	if errors.Is(err, store.ErrUnknownJob) {
		err = unknownProcess(c)
	}
	return process, err
}

// await returns a job once it has ended, or as it is when wait is over or the
// server stops.
func (s *Server) await(ctx context.Context, id string, wait time.Duration) (api.Process, error) {
	notices, stop := s.config.Store.Watch(64)
	defer stop()
	over := time.NewTimer(wait)
	defer over.Stop()
	poll := time.NewTicker(pollJob)
	defer poll.Stop()
	for {
		process, err := s.process(ctx, id)
		if err != nil || !process.IsAlive || wait <= 0 {
			return process, err
		}
		if again, err := s.awaitNotice(ctx, id, notices, over, poll); !again {
			return process, err
		}
	}
}

// awaitNotice returns true when the job should be looked at again.
func (s *Server) awaitNotice(ctx context.Context, id string, notices <-chan store.Notice, over *time.Timer, poll *time.Ticker) (bool, error) {
	for {
		select {
		case n, open := <-notices:
			if !open { // too slow, or the store closes: the poll is left
				notices = nil
			}
			if n.Event.Event == store.EventJobChanged && n.Object == id {
				return true, nil
			}
		case <-poll.C:
			return true, nil
		case <-over.C:
			return false, nil
		case <-s.stopping:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// process reads a job, or returns store.ErrUnknownJob.
func (s *Server) process(ctx context.Context, id string) (api.Process, error) {
	job, err := s.config.Store.Job(ctx, id)
	if err == nil && !job.State.Ended() {
		// Its process may be gone, and then nobody will ever end it.
		if _, err = s.config.Store.RecoverJobs(ctx); err == nil {
			job, err = s.config.Store.Job(ctx, id)
		}
	}
	if err != nil {
		return api.Process{}, err
	}
	return processOf(job), nil
}

func processOf(job store.Job) api.Process {
	p := api.Process{
		ID: job.ID, IsAlive: !job.State.Ended(), Kind: job.Kind, Message: job.Error,
		Updated: job.Outcome.Updated, Warnings: job.Outcome.Warnings,
		Created: seconds(job.Created), Started: seconds(job.Started), Finished: seconds(job.Ended),
	}
	for _, f := range job.Outcome.Failed {
		p.Failed = append(p.Failed, api.ProcessFailure{Base: f.Base, Reason: f.Reason})
	}
	switch job.State {
	case store.Succeeded:
		p.Outcome = api.OutcomeSuccess
	case store.Partial:
		p.Outcome = api.OutcomePartial
	case store.JobFailed:
		p.Outcome = api.OutcomeFailed
	case store.Cancelled, store.Interrupted:
		p.Outcome = api.OutcomeCancelled
	}
	return p
}

// seconds is t in unix time, 0 for none.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
