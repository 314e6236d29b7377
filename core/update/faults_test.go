package update_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/repository"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpserver"
)

// role is what a process of these tests is told by its environment; without it
// the process runs the tests.
const role = "AHRIMAN_UPDATE_ROLE"

func TestMain(m *testing.M) {
	if status, handled := build.SandboxMain(os.Args[1:]); handled {
		os.Exit(status)
	}
	var err error
	switch os.Getenv(role) {
	case "worker":
		err = workerProcess(os.Args[1])
	case "master":
		err = masterProcess(os.Args[1])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(role)+":", err)
		os.Exit(1)
	}
}

// buildUser is who builds when the tests are root.
func buildUser() string {
	if os.Geteuid() == 0 {
		return "65534"
	}
	return ""
}

// workerProcess builds for masters with makepkg, prints its address, and ends
// with its standard input.
func workerProcess(dir string) error {
	local, err := build.NewLocal(build.Config{User: buildUser(), Scratch: dir})
	if err != nil {
		return err
	}
	defer local.Close()
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{Runner: local, Dir: filepath.Join(dir, "objects"), Architectures: []string{"x86_64"}, Slots: 1})
	if err != nil {
		return err
	}
	defer builds.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: builds, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	defer server.Close()
	fmt.Println(listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// master is what a master's process is told.
type master struct {
	Root    string
	Workers []string // addresses; none: the master builds itself
	Lease   time.Duration
}

// masterProcess runs one update and prints what happens.
func masterProcess(text string) error {
	var o master
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx := context.Background()
	db, err := store.Open(ctx, filepath.Join(o.Root, "ahriman.sqlite"))
	if err != nil {
		return err
	}
	defer db.Close()
	r, err := repository.Open(repository.Options{Root: o.Root, ID: alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}})
	if err != nil {
		return err
	}
	workers, stop, err := o.connect()
	if err != nil {
		return err
	}
	defer stop()
	flow, err := update.New(update.Config{
		Repository: r, Store: db, Sources: source.New(source.Config{Cache: filepath.Join(o.Root, "cache")}),
		CacheDir: filepath.Join(o.Root, "cache"), ScratchDir: filepath.Join(o.Root, "scratch"), Lease: o.Lease, Retries: 1,
		Workers:   func(context.Context) ([]schedule.Worker, error) { return workers, nil },
		Observers: []update.Observer{printer{}},
	})
	if err != nil {
		return err
	}
	_, err = flow.Run(ctx, update.Request{Manual: true, Increment: true})
	fmt.Println("end", err)
	return nil
}

func (o master) connect() (workers []schedule.Worker, stop func(), err error) {
	scratch := filepath.Join(o.Root, "connections")
	if len(o.Workers) == 0 {
		local, err := build.NewLocal(build.Config{User: buildUser(), Scratch: filepath.Join(o.Root, "building")})
		return []schedule.Worker{{Name: "local", Runner: local, Features: []string{build.FeatureSources}}}, func() { local.Close() }, err
	}
	var closers []io.Closer
	for _, address := range o.Workers {
		runner, err := httpclient.NewRunner(httpclient.RunnerConfig{
			Config: httpclient.Config{Address: "http://" + address}, Name: address, Scratch: scratch, Lease: o.Lease, Silence: 2 * time.Second,
		})
		if err != nil {
			return nil, nil, err
		}
		closers = append(closers, runner)
		workers = append(workers, schedule.Worker{Name: address, Runner: runner, Features: []string{build.FeatureSources}})
	}
	return workers, func() {
		for _, c := range closers {
			c.Close()
		}
	}, nil
}

// printer prints events, one a line.
type printer struct{}

func (printer) Observe(_ context.Context, e update.Event) error {
	switch e := e.(type) {
	case update.BuildStarted:
		fmt.Println("start", e.Package.Base, e.Worker)
	case update.BuildAgain:
		fmt.Println("again", e.Package.Base, e.Worker)
	case update.LogLines:
		for _, line := range e.Lines {
			fmt.Println("log", e.Base, line)
		}
	case update.BuildEnded:
		if e.Err != nil {
			fmt.Println("failed", e.Package.Base, e.Err)
		}
	case update.Published:
		fmt.Println("published", e.Package.Base, e.Package.Version)
	}
	return nil
}

// process is a process of these tests, whose standard output is read by line.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
	said  []string
}

