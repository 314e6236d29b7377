package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkWorkerRun is the documented worker's whole run of two trivial
// packages (build, sign nothing, upload, call the master, wait for its outcome)
// against makepkg alone, which builds the same two. It reports the medians, and
// what the run costs beyond makepkg, in milliseconds.
func BenchmarkWorkerRun(b *testing.B) {
	f := newFleet(b)
	var ours, bare, beyond []float64
	for i := 0; b.Loop(); i++ {
		version := fmt.Sprintf("pkgver=%d", i+2)
		ms := f.time(b, f.ahriman, "-c", f.worker, "package-add", "--quiet", "--now", "--variable", version, f.dir+"/one", f.dir+"/two")
		peer := f.time(b, "sh", "-c", fmt.Sprintf("for p in one two; do (cd %s/bare/$p && makepkg -dfc --config ../makepkg.conf >/dev/null 2>&1) || exit 1; done", f.dir))
		ours, bare, beyond = append(ours, ms), append(bare, peer), append(beyond, ms-peer)
	}
	b.ReportMetric(median(ours), "run-ms")
	b.ReportMetric(median(bare), "makepkg-ms")
	b.ReportMetric(median(beyond), "beyond-ms")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// fleet is a master that serves and a worker's configuration. As root all of it
// belongs to nobody, who runs it.
type fleet struct {
	dir, ahriman, worker string
}

func newFleet(b *testing.B) *fleet {
	dir := b.TempDir()
	f := &fleet{dir: dir, ahriman: buildStripped(b, "."), worker: dir + "/worker/ahriman.ini"}
	if err := os.Chmod(filepath.Dir(f.ahriman), 0o755); err != nil { // for nobody
		b.Fatal(err)
	}
	pkgbuild := "pkgname=%s\npkgver=1\npkgrel=1\narch=(any)\npackage() { install -Dm644 /dev/null \"$pkgdir/usr/share/%[1]s\"; }\n"
	files := map[string]string{
		"/master/ahriman.ini": "[repository]\nroot = root\nname = aur\narchitecture = x86_64\n[auth]\ntarget = configuration\nsalt = salt\n[web]\nenable_archive_upload = yes\nwait_timeout = 0\n",
		"/bare/makepkg.conf":  "CARCH=x86_64\nCHOST=x86_64-pc-linux-gnu\nPKGEXT=.pkg.tar.zst\nSRCEXT=.src.tar.gz\nBUILDENV=(!distcc color !ccache check !sign)\nOPTIONS=(strip docs !libtool !staticlibs emptydirs zipman purge debug lto)\nINTEGRITY_CHECK=(sha256)\nCOMPRESSZST=(zstd -c -z -q -)\n",
	}
	for _, name := range []string{"one", "two"} {
		files["/"+name+"/PKGBUILD"] = fmt.Sprintf(pkgbuild, name)
		files["/bare/"+name+"/PKGBUILD"] = files["/"+name+"/PKGBUILD"]
	}
	f.write(b, files)
	f.run(b, "the-password\n", f.ahriman, "-c", dir+"/master/ahriman.ini", "user-add", "worker-user", "-R", "full")
	address := f.serve(b)
	f.write(b, map[string]string{"/worker/ahriman.ini": strings.NewReplacer("ADDRESS", address).Replace(`[repository]
root = root
name = aur
architecture = x86_64
[build]
builder = makepkg
triggers = ahriman.core.upload.UploadTrigger ahriman.core.report.ReportTrigger
[status]
address = http://ADDRESS
username = worker-user
password = the-password
[upload]
target = remote-service
[remote-service]
[report]
target = remote-call
[remote-call]
manual = yes
wait_timeout = 0
`)})
	return f
}

func (f *fleet) write(b *testing.B, files map[string]string) {
	for name, text := range files {
		path := filepath.Join(f.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for dir := f.dir; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			break
		}
	}
	if os.Getuid() == 0 {
		for _, dir := range []string{f.dir + "/master/root", f.dir + "/worker/root"} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		f.must(b, exec.Command("chown", "-R", "65534:65534", f.dir))
	}
}

// command runs as nobody when the benchmark runs as root.
func (f *fleet) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = f.dir
	c.Env = append(os.Environ(), "HOME="+f.dir, "TMPDIR=/tmp", "LC_ALL=C")
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return c
}

func (f *fleet) must(b *testing.B, c *exec.Cmd) {
	b.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", c, err, out)
	}
}

func (f *fleet) run(b *testing.B, stdin, name string, args ...string) {
	b.Helper()
	c := f.command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	f.must(b, c)
}

// time runs a command and returns how long it took, in milliseconds.
func (f *fleet) time(b *testing.B, name string, args ...string) float64 {
	b.Helper()
	started := time.Now()
	f.run(b, "", name, args...)
	return float64(time.Since(started).Microseconds()) / 1000
}

// serve starts the master and returns its address.
func (f *fleet) serve(b *testing.B) string {
	file := f.dir + "/master/address"
	web := f.command(f.ahriman, "-c", f.dir+"/master/ahriman.ini", "--quiet", "web", "--address", "127.0.0.1:0", "--addr-file", file)
	var said bytes.Buffer
	web.Stderr = &said
	if err := web.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		web.Process.Signal(syscall.SIGTERM)
		if err := web.Wait(); err != nil {
			b.Logf("the master: %v\n%s", err, said.String())
		}
	})
	return awaitAddress(b, file)
}
