package sshnode_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
	"ahriman/transport/sshnode"
)

func TestRunner(t *testing.T) {
	buildtest.Run(t, buildtest.Options{}, func(t *testing.T) build.Runner {
		return newWorker(t, sshtest.Options{}).runner(nil)
	})
}

func TestServerEndsWhenIdle(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	r := w.runner(nil)
	if _, log, err := buildtest.Build(t, r, begin(t, r, "idle", time.Minute)); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	w.awaitEmpty()
	if _, err := w.runner(nil).Capabilities(t.Context()); err != nil {
		t.Errorf("another server: %v", err)
	}
}

func TestCapabilities(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	var sent int64
	over := false
	progress := func(c *sshnode.Config) {
		c.Progress = func(p build.Progress) {
			sent, over = max(sent, p.Bytes), p == build.Progress{}
		}
	}
	can, err := w.runner(progress).Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if can.Version != "test" || can.Slots != 3 || can.Speed != 1 || can.Free == 0 || can.Time == 0 {
		t.Errorf("got %+v", can)
	}
	if can, err = w.runner(nil).Check(t.Context()); err != nil || len(can.Lacks) > 0 || can.Slots != 3 {
		t.Errorf("this machine, whose tests build packages: got %+v, %v", can, err)
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil || sent != self.Size() || !over {
		t.Errorf("the first time, %d bytes of the program were sent, %v", sent, err)
	}
	sent, over = 0, false
	if _, err := w.runner(progress).Capabilities(t.Context()); err != nil || sent != 0 || over {
		t.Errorf("the second time, %d bytes of the program were sent, %v", sent, err)
	}
}

func TestBrokenConnectionIsAttachedAgain(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	for name, happens := range map[string]func(){
		"cut":   w.relay.Cut,
		"stall": func() { w.relay.Stall(); time.AfterFunc(2*time.Second, w.relay.Flow) },
		"sshd":  w.server.Disconnect,
		"session": func() {
			if err := syscall.Kill(w.program("connect"), syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.runner(func(c *sshnode.Config) { c.Silence = time.Second })
			job := begin(t, r, name, time.Minute)
			var text log
			done := make(chan error, 1)
			go func() {
				result, err := r.Attach(t.Context(), job.ID, &text)
				if err == nil && len(result.Files) != 1 {
					err = fmt.Errorf("got %v", result.Files)
				}
				done <- err
			}()
			await(t, "the build begins", text.has("ready\n"))
			happens()
			if err := <-done; err != nil {
				t.Fatalf("Attach: %v\n%s", err, &text)
			}
			if strings.Count(text.String(), "ready\n") != 1 || !text.has("done\n")() {
				t.Errorf("the log has not each line once:\n%s", &text)
			}
		})
	}
}

// TestStrangersAtTheSocket are processes that come to the server and hand nothing
// over, or something else than a session. They are in nobody's way.
func TestStrangersAtTheSocket(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	r := w.runner(nil)
	if _, err := r.Capabilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(w.server.Cache, "ahriman/*/*/socket"))
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	t.Chdir(filepath.Dir(dirs[0])) // the whole name is too long for a socket's
	come := func() *net.UnixConn {
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: "socket", Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	come() // says nothing
	one := come()
	if _, _, err := one.WriteMsgUnix([]byte{0}, unix.UnixRights(int(os.Stdin.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	none := come()
	if _, err := none.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for what, conn := range map[string]*net.UnixConn{"one file": one, "no file": none} {
		// The silent one is waited for twice as long.
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: got %d bytes, %v; want the end", what, n, err)
		}
	}
	if _, err := w.runner(nil).Capabilities(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnotherLifeAttaches(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	first := w.runner(nil)
	job := begin(t, first, "lives", time.Minute)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	result, err := w.runner(nil).Attach(t.Context(), job.ID, io.Discard)
	if err != nil || len(result.Files) != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
}

func TestStalledConnectionDiesWithTheLease(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	r := w.runner(nil)
	body := "echo ready; sleep 86397"
	job := build.Job{ID: "stalls", Base: "stalls", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "stalls", body), Lease: 2 * time.Second}
	if err := r.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	var text log
	done := make(chan error, 1)
	go func() {
		_, err := r.Attach(t.Context(), job.ID, &text)
		done <- err
	}()
	await(t, "the build begins", text.has("ready\n"))
	w.relay.Stall() // a cable is pulled: no end comes, here or there
	select {
	case err := <-done:
		if !errors.Is(err, build.ErrLost) {
			t.Errorf("Attach: got %v, want %v", err, build.ErrLost)
		}
	case <-time.After(patience):
		t.Fatal("Attach did not return")
	}
	await(t, "the build is dead", func() bool { return len(w.server.Programs()) == 0 && !sleeps("86397") })
}

func TestTwoMasters(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	one, two := w.runner(nil), w.runner(nil)
	var wait sync.WaitGroup
	for i, r := range []*sshnode.Runner{one, two} {
		wait.Go(func() {
			name := fmt.Sprintf("master%d", i)
			result, text, err := buildtest.Build(t, r, build.Job{ID: name, Base: name, Architecture: "x86_64",
				Source: buildtest.PKGBUILD(t, name, "sleep 1")})
			if err != nil || len(result.Files) != 1 {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
			if i == 0 { // the other is not done, or is
				if err := one.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

func TestKilledServerLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	w := newWorker(t, sshtest.Options{})
	r := w.runner(nil)
	body := "echo ready; sleep 86396"
	job := build.Job{ID: "killed", Base: "killed", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "killed", body), Lease: time.Minute}
	if err := r.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	var text log
	done := make(chan error, 1)
	go func() {
		_, err := r.Attach(t.Context(), job.ID, &text)
		done <- err
	}()
	await(t, "the build begins", text.has("ready\n"))
	if err := syscall.Kill(w.program("serve"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, build.ErrLost) {
		t.Errorf("Attach: got %v, want %v", err, build.ErrLost)
	}
	await(t, "the build is dead", func() bool { return !sleeps("86396") })
	// The server that the Runner looked for it at removes what this one left;
	// awaitEmpty checks that.
}

// TestVersionsShareScratch has masters of two versions build at once on one
// worker, where each has a server of its own: one that dies, and the next that
// removes what it left, does the other's build no harm.
func TestVersionsShareScratch(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	w := newWorker(t, sshtest.Options{})
	other := anotherVersion(t)
	one := w.runner(nil)
	version := func(c *sshnode.Config) { c.Binary = other }
	two := w.runner(version)
	body, mark := buildtest.Waiting()
	job := build.Job{ID: "dies", Base: "dies", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "dies", body)}
	if err := two.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	buildtest.AwaitProcesses(t, mark)
	dies, left := w.program("serve"), w.scratch()
	if len(left) == 0 {
		t.Fatal("a build has no scratch directory")
	}
	held, release := buildtest.Held(t)
	job = build.Job{ID: "lives", Base: "lives", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "lives", held)}
	if err := one.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	wait := buildtest.Follow(t, one, job.ID, "ready")
	if err := syscall.Kill(dies, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the build is dead", func() bool { return len(buildtest.Processes(t, mark)) == 0 })
	job = build.Job{ID: "next", Base: "next", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "next", ":")}
	if _, text, err := buildtest.Build(t, w.runner(version), job); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	for _, dir := range left {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s of the server that was killed is still there", dir)
		}
	}
	release()
	if result, err := wait(); err != nil || len(result.Files) != 1 {
		t.Errorf("the other version's build: %+v, %v", result, err)
	}
}

func TestOldVersionsGo(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	versions := filepath.Join(w.server.Cache, "ahriman", host) // other machines have theirs where a home is shared
	old := time.Now().Add(-30 * 24 * time.Hour)
	for name, used := range map[string]time.Time{strings.Repeat("0", 64): old, strings.Repeat("1", 64): time.Now()} {
		dir := filepath.Join(versions, name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"ahriman", "lock"} {
			if err := os.WriteFile(filepath.Join(dir, file), nil, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(dir, file), used, used); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.server.Own()
	if _, err := w.runner(nil).Capabilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(versions, strings.Repeat("0", 64))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an old version is still there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(versions, strings.Repeat("1", 64))); err != nil {
		t.Errorf("another version in use: %v", err)
	}
}

func TestOtherMachine(t *testing.T) {
	w := newWorker(t, sshtest.Options{Uname: "Linux riscv64"})
	_, err := w.runner(nil).Capabilities(t.Context())
	var unfit *sshnode.UnfitError
	if !errors.As(err, &unfit) || !errors.Is(err, build.ErrUnusable) || unfit.Machine != "Linux riscv64" || unfit.Hint() == "" {
		t.Errorf("got %v", err)
	}
}

func TestUnfitWorkersAreExplained(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	for name, test := range map[string]struct {
		options      sshtest.Options
		reason, hint string
	}{
		"no commands": {sshtest.Options{Config: "ForceCommand echo this account is restricted"}, `"this account is restricted"`, "ForceCommand"},
		"no shell":    {sshtest.Options{Config: "ForceCommand exit 1"}, "exit status 1", "with a shell"},
		"chatter":     {sshtest.Options{Config: "ForceCommand yes"}, "prints without end", "ForceCommand"},
		"no SFTP":     {sshtest.Options{Config: "Subsystem other /bin/true"}, "subsystem request failed", "Subsystem sftp internal-sftp"},
		"noisy SFTP":  {sshtest.Options{Config: "Subsystem sftp echo welcome to this machine"}, "does not serve SFTP", "Subsystem sftp internal-sftp"},
		"noexec":      {sshtest.Options{Mount: "mount -t tmpfs -o noexec,mode=1777 none CACHE"}, "cannot be executed", "noexec"},
		"full disk":   {sshtest.Options{Mount: "mount -t tmpfs -o size=4m,mode=1777 none CACHE"}, "no space left", "XDG_CACHE_HOME"},
		"read-only":   {sshtest.Options{Mount: "mount -t tmpfs -o ro none CACHE"}, "read-only file system", "XDG_CACHE_HOME"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newWorker(t, test.options).runner(nil).Capabilities(t.Context())
			var hinter interface {
				error
				Hint() string
			}
			if !errors.As(err, &hinter) || !strings.Contains(err.Error(), test.reason) || !strings.Contains(hinter.Hint(), test.hint) {
				t.Errorf("got %v", err)
			} else if !strings.Contains(hinter.Hint(), test.hint) {
				t.Errorf("the hint is %q", hinter.Hint())
			}
			if errors.Is(err, build.ErrUnusable) == (name == "full disk") { // which others may empty
				t.Errorf("unusable: %t", errors.Is(err, build.ErrUnusable))
			}
		})
	}
}

// TestStrictServer builds where sshd allows no more than one command at a time.
func TestStrictServer(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	t.Parallel()
	w := newWorker(t, sshtest.Options{Config: "MaxSessions 1\nDisableForwarding yes\nPermitTTY no\nPermitUserRC no\n"})
	if result, log, err := buildtest.Build(t, w.runner(nil), w.job("strict", "echo done")); err != nil || len(result.Files) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

// TestBadLink has a whole build over a link that is slow and far.
func TestBadLink(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	t.Parallel()
	w := newWorker(t, sshtest.Options{})
	r := w.runner(nil)
	if err := r.Prepare(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	w.relay.Delay(50 * time.Millisecond)
	w.relay.Throttle(200 << 10)
	body := `head -c 200000 /dev/urandom > "$pkgdir/noise"; echo done`
	result, log, err := buildtest.Build(t, r, w.job("far", body))
	if err != nil || len(result.Files) != 1 || !strings.Contains(log, "done\n") {
		t.Fatalf("%v\n%s", err, log)
	}
	if info, err := os.Stat(result.Files[0]); err != nil || info.Size() < 200000 {
		t.Errorf("got %v, %v", info, err)
	}
}

func TestPrepareWaitsAsLongAsSomethingMoves(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	w.relay.Throttle(12 << 20) // the program takes seconds
	if err := w.runner(nil).Prepare(t.Context(), time.Second); err != nil {
		t.Error(err)
	}
	w.relay.Stall()
	if err := w.runner(nil).Prepare(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("got %v", err)
	}
	w.relay.Flow()
}

// TestTwoVersions has two masters whose programs differ build at once.
func TestTwoVersions(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	t.Parallel()
	w := newWorker(t, sshtest.Options{})
	other := anotherVersion(t)
	var wait sync.WaitGroup
	for name, binary := range map[string]string{"old": "", "new": other} {
		wait.Go(func() {
			r := w.runner(func(c *sshnode.Config) { c.Binary = binary })
			if result, log, err := buildtest.Build(t, r, w.job(name, "sleep 1")); err != nil || len(result.Files) != 1 {
				t.Errorf("%s: %v\n%s", name, err, log)
			}
		})
	}
	wait.Wait()
	if versions, err := filepath.Glob(filepath.Join(w.server.Cache, "ahriman/*/*/ahriman")); err != nil || len(versions) != 2 {
		t.Errorf("there are %v, %v", versions, err)
	}
}

func TestUnknownHostKeyIsSaid(t *testing.T) {
	w := newWorker(t, sshtest.Options{})
	w.server.Know()
	r := w.runner(nil)
	_, err := r.Capabilities(t.Context())
	var key *sshdial.HostKeyError
	var hinter interface {
		error
		Hint() string
	}
	if !errors.As(err, &key) || !errors.As(err, &hinter) || !strings.Contains(hinter.Hint(), "--accept-host-key") {
		t.Errorf("got %v", err)
	}
	if err := r.Start(t.Context(), w.job("foo", "true")); !errors.Is(err, build.ErrUnusable) || !errors.Is(err, build.ErrLost) {
		t.Errorf("Start: got %v", err)
	}
}
