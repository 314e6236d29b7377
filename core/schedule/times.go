package schedule

import "slices"

// times knows how long builds take.
type times struct {
	all     []float64            // seconds on a worker of speed 1, sorted when median is asked
	kinds   map[string][]float64 // the same by kind
	unknown int                  // tasks whose time is not recorded
	used    int                  // of all, when estimates were last made
}

func newTimes(tasks []Task) times {
	t := times{kinds: map[string][]float64{}}
	for _, task := range tasks {
		if task.Package.Seconds > 0 {
			t.add(task.Kind, task.Package.Seconds)
		} else {
			t.unknown++
		}
	}
	t.used = len(t.all)
	return t
}

func (t *times) add(kind string, seconds float64) {
	t.all = insert(t.all, seconds)
	if kind != "" {
		t.kinds[kind] = insert(t.kinds[kind], seconds)
	}
}

func insert(sorted []float64, value float64) []float64 {
	at, _ := slices.BinarySearch(sorted, value)
	return slices.Insert(sorted, at, value)
}

// learn adds what a build took, and says whether estimates should be made anew:
// when there is something to estimate and a fifth more is known.
func (t *times) learn(task Task, seconds float64) bool {
	if task.Package.Seconds > 0 || seconds <= 0 {
		return false
	}
	t.unknown--
	t.add(task.Kind, seconds)
	if t.unknown == 0 || len(t.all) < t.used+t.used/5+1 {
		return false
	}
	t.used = len(t.all)
	return true
}

// of returns the time of a task: the recorded one, else the median of its kind,
// else of all.
func (t *times) of(task Task) float64 {
	switch same := t.kinds[task.Kind]; {
	case task.Package.Seconds > 0:
		return task.Package.Seconds
	case len(same) > 0:
		return median(same)
	case len(t.all) > 0:
		return median(t.all)
	}
	return guess
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
