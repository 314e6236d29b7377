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
	"ahriman/transport/sshdial/sshtest"
)

// ssh is the real client's command line, with the connection that it keeps.
func (w *worker) ssh(program string, args ...string) *exec.Cmd {
	dir := filepath.Join(w.server.Home, ".ssh")
	options := []string{"-q", "-F", "none", "-o", "UserKnownHostsFile=" + dir + "/known_hosts", "-o", "IdentityFile=" + dir + "/id_ed25519",
		"-o", "IdentityAgent=none", "-o", "User=" + w.server.User, "-o", "Port=" + w.relay.Addr[len("127.0.0.1:"):]}
	return exec.CommandContext(w.t.Context(), program, append(options, args...)...)
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

// BenchmarkObjects sends what a build needs, and compares with scp.
func BenchmarkObjects(b *testing.B) {
	const size = 128 << 20
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		w := newWorker(b, sshtest.Options{})
		w.relay.Delay(delay)
		dir := b.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte("pkgname=x\npkgver=1\npkgrel=1\narch=(any)\n"), 0o644); err != nil {
			b.Fatal(err)
		}
		path, serial := filepath.Join(b.TempDir(), "needed-1-1-any.pkg.tar"), 0
		r := w.runner(nil)
		if _, err := r.Capabilities(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("delay=%s/send", delay), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				b.StopTimer()
				serial++
				if err := os.WriteFile(path, fmt.Appendf(make([]byte, size-20), "%020d", serial), 0o644); err != nil {
					b.Fatal(err)
				}
				job := build.Job{ID: fmt.Sprint("objects", serial), Base: "x", Architecture: "x86_64", Source: dir, Dependencies: []string{path}}
				b.StartTimer()
				if err := r.Start(b.Context(), job); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				_, _ = r.Attach(b.Context(), job.ID, io.Discard) // it has nothing to package
				b.StartTimer()
			}
		})
		b.Run(fmt.Sprintf("delay=%s/scp", delay), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if out, err := w.ssh("scp", path, "127.0.0.1:"+w.server.Cache+"/file").CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
			}
			if err := os.Remove(filepath.Join(w.server.Cache, "file")); err != nil {
				b.Fatal(err)
			}
		})
	}
}
