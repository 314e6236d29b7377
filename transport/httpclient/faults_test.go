package httpclient_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/httpclient"
)

// link is a network between a master and a worker that breaks as it is told.
type link struct {
	t        testing.TB
	listener net.Listener
	target   string
	budget   func() int64 // bytes until a connection breaks; negative: it does not

	mu       sync.Mutex
	open     map[net.Conn]bool
	accepted int
	arrived  chan struct{} // a token for each connection
}

// newLink begins to forward connections to target.
func newLink(t testing.TB, target string, budget func() int64) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, listener: listener, target: target, budget: budget, open: map[net.Conn]bool{}, arrived: make(chan struct{}, 100_000)}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { l.forward(c) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.breakAll()
		wait.Wait()
	})
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

// breakAll breaks all connections there are.
func (l *link) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Close()
	}
}

func (l *link) forward(c net.Conn) {
	defer c.Close()
	to, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer to.Close()
	l.mu.Lock()
	l.open[c], l.open[to] = true, true
	l.accepted++
	l.mu.Unlock()
	l.arrived <- struct{}{}
	left := &allowance{left: l.budget()}
	var wait sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, to}, {to, c}} {
		wait.Go(func() {
			left.copy(way[1], way[0])
			way[0].Close()
			way[1].Close()
		})
	}
	wait.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	delete(l.open, to)
}

// allowance is how many bytes a connection carries, both ways together.
type allowance struct {
	mu   sync.Mutex
	left int64 // negative: any number
}

func (a *allowance) copy(to, from net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		a.mu.Lock()
		end := a.left >= 0 && int64(n) >= a.left
		if end {
			n = int(a.left)
		}
		if a.left >= 0 {
			a.left -= int64(n)
		}
		a.mu.Unlock()
		if _, writeErr := to.Write(buffer[:n]); writeErr != nil || err != nil || end {
			return
		}
	}
}

// random writes size bytes that do not compress to a file.
func random(t testing.TB, path string, size int64) []byte {
	t.Helper()
	data := make([]byte, size)
	rand.Read(data)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return data
}

// impatient retries often, and soon finds a connection dead.
func impatient(c *httpclient.RunnerConfig) {
	c.MaxRetries, c.Backoff, c.Silence = 10, time.Millisecond, time.Second
}

// TestBrokenConnections cuts connections at random, while sources and a package
// that is needed travel there, and a log and a package travel back.
func TestBrokenConnections(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := mathrand.New(mathrand.NewPCG(seed, 0))
	var mu sync.Mutex
	network := newLink(t, startWorker(t, nil).address, func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return dice.Int64N(300_000)
	})
	runner := newRunner(t, network.address(), impatient)
	dir := t.TempDir()
	needed, err := writePackage(dir, "needed", 3<<20, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	job := build.Job{ID: "cut", Base: "cut", Architecture: "x86_64", Dependencies: []string{needed}, Source: buildtest.PKGBUILD(t, "cut", `
	echo "package runs"
	cmp "$startdir/payload" "$startdir/payload.again"
	seq 100000
	install -Dm644 "$startdir/payload" "$pkgdir/usr/share/cut"`)}
	payload := random(t, filepath.Join(job.Source, "payload"), 1<<20)
	if err := os.WriteFile(filepath.Join(job.Source, "payload.again"), payload, 0o644); err != nil {
		t.Fatal(err)
	}
	result, log, err := buildtest.Build(t, runner, job)
	if err != nil {
		t.Fatalf("after %d connections: %v\n%.2000s", network.accepted, err, log)
	}
	if len(result.Files) != 1 || result.Worker != "w1" {
		t.Errorf("got %+v", result)
	}
	var numbers strings.Builder
	for i := range 100_000 {
		fmt.Fprintln(&numbers, i+1)
	}
	if strings.Count(log, "package runs") != 1 || !strings.Contains(log, "package runs\n"+numbers.String()) {
		t.Errorf("the log has gaps or repeats itself: %d bytes", len(log))
	}
	if kept, err := os.ReadFile(result.Log); err != nil || string(kept) != log {
		t.Errorf("the log file has other %d bytes: %v", len(kept), err)
	}
	t.Logf("%d connections", network.accepted)
}

// gone waits until no process with the mark is left.
func gone(t *testing.T, mark string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left := buildtest.Processes(t, mark)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left: %s", left)
		}
	}
}

// wantLost checks that the worker is lost and the build has not failed.
func wantLost(t *testing.T, err error) {
	t.Helper()
	var failure *build.Failure
	if !errors.Is(err, build.ErrLost) || errors.As(err, &failure) || errors.Is(err, build.ErrCancelled) {
		t.Errorf("got %v, want %v", err, build.ErrLost)
	}
}

