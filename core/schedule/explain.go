package schedule

import (
	"fmt"
	"slices"
	"strings"
)

// awaited names what a job waits for that no worker will ever build.
func (s *state) awaited(j *job) string {
	var list []string
	for _, need := range j.needs {
		switch need.phase {
		case ready:
			list = append(list, need.Base()+", which waits for a worker: "+s.lacking(need))
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
		if !w.may(j.Base()) {
			away = append(away, w.Name+" is there for other bases only")
			continue
		}
		switch {
		case slices.Contains(j.not, w.Name):
			tried = append(tried, w.Name)
		case w.barred:
			away = append(away, fmt.Sprintf("%s has to be mended (%v)", w.Name, w.reason))
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
