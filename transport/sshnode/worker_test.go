package sshnode_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
	"ahriman/transport/sshnode"
)

// The tests' program is its own worker: what is put there is this file.
func TestMain(m *testing.M) {
	if status, ok := build.SandboxMain(os.Args[1:]); ok {
		os.Exit(status)
	}
	if len(os.Args) > 1 {
		role := map[string]func(context.Context, string) error{"connect": connectMain, "serve": serveMain}[os.Args[1]]
		if role != nil {
			os.Exit(run(role))
		}
	}
	os.Exit(m.Run())
}

func run(role func(context.Context, string) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	self, err := os.Executable()
	if err == nil {
		err = role(ctx, self)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func connectMain(ctx context.Context, self string) error {
	return sshnode.Connect(ctx, sshnode.ConnectConfig{Program: self, Serve: []string{"serve"}, In: os.Stdin, Out: os.Stdout})
}

func serveMain(ctx context.Context, self string) error {
	return sshnode.Serve(ctx, sshnode.ServeConfig{
		Dir: filepath.Dir(self), Version: "test", Architectures: []string{"x86_64"}, Slots: 1, Idle: 1500 * time.Millisecond,
		Scratch: filepath.Join(self, "../../../../scratch"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Ready: os.NewFile(3, "ready"),
	})
}

// worker is a machine with an sshd, behind a relay.
type worker struct {
	t      testing.TB
	server *sshtest.Server
	relay  *sshtest.Relay
	addr   string // where clients connect: the relay
}

func newWorker(t testing.TB, options sshtest.Options) *worker {
	t.Helper()
	options.Nobody = true
	w := &worker{t: t}
	// After the end of the server and what it started.
	t.Cleanup(func() { w.awaitEmpty() })
	w.server = sshtest.Start(t, options)
	w.relay = sshtest.NewRelay(t, w.server.Addr)
	w.addr = w.relay.Addr
	w.server.Know(w.relay.Addr, w.server.Addr)
	return w
}

// program returns the process there that runs a command of the program.
func (w *worker) program(command string) int {
	w.t.Helper()
	for pid, line := range w.server.Programs() {
		if strings.HasSuffix(line, " "+command+" ") {
			return pid
		}
	}
	w.t.Fatalf("no %s runs there", command)
	return 0
}

// patience bounds every wait of the tests.
const patience = time.Minute

// await waits until what it is told holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// awaitEmpty waits for the end of the servers, and checks that they left nothing
// but programs.
func (w *worker) awaitEmpty() {
	w.t.Helper()
	await(w.t, "the server ends", func() bool { return len(w.server.Programs()) == 0 })
	left, err := filepath.Glob(filepath.Join(w.server.Cache, "ahriman/*/*/*"))
	if err != nil {
		w.t.Error(err)
	}
	for _, path := range left {
		if !slices.Contains([]string{"ahriman", "lock", "start", "log"}, filepath.Base(path)) {
			w.t.Errorf("left there: %s", path)
		}
	}
	if left := w.scratch(); len(left) > 0 {
		w.t.Errorf("left in scratch: %s", left)
	}
}

// scratch is where builds are being made there; all servers share it.
func (w *worker) scratch() []string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.server.Cache, "scratch/*"))
	hidden, hiddenErr := filepath.Glob(filepath.Join(w.server.Cache, "scratch/.*"))
	if err := errors.Join(err, hiddenErr); err != nil {
		w.t.Fatal(err)
	}
	return append(names, hidden...)
}

// runner returns a Runner that is closed at the end.
func (w *worker) runner(change func(*sshnode.Config)) *sshnode.Runner {
	w.t.Helper()
	dialer, err := sshdial.New(sshdial.Config{Home: w.server.Home, LocalUser: w.server.User, SystemConfig: "/dev/null",
		SystemKnownHosts: "/dev/null", Getenv: func(string) string { return "" }})
	if err != nil {
		w.t.Fatal(err)
	}
	target, err := sshdial.ParseTarget("ssh://" + w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	config := sshnode.Config{Target: target, Dialer: dialer, Slots: 3, Command: []string{"connect"}, Scratch: w.t.TempDir()}
	if change != nil {
		change(&config)
	}
	r, err := sshnode.NewRunner(config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return r
}

// job is a build of a package whose package() is body.
func (w *worker) job(name, body string) build.Job {
	return build.Job{ID: name, Base: name, Architecture: "x86_64", Source: buildtest.PKGBUILD(w.t, name, body)}
}

// begin starts a build that prints "ready", lasts a while and prints "done".
func begin(t *testing.T, r build.Runner, name string, lease time.Duration) build.Job {
	t.Helper()
	job := build.Job{ID: name, Base: name, Architecture: "x86_64", Lease: lease,
		Source: buildtest.PKGBUILD(t, name, "echo ready; sleep 3; echo done")}
	if err := r.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	return job
}

// log is a log that can be waited for.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *log) has(text string) func() bool {
	return func() bool { return strings.Contains(l.String(), text) }
}

func sleeps(seconds string) bool {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		if text, err := os.ReadFile(path); err == nil && string(text) == "sleep\x00"+seconds+"\x00" {
			return true
		}
	}
	return false
}

// anotherVersion is a program that does the same, and is another for workers.
func anotherVersion(t *testing.T) string {
	t.Helper()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ahriman")
	if err := os.WriteFile(path, append(program, "another version"...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
