package httpclient_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpserver"
)

// workerOptions are what a worker's process is told.
type workerOptions struct {
	Dir        string // of objects
	Scratch    string // of builds
	User       string
	Slots      int
	MaxObjects int64
	Address    string // empty: any
	Immediate  bool   // builds nothing, and gives packages at once
	Hold       string // with Immediate: builds last until this file exists
	Network    bool   // it has a network of its own
	Disk       int64  // Dir is a file system of so many bytes; 0: it is not
}

// serveWorker is the process of a worker: it prints its address, and serves
// until its standard input ends.
func serveWorker(text string) error {
	var o workerOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	var runner build.Runner = &immediate{dir: o.Scratch, size: 100_000, hold: o.Hold}
	if !o.Immediate {
		local, err := build.NewLocal(build.Config{User: o.User, Scratch: o.Scratch})
		if err != nil {
			return err
		}
		defer local.Close()
		runner = local
	}
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{
		Runner: runner, Dir: o.Dir, MaxObjects: o.MaxObjects,
		Version: "1.0.0", Architectures: []string{"x86_64"}, Slots: o.Slots, Features: []string{"big"},
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: builds, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	<-ctx.Done()
	err = builds.Close()
	server.Close()
	return err
}

// worker is a worker's process.
type worker struct {
	t       testing.TB
	options workerOptions
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
	reaped  bool
}

// startWorker starts one with the slots, and ends it with the test.
func startWorker(t testing.TB, change func(*workerOptions)) *worker {
	t.Helper()
	w := &worker{t: t, options: workerOptions{Dir: filepath.Join(t.TempDir(), "worker"), Scratch: passable(t), Slots: 8, Address: "127.0.0.1:0"}}
	if os.Geteuid() == 0 {
		w.options.User = "65534"
	}
	if change != nil {
		change(&w.options)
	}
	w.start()
	t.Cleanup(func() {
		if !w.reaped {
			_ = w.cmd.Process.Signal(syscall.SIGCONT)
			w.stdin.Close()
			if err := w.cmd.Wait(); err != nil {
				t.Errorf("the worker: %v", err)
			}
		}
	})
	return w
}

// start runs the process; after kill, it does so again, at the same address.
func (w *worker) start() {
	w.t.Helper()
	text, err := json.Marshal(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cmd = exec.Command(self, string(text))
	if w.options.Disk > 0 {
		w.cmd = onDisk(w.options.Dir, w.options.Disk, w.cmd)
	}
	if w.options.Network {
		w.cmd = exec.Command("unshare", append([]string{"--net", self}, w.cmd.Args[1:]...)...)
	}
	w.cmd.Env = append(os.Environ(), "AHRIMAN_ROLE=worker", "AHRIMAN_PEAK=/dev/null")
	w.cmd.Stderr = os.Stderr
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		w.t.Fatalf("the worker did not start: %v", err)
	}
	w.address, w.reaped = strings.TrimSpace(line), false
	w.options.Address = w.address
}

// onDisk returns the command with a file system of size bytes at dir, which
// only it sees.
func onDisk(dir string, size int64, cmd *exec.Cmd) *exec.Cmd {
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	script := fmt.Sprintf(`mkdir -p "$0" && mount -t tmpfs -o size=%d tmpfs "$0" && exec "$@"`, size)
	return exec.Command("unshare", append(append(args, "sh", "-c", script, dir), cmd.Args...)...)
}

// kill ends the process with SIGKILL.
func (w *worker) kill() {
	w.t.Helper()
	if err := w.cmd.Process.Kill(); err != nil {
		w.t.Fatal(err)
	}
	_ = w.cmd.Wait()
	w.stdin.Close()
	w.reaped = true
}

// passable returns a temporary directory that others can get to.
func passable(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newRunner makes a Runner for an address.
func newRunner(t testing.TB, address string, change func(*httpclient.RunnerConfig)) *httpclient.Runner {
	t.Helper()
	config := httpclient.RunnerConfig{Config: httpclient.Config{Address: "http://" + address}, Name: "w1", Scratch: t.TempDir()}
	if change != nil {
		change(&config)
	}
	runner, err := httpclient.NewRunner(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := runner.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(config.Scratch); err != nil || len(left) > 0 {
			t.Errorf("scratch after Close: %v, %v", left, err)
		}
	})
	return runner
}
