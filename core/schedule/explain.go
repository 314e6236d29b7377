package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Explain says where a base stands and, when it waits, for what. It may be
// called while Run goes on; before, it knows nothing.
func (s *Scheduler) Explain(base string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return "the run has not begun"
	}
	return s.state.explain(base, time.Now())
}

func (s *state) explain(base string, now time.Time) string {
	j := s.byBase[base]
	if j == nil {
		return "it is not to be built"
	}
	switch j.phase {
	case waits:
		return "needs " + s.awaited(j, now)
	case ready:
		return s.idle(j)
	case runs:
		return fmt.Sprintf("builds on %s for %s", j.worker.Name, since(j, now))
	case built:
		return "is built, and waits to be published"
	case published:
		return "is published"
	case failed:
		return "failed: " + j.last.Error()
	}
	return "is not tried: needs " + strings.Join(j.by, ", ")
}

func since(j *job, now time.Time) time.Duration {
	return now.Sub(j.attempt.Began).Round(time.Second)
}

// awaited names what a job waits for: what is being built, or the one that
// begins the longest chain.
func (s *state) awaited(j *job, now time.Time) string {
	var list []string
	for _, need := range j.needs {
		switch need.phase {
		case runs:
			list = append(list, fmt.Sprintf("%s, which builds on %s for %s", need.Base(), need.worker.Name, since(need, now)))
		case built:
			list = append(list, need.Base()+", which is built and waits to be published")
		case ready:
			list = append(list, need.Base()+", which "+s.idle(need))
		case waits:
			list = append(list, need.Base()+", which waits itself")
		}
	}
	const most = 5
	if more := len(list) - most; more > 0 {
		list = append(list[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "; ")
}

// idle says why a job that needs nothing more does not begin.
func (s *state) idle(j *job) string {
	if !s.served(j.class) {
		return "waits for a worker: " + s.lacking(j)
	}
	ahead := 0
	for _, c := range s.classes {
		if !s.served(c) {
			continue
		}
		for _, other := range c.queue {
			if before(other, j) {
				ahead++
			}
		}
	}
	if ahead > 0 {
		return fmt.Sprintf("waits for a slot: all are taken by longer paths, and %d more go first", ahead)
	}
	return "waits for a slot: all are taken by longer paths"
}

// served says whether there is a worker for a class, free or not.
func (s *state) served(c *class) bool {
	return slices.ContainsFunc(s.workers, func(w *worker) bool { return w.usable() && c.fits(w) })
}

// lacking says why no worker can take a job.
func (s *state) lacking(j *job) string {
	var away, tried []string
	able := false
	for _, w := range s.workers {
		if !w.listed || !capable(w, j.Architecture, j.Features) {
			continue
		}
		able = true
		switch {
		case slices.Contains(j.not, w.Name):
			tried = append(tried, w.Name)
		case w.Draining:
			away = append(away, w.Name+" drains")
		case w.away:
			away = append(away, fmt.Sprintf("%s is set aside (%v)", w.Name, w.reason))
		}
	}
	switch {
	case len(s.workers) == 0:
		return "there is no worker"
	case !able && len(j.Features) > 0:
		return fmt.Sprintf("no worker for %s has %s", j.Architecture, strings.Join(j.Features, " and "))
	case !able:
		return "no worker builds for " + j.Architecture
	case len(away) > 0:
		return strings.Join(away, "; ")
	}
	return strings.Join(tried, ", ") + " could not do it"
}
