package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ahriman/core/tree"
)

// phase is where a task stands.
type phase uint8

const (
	waits phase = iota // for what it needs
	ready
	runs
	built // accepted, not published yet
	published
	failed
	skipped
)

// job is a task and where it stands.
type job struct {
	Task
	needs, needed []*job
	missing       int     // of needs, not published yet
	seconds       float64 // on a worker of speed 1; an estimate where Package.Seconds is 0
	path          float64 // seconds of the longest chain that it begins
	phase         phase
	class         *class // of workers that it can go to
	at            int    // its place in the class's queue

	attempt  Attempt // the last one
	worker   *worker // of the last attempt
	tries    int
	failures int
	losses   int      // workers that were lost after they had begun it
	not      []string // workers that it does not go to again
	last     error    // why the last attempt did not succeed
	by       []string // failed bases because of which it is skipped
}

// worker is a worker and where it stands.
type worker struct {
	Worker
	listed  bool // by the last answer of Config.Workers
	running []*job
	away    bool
	barred  bool          // away before somebody mends it
	until   time.Time     // not tried again before
	backoff time.Duration // the last one; zero after a success
	reason  error         // why it is away
	probed  bool          // it is away and has been given a job, to see whether it answers
	kept    int           // slots that dispatch keeps for jobs about to be ready
	doubts  map[*job]bool // builds that failed here since the last success, and of which it is not known yet whose fault that was
}

// free says whether it could take one more job.
func (w *worker) free() bool {
	return w.usable() && len(w.running)+w.kept < w.Slots
}

// usable says whether it is there to take jobs, now or when it is done with
// others.
func (w *worker) usable() bool { return w.listed && !w.Draining && !w.away }

// may says whether it is there for a base.
func (w *worker) may(base string) bool { return len(w.Bases) == 0 || slices.Contains(w.Bases, base) }

// can says whether it could do a job.
func (w *worker) can(j *job) bool { return w.may(j.Base()) && capable(w, j.Architecture, j.Features) }

// resting says that it is set aside and waits to be tried.
func (w *worker) resting() bool {
	return w.listed && !w.Draining && w.Unusable == nil && w.away && !w.probed && len(w.running) < w.Slots
}

// doubted says that it gets nothing but what others have failed at, until it is
// clear whose fault its failures are.
func (w *worker) doubted() bool { return len(w.doubts) >= 2 }

// takes how long, in seconds.
func (w *worker) takes(j *job) float64 { return j.seconds / w.Speed }

// state decides. It has no clock and starts nothing, so that a plan comes from
// the same decisions as a run.
type state struct {
	config  Config
	jobs    []*job // sorted by base
	byBase  map[string]*job
	order   []*job // what is needed before what needs it
	opened  []tree.Open
	workers []*worker // sorted by name
	classes map[string]*class
	times   times
	open    int // jobs that are not published, failed or skipped
	begun   time.Time
	events  []Event

	closing     []*job        // built, not published yet
	results     []Finished    // of closing, for the publisher to take
	publication time.Duration // how long the last one took
}

// newState reads the tasks, which are of different bases.
func newState(tasks []Task, config Config, now time.Time) *state {
	s := &state{
		config: config, byBase: map[string]*job{}, classes: map[string]*class{},
		times: newTimes(tasks), open: len(tasks), begun: now,
	}
	packages := make([]tree.Package, 0, len(tasks))
	for _, t := range tasks {
		packages = append(packages, t.Package)
		j := &job{Task: t}
		s.jobs = append(s.jobs, j)
		s.byBase[t.Base()] = j
	}
	slices.SortFunc(s.jobs, func(a, b *job) int { return strings.Compare(a.Base(), b.Base()) })
	graph, opened := tree.New(packages).Acyclic()
	s.opened = opened
	for _, j := range s.jobs {
		for _, p := range graph.Dependencies(j.Base()) {
			other := s.byBase[p.Base]
			j.needs = append(j.needs, other)
			other.needed = append(other.needed, j)
		}
		j.missing = len(j.needs)
	}
	s.sort()
	s.estimate()
	for _, j := range s.jobs {
		if j.missing == 0 {
			s.enqueue(j)
		}
	}
	return s
}

// sort puts what is needed before what needs it.
func (s *state) sort() {
	missing := map[*job]int{}
	for _, j := range s.jobs {
		if missing[j] = j.missing; j.missing == 0 {
			s.order = append(s.order, j)
		}
	}
	for i := 0; i < len(s.order); i++ {
		for _, next := range s.order[i].needed {
			if missing[next]--; missing[next] == 0 {
				s.order = append(s.order, next)
			}
		}
	}
}

// estimate sets times and paths anew.
func (s *state) estimate() {
	for _, j := range slices.Backward(s.order) {
		j.seconds = s.times.of(j.Task)
		j.path = 0
		for _, next := range j.needed {
			if next.phase != skipped && next.phase != failed {
				j.path = max(j.path, next.path)
			}
		}
		j.path += j.seconds
	}
	for _, c := range s.classes {
		c.init()
	}
}

func (s *state) emit(e Event) { s.events = append(s.events, e) }

