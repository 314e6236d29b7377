package schedule_test

import (
	"ahriman/core/schedule"
	"ahriman/core/tree"
)

// windowBound is a makespan, in seconds, that no schedule on so many slots can
// fall below (Fernandez and Bussell, "Bounds on the number of processors and
// time for multiprocessor optimal schedules", 1973): to end by then, each job has
// an earliest and a latest place, and in no stretch of time may they need more
// than the slots have.
func windowBound(tasks []schedule.Task, slots int) float64 {
	var packages []tree.Package
	for _, t := range tasks {
		packages = append(packages, t.Package)
	}
	open, _ := tree.New(packages).Acyclic()
	remaining := open.Remaining()
	var jobs []window
	head := map[string]float64{}
	for _, level := range open.Levels() {
		for _, p := range level {
			var h float64
			for _, q := range open.Dependencies(p.Base) {
				h = max(h, head[q.Base]+q.Seconds)
			}
			head[p.Base] = h
			jobs = append(jobs, window{head: h, length: p.Seconds, tail: remaining[p.Base] - p.Seconds})
		}
	}
	least := bound(tasks, slots)
	low, high := least, least*1.1
	if fits(jobs, float64(slots), low) {
		return low
	}
	for high-low > least/5000 {
		if middle := (low + high) / 2; fits(jobs, float64(slots), middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// window is where a job can stand: head seconds after the start at the
// earliest, and tail seconds before the end at the latest.
type window struct{ head, length, tail float64 }

// fits says whether no stretch of time needs more than the slots have.
func fits(jobs []window, slots, end float64) bool {
	var points []float64
	const steps = 120
	for i := range steps + 1 {
		points = append(points, end*float64(i)/steps)
	}
	for i, from := range points {
		for _, to := range points[i+1:] {
			need := 0.0
			for _, j := range jobs {
				latest := end - j.tail - j.length // start
				need += max(0, min(j.head+j.length-from, to-latest, j.length, to-from))
			}
			if need > slots*(to-from)+1e-6 {
				return false
			}
		}
	}
	return true
}
