package schedule

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// verdict is how an attempt ended.
type verdict uint8

const (
	succeeded  verdict = iota
	faulty             // the build failed, or gave what was not accepted
	lost               // the worker was lost after it had begun
	unreached          // the worker could not be reached
	unusable           // the worker has to be mended
	refused            // the worker does not want the job, or any
	unsuitable         // the worker cannot do the job, and says so
	hopeless           // no worker could do it: the task is at fault
	aborted            // the run ends
)

// take takes a job off its worker.
func (s *state) take(j *job) {
	w := j.worker
	w.running = slices.DeleteFunc(w.running, func(other *job) bool { return other == j })
	w.probed = false
}

// settle takes over how an attempt ended.
func (s *state) settle(j *job, v verdict, err error, now time.Time) {
	w := j.worker
	s.take(j)
	took := now.Sub(j.attempt.Began)
	j.last = err
	again := s.again(j, v)
	s.emit(Ended{Attempt: j.attempt, Took: took, Err: err, Again: again})
	switch v {
	case succeeded:
		s.succeeded(j, took, now)
	case faulty:
		j.failures++
		j.not = addName(j.not, w.Name)
		w.doubts[j] = true
	case lost:
		j.losses++
		s.setAside(w, err, now)
	case unreached:
		s.setAside(w, err, now)
	case unusable:
		s.bar(w, err, now.Add(maxBackoff))
	case refused:
		j.not = addName(j.not, w.Name)
		s.setAside(w, err, now)
	case unsuitable:
		j.not = addName(j.not, w.Name)
		s.welcome(w)
	}
	if v != unreached { // else it may be at it still
		j.Task.Worker = ""
	}
	switch {
	case v == succeeded:
	case again:
		s.enqueue(j)
	default:
		s.fail(j, err)
	}
}

// again says whether a job is tried once more.
func (s *state) again(j *job, v verdict) bool {
	switch v {
	case faulty:
		return j.failures < s.config.Retries && slices.ContainsFunc(s.workers, func(w *worker) bool {
			return w != j.worker && w.usable() && !slices.Contains(j.not, w.Name) && w.can(j)
		})
	case lost:
		return j.losses+1 < maxLosses
	case unreached, unusable, refused, unsuitable:
		return true
	}
	return false
}

// succeeded clears the worker of doubts, and raises them about those who failed.
func (s *state) succeeded(j *job, took time.Duration, now time.Time) {
	w := j.worker
	j.phase = built
	s.closing = append(s.closing, j)
	w.backoff = 0
	clear(w.doubts)
	for _, other := range s.workers {
		if other.doubts[j] {
			clear(other.doubts)
			s.setAside(other, fmt.Errorf("%s failed there, and was built by %s", j.Base(), w.Name), now)
		}
	}
	if s.times.learn(j.Task, took.Seconds()*w.Speed) {
		s.estimate()
	}
}

// publish says that a built job is done; what waited for it alone may begin.
func (s *state) publish(j *job) {
	s.closed(j)
	j.phase = published
	s.open--
	s.emit(Published{Task: j.Task, Worker: j.worker.Name})
	for _, next := range j.needed {
		if next.missing--; next.missing == 0 && next.phase == waits {
			s.enqueue(next)
		}
	}
}

func (s *state) closed(j *job) {
	s.closing = slices.DeleteFunc(s.closing, func(other *job) bool { return other == j })
}

// fail gives a job up, and all that needs it. Whoever failed at it was right.
func (s *state) fail(j *job, err error) {
	s.closed(j)
	j.phase, j.last = failed, err
	s.open--
	for _, w := range s.workers {
		delete(w.doubts, j)
	}
	name := ""
	if j.worker != nil {
		name = j.worker.Name
	}
	s.emit(Failed{Task: j.Task, Worker: name, Err: err})
	s.skip(j)
}

// skip marks all that needs a failed job, in the order of building.
func (s *state) skip(culprit *job) {
	behind := map[*job]bool{culprit: true}
	for queue := []*job{culprit}; len(queue) > 0; queue = queue[1:] {
		for _, next := range queue[0].needed {
			if !behind[next] {
				behind[next] = true
				queue = append(queue, next)
			}
		}
	}
	for _, j := range s.order {
		if j == culprit || !behind[j] || j.phase != waits && j.phase != skipped {
			continue
		}
		j.by = addName(j.by, culprit.Base())
		if j.phase == waits {
			j.phase = skipped
			s.open--
			s.emit(Skipped{Task: j.Task, Needs: slices.Clone(j.by)})
		}
	}
}

// setAside gives a worker no work for a while: longer with each time in a row.
func (s *state) setAside(w *worker, err error, now time.Time) {
	if w.barred { // it may have gone away as well, which changes nothing
		w.until = now.Add(maxBackoff)
		return
	}
	if w.away && now.Before(w.until) {
		return // said already, by another of its jobs
	}
	w.backoff = min(max(2*w.backoff, s.config.Backoff), max(maxBackoff, s.config.Backoff))
	w.away, w.reason = true, err
	w.until = now.Add(jittered(w.backoff, w.Name))
	s.emit(Away{Worker: w.Name, Until: w.until, Err: err})
}

// bar gives a worker no work before it is mended, and lets nothing wait for that.
// Who lists it may know when it is; else it is tried again after a while, or with
// until being zero not at all.
func (s *state) bar(w *worker, err error, until time.Time) {
	said := w.barred
	w.away, w.barred, w.reason, w.until = true, true, err, until
	if !said {
		s.emit(Away{Worker: w.Name, Until: until, Err: err})
	}
}

// welcome says that a worker has answered.
func (s *state) welcome(w *worker) {
	if w.away {
		w.away, w.barred, w.reason = false, false, nil
		s.emit(Back{w.Name})
	}
}

// jittered changes a time by up to a quarter, so that workers lost together are
// not tried together; by name, so that the same happens the same way.
func jittered(d time.Duration, name string) time.Duration {
	h := fnv.New32a()
	fmt.Fprint(h, name, d)
	return d + d*time.Duration(h.Sum32()%501)/1000 - d/4
}

// addName adds a name to a sorted list.
func addName(list []string, name string) []string {
	at, found := slices.BinarySearchFunc(list, name, strings.Compare)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), at, name)
}

// abort takes a job off its worker because the run ends.
func (s *state) abort(j *job, now time.Time) {
	s.take(j)
	j.phase = ready
	s.emit(Ended{Attempt: j.attempt, Took: now.Sub(j.attempt.Began), Err: context.Canceled})
}
