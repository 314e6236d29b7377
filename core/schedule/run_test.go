package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"

	"github.com/google/go-cmp/cmp"
)

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(worker("w1", takes(10*time.Second)), worker("w2", takes(10*time.Second)))
		if err := s.run(t.Context(), t, tasks("lone", "top: middle", "middle: low", "low")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 low on w1", "0 lone on w2", "10 published lone", "10 published low",
			"10 middle on w1", "20 published middle", "20 top on w1", "30 published top")
	})
}

func TestFailureStopsOnlyWhatNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(worker("w1", fails(10*time.Second, "bad")))
		if err := s.run(t.Context(), t, tasks("bad", "next: bad", "last: next other", "other")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 bad on w1", "0 bad ended on w1, again false", "0 failed bad: building bad: made to",
			"0 skipped next: needs bad", "0 skipped last: needs bad", "0 other on w1", "10 published other")
	})
}

func TestRetryElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(worker("w1", fails(10*time.Second, "a-odd", "bad")), worker("w2", fails(10*time.Second, "bad")))
		if err := s.run(t.Context(), t, tasks("a-odd", "bad")); err != nil {
			t.Fatal(err)
		}
		if s.count("a-odd on") != 2 || s.count("published a-odd") != 1 || s.count("bad on") != 2 || s.count("failed bad") != 1 {
			t.Errorf("got %q", s.told)
		}
		if s.count("away w1") != 1 {
			t.Errorf("what failed on w1 was built elsewhere, and w1 was not set aside: %q", s.told)
		}
	})
}

// TestFullDisk has a worker on which everything fails at once: it must not take
// the queue with it.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(worker("full", fails(0)), worker("w1", takes(100*time.Second)), worker("w2", takes(100*time.Second)))
		var list []string
		for i := range 60 {
			list = append(list, fmt.Sprintf("p%02d", i))
		}
		if err := s.run(t.Context(), t, tasks(list...)); err != nil {
			t.Fatal(err)
		}
		if n := s.count("published"); n != 60 {
			t.Errorf("%d of 60 are published: %q", n, s.told)
		}
		if n := s.count("on full"); n > 40 {
			t.Errorf("the worker that fails was given %d jobs", n)
		}
	})
}

func TestLostWorkerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := takes(100*time.Second), takes(100*time.Second)
		s := newScene(worker("w1", one), worker("w2", two))
		go func() {
			time.Sleep(50 * time.Second)
			one.answers(errUnreachable)
			time.Sleep(150 * time.Second)
			one.forget()
			one.answers(nil)
		}()
		if err := s.run(t.Context(), t, tasks("a", "b", "c", "d", "e", "f")); err != nil {
			t.Fatal(err)
		}
		if s.count("50 a ended on w1, again true") != 1 || s.count("50 away w1") != 1 || s.count("back w1") != 1 || one.starts < 2 {
			t.Errorf("%d builds on w1; %q", one.starts, s.told)
		}
		if n := s.count("published"); n != 6 {
			t.Errorf("%d of 6 are published: %q", n, s.told)
		}
	})
}

// TestWorkerSaysLost has a worker that answers and says that the job is lost.
func TestWorkerSaysLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := newHand(func(context.Context, build.Job, io.Writer) (*build.Result, error) {
			return nil, fmt.Errorf("no space left: %w", build.ErrLost)
		})
		s := newScene(worker("a-full", full), worker("w2", takes(10*time.Second)))
		if err := s.run(t.Context(), t, tasks("a", "b", "c")); err != nil {
			t.Fatal(err)
		}
		if s.count("published") != 3 || s.count("away a-full") == 0 {
			t.Errorf("got %q", s.told)
		}
	})
}

func TestNothingIsLostForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := takes(10 * time.Second)
		h.answers(errUnreachable)
		s := newScene(worker("w1", h))
		if err := s.run(t.Context(), t, tasks("a", "b: a")); err != nil {
			t.Fatal(err)
		}
		if s.count("failed a: no worker for it: connection refused") != 1 || s.count("skipped b") != 1 {
			t.Errorf("got %q", s.told)
		}
		if took := time.Since(s.begin); took < schedule.DefaultPatience || took > 2*schedule.DefaultPatience {
			t.Errorf("waited %v for a worker that does not answer", took)
		}
	})
}

