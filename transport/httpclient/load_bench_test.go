package httpclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/transport/api"
)

// loaded is a server in a process of its own.
type loaded struct {
	b       *testing.B
	address string
	process *os.Process
}

func startLoaded(b *testing.B, repositories ...string) *loaded {
	b.Helper()
	server, address := startServer(b, b.TempDir(), "127.0.0.1:0", repositories...)
	return &loaded{b, address, server.Process}
}

// startServer starts one that serves the root, and returns where it listens. It
// ends with the test, unless it is killed.
func startServer(t testing.TB, root, at string, repositories ...string) (server *exec.Cmd, address string) {
	t.Helper()
	server = exec.Command(os.Args[0], append([]string{root, at}, repositories...)...) // it ends with its input, after the test's context
	server.Env = append(os.Environ(), "AHRIMAN_ROLE=server", "AHRIMAN_PEAK="+os.DevNull)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if server.ProcessState != nil {
			return
		}
		stdin.Close()
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
	address, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return server, strings.TrimSpace(address)
}

// memory is a line of the process's status, in MiB.
func (l *loaded) memory(name string) float64 {
	l.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.process.Pid))
	if err != nil {
		l.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			if err != nil {
				l.b.Fatal(err)
			}
			return n / 1024
		}
	}
	l.b.Fatal("no line " + name)
	return 0
}

// processor is the processor time it took so far.
func (l *loaded) processor() time.Duration {
	l.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.process.Pid))
	if err != nil {
		l.b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		l.b.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// Of BenchmarkFleet.
const (
	fleetSize   = 1000
	fleetRenews = 15 * time.Second
	fleetTime   = 30 * time.Second
)

// BenchmarkFleet is 1,000 listeners to events and 1,000 workers that renew their
// registration every 15 s.
func BenchmarkFleet(b *testing.B) {
	l := startLoaded(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: fleetSize}}
	defer client.CloseIdleConnections()
	ask := func(method, path, body string) error {
		request, err := http.NewRequestWithContext(b.Context(), method, l.address+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.SetBasicAuth("worker-user", "very-secure-password")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode >= 300 {
			return errors.New(response.Status)
		}
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	if err := ask("GET", api.PathStatus, ""); err != nil {
		b.Fatal(err)
	}
	time.Sleep(2 * time.Second) // to be idle
	idle := l.memory("VmRSS")

	ctx, stop := context.WithCancel(b.Context())
	var all sync.WaitGroup
	for i := range fleetSize {
		request, err := http.NewRequestWithContext(ctx, "GET", l.address+api.PathEventStream+"?event=package-updated", nil)
		if err != nil {
			b.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil || response.StatusCode != 200 {
			b.Fatal(response, err)
		}
		all.Go(func() {
			defer response.Body.Close()
			io.Copy(io.Discard, response.Body)
		})
		worker := fmt.Sprintf(`{"address":"http://worker-%d","identifier":"worker-%d"}`, i, i)
		if err := ask("POST", api.PathDistributed, worker); err != nil {
			b.Fatal(err)
		}
		all.Go(func() {
			wait := time.NewTimer(fleetRenews * time.Duration(i) / fleetSize)
			defer wait.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-wait.C:
					wait.Reset(fleetRenews)
				}
				if err := ask("POST", api.PathDistributed, worker); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for b.Loop() {
		before := l.processor()
		time.Sleep(fleetTime)
		b.ReportMetric(100*(l.processor()-before).Seconds()/fleetTime.Seconds(), "%core")
	}
	b.ReportMetric(idle, "idle-MB")
	b.ReportMetric(l.memory("VmRSS"), "MB")
	stop()
	all.Wait()
}

// uploadsAtOnce is how many of benchSize go up in BenchmarkUploadsAtOnce.
const uploadsAtOnce = 10

// BenchmarkUploadsAtOnce sends ten files of a GiB at once, and looks at how long
// others wait for the status meanwhile. AHRIMAN_BENCH_SIZE is another size, MiB.
func BenchmarkUploadsAtOnce(b *testing.B) {
	size := int64(benchSize)
	if text := os.Getenv("AHRIMAN_BENCH_SIZE"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			b.Fatal(err)
		}
		size = n << 20
	}
	// One file for all, each to a repository of its own: the disk is to write, not
	// to read.
	path, err := writePackage(b.TempDir(), "big", size, bufio.NewReaderSize(&numbers{}, 1<<20))
	if err != nil {
		b.Fatal(err)
	}
	var repositories []string
	for i := range uploadsAtOnce {
		repositories = append(repositories, fmt.Sprint("r", i))
	}
	for b.Loop() {
		l := startLoaded(b, repositories...)
		quiet := l.askStatus(time.After(3 * time.Second))
		done := make(chan time.Time)
		waits := make(chan []time.Duration)
		go func() { waits <- l.askStatus(done) }()
		var all sync.WaitGroup
		began := time.Now()
		for _, name := range repositories {
			client := side(b, "client", l.address, path, name) // not where askStatus is
			all.Go(func() {
				if err := client.Run(); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		took := time.Since(began)
		close(done)
		loud := <-waits
		b.ReportMetric(float64(uploadsAtOnce*size)/(1<<20)/took.Seconds(), "MiB/s")
		b.ReportMetric(l.memory("VmHWM"), "server-MB")
		b.ReportMetric(percentile(quiet, 99), "quiet-p99-ms")
		b.ReportMetric(percentile(loud, 50), "p50-ms")
		b.ReportMetric(percentile(loud, 99), "p99-ms")
		b.ReportMetric(percentile(loud, 100), "max-ms")
	}
}

// percentile returns the time that so many of a hundred are not above, in ms.
func percentile(waits []time.Duration, percent int) float64 {
	slices.Sort(waits)
	return float64(waits[(len(waits)-1)*percent/100].Microseconds()) / 1000
}

// askStatus asks every 10 ms, over a connection that stays, until done.
func (l *loaded) askStatus(done <-chan time.Time) (waits []time.Duration) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		began := time.Now()
		response, err := http.Get(l.address + api.PathStatus)
		if err != nil {
			l.b.Error(err)
			return []time.Duration{0}
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		waits = append(waits, time.Since(began))
		select {
		case <-done:
			return waits
		case <-tick.C:
		}
	}
}