// TestKilledWorker kills a worker in mid-build with SIGKILL: the build's
// processes end with it, and the master is told that the worker is lost, when
// it comes back without the build or when the lease is over.
func TestKilledWorker(t *testing.T) {
	for _, back := range []bool{true, false} {
		t.Run(fmt.Sprintf("back=%v", back), func(t *testing.T) {
			w := startWorker(t, nil)
			runner := newRunner(t, w.address, impatient)
			body, mark := buildtest.Waiting()
			job := build.Job{ID: "killed", Base: "killed", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "killed", body), Lease: 2 * time.Second}
			if back {
				job.Lease = time.Hour
			}
			if err := runner.Start(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			wait := buildtest.Follow(t, runner, job.ID, "ready")
			buildtest.AwaitProcesses(t, mark)
			w.kill()
			gone(t, mark)
			if back {
				w.start()
			}
			_, err := wait()
			wantLost(t, err)
			if back && !errors.Is(err, build.ErrUnknownJob) {
				t.Errorf("got %v, want %v too", err, build.ErrUnknownJob)
			}
			if !back {
				return
			}
			for _, dir := range []string{filepath.Join(w.options.Dir, "builds"), w.options.Scratch} {
				// What is there is of the new one.
				if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 1 {
					t.Errorf("left of the killed worker: %s, %v", left, err)
				}
			}
			job = build.Job{ID: "after", Base: "after", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "after", ":")}
			if _, log, err := buildtest.Build(t, runner, job); err != nil {
				t.Errorf("the next build: %v\n%s", err, log)
			}
		})
	}
}

// TestHangingWorker stops a worker, so that connections stay open and nothing
// comes: for good, and for a while.
func TestHangingWorker(t *testing.T) {
	w := startWorker(t, nil)
	network := newLink(t, w.address, func() int64 { return -1 })
	runner := newRunner(t, network.address(), impatient)
	body, mark := buildtest.Waiting()
	lost := build.Job{ID: "hangs", Base: "hangs", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "hangs", body), Lease: 3 * time.Second}
	if err := runner.Start(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	wait := buildtest.Follow(t, runner, lost.ID, "ready")
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := wait()
	wantLost(t, err)
	if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	gone(t, mark) // its lease has ended too

	body, release := buildtest.Held(t)
	heals := build.Job{ID: "heals", Base: "heals", Architecture: "x86_64", Lease: time.Hour, Source: buildtest.PKGBUILD(t, "heals", body)}
	if err := runner.Start(t.Context(), heals); err != nil {
		t.Fatal(err)
	}
	wait = buildtest.Follow(t, runner, heals.ID, "ready")
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for len(network.arrived) > 0 {
		<-network.arrived
	}
	<-network.arrived // the master has found the connection dead
	release()
	if err := w.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if result, err := wait(); err != nil || len(result.Files) != 1 {
		t.Errorf("after a stop: %v, %v", result, err)
	}
}

// watchAndLeave follows a build until its log says that it is ready.
func watchAndLeave(t *testing.T, runner *httpclient.Runner, id string) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	left := make(chan error, 1)
	go func() {
		_, err := runner.Attach(ctx, id, writer)
		left <- err
	}()
	var seen []byte
	for buffer := make([]byte, 100); !bytes.Contains(seen, []byte("ready")); {
		n, err := reader.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, buffer[:n]...)
	}
	go io.Copy(io.Discard, reader)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("leaving: %v", err)
	}
}

// TestMasterComesBack has a master go away in mid-build, and another one, which
// knows nothing but the id, take its place.
func TestMasterComesBack(t *testing.T) {
	w := startWorker(t, nil)
	body, release := buildtest.Held(t)
	job := build.Job{ID: "orphan", Base: "orphan", Architecture: "x86_64", Lease: time.Hour, Source: buildtest.PKGBUILD(t, "orphan", body)}
	first := newRunner(t, w.address, nil)
	if err := first.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	watchAndLeave(t, first, job.ID)
	t.Run("the second", func(t *testing.T) {
		wait := buildtest.Follow(t, newRunner(t, w.address, nil), job.ID, "ready")
		release()
		if result, err := wait(); err != nil || len(result.Files) != 1 {
			t.Fatalf("got %v, %v", result, err)
		}
	})
	// The result was fetched, once: with the second's end, the worker has forgotten it.
	_, err := newRunner(t, w.address, nil).Attach(t.Context(), job.ID, io.Discard)
	if !errors.Is(err, build.ErrUnknownJob) || !errors.Is(err, build.ErrLost) {
		t.Errorf("a third: got %v, want %v", err, build.ErrUnknownJob)
	}
}

// TestCancelledBuildGoes has nobody follow a build that is cancelled, as when an
// interrupt ends the master: nothing of it stays with the worker, long before its
// lease ends, and who asks here hears how it ended.
func TestCancelledBuildGoes(t *testing.T) {
	w := startWorker(t, nil)
	body, _ := buildtest.Held(t)
	job := build.Job{ID: "left", Base: "left", Architecture: "x86_64", Lease: time.Hour, Source: buildtest.PKGBUILD(t, "left", body)}
	runner := newRunner(t, w.address, nil)
	if err := runner.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	watchAndLeave(t, runner, job.ID)
	if err := runner.Cancel(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{filepath.Join(w.options.Dir, "builds/*"), filepath.Join(w.options.Scratch, "*/output/*")} {
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			left, err := filepath.Glob(pattern)
			if err == nil && len(left) == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("left there: %s, %v", left, err)
			}
		}
	}
	var log bytes.Buffer
	if _, err := runner.Attach(t.Context(), job.ID, &log); !errors.Is(err, build.ErrCancelled) || !strings.Contains(log.String(), "ready") {
		t.Errorf("afterwards: %v\n%s", err, &log)
	}
}
