package build_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
)

// job returns a job for a PKGBUILD of that base whose package() runs body.
func job(t *testing.T, base, body string) build.Job {
	t.Helper()
	return build.Job{ID: base, Base: base, Architecture: "x86_64", Source: buildtest.PKGBUILD(t, base, body)}
}

// isolated skips nothing: without namespaces these promises cannot be kept.
func isolated(t *testing.T, config build.Config) *build.Local {
	t.Helper()
	l := local(t, config)
	if _, err := l.Isolation(t.Context()); err != nil {
		t.Fatalf("this machine has no namespaces to test with: %v", err)
	}
	return l
}

// gone waits until no process has mark in its command line.
func gone(t *testing.T, mark string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		out, err := exec.Command("pgrep", "-f", "--", mark).Output()
		if err != nil && len(out) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still running: %s", out)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSpy lets a build look for everything it must not see.
func TestSpy(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	const secret = "not-for-builds-7f3a"
	root := passable(t)
	for _, name := range []string{"archive/packages/s/secret.pkg.tar.zst", "packages/aur/x86_64/waiting", "ahriman.ini"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(secret), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AHRIMAN_TOKEN", secret)
	// As a shell that started ahriman may have left one open.
	leak, err := syscall.Open(filepath.Join(root, "ahriman.ini"), syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	other := fmt.Sprintf("%d.%d", 4000000, os.Getpid())
	neighbour := exec.Command("sleep", other)
	if err := neighbour.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = neighbour.Process.Kill(); _ = neighbour.Wait() }()

	l := isolated(t, build.Config{Root: root, Hidden: []string{"/usr/share/doc", "/etc/hostname", "/no/such/file"}})
	// In package() fakeroot would lie to it.
	j := job(t, "spy", ":\n}\nbuild() {\nbash \"$startdir/spy.sh\"")
	script := `
	seen() { echo "SEEN: $*"; }
	try() { "$@" >/dev/null 2>&1 && seen "$@"; }
	cat "` + root + `/archive/packages/s/secret.pkg.tar.zst" "` + root + `/ahriman.ini" 2>/dev/null
	grep -rs --exclude-dir=proc --exclude-dir=usr --exclude-dir=opt --exclude-dir=sys --exclude-dir=dev "not-for-builds-7f3[a]" / 2>/dev/null
	env | grep -a "not-for-builds-7f3[a]"
	cat /proc/*/environ 2>/dev/null | grep -a "not-for-builds-7f3[a]"
	for fd in /proc/[0-9]*/fd/*; do case $(readlink $fd) in *ahriman.ini*|` + filepath.Dir(root) + `*) seen $fd;; esac; done
	[ -z "$(find /home /root /run /mnt /srv /var/log ! -type d)" ] || seen homes
	[ -z "$(ls -A /usr/share/doc 2>/dev/null)" ] || seen /usr/share/doc
	[ ! -s /etc/hostname ] || seen /etc/hostname
	[ -r ~/.gnupg ] && seen gnupg
	cat /proc/[0-9]*/cmdline | grep -aq "slee[p].` + other + `" && seen neighbour
	kill -0 ` + fmt.Sprint(os.Getpid()) + ` 2>/dev/null && [ "$(cat /proc/` + fmt.Sprint(os.Getpid()) + `/cmdline | wc -c)" -gt 9999 ] && seen parent
	try ls /proc/1/root/ ; try cat /proc/1/environ ; try cat /proc/1/mem
	for place in / /usr /usr/bin /etc /opt /var /var/lib/pacman/local /home /dev /proc /sys /makepkg.conf; do try touch $place/x; done
	try mount -t tmpfs x /mnt
	try umount /usr/share/doc
	unshare -Urm sh -c 'umount /usr/share/doc; ls -A /usr/share/doc' 2>/dev/null | grep -q . && seen below a mount
	try mknod /tmp/sda b 8 0 && try dd if=/tmp/sda count=1
	try chroot /
	try reboot
	try sudo -n true
	kill -9 1; kill -TERM 1
	id; echo "spied"`
	if err := os.WriteFile(filepath.Join(j.Source, "spy.sh"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	result, log, err := buildtest.Build(t, l, j)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "SEEN") || strings.Contains(line, secret) {
			t.Errorf("the build saw: %s", line)
		}
	}
	if !strings.Contains(log, "spied") || len(result.Files) != 1 {
		t.Errorf("the spy did not get through:\n%s", log)
	}
	if bytes.Contains([]byte(log), []byte("uid=0")) {
		t.Errorf("the build ran as root:\n%s", log)
	}
}

// TestNetwork builds with build.network = sources and = always.
func TestNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "source") }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []build.Network{build.Always, build.Sources} {
		l := isolated(t, build.Config{Network: network})
		j := job(t, "net", `test "$(cat "$srcdir/source.txt")" = source
		if (exec 3<>/dev/tcp/127.0.0.1/`+port+`); then echo open; else echo closed; fi`)
		text, err := os.OpenFile(filepath.Join(j.Source, "PKGBUILD"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		// What a build leaves running while there is a network must not keep it.
		fmt.Fprintf(text, "source=(source.txt::%s/x)\nsha256sums=(SKIP)\n( setsid sh -c 'sleep 3; exec 3<>/dev/tcp/127.0.0.1/%s && echo escaped' & ) >/dev/null 2>&1\n", server.URL, port)
		text.Close()
		_, log, err := buildtest.Build(t, l, j)
		if err != nil {
			t.Fatalf("%s: %v\n%s", network, err, log)
		}
		want := map[build.Network]string{build.Always: "\nopen\n", build.Sources: "\nclosed\n"}[network]
		if !strings.Contains(log, want) {
			t.Errorf("%s: no %q in\n%s", network, want, log)
		}
		if network == build.Sources && !strings.Contains(log, "Connection refused") {
			t.Errorf("no loopback device:\n%s", log)
		}
	}
}

// TestLimits lets builds take more than they may; each fails alone.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	mark := fmt.Sprintf("bomb-%d", os.Getpid())
	for _, test := range []struct {
		name   string
		config build.Config
		body   string
		want   string // of the reason
	}{
		{"disk", build.Config{DiskLimit: 32 << 20}, `i=0; while :; do i=$((i + 1)); head -c 8M /dev/zero > $i; done`, "bytes of disk"},
		{"shared memory", build.Config{DiskLimit: 32 << 20}, `i=0; while :; do i=$((i + 1)); head -c 8M /dev/zero > /dev/shm/$i; done`, "bytes of disk"},
		{"one file", build.Config{DiskLimit: 32 << 20}, `head -c 64M /dev/zero > /tmp/x`, ""}, // the limit of a file or of the disk, whichever is seen first
		{"time", build.Config{Timeout: 2 * time.Second}, `setsid sleep ` + mark[5:] + `999 & sleep 3600`, "timed out after 2s"},
		{"processes", build.Config{ProcessLimit: 100, Timeout: 20 * time.Second}, `bash -c 'f() { f | f & }; f; sleep 3600' ` + mark, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := isolated(t, test.config)
			_, log, err := buildtest.Build(t, l, job(t, "greedy", test.body))
			var failure *build.Failure
			if !errors.As(err, &failure) || !strings.Contains(failure.Reason, test.want) {
				t.Errorf("got %v, want a failure with %q\n%s", err, test.want, log)
			}
			gone(t, mark)
			gone(t, mark[5:]+"999")
		})
	}
}

