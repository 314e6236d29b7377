package schedule_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/tree"
)

// repositoryTasks reads a real repository's relations and build times.
func repositoryTasks(t testing.TB, name string) []schedule.Task {
	t.Helper()
	file, err := os.Open("../tree/testdata/" + name + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var tasks []schedule.Task
	for decoder := json.NewDecoder(unzipped); ; {
		var p struct {
			tree.Package
			Packages []string
		}
		if err := decoder.Decode(&p); err == io.EOF {
			return tasks
		} else if err != nil {
			t.Fatal(err)
		}
		p.Names = p.Packages
		tasks = append(tasks, schedule.Task{Package: p.Package, Architecture: "x86_64"})
	}
}

var errUnreachable = fmt.Errorf("connection refused: %w", build.ErrLost)

// machine is a worker that builds by sleeping.
type machine struct {
	name  string
	world *world
	speed float64
	slots int

	mu   sync.Mutex
	dead chan struct{}        // closed when it is gone for good
	jobs map[string]time.Time // when they end
}

func (m *machine) gone() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

func (m *machine) Start(_ context.Context, job build.Job) error {
	if m.gone() {
		return errUnreachable
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.jobs[job.ID]; !ok {
		seconds := m.world.seconds[job.Base] / m.speed
		m.jobs[job.ID] = time.Now().Add(time.Duration(seconds * float64(time.Second)))
	}
	return nil
}

func (m *machine) Attach(ctx context.Context, id string, _ io.Writer) (*build.Result, error) {
	m.mu.Lock()
	end := m.jobs[id]
	m.mu.Unlock()
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	select {
	case <-timer.C:
		if m.gone() {
			return nil, errUnreachable
		}
		return &build.Result{Worker: m.name}, nil
	case <-m.dead:
		time.Sleep(m.world.config.Lease) // it is looked for
		return nil, errUnreachable
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *machine) Cancel(context.Context, string) error { return nil }

// world is a simulation: true times, machines, and what the run gave.
type world struct {
	tasks     []schedule.Task
	seconds   map[string]float64 // what builds really take
	machines  []*machine
	config    schedule.Config
	published map[string]int
}

func newWorld(tasks []schedule.Task, machines int) *world {
	w := &world{tasks: tasks, seconds: map[string]float64{}, published: map[string]int{}}
	for _, t := range tasks {
		w.seconds[t.Base()] = t.Package.Seconds
	}
	for i := range machines {
		w.machines = append(w.machines, &machine{name: fmt.Sprintf("w%04d", i), world: w, speed: 1, slots: 1,
			dead: make(chan struct{}), jobs: map[string]time.Time{}})
	}
	w.config = schedule.Config{
		Refresh: time.Minute,
		Lease:   time.Minute,
		Workers: func(context.Context) ([]schedule.Worker, error) {
			var list []schedule.Worker
			for _, m := range w.machines {
				list = append(list, schedule.Worker{Name: m.name, Runner: m, Slots: m.slots, Speed: m.speed})
			}
			return list, nil
		},
		Prepare: func(_ context.Context, a schedule.Attempt) (build.Job, error) {
			return build.Job{ID: fmt.Sprint(a.Task.Base(), a.Number), Base: a.Task.Base()}, nil
		},
		Finish: func(_ context.Context, finished []schedule.Finished) (map[string]error, error) {
			for _, f := range finished {
				w.published[f.Task.Base()]++
			}
			return nil, nil
		},
	}
	return w
}

// run returns how long the run took, in virtual seconds, and checks that all
// was published once.
func (w *world) run(t testing.TB) float64 {
	t.Helper()
	begin := time.Now()
	s, err := schedule.New(w.tasks, w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin).Seconds()
	for _, task := range w.tasks {
		if n := w.published[task.Base()]; n != 1 {
			t.Errorf("%s was published %d times", task.Base(), n)
		}
	}
	return took
}

// forget removes the times from the tasks.
func forget(tasks []schedule.Task) []schedule.Task {
	var unknown []schedule.Task
	for _, t := range tasks {
		t.Package.Seconds = 0
		unknown = append(unknown, t)
	}
	return unknown
}

// bound is the most of the longest chain and the work shared evenly, in seconds.
func bound(tasks []schedule.Task, slots int) float64 {
	var packages []tree.Package
	work := 0.0
	for _, t := range tasks {
		packages = append(packages, t.Package)
		work += t.Package.Seconds
	}
	open, _ := tree.New(packages).Acyclic()
	_, path := open.CriticalPath()
	return max(path, work/float64(slots))
}

// TestMakespan holds the scheduler to what is possible on two real repositories.
// With times it is measured by windowBound: on 19 to 42 workers no schedule of
// graph-mingw comes as near as that to the longest chain or the work shared
// evenly.
func TestMakespan(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is long")
	}
	for _, name := range []string{"graph-arch4edu", "graph-mingw"} {
		tasks := repositoryTasks(t, name)
		numbers := []int{2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64}
		if raced {
			numbers = []int{2, 40, 64}
		}
		for _, workers := range numbers {
			least := bound(tasks, workers)
			var known, unknown float64
			synctest.Test(t, func(t *testing.T) {
				known = newWorld(tasks, workers).run(t)
				w := newWorld(tasks, workers)
				w.tasks = forget(tasks)
				unknown = w.run(t)
			})
			t.Logf("%s on %d workers: %.4f with times, %.4f without", name, workers, known/least, unknown/least)
			if known > 1.005*least && known > 1.005*windowBound(tasks, workers) {
				t.Errorf("%s on %d workers takes %.4f of the bound with times", name, workers, known/least)
			}
			limit := 1.10
			if workers > 16 {
				limit = 1.25
			}
			if unknown > limit*least {
				t.Errorf("%s on %d workers takes %.4f of the bound without times", name, workers, unknown/least)
			}
		}
	}
}

// TestDeaths lets a tenth of the workers die at random.
func TestDeaths(t *testing.T) {
	graphs := [][]schedule.Task{repositoryTasks(t, "graph-arch4edu"), repositoryTasks(t, "graph-mingw")}
	var ratios []float64
	seeds := uint64(100)
	if raced {
		seeds = 10
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		tasks := graphs[seed%2]
		workers := 10 * (1 + rng.IntN(4))
		var deaths []float64 // seconds after the start
		for range workers / 10 {
			deaths = append(deaths, rng.Float64()*bound(tasks, workers))
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(tasks, workers)
			for i, victim := range rng.Perm(workers)[:len(deaths)] {
				m := w.machines[victim]
				timer := time.AfterFunc(time.Duration(deaths[i]*float64(time.Second)), func() { close(m.dead) })
				defer timer.Stop()
			}
			ratios = append(ratios, w.run(t)/survivors(tasks, workers, deaths))
		})
	}
	slices.Sort(ratios)
	t.Logf("of what the survivors could do: median %.4f, nine in ten %.4f, worst %.4f", ratios[seeds/2], ratios[seeds*9/10], ratios[seeds-1])
	if ratios[seeds/2] > 1.02 || ratios[seeds*9/10] > 1.2 {
		t.Errorf("median %.4f, nine in ten %.4f", ratios[seeds/2], ratios[seeds*9/10])
	}
}

// survivors is bound where a worker works until its death only.
func survivors(tasks []schedule.Task, workers int, deaths []float64) float64 {
	work, now, alive := bound(tasks, 1), 0.0, float64(workers)
	deaths = slices.Sorted(slices.Values(deaths))
	for _, death := range deaths {
		if done := alive * (death - now); done < work {
			work, now, alive = work-done, death, alive-1
		}
	}
	return max(now+work/alive, bound(tasks, len(tasks)))
}

// thousands makes 10,000 tasks of a random graph.
func thousands() []schedule.Task {
	rng := rand.New(rand.NewPCG(1, 2))
	var tasks []schedule.Task
	for i := range 10_000 {
		p := tree.Package{Base: fmt.Sprintf("p%05d", i), Seconds: 10 + 600*rng.ExpFloat64()}
		p.Names = []string{p.Base}
		for range rng.IntN(5) {
			if i > 0 {
				p.Depends = append(p.Depends, fmt.Sprintf("p%05d", rng.IntN(i)))
			}
		}
		tasks = append(tasks, schedule.Task{Package: p, Architecture: "x86_64"})
	}
	return tasks
}

// TestThousandWorkers measures the master's work for 10,000 jobs on 1,000
// workers: the processor time of deciding, driving, and of the workers' pretence.
func TestThousandWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is long")
	}
	tasks := thousands()
	for _, known := range []bool{true, false} {
		before := cpu(t)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(tasks, 1000)
			if !known {
				w.tasks = forget(tasks)
			}
			w.run(t)
		})
		each := (cpu(t) - before) / time.Duration(len(tasks))
		t.Logf("times known: %t, %v of processor time a job", known, each)
		if each > time.Millisecond && !raced {
			t.Errorf("%v of processor time a job", each)
		}
	}
}

// BenchmarkPlan decides on 10,000 jobs on 1,000 workers.
func BenchmarkPlan(b *testing.B) {
	w := newWorld(thousands(), 1000)
	for b.Loop() {
		if _, err := schedule.Plan(b.Context(), w.tasks, w.config); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N*len(w.tasks)), "us/job")
}

// cpu is the processor time this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