func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := takes(10 * time.Second)
		h.answers(errors.New("401: who are you"))
		s := newScene(worker("w1", h))
		if err := s.run(t.Context(), t, tasks("a")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 a on w1", "0 a ended on w1, again true", "0 away w1", "0 failed a: 401: who are you")
	})
}

// TestUnusable has workers that somebody has to mend: nothing waits for them, and
// they come back once they are mended.
func TestUnusable(t *testing.T) {
	refused := build.Unusable(errors.New("log-in refused"))
	none := func(t *testing.T, s *scene, want ...string) {
		t.Helper()
		if err := s.run(t.Context(), t, tasks("a", "b: a")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, want...)
	}
	known := worker("w1", takes(10*time.Second))
	known.Unusable = refused
	synctest.Test(t, func(t *testing.T) {
		none(t, newScene(known), "0 away w1", "0 failed a: no worker for it: w1 has to be mended (log-in refused)", "0 skipped b: needs a")
	})
	found := takes(10 * time.Second)
	found.answers(fmt.Errorf("%w: %w", refused, build.ErrLost))
	synctest.Test(t, func(t *testing.T) {
		none(t, newScene(worker("w1", found)), "0 a on w1", "0 a ended on w1, again true", "0 away w1",
			"0 failed a: no worker for it: log-in refused: worker lost", "0 skipped b: needs a")
	})
	synctest.Test(t, func(t *testing.T) { // one that does not answer may yet come
		h := takes(10 * time.Second)
		h.answers(errUnreachable)
		time.AfterFunc(5*time.Minute, func() { h.answers(nil) })
		s := newScene(known, worker("w2", h))
		if err := s.run(t.Context(), t, tasks("a", "b: a")); err != nil {
			t.Fatal(err)
		}
		if s.count("published") != 2 || s.count("away w1") != 1 {
			t.Errorf("got %q", s.told)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := takes(100 * time.Second)
		h.answers(refused)
		time.AfterFunc(4*time.Minute, func() { h.answers(errUnreachable) })
		time.AfterFunc(9*time.Minute, func() { h.answers(nil) })
		s := newScene(known, worker("w2", h), worker("w3", takes(100*time.Second)))
		time.AfterFunc(48*time.Second, func() { s.set(worker("w1", takes(100*time.Second))) })
		var list []string
		for i := range 40 {
			list = append(list, fmt.Sprintf("p%02d", i))
		}
		if err := s.run(t.Context(), t, tasks(list...)); err != nil {
			t.Fatal(err)
		}
		if s.count("published") != 40 || s.count("50 back w1") != 1 || s.count("away w2") != 1 || s.count("back w2") != 1 {
			t.Errorf("got %q", s.told)
		}
		if n := s.count("ended on w2"); n > 3 {
			t.Errorf("w2 was tried %d times", n)
		}
	})
	synctest.Test(t, func(t *testing.T) { // what it may be at from before is not waited for either
		s := newScene(known, worker("w2", takes(10*time.Second)))
		list := tasks("a")
		list[0].Worker = "w1"
		if err := s.run(t.Context(), t, list); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 away w1", "0 a on w2", "10 published a")
	})
	plan, err := schedule.Plan(t.Context(), tasks("a"), newScene(known).Config)
	if err != nil || plan.Explain("a") != "a cannot be built: w1 has to be mended (log-in refused)" {
		t.Errorf("got %q, %v", plan.Explain("a"), err)
	}
}

func TestWorkersComeDrainAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(worker("w1", takes(10*time.Second)))
		go func() {
			time.Sleep(12 * time.Second)
			drains := worker("w1", takes(10*time.Second))
			drains.Draining = true
			s.set(drains)
			s.set(worker("w2", takes(10*time.Second)))
		}()
		if err := s.run(t.Context(), t, tasks("a", "b", "c", "d")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 a on w1", "10 published a", "10 b on w1", "15 c on w2", "20 published b",
			"25 published c", "25 d on w2", "35 published d")
	})
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := takes(100*time.Second), takes(100*time.Second)
		if err := two.Start(t.Context(), build.Job{ID: "b-before", Base: "b"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Second)
		s := newScene(worker("w1", one), worker("w2", two))
		list := tasks("a", "b", "c")
		list[1].Worker, list[2].Worker = "w2", "gone"
		if err := s.run(t.Context(), t, list); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 b on w2", "0 a on w1", "40 published b", "40 c on w2", "100 published a", "140 published c")
		if two.starts != 2 {
			t.Errorf("%d builds on w2, want b, once, and c", two.starts)
		}
	})
}

