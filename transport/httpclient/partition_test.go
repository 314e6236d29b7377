package httpclient_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/httpclient"
)

// TestPartition takes the network between a master and a worker away, each in a
// network namespace of its own, and heals it: in time, and too late.
func TestPartition(t *testing.T) {
	if os.Getenv("AHRIMAN_PARTITION") == "" {
		args := []string{"--net", "--mount"}
		if os.Geteuid() != 0 {
			args = append(args, "--user", "--map-root-user")
		}
		cmd := exec.CommandContext(t.Context(), "unshare", append(args, os.Args[0], "-test.run=^TestPartition$", "-test.v")...)
		cmd.Env = append(os.Environ(), "AHRIMAN_PARTITION=yes")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	hold := filepath.Join(t.TempDir(), "hold")
	w := startWorker(t, func(o *workerOptions) {
		o.Immediate, o.Hold, o.Network, o.Address = true, hold, true, "0.0.0.0:0"
	})
	pid := strconv.Itoa(w.cmd.Process.Pid)
	inside := []string{"nsenter", "--net=/proc/" + pid + "/ns/net", "ip"}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	ip("ip", "link", "add", "name", "tomaster", "type", "veth", "peer", "name", "toworker", "netns", pid)
	ip("ip", "addr", "add", "10.99.0.1/24", "dev", "tomaster")
	ip("ip", "link", "set", "tomaster", "up")
	ip(append(inside, "addr", "add", "10.99.0.2/24", "dev", "toworker")...)
	ip(append(inside, "link", "set", "toworker", "up")...)
	address := "10.99.0.2" + w.address[strings.LastIndex(w.address, ":"):]

	for _, test := range []struct {
		name  string
		lease time.Duration
		lost  bool
	}{{"in-time", time.Hour, false}, {"late", 3 * time.Second, true}} {
		t.Run(test.name, func(t *testing.T) {
			os.Remove(hold)
			runner := newRunner(t, address, func(c *httpclient.RunnerConfig) { impatient(c); c.Timeout = time.Second })
			job := build.Job{ID: test.name, Base: "foo", Architecture: "x86_64", Source: sources(t), Lease: test.lease}
			if err := runner.Start(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			wait := buildtest.Follow(t, runner, job.ID, "building foo")
			ip(append(inside, "link", "set", "toworker", "down")...)
			if _, err := runner.Capabilities(t.Context()); err == nil {
				t.Error("the network is still there")
			}
			if test.lost {
				_, err := wait() // while the network is away
				wantLost(t, err)
			}
			if err := os.WriteFile(hold, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			ip(append(inside, "link", "set", "toworker", "up")...)
			if !test.lost {
				if result, err := wait(); err != nil || len(result.Files) != 1 {
					t.Errorf("got %v, %v", result, err)
				}
				return
			}
			// A late result is not accepted: the worker has given the build up.
			for can, err := runner.Capabilities(t.Context()); err != nil || len(can.Running) > 0; can, err = runner.Capabilities(t.Context()) {
				if t.Context().Err() != nil {
					t.Fatal(fmt.Errorf("the worker did not come back: %w", err))
				}
			}
			_, err := newRunner(t, address, nil).Attach(t.Context(), job.ID, io.Discard)
			wantLost(t, err)
		})
	}
}
