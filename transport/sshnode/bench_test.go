package sshnode_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/sshdial/sshtest"
	"ahriman/transport/sshnode"
)

// ssh is the real client's command line, with the connection that it keeps.
func (w *worker) ssh(program string, args ...string) *exec.Cmd {
	dir := filepath.Join(w.server.Home, ".ssh")
	options := []string{"-q", "-F", "none", "-o", "UserKnownHostsFile=" + dir + "/known_hosts", "-o", "IdentityFile=" + dir + "/id_ed25519",
		"-o", "IdentityAgent=none", "-o", "User=" + w.server.User, "-o", "Port=" + w.relay.Addr[len("127.0.0.1:"):],
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

// BenchmarkTransfer sends what a build needs and fetches what it gave, through a
// connection that stands, with all that belongs to it: the request, the digests,
// the outcome. scp does neither check nor ask; the goal is nine tenths of its rate.
func BenchmarkTransfer(b *testing.B) {
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		w := newWorker(b, sshtest.Options{})
		w.relay.Delay(delay)
		w.keepSSH()
		r := w.runner(nil)
		if _, err := r.Capabilities(b.Context()); err != nil {
			b.Fatal(err)
		}
		here, there := filepath.Join(b.TempDir(), "needed-1-1-any.pkg.tar"), filepath.Join(w.server.Cache, "file")
		run := func(name string, do func(b *testing.B)) {
			b.Run(fmt.Sprintf("delay=%s/%s", delay, name), func(b *testing.B) {
				b.SetBytes(transferSize)
				do(b)
			})
		}
		run("send", func(b *testing.B) { benchmarkSend(b, r, here) })
		run("send-scp", func(b *testing.B) { w.benchmarkSCP(b, here, "127.0.0.1:"+there) })
		run("fetch", func(b *testing.B) { benchmarkFetch(b, r) })
		run("fetch-scp", func(b *testing.B) { w.benchmarkSCP(b, "127.0.0.1:"+there, here) })
	}
}

// serial numbers builds and what they need.
var serial int

// benchmarkSend begins builds that need a file that is not there yet.
func benchmarkSend(b *testing.B, r *sshnode.Runner, path string) {
	for b.Loop() {
		b.StopTimer()
		serial++
		if err := os.WriteFile(path, fmt.Appendf(make([]byte, transferSize-20), "%020d", serial), 0o644); err != nil {
			b.Fatal(err)
		}
		job := build.Job{ID: fmt.Sprint("send", serial), Base: "x", Architecture: "x86_64", Source: buildtest.PKGBUILD(b, "x", ":"),
			Dependencies: []string{path}}
		b.StartTimer()
		if err := r.Start(b.Context(), job); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_, _ = r.Attach(b.Context(), job.ID, io.Discard) // what it needs is no package
		b.StartTimer()
	}
}

// benchmarkFetch attaches to builds that have ended.
func benchmarkFetch(b *testing.B, r *sshnode.Runner) {
	source := bigPackage(b, transferSize)
	for b.Loop() {
		b.StopTimer()
		serial++
		job := build.Job{ID: fmt.Sprint("fetch", serial), Base: "big", Architecture: "x86_64", Source: source}
		if err := r.Start(b.Context(), job); err != nil {
			b.Fatal(err)
		}
		built(b, r)
		b.StartTimer()
		if _, err := r.Attach(b.Context(), job.ID, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func (w *worker) benchmarkSCP(b *testing.B, from, to string) {
	for b.Loop() {
		if out, err := w.ssh("scp", from, to).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}