// TestRestartWaitsForAWorkerThatIsAway has a worker that does not answer right
// after the restart: what it may be at is not built elsewhere before its lease
// has ended.
func TestRestartWaitsForAWorkerThatIsAway(t *testing.T) {
	for _, test := range []struct {
		away time.Duration
		want string // worker
	}{{20 * time.Second, "w2"}, {time.Hour, "w1"}} {
		synctest.Test(t, func(t *testing.T) {
			one, two := takes(10*time.Second), takes(100*time.Second)
			if err := two.Start(t.Context(), build.Job{ID: "b-before", Base: "b"}); err != nil {
				t.Fatal(err)
			}
			two.answers(errUnreachable)
			time.AfterFunc(test.away, func() { two.answers(nil) })
			s := newScene(worker("w1", one), worker("w2", two))
			list := tasks("b")
			list[0].Worker = "w2"
			if err := s.run(t.Context(), t, list); err != nil {
				t.Fatal(err)
			}
			if s.count("b on "+test.want) == 0 || s.count("published b") != 1 || (one.starts == 1) != (test.want == "w1") {
				t.Errorf("away for %v: %q", test.away, s.told)
			}
			time.Sleep(2 * time.Hour) // until all is over
		})
	}
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := takes(time.Hour), takes(time.Hour)
		s := newScene(worker("w1", one), worker("w2", two))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.run(ctx, t, tasks("a", "b", "c")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if len(one.cancelled) != 1 || len(two.cancelled) != 1 || time.Since(s.begin) != time.Minute {
			t.Errorf("cancelled %v and %v after %v", one.cancelled, two.cancelled, time.Since(s.begin))
		}
	})
}

func TestPublicationsAreBundled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		for i := range 10 {
			s.set(worker(fmt.Sprint("w", i), takes(time.Duration(10+i)*time.Second)))
		}
		var calls []int
		s.Finish = func(_ context.Context, finished []schedule.Finished) (map[string]error, error) {
			calls = append(calls, len(finished))
			time.Sleep(30 * time.Second)
			return map[string]error{"f": errors.New("refused")}, nil
		}
		if err := s.run(t.Context(), t, tasks("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k: f")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{1, 9}, calls); diff != "" {
			t.Errorf("publications (-want +got):\n%s", diff)
		}
		if s.count("failed f: refused") != 1 || s.count("skipped k: needs f") != 1 {
			t.Errorf("got %q", s.told)
		}
	})
}

func TestFinishEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := takes(time.Hour)
		s := newScene(worker("w1", takes(time.Second)), worker("w2", slow))
		broken := errors.New("the disk is full")
		s.Finish = func(context.Context, []schedule.Finished) (map[string]error, error) { return nil, broken }
		if err := s.run(t.Context(), t, tasks("a", "b")); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		if len(slow.cancelled) != 1 {
			t.Error("what was going on was not cancelled")
		}
	})
}