// TestLogIsBounded checks that a log ends with its end, whatever came before.
func TestLogIsBounded(t *testing.T) {
	l := local(t, build.Config{LogLimit: 100 << 10})
	result, log, err := buildtest.Build(t, l, job(t, "loud", `yes | head -c 20M; echo; echo the end`))
	if err != nil {
		t.Fatal(err)
	}
	if len(log) > 400<<10 || !strings.Contains(log, "bytes of log left out]") || !strings.Contains(log, "\nthe end\n") {
		t.Errorf("log of %d bytes:\n%s", len(log), log[max(0, len(log)-500):])
	}
	if data, err := os.ReadFile(result.Log); err != nil || string(data) != log {
		t.Errorf("the log file is another than what Attach gave: %d bytes, %v", len(data), err)
	}
}

// TestLies lets builds hand over what is no package of theirs, and leave what
// is hard to remove.
func TestLies(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	for _, test := range []struct{ name, base, body, want string }{
		{"link", "liar", `ln -s /etc/passwd /pkgdest/liar2-1-1-any.pkg.tar.zst`, "no regular file"},
		{"pipe", "liar", `mkfifo /pkgdest/liar2-1-1-any.pkg.tar.zst`, "no regular file"},
		{"rubbish", "liar", `echo x > /pkgdest/liar2-1-1-any.pkg.tar.zst`, "liar2-1-1-any.pkg.tar.zst"},
		{"another base", "other", `:`, "is of base liar"},
		{"leftovers", "liar", `mkdir -p /tmp/a/b; touch /tmp/a/b/c; chmod 0 /tmp/a/b /tmp/a; d=; for i in $(seq 400); do d+=d$i/; done; cd /build; for i in $(seq 20); do mkdir -p $d; cd $d; done; exit 1`, "makepkg"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := isolated(t, build.Config{})
			j := job(t, "liar", test.body)
			j.Base = test.base
			result, log, err := buildtest.Build(t, l, j)
			var failure *build.Failure
			if !errors.As(err, &failure) || !strings.Contains(failure.Reason, test.want) {
				t.Errorf("got %+v, %v; want a failure with %q\n%s", result, err, test.want, log)
			}
		})
	}
}

