package store

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Statistic sums up the events of one object, of a package base mostly.
type Statistic struct {
	Object string
	Count  int
	Times  []time.Duration // that the events took, oldest first; those that do not say are left out
}

// Statistics sums events up by their objects, sorted by name.
func Statistics(events []Event) []Statistic {
	var all []Statistic
	places := map[string]int{}
	for _, e := range events {
		i, ok := places[e.Object]
		if !ok {
			i = len(all)
			places[e.Object] = i
			all = append(all, Statistic{Object: e.Object})
		}
		all[i].Count++
		if took, ok := e.Took(); ok {
			all[i].Times = append(all[i].Times, took)
		}
	}
	slices.SortFunc(all, func(a, b Statistic) int { return strings.Compare(a.Object, b.Object) })
	return all
}

// Took is how long it took what the event tells of, where it says so.
func (e Event) Took() (time.Duration, bool) {
	var data struct {
		Took *float64 `json:"took"` // seconds, as the Python ahriman has it
	}
	if json.Unmarshal(e.Data, &data) != nil || data.Took == nil || *data.Took < 0 || *data.Took > 1e9 {
		return 0, false
	}
	return time.Duration(*data.Took * float64(time.Second)), true
}

// Spread is how a number of times are spread; zeroes for none.
type Spread struct{ Min, Median, Mean, Max time.Duration }

// Spread returns how the times are spread.
func (s Statistic) Spread() Spread {
	n := len(s.Times)
	if n == 0 {
		return Spread{}
	}
	times := slices.Sorted(slices.Values(s.Times))
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	return Spread{Min: times[0], Median: (times[(n-1)/2] + times[n/2]) / 2, Mean: sum / time.Duration(n), Max: times[n-1]}
}