// meet takes over who there is now.
func (s *state) meet(list []Worker) {
	there := map[string]Worker{}
	bounds := false
	for _, w := range list {
		w.Slots = max(w.Slots, 1)
		if w.Speed <= 0 {
			w.Speed = 1
		}
		there[w.Name] = w
	}
	for _, w := range s.workers {
		now, ok := there[w.Name]
		delete(there, w.Name)
		switch {
		case ok && !w.listed:
			s.emit(Joined{now})
			w.away, w.barred, w.reason = false, false, nil
		case !ok && w.listed:
			s.emit(Gone{w.Name})
		}
		w.listed = ok
		if ok {
			bounds = bounds || !slices.Equal(w.Bases, now.Bases)
			s.hear(w, now)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		bounds = bounds || len(there[name].Bases) > 0
		w := &worker{Worker: Worker{Name: name}, listed: true, doubts: map[*job]bool{}}
		s.workers = append(s.workers, w)
		s.emit(Joined{there[name]})
		s.hear(w, there[name])
	}
	slices.SortFunc(s.workers, func(a, b *worker) int { return strings.Compare(a.Name, b.Name) })
	if bounds {
		s.classify()
	}
}

// hear takes over what the list says of a worker.
func (s *state) hear(w *worker, now Worker) {
	mended := w.Unusable != nil && now.Unusable == nil
	w.Worker = now
	switch {
	case now.Unusable != nil:
		s.bar(w, now.Unusable, time.Time{})
	case mended:
		s.welcome(w)
	}
}

// classify puts what is ready into classes anew.
func (s *state) classify() {
	before := s.classes
	s.classes = map[string]*class{}
	for _, c := range before {
		for _, j := range c.drain() {
			s.enqueue(j)
		}
	}
}

// bound names the workers for certain bases that may have this one.
func (s *state) bound(base string) (names []string) {
	for _, w := range s.workers {
		if len(w.Bases) > 0 && w.may(base) {
			names = append(names, w.Name)
		}
	}
	return names
}

// start gives a job that was taken off its queue to a worker.
func (s *state) start(j *job, w *worker, now time.Time) *job {
	j.tries++
	j.phase, j.worker, w.probed = runs, w, w.away
	j.attempt = Attempt{Task: j.Task, Worker: w.Name, Speed: w.Speed, Number: j.tries, Began: now, Elsewhere: j.tries > 1}
	w.running = append(w.running, j)
	s.emit(Started{Attempt: j.attempt, Expected: time.Duration(w.takes(j) * float64(time.Second))})
	return j
}

// enqueue lets a job wait for a worker.
func (s *state) enqueue(j *job) {
	j.phase = ready
	bound := s.bound(j.Base())
	key := classKey(j, bound)
	c := s.classes[key]
	if c == nil {
		c = &class{architecture: j.Architecture, features: j.Features, bound: bound, not: slices.Clone(j.not), only: j.Task.Worker}
		s.classes[key] = c
	}
	c.push(j)
}

// sweep looks at jobs that no worker could take: some wait for one that comes
// (back), others are given up.
func (s *state) sweep(now time.Time) {
	for _, key := range slices.Sorted(maps.Keys(s.classes)) {
		c := s.classes[key]
		switch {
		case s.served(c):
			c.since = time.Time{}
			continue
		case c.Len() == 0:
			continue
		case c.since.IsZero():
			c.since = now
		}
		away := slices.ContainsFunc(s.workers, func(w *worker) bool { return w.listed && !w.Draining && !w.barred && c.fits(w) })
		if c.only != "" {
			// Who began it may be at it still, but not for longer than the lease.
			if !away || now.Sub(s.begun) >= s.config.Lease {
				for _, j := range c.drain() {
					j.Task.Worker = ""
					s.enqueue(j)
				}
			}
			continue
		}
		late := now.Sub(c.since) >= s.config.Patience || s.barred(c)
		for _, j := range slices.Clone(c.queue) {
			if late || j.failures > 0 || len(j.not) > 0 && !away {
				c.remove(j)
				s.fail(j, s.unserved(j))
			}
		}
	}
}

// barred says whether there are workers for a class, and each has to be mended.
func (s *state) barred(c *class) bool {
	fit := false
	for _, w := range s.workers {
		if !w.listed || !c.fits(w) {
			continue
		}
		if fit = true; !w.barred {
			return false
		}
	}
	return fit
}

// unserved is why a job is given up that no worker can take.
func (s *state) unserved(j *job) error {
	switch {
	case len(j.not) > 0: // there was one, who would not
		return j.last
	case j.last != nil:
		return fmt.Errorf("%w: %w", ErrNoWorker, j.last)
	}
	return fmt.Errorf("%w: %s", ErrNoWorker, s.lacking(j))
}

// wake returns when dispatch has to be called again though nothing happens.
func (s *state) wake() (at time.Time, ok bool) {
	earlier := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	for _, c := range s.classes {
		if c.Len() == 0 || c.since.IsZero() {
			continue
		}
		earlier(c.since.Add(s.config.Patience))
		if c.only != "" {
			earlier(s.begun.Add(s.config.Lease))
		}
	}
	for _, w := range s.workers {
		if w.resting() && s.wanted(w) {
			earlier(w.until)
		}
	}
	return at, ok
}