func spawn(t testing.TB, as, argument string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(self, argument)}
	p.cmd.Env = append(os.Environ(), role+"="+as)
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin, p.lines = stdin, bufio.NewScanner(stdout)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// until reads lines until one begins with the text, and returns the rest of it.
func (p *process) until(text string) string {
	p.t.Helper()
	timer := time.AfterFunc(3*time.Minute, p.kill)
	defer timer.Stop()
	for p.lines.Scan() {
		p.said = append(p.said, p.lines.Text())
		if rest, ok := strings.CutPrefix(p.lines.Text(), text); ok {
			return strings.TrimSpace(rest)
		}
	}
	p.t.Fatalf("%q was not said:\n%s", text, strings.Join(p.said, "\n"))
	return ""
}

// kill ends it with SIGKILL.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// realWorker starts a worker and returns its address.
func realWorker(t *testing.T) (*process, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := spawn(t, "worker", dir)
	address := w.until("")
	t.Cleanup(func() {
		if w.cmd.ProcessState == nil {
			w.stdin.Close()
			_ = w.cmd.Wait()
		}
	})
	return w, address
}

func (f *fixture) master(lease time.Duration, workers ...string) *process {
	f.t.Helper()
	if err := errors.Join(os.Chmod(filepath.Dir(f.root), 0o711), os.Chmod(f.root, 0o711)); err != nil {
		f.t.Fatal(err)
	}
	text, err := json.Marshal(master{Root: f.root, Workers: workers, Lease: lease})
	if err != nil {
		f.t.Fatal(err)
	}
	return spawn(f.t, "master", string(text))
}

// slowPKGBUILD takes long enough to be interrupted, and says which build it is.
func slowPKGBUILD(name string, seconds int) string {
	return fmt.Sprintf("pkgname=%s\npkgver=1\npkgrel=1\narch=(any)\npackage() {\n\techo \"stamp $(date +%%s%%N)\"\n\tsleep %d\n}\n", name, seconds)
}

// TestMasterKilled kills a master while a worker builds for it: the next one
// gets what that build gives.
func TestMasterKilled(t *testing.T) {
	f := newFixture(t)
	f.want("slow", slowPKGBUILD("slow", 5))
	f.want("after", pkgbuildOf("after", "1", "depends=(slow)"))
	_, address := realWorker(t)
	first := f.master(time.Minute, address)
	stamp := first.until("log slow stamp ")
	first.kill()
	second := f.master(time.Minute, address)
	if again := second.until("log slow stamp "); again != stamp {
		t.Errorf("the build of %s was begun again at %s", stamp, again)
	}
	if end := second.until("end "); end != "<nil>" {
		t.Errorf("the second run: %s\n%s", end, strings.Join(second.said, "\n"))
	}
	f.expect("published", f.published(), []string{"after 1-1", "slow 1-1"})
	for _, base := range []string{"slow", "after"} {
		builds, err := f.store.Builds(t.Context(), f.config.Repository.ID(), base, -1)
		if err != nil || len(builds) != 1 || builds[0].Worker != address {
			t.Errorf("%s: %+v, %v", base, builds, err)
		}
	}
}

// TestMasterKilledWhileItBuilds kills a master that builds itself: its builds
// die with it, and the next one builds all.
func TestMasterKilledWhileItBuilds(t *testing.T) {
	f := newFixture(t)
	f.want("slow", slowPKGBUILD("slow", 2))
	f.want("quick", pkgbuildOf("quick", "1"))
	first := f.master(time.Minute)
	first.until("log slow stamp ")
	first.kill()
	second := f.master(time.Minute)
	if end := second.until("end "); end != "<nil>" {
		t.Errorf("the second run: %s\n%s", end, strings.Join(second.said, "\n"))
	}
	f.expect("published", f.published(), []string{"quick 1-1", "slow 1-1"})
}

// TestWorkerGone kills a worker in mid-build, or lets it hang: another one
// builds what it had, and what it says later counts for nothing.
func TestWorkerGone(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "hanging": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.want("slow", slowPKGBUILD("slow", 3))
			workers := map[string]*process{}
			var addresses []string
			for range 2 {
				w, address := realWorker(t)
				workers[address] = w
				addresses = append(addresses, address)
			}
			m := f.master(3*time.Second, addresses...)
			victim := m.until("start slow ")
			m.until("log slow stamp ")
			if err := workers[victim].cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if other := m.until("start slow "); other == victim {
				t.Errorf("%s is gone, and got the job again", victim)
			}
			_ = workers[victim].cmd.Process.Signal(syscall.SIGCONT)
			if end := m.until("end "); end != "<nil>" {
				t.Errorf("%s\n%s", end, strings.Join(m.said, "\n"))
			}
			f.expect("published", f.published(), []string{"slow 1-1"})
			builds, err := f.store.Builds(t.Context(), f.config.Repository.ID(), "slow", -1)
			if err != nil || len(builds) != 1 || builds[0].Worker == victim {
				t.Errorf("%+v, %v", builds, err)
			}
		})
	}
}