// TestAccept has a worker that gives what is not accepted.
func TestAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(worker("w1", takes(time.Second)), worker("w2", takes(time.Second)))
		s.Accept = func(_ context.Context, f schedule.Finished) error {
			if f.Worker == "w1" {
				return errors.New("truncated")
			}
			return nil
		}
		if err := s.run(t.Context(), t, tasks("a", "b")); err != nil {
			t.Fatal(err)
		}
		if s.count("published") != 2 || s.count("away w1") != 1 {
			t.Errorf("got %q", s.told)
		}
	})
}

func TestFeaturesAndSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := worker("big", takes(20*time.Second))
		big.Features, big.Architectures = []string{"big"}, []string{"x86_64"}
		arm := worker("arm", takes(10*time.Second))
		arm.Architectures = []string{"aarch64"}
		slow := worker("slow", takes(100*time.Second))
		slow.Speed = 0.1
		s := newScene(big, arm, slow, worker("w1", takes(10*time.Second)))
		s.Patience = time.Minute
		list := tasks("a", "b", "c", "huge")
		list[3].Features = []string{"huge"}
		list[2].Features = []string{"big"}
		if err := s.run(t.Context(), t, list); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 a on w1", "0 c on big", "10 published a", "20 published c", "10 b on w1", "20 published b",
			"60 failed huge: no worker for it: no worker for x86_64 has huge")
	})
}

// TestBases has a worker for certain bases: it gets these first, and no other,
// from the moment on that this is known.
func TestBases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		few, all := worker("few", takes(10*time.Second)), worker("all", takes(10*time.Second))
		few.Bases = []string{"b", "d"}
		s := newScene(few, all)
		if err := s.run(t.Context(), t, tasks("a", "b", "c", "d")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 a on all", "0 b on few", "10 published a", "10 published b", "10 c on all", "10 d on few", "20 published c", "20 published d")
	})
	synctest.Test(t, func(t *testing.T) {
		few := worker("few", takes(10*time.Second))
		s := newScene(few)
		s.Patience, s.Refresh = time.Minute, time.Second
		changed := time.AfterFunc(5500*time.Millisecond, func() {
			few.Bases = []string{"c"}
			s.set(few)
		})
		defer changed.Stop()
		if err := s.run(t.Context(), t, tasks("a", "b", "c")); err != nil {
			t.Fatal(err)
		}
		s.expect(t, "0 a on few", "10 published a", "10 c on few", "20 published c",
			"66 failed b: no worker for it: few is there for other bases only")
	})
}

func TestPlan(t *testing.T) {
	s := newScene(worker("w1", nil), worker("w2", nil))
	list := tasks("a", "b: a", "c", "d", "circle: round", "round: circle", "no", "never: no")
	list[3].Package.Seconds = 0
	list[6].Features = []string{"big"}
	plan, err := schedule.Plan(t.Context(), list, s.Config)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, step := range plan.Steps {
		got = append(got, fmt.Sprintf("%s on %q from %v to %v: %s", step.Task.Base(), step.Worker, step.Begin, step.End, step.Why))
	}
	want := []string{
		`a on "w1" from 0s to 10s: it needs nothing that is to be built`,
		`circle on "w2" from 0s to 10s: it needs nothing that is to be built`,
		`b on "w1" from 10s to 20s: it needs a, which builds on w1 until then`,
		`c on "w2" from 10s to 20s: all slots are taken by longer paths until then`,
		`d on "w1" from 20s to 30s: all slots are taken by longer paths until then`,
		`round on "w2" from 20s to 30s: all slots are taken by longer paths until then`,
		`never on "" from 0s to 0s: needs no, which waits for a worker: no worker for x86_64 has big`,
		`no on "" from 0s to 0s: no worker for x86_64 has big`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"circle needs round"}, plan.Opened); diff != "" {
		t.Error(diff)
	}
	if plan.Took != 30*time.Second {
		t.Errorf("took %v", plan.Took)
	}
	if got, want := plan.Explain("b"), "b builds on w1 after 10s, for 10s: it needs a, which builds on w1 until then"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTwice(t *testing.T) {
	s := newScene()
	if _, err := schedule.New(tasks("a", "a"), s.Config); err == nil {
		t.Error("two tasks of one base are accepted")
	}
}
