package schedule

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// dispatch gives out what can be given out now.
func (s *state) dispatch(now time.Time) []*job {
	s.sweep(now)
	var started, held []*job
	for _, c := range s.classes {
		c.full = false
	}
	for _, w := range s.workers {
		w.kept = 0
	}
	awaited := map[*job]bool{} // running jobs whose workers others wait for
	imminent := s.imminent(now)
	var o *offer
	for c := s.next(); c != nil; c = s.next() {
		if o == nil || o.class != c {
			o = s.offer(c, now, awaited)
		}
		switch {
		case o.worker == nil || len(held) == maxHeld:
			c.full = true
		case len(imminent) > 0 && before(imminent[0], c.queue[0]):
			if j := imminent[0]; o.worker.can(j) {
				o.worker.kept++
				o = nil
			}
			imminent = imminent[1:]
		case o.soonerElsewhere(c.queue[0], awaited):
			held = append(held, c.pop())
		default:
			started = append(started, s.start(c.pop(), o.worker, now))
			o = nil
		}
	}
	for _, j := range held {
		j.class.push(j)
	}
	// Who is away is tried with what can best wait.
	for _, w := range s.workers {
		if w.resting() && !now.Before(w.until) {
			if j := s.leastFor(w); j != nil {
				started = append(started, s.start(j.class.remove(j), w, now))
			}
		}
	}
	return started
}

// imminent returns the jobs that wait for a publication alone, the most urgent
// first: a slot that is free now is kept for those more urgent than what could
// take it. When publications take longer than the next slot needs to become
// free, nothing is kept.
func (s *state) imminent(now time.Time) []*job {
	if len(s.closing) == 0 {
		return nil
	}
	running := false
	for _, w := range s.workers {
		for _, j := range w.running {
			running = true
			if left := w.takes(j) - now.Sub(j.attempt.Began).Seconds(); left < s.publication.Seconds() {
				return nil
			}
		}
	}
	if !running {
		return nil // the only slot, or all of them: nothing is gained by waiting
	}
	var list []*job
	for _, j := range s.closing {
		for _, next := range j.needed {
			closed := !slices.ContainsFunc(next.needs, func(n *job) bool { return n.phase != built && n.phase != published })
			if next.phase == waits && closed && !slices.Contains(list, next) {
				list = append(list, next)
			}
		}
	}
	slices.SortFunc(list, func(a, b *job) int {
		if before(a, b) {
			return -1
		}
		return 1
	})
	return list
}

// next returns the class whose first job is the most urgent of those that may
// still find a worker.
func (s *state) next() *class {
	var best *class
	for _, c := range s.classes {
		if !c.full && c.Len() > 0 && (best == nil || before(c.queue[0], best.queue[0])) {
			best = c
		}
	}
	return best
}

// offer is what the first jobs of a class are offered.
type offer struct {
	class  *class
	worker *worker  // the one that is free; nil: they have to wait
	sooner []ending // of faster workers, which may be worth to wait for
}

// ending is a job that runs on a worker whose next job another may want to be.
type ending struct {
	job  *job
	left float64 // seconds until it ends, as far as is known
}

// offer finds the worker for the first jobs of a class: the fastest of those
// that are free, and of them the one that can do the least else.
func (s *state) offer(c *class, now time.Time, awaited map[*job]bool) *offer {
	o := &offer{class: c}
	undoubted := false
	for _, w := range s.workers {
		if !w.usable() || !c.fits(w) {
			continue
		}
		undoubted = undoubted || !w.doubted()
		if w.free() && (o.worker == nil || better(w, o.worker)) {
			o.worker = w
		}
	}
	if o.worker == nil || o.worker.doubted() && (c.queue[0].failures == 0 || undoubted) {
		return &offer{class: c}
	}
	for _, w := range s.workers {
		if w.Speed <= o.worker.Speed || !w.usable() || w.doubted() || !c.fits(w) {
			continue
		}
		for _, j := range w.running {
			if !awaited[j] {
				o.sooner = append(o.sooner, ending{j, max(w.takes(j)-now.Sub(j.attempt.Began).Seconds(), 0)})
			}
		}
	}
	return o
}

// better says whether to prefer a to b, both free.
func better(a, b *worker) bool {
	return cmp.Or(
		-cmp.Compare(trust(a), trust(b)),
		-cmp.Compare(a.Speed, b.Speed),
		cmp.Compare(len(a.Features), len(b.Features)),
		cmp.Compare(reach(a.Bases), reach(b.Bases)),
		cmp.Compare(reach(a.Architectures), reach(b.Architectures)),
		cmp.Compare(len(a.running)*b.Slots, len(b.running)*a.Slots),
		strings.Compare(a.Name, b.Name),
	) < 0
}

func trust(w *worker) int {
	if w.doubted() {
		return 0
	}
	return 1
}

// reach is how many a worker is there for, none standing for all.
func reach(list []string) int {
	if len(list) == 0 {
		return 1 << 20
	}
	return len(list)
}

// soonerElsewhere says whether a faster worker that is busy now will have done
// the job before the one that is free would, and notes for whose end it is to
// wait: one job for one that runs.
func (o *offer) soonerElsewhere(j *job, awaited map[*job]bool) bool {
	if j.Package.Seconds <= 0 {
		return false // a guess is nothing to wait for
	}
	soonest, at := o.worker.takes(j), -1
	for i, e := range o.sooner {
		if end := e.left + e.job.worker.takes(j); end < soonest {
			soonest, at = end, i
		}
	}
	if at < 0 {
		return false
	}
	awaited[o.sooner[at].job] = true
	o.sooner = slices.Delete(o.sooner, at, at+1)
	return true
}

// leastFor returns the job that w could do and that can best wait.
func (s *state) leastFor(w *worker) *job {
	var least *job
	for _, c := range s.classes {
		if !c.fits(w) {
			continue
		}
		for _, j := range c.queue {
			if least == nil || before(least, j) {
				least = j
			}
		}
	}
	return least
}

// wanted says whether there is a job that w could do.
func (s *state) wanted(w *worker) bool {
	for _, c := range s.classes {
		if c.Len() > 0 && c.fits(w) {
			return true
		}
	}
	return false
}
