package schedule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Scheduler builds tasks on workers. It is used for one Run.
type Scheduler struct {
	config Config
	tasks  []Task

	state *state    // of the loop of Run alone
	news  chan news // from attempts, and whoever else works for the run
	busy  sync.WaitGroup
}

// news is something that the run's loop takes over, by calling it.
type news func(now time.Time) error

// New returns a Scheduler for tasks of different bases.
func New(tasks []Task, config Config) (*Scheduler, error) {
	if err := errors.Join(config.check(), unique(tasks)); err != nil {
		return nil, err
	}
	return &Scheduler{config: config.withDefaults(), tasks: tasks, news: make(chan news)}, nil
}

// Run builds the tasks, as far as they can be. What became of each is told to
// Config.Observe: that some failed is no error of Run. An error is one that
// ended it early: that of Finish, of the first Workers, or of ctx. The jobs
// that were going on are then cancelled on their workers, as far as these
// answer in time.
func (s *Scheduler) Run(ctx context.Context) error {
	if len(s.tasks) == 0 {
		return nil
	}
	list, err := s.config.Workers(ctx)
	if err != nil {
		return fmt.Errorf("looking for workers: %w", err)
	}
	s.state = newState(s.tasks, s.config, time.Now())
	s.state.meet(list)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.busy.Go(func() { s.refresh(ctx) })
	p := &publisher{scheduler: s}
	for err == nil && !s.step(ctx, p) {
		err = s.wait(ctx)
	}
	cancel(err)
	return errors.Join(err, s.drain())
}

// step gives out what can be given out, tells what happened, and says whether
// all is done. An attempt begins after its Started was told.
func (s *Scheduler) step(ctx context.Context, p *publisher) (done bool) {
	var attempts []*attempt
	for _, j := range s.state.dispatch(time.Now()) {
		attempts = append(attempts, &attempt{scheduler: s, job: j, Attempt: j.attempt, worker: j.worker.Worker})
	}
	p.start(ctx)
	events := s.state.events
	s.state.events = nil
	done = s.state.open == 0
	for _, e := range events {
		s.config.Observe(e)
	}
	for _, a := range attempts {
		s.busy.Go(func() { a.run(ctx) })
	}
	return done
}

// wait takes over the next news, and all that have come with them.
func (s *Scheduler) wait(ctx context.Context) error {
	var alarm <-chan time.Time
	if at, ok := s.state.wake(); ok {
		timer := time.NewTimer(max(time.Until(at), 0))
		defer timer.Stop()
		alarm = timer.C
	}
	var err error
	select {
	case n := <-s.news:
		err = n(time.Now())
	case <-alarm:
	case <-ctx.Done():
		return ctx.Err()
	}
	for err == nil {
		select {
		case n := <-s.news:
			err = n(time.Now())
		default:
			return ctx.Err()
		}
	}
	return err
}

// tell hands news to the loop.
func (s *Scheduler) tell(n news) { s.news <- n }

// drain waits for all that works for the run, and tells what happened until
// then.
func (s *Scheduler) drain() error {
	over := make(chan struct{})
	go func() {
		s.busy.Wait()
		close(over)
	}()
	var err error
	for {
		select {
		case n := <-s.news:
			err = errors.Join(err, n(time.Now()))
			continue
		case <-over:
		}
		break
	}
	for _, e := range s.state.events {
		s.config.Observe(e)
	}
	s.state.events = nil
	return err
}

// refresh asks who is there, again and again.
func (s *Scheduler) refresh(ctx context.Context) {
	ticker := time.NewTicker(s.config.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		list, err := s.config.Workers(ctx)
		if err != nil {
			continue // those there were are there
		}
		s.tell(func(time.Time) error {
			s.state.meet(list)
			return nil
		})
	}
}

// publisher publishes what was built, all that came while it was busy at once.
type publisher struct {
	scheduler *Scheduler
	busy      bool
}

// start publishes what waits, unless it is at it.
func (p *publisher) start(ctx context.Context) {
	s := p.scheduler
	if p.busy || len(s.state.results) == 0 {
		return
	}
	finished := s.state.results
	s.state.results, p.busy = nil, true
	s.busy.Go(func() {
		began := time.Now()
		refused, err := s.config.Finish(ctx, finished)
		s.tell(func(now time.Time) error {
			p.busy = false
			s.state.publication = now.Sub(began)
			if err != nil {
				return fmt.Errorf("publishing: %w", err)
			}
			for _, f := range finished {
				j := s.state.byBase[f.Task.Base()]
				if reason := refused[f.Task.Base()]; reason != nil {
					s.state.fail(j, reason)
				} else {
					s.state.publish(j)
				}
			}
			return nil
		})
	})
}
