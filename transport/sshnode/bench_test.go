package sshnode_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/sshdial/sshtest"
	"ahriman/transport/sshnode"
)

// ssh is the real client's command line, with the connection that it keeps.
func (w *worker) ssh(program string, args ...string) *exec.Cmd {
	dir := filepath.Join(w.server.Home, ".ssh")
	options := []string{"-q", "-F", "none", "-o", "UserKnownHostsFile=" + dir + "/known_hosts", "-o", "IdentityFile=" + dir + "/id_ed25519",
		"-o", "IdentityAgent=none", "-o", "User=" + w.server.User, "-o", "Port=" + w.addr[len("127.0.0.1:"):],
		"-o", "ControlPath=" + dir + "/control"}
	return exec.Command(program, append(options, args...)...)
}

// keepSSH has the real client keep a connection, as ours does.
func (w *worker) keepSSH() {
	w.t.Helper()
	run := func(args ...string) {
		if out, err := w.ssh("ssh", append(args, "127.0.0.1")...).CombinedOutput(); err != nil {
			w.t.Fatalf("%v\n%s", err, out)
		}
	}
	run("-M", "-N", "-f")
	w.t.Cleanup(func() { run("-O", "exit") })
}

// BenchmarkTrivial is the whole of a trivial build there, the first time, when
// the program is put there, over a new connection, and over one that stands; and
// what "ssh host makepkg" takes.
func BenchmarkTrivial(b *testing.B) {
	pkgbuild := "pkgname=trivial\npkgver=1\npkgrel=1\narch=(any)\npackage() { :; }\n"
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(pkgbuild), 0o644); err != nil {
		b.Fatal(err)
	}
	serial := 0
	once := func(b *testing.B, r build.Runner) {
		serial++
		job := build.Job{ID: fmt.Sprint("trivial", serial), Base: "trivial", Architecture: "x86_64", Source: dir}
		if err := r.Start(b.Context(), job); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Attach(b.Context(), job.ID, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			r := newWorker(b, sshtest.Options{}).runner(nil)
			b.StartTimer()
			once(b, r)
		}
	})
	w := newWorker(b, sshtest.Options{})
	b.Run("again", func(b *testing.B) {
		once(b, w.runner(nil))
		for b.Loop() {
			once(b, w.runner(nil))
		}
	})
	b.Run("connected", func(b *testing.B) {
		r := w.runner(nil)
		once(b, r)
		for b.Loop() {
			once(b, r)
		}
	})
	b.Run("ssh-makepkg", func(b *testing.B) {
		for b.Loop() {
			out, err := w.ssh("ssh", "127.0.0.1", "d=$(mktemp -d) && cd $d && printf '"+`pkgname=trivial\npkgver=1\npkgrel=1\narch=(any)\npackage() { :; }\n`+
				"' > PKGBUILD && PKGEXT=.pkg.tar.zst makepkg --nocolor -d; s=$?; rm -r $d; exit $s").CombinedOutput()
			if err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		}
	})
}

// transferSize is that of the files of BenchmarkTransfer.
const transferSize = 128 << 20

// BenchmarkTransfer fetches what a build gave and sends it as what another build
// needs, through a connection that stands, with all that belongs to it: the
// request, the checks, the disk, the outcome. scp, which neither checks nor syncs,
// carries the same file then. "unread" is a package that did not come from a
// worker, and has to be read for its digest first.
func BenchmarkTransfer(b *testing.B) {
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run(fmt.Sprintf("delay=%s", delay), func(b *testing.B) {
			w := newWorker(b, sshtest.Options{})
			if delay == 0 {
				w.addr = w.server.Addr
			}
			w.relay.Delay(delay)
			w.keepSSH()
			t := &transfers{worker: w, runner: w.runner(nil), source: bigPackage(b, transferSize), took: map[string][]time.Duration{}}
			for b.Loop() {
				t.turn(b)
			}
			b.ReportMetric(0, "ns/op") // of all together
			for _, way := range []string{"fetch", "send", "send-unread"} {
				scp := median(t.took["scp-"+strings.TrimSuffix(way, "-unread")])
				b.ReportMetric(transferSize/1e6/median(t.took[way]), way+"-MB/s")
				b.ReportMetric(scp/median(t.took[way]), way+"-of-scp")
			}
		})
	}
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}

// transfers are those of BenchmarkTransfer.
type transfers struct {
	*worker
	runner *sshnode.Runner
	source string // of a package
	turns  int
	took   map[string][]time.Duration
}

// turn does all of it once. Nobody writes over a file, which would be quicker than
// to make one, and none is left to the next turn.
func (t *transfers) turn(b *testing.B) {
	t.turns++
	dir := b.TempDir()
	job := build.Job{ID: fmt.Sprint("fetch", t.turns), Base: "big", Architecture: "x86_64", Source: t.source}
	if err := t.runner.Start(b.Context(), job); err != nil {
		b.Fatal(err)
	}
	built(b, t.runner)
	var fetched string
	t.measure(b, "fetch", func() error {
		result, err := t.runner.Attach(b.Context(), job.ID, io.Discard)
		if err == nil {
			fetched = result.Files[0]
		}
		return err
	})
	t.send(b, "send", fetched)
	unread, there := filepath.Join(dir, filepath.Base(fetched)), filepath.Join(t.server.Cache, "scp")
	t.measure(b, "scp-send", func() error { return t.scp(fetched, "127.0.0.1:"+there) })
	t.measure(b, "scp-fetch", func() error { return t.scp("127.0.0.1:"+there, unread) })
	t.send(b, "send-unread", unread)
	for _, path := range []string{fetched, unread, there} {
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}

// send begins a build that needs a file, which is gone from there at its end.
func (t *transfers) send(b *testing.B, way, path string) {
	job := build.Job{ID: fmt.Sprint(way, t.turns), Base: "x", Architecture: "x86_64", Source: buildtest.PKGBUILD(b, "x", ":"),
		Dependencies: []string{path}}
	t.measure(b, way, func() error { return t.runner.Start(b.Context(), job) })
	if _, err := t.runner.Attach(b.Context(), job.ID, io.Discard); err != nil {
		b.Fatal(err)
	}
	objects, err := filepath.Glob(filepath.Join(t.server.Cache, "ahriman/*/*/work/objects/*"))
	if err != nil || len(objects) == 0 {
		b.Fatal(objects, err)
	}
	for _, object := range objects {
		if err := os.Remove(object); err != nil {
			b.Fatal(err)
		}
	}
}

// measure measures what do takes, with a disk that has nothing left to do.
func (t *transfers) measure(b *testing.B, what string, do func() error) {
	unix.Sync()
	begin := time.Now()
	if err := do(); err != nil {
		b.Fatal(err)
	}
	t.took[what] = append(t.took[what], time.Since(begin))
}

func (w *worker) scp(from, to string) error {
	if out, err := w.ssh("scp", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
