package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Step is what a plan has for one task.
type Step struct {
	Task   Task
	Level  int           // how many tasks the longest chain before it has
	Worker string        // empty: Begin and End mean nothing, no worker can do it
	Begin  time.Duration // after the run's start
	End    time.Duration
	// Guessed says that the time is an estimate by other builds.
	Guessed bool
	// Why says why it does not begin earlier, or what it lacks.
	Why string
}

// Schedule is what a run is expected to do.
type Schedule struct {
	Steps []Step        // by when they begin, then by base; last, what no worker can do
	Took  time.Duration // from the start to the last end
	// Bound is what no schedule can fall below: the longest chain on the fastest
	// worker, or all work shared evenly.
	Bound time.Duration
	// Opened are the relations left out to open cycles: "a needs b" is built
	// with the b that is published already.
	Opened []string
}

// Plan says what Run would do with the workers there are, if every build took
// the time it is expected to. Nothing is built. Of the configuration it needs
// Workers alone.
func Plan(ctx context.Context, tasks []Task, config Config) (*Schedule, error) {
	if err := unique(tasks); err != nil {
		return nil, err
	}
	list, err := config.Workers(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for workers: %w", err)
	}
	begin := time.Unix(0, 0)
	config = config.withDefaults()
	config.Patience = 1 << 60 // nobody comes
	s := newState(tasks, config, begin)
	s.meet(list)
	p := &planned{state: s, steps: map[*job]*Step{}}
	p.run(begin)
	return p.schedule(), nil
}

// Explain says what the plan has for a base, and why.
func (s *Schedule) Explain(base string) string {
	for _, step := range s.Steps {
		switch {
		case step.Task.Base() != base:
		case step.Worker == "":
			return base + " cannot be built: " + step.Why
		default:
			return fmt.Sprintf("%s builds on %s after %s, for %s: %s", base, step.Worker,
				step.Begin.Round(time.Second), (step.End - step.Begin).Round(time.Second), step.Why)
		}
	}
	return base + " is not to be built"
}

// planned walks a state through a run in which nothing happens but what is
// expected.
type planned struct {
	state *state
	steps map[*job]*Step
	ends  ends
}

func (p *planned) run(now time.Time) {
	s := p.state
	for {
		for _, j := range s.dispatch(now) {
			took := time.Duration(j.worker.takes(j) * float64(time.Second))
			p.steps[j] = &Step{Task: j.Task, Worker: j.worker.Name, Begin: now.Sub(s.begun), End: now.Sub(s.begun) + took,
				Guessed: j.Package.Seconds <= 0, Why: p.why(j)}
			heap.Push(&p.ends, end{at: now.Add(took), job: j})
		}
		if len(p.ends) == 0 {
			return
		}
		for now = p.ends[0].at; len(p.ends) > 0 && p.ends[0].at.Equal(now); {
			j := heap.Pop(&p.ends).(end).job
			s.take(j)
			j.phase = built
			s.publish(j)
		}
		s.events = nil
	}
}

// why says what a job that begins now has waited for last.
func (p *planned) why(j *job) string {
	var last *job
	for _, need := range j.needs {
		if last == nil || p.steps[need].End > p.steps[last].End {
			last = need
		}
	}
	at := j.attempt.Began.Sub(p.state.begun)
	switch {
	case at == 0:
		return "it needs nothing that is to be built"
	case last == nil || p.steps[last].End < at:
		return "all slots are taken by longer paths until then"
	}
	return fmt.Sprintf("it needs %s, which builds on %s until then", last.Base(), p.steps[last].Worker)
}

func (p *planned) schedule() *Schedule {
	s := p.state
	result := &Schedule{Bound: s.least()}
	levels := s.levels()
	var never []Step
	for _, j := range s.jobs {
		if step := p.steps[j]; step != nil {
			step.Level = levels[j]
			result.Steps = append(result.Steps, *step)
			result.Took = max(result.Took, step.End)
			continue
		}
		step := Step{Task: j.Task, Level: levels[j], Guessed: j.Package.Seconds <= 0}
		if step.Why = s.lacking(j); j.phase == waits {
			step.Why = "needs " + s.awaited(j)
		}
		never = append(never, step)
	}
	slices.SortStableFunc(result.Steps, func(a, b Step) int {
		if a.Begin != b.Begin {
			return int(max(min(a.Begin-b.Begin, 1), -1))
		}
		return strings.Compare(a.Task.Base(), b.Task.Base())
	})
	result.Steps = append(result.Steps, never...)
	for _, o := range s.opened {
		result.Opened = append(result.Opened, o.Base+" needs "+o.Needs)
	}
	return result
}

// levels returns how many tasks the longest chain before each has.
func (s *state) levels() map[*job]int {
	levels := map[*job]int{}
	for _, j := range s.order {
		for _, need := range j.needs {
			levels[j] = max(levels[j], levels[need]+1)
		}
	}
	return levels
}

// least is the time that no schedule can fall below.
func (s *state) least() time.Duration {
	var work, path, capacity, fastest float64
	for _, w := range s.workers {
		if w.usable() {
			capacity += float64(w.Slots) * w.Speed
			fastest = max(fastest, w.Speed)
		}
	}
	if capacity == 0 {
		return 0
	}
	for _, j := range s.jobs {
		work += j.seconds
		path = max(path, j.path)
	}
	return time.Duration(max(path/fastest, work/capacity) * float64(time.Second))
}

// end is when a planned build ends.
type end struct {
	at  time.Time
	job *job
}

type ends []end

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (e ends) Len() int { return len(e) }
func (e ends) Less(i, j int) bool {
	if !e[i].at.Equal(e[j].at) {
		return e[i].at.Before(e[j].at)
	}
	return e[i].job.Base() < e[j].job.Base()
}
func (e ends) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)   { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
