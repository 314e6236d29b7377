package schedule_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/tree"

	"github.com/google/go-cmp/cmp"
)

// hand is a worker whose every build is scripted by a function.
type hand struct {
	build func(ctx context.Context, job build.Job, w io.Writer) (*build.Result, error)

	mu        sync.Mutex
	down      error // what Start and Attach return; nil: it answers
	cut       chan struct{}
	jobs      map[string]*handJob
	starts    int
	cancelled []string
}

type handJob struct {
	job    build.Job
	log    lockedBuffer
	done   chan struct{}
	result *build.Result
	err    error
	stop   context.CancelFunc
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func newHand(build func(context.Context, build.Job, io.Writer) (*build.Result, error)) *hand {
	return &hand{build: build, jobs: map[string]*handJob{}, cut: make(chan struct{})}
}

// takes builds everything in that time.
func takes(d time.Duration) *hand {
	return newHand(func(ctx context.Context, job build.Job, w io.Writer) (*build.Result, error) {
		fmt.Fprintf(w, "building %s\n", job.Base)
		select {
		case <-time.After(d):
			fmt.Fprintf(w, "built %s\n", job.Base)
			return &build.Result{Duration: d}, nil
		case <-ctx.Done():
			return nil, build.ErrCancelled
		}
	})
}

// fails says no to the bases, at once, and builds the rest in that time.
func fails(d time.Duration, bases ...string) *hand {
	h := takes(d)
	well := h.build
	h.build = func(ctx context.Context, job build.Job, w io.Writer) (*build.Result, error) {
		if len(bases) == 0 || slices.Contains(bases, job.Base) {
			return nil, &build.Failure{Base: job.Base, Reason: "made to"}
		}
		return well(ctx, job, w)
	}
	return h
}

// answers sets whether it answers: an error cuts all connections.
func (h *hand) answers(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = err
	if err != nil {
		close(h.cut)
		h.cut = make(chan struct{})
	}
}

// forget is a restart: its builds are gone.
func (h *hand) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, j := range h.jobs {
		j.stop()
		delete(h.jobs, id)
	}
}

func (h *hand) Start(_ context.Context, job build.Job) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down != nil {
		return h.down
	}
	if h.jobs[job.ID] != nil {
		return nil
	}
	h.starts++
	ctx, stop := context.WithCancel(context.Background())
	j := &handJob{job: job, done: make(chan struct{}), stop: stop}
	h.jobs[job.ID] = j
	go func() {
		defer stop()
		defer close(j.done)
		j.result, j.err = h.build(ctx, job, &j.log)
	}()
	return nil
}

func (h *hand) Attach(ctx context.Context, id string, w io.Writer) (*build.Result, error) {
	h.mu.Lock()
	j, down, cut := h.jobs[id], h.down, h.cut
	h.mu.Unlock()
	if down != nil {
		return nil, down
	}
	if j == nil {
		return nil, build.ErrUnknownJob
	}
	synced := func() { _, _ = w.Write(j.log.Bytes()) }
	select {
	case <-j.done:
		synced()
		return j.result, j.err
	case <-cut:
		synced()
		return nil, errUnreachable
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *hand) Cancel(_ context.Context, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if j := h.jobs[id]; j != nil {
		j.stop()
		h.cancelled = append(h.cancelled, j.job.Base)
	}
	return nil
}

// scene is a run with made up workers, and what was told of it.
type scene struct {
	schedule.Config
	begin   time.Time
	workers map[string]schedule.Worker
	mu      sync.Mutex
	told    []string
	logs    map[string]*bytes.Buffer
}

func newScene(workers ...schedule.Worker) *scene {
	s := &scene{begin: time.Now(), workers: map[string]schedule.Worker{}, logs: map[string]*bytes.Buffer{}}
	for _, w := range workers {
		s.workers[w.Name] = w
	}
	s.Config = schedule.Config{
		Lease: time.Minute, Retries: 1,
		Workers: func(context.Context) ([]schedule.Worker, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			var list []schedule.Worker
			for _, w := range s.workers {
				list = append(list, w)
			}
			return list, nil
		},
		Prepare: func(_ context.Context, a schedule.Attempt) (build.Job, error) {
			id := fmt.Sprintf("%s-%d", a.Task.Base(), a.Number)
			if a.Task.Worker == a.Worker {
				id = a.Task.Base() + "-before"
			}
			return build.Job{ID: id, Base: a.Task.Base()}, nil
		},
		Finish: func(context.Context, []schedule.Finished) (map[string]error, error) { return nil, nil },
		Log: func(a schedule.Attempt) io.WriteCloser {
			s.mu.Lock()
			defer s.mu.Unlock()
			b := &bytes.Buffer{}
			s.logs[fmt.Sprintf("%s-%d", a.Task.Base(), a.Number)] = b
			return closer{b}
		},
		Observe: s.observe,
	}
	return s
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

// observe writes an event down, with the seconds since the start.
func (s *scene) observe(e schedule.Event) {
	at := time.Since(s.begin).Round(time.Second).Seconds()
	var line string
	switch e := e.(type) {
	case schedule.Started:
		line = fmt.Sprintf("%s on %s", e.Task.Base(), e.Worker)
	case schedule.Ended:
		if e.Err == nil {
			return
		}
		line = fmt.Sprintf("%s ended on %s, again %t", e.Task.Base(), e.Worker, e.Again)
	case schedule.Published:
		line = "published " + e.Task.Base()
	case schedule.Failed:
		line = fmt.Sprintf("failed %s: %v", e.Task.Base(), e.Err)
	case schedule.Skipped:
		line = fmt.Sprintf("skipped %s: needs %s", e.Task.Base(), strings.Join(e.Needs, " "))
	case schedule.Away:
		line = "away " + e.Worker
	case schedule.Back:
		line = "back " + e.Worker
	default:
		return
	}
	s.told = append(s.told, fmt.Sprintf("%g %s", at, line))
}

// set changes a worker while the run goes on.
func (s *scene) set(w schedule.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers[w.Name] = w
}

func (s *scene) run(ctx context.Context, t *testing.T, tasks []schedule.Task) error {
	t.Helper()
	runner, err := schedule.New(tasks, s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return runner.Run(ctx)
}

// expect compares what was told; what happens in the same second has no order.
func (s *scene) expect(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(s.told)
	slices.Sort(want)
	if diff := cmp.Diff(want, s.told); diff != "" {
		t.Errorf("what was told (-want +got):\n%s", diff)
	}
}

// tasks makes tasks from "a: b c", a needing b and c, each of ten seconds.
func tasks(lines ...string) []schedule.Task {
	var list []schedule.Task
	for _, line := range lines {
		base, needs, _ := strings.Cut(line, ":")
		list = append(list, schedule.Task{Architecture: "x86_64", Package: tree.Package{
			Base: base, Names: []string{base}, Depends: strings.Fields(needs), Seconds: 10}})
	}
	return list
}

func worker(name string, h *hand) schedule.Worker { return schedule.Worker{Name: name, Runner: h} }

// count counts the lines that hold text.
func (s *scene) count(text string) int {
	n := 0
	for _, line := range s.told {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