// TestKilled kills a process that builds: its build must go with it, and the
// next one must find and remove what it left.
func TestKilled(t *testing.T) {
	if scratch := os.Getenv("BUILD_TEST_SCRATCH"); scratch != "" {
		buildUntilKilled(t, scratch)
		return
	}
	for _, mode := range []string{"namespaces", "none"} {
		t.Run(mode, func(t *testing.T) {
			scratch := passable(t)
			mark := fmt.Sprintf("%d.%s", os.Getpid()+5000000, map[string]string{"namespaces": "1", "none": "2"}[mode])
			cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
			cmd.Env = append(os.Environ(), "BUILD_TEST_SCRATCH="+scratch, "BUILD_TEST_MARK="+mark, "BUILD_TEST_MODE="+mode,
				"TMPDIR="+passable(t)) // what it leaves of its own goes with this test
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, out, "ready")
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			gone(t, mark)

			old, err := filepath.Glob(scratch + "/ahriman-build-*")
			if err != nil || len(old) != 1 {
				t.Fatalf("left behind: %s, %v", old, err)
			}
			hour := time.Now().Add(-time.Hour)
			if err := os.Chtimes(old[0], hour, hour); err != nil {
				t.Fatal(err)
			}
			l, err := build.NewLocal(build.Config{User: user(), Scratch: scratch})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(old[0]); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", old[0], err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func waitFor(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var all []byte
	buffer := make([]byte, 4096)
	for !bytes.Contains(all, []byte(text)) {
		n, err := r.Read(buffer)
		all = append(all, buffer[:n]...)
		if err != nil {
			t.Fatalf("%v before %q:\n%s", err, text, all)
		}
	}
}

// buildUntilKilled is the process that TestKilled kills.
func buildUntilKilled(t *testing.T, scratch string) {
	l, err := build.NewLocal(build.Config{User: user(), Scratch: scratch, NoNamespaces: os.Getenv("BUILD_TEST_MODE") == "none"})
	if err != nil {
		t.Fatal(err)
	}
	mark := os.Getenv("BUILD_TEST_MARK")
	j := job(t, "victim", "setsid sleep "+mark+" & echo ready; sleep "+mark)
	if err := l.Start(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	_, err = l.Attach(context.Background(), j.ID, os.Stdout)
	t.Fatal(err)
}
