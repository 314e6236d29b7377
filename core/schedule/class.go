package schedule

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"time"
)

// class are the jobs that can go to the same workers, the most urgent first.
type class struct {
	architecture string
	features     []string
	bound        []string  // workers for certain bases that may have them
	not          []string  // workers that have failed at them
	only         string    // the worker that may be at them; empty: any
	queue        []*job    // a heap
	full         bool      // no worker is free for them, as far as dispatch has got
	since        time.Time // that no worker could take them, busy or not; zero: some can
}

func classKey(j *job, bound []string) string {
	return strings.Join([]string{
		j.Architecture, strings.Join(j.Features, "\x01"), strings.Join(bound, "\x01"), strings.Join(j.not, "\x01"), j.Task.Worker,
	}, "\x00")
}

// fits says whether a worker can do jobs of the class.
func (c *class) fits(w *worker) bool {
	if c.only != "" && c.only != w.Name || slices.Contains(c.not, w.Name) {
		return false
	}
	if len(w.Bases) > 0 && !slices.Contains(c.bound, w.Name) {
		return false
	}
	return capable(w, c.architecture, c.features)
}

// capable says whether a worker builds for the architecture and has the features.
func capable(w *worker, architecture string, features []string) bool {
	if len(w.Architectures) > 0 && architecture != "" && !slices.Contains(w.Architectures, architecture) {
		return false
	}
	for _, feature := range features {
		if !slices.Contains(w.Features, feature) {
			return false
		}
	}
	return true
}

// before says whether a is more urgent than b: what was begun and may be going
// on, then what others did not bring to an end, then the longer path; of equal
// paths, what fewer workers can do, and what more tasks wait for.
func before(a, b *job) bool {
	return cmp.Or(
		-cmp.Compare(rank(a), rank(b)),
		-cmp.Compare(a.path, b.path),
		-cmp.Compare(len(a.Features), len(b.Features)),
		-cmp.Compare(len(a.needed), len(b.needed)),
		strings.Compare(a.Base(), b.Base()),
	) < 0
}

func rank(j *job) int {
	switch {
	case j.Task.Worker != "":
		return 2
	case j.failures > 0:
		return 1
	}
	return 0
}

func (c *class) init() { heap.Init(c) }

func (c *class) push(j *job) { heap.Push(c, j) }

func (c *class) pop() *job { return heap.Pop(c).(*job) }

// remove takes a job out of the queue, wherever it stands.
func (c *class) remove(j *job) *job { return heap.Remove(c, j.at).(*job) }

// drain takes all jobs out.
func (c *class) drain() []*job {
	all := c.queue
	c.queue = nil
	return all
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (c *class) Len() int           { return len(c.queue) }
func (c *class) Less(i, j int) bool { return before(c.queue[i], c.queue[j]) }
func (c *class) Swap(i, j int) {
	c.queue[i], c.queue[j] = c.queue[j], c.queue[i]
	c.queue[i].at, c.queue[j].at = i, j
}
func (c *class) Push(x any) {
	j := x.(*job)
	j.class, j.at = c, len(c.queue)
	c.queue = append(c.queue, j)
}
func (c *class) Pop() any {
	last := c.queue[len(c.queue)-1]
	c.queue = c.queue[:len(c.queue)-1]
	return last
}
