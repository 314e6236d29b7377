package sshnode_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/sshdial/sshtest"
	"ahriman/transport/sshnode"
)

// bigPackage writes a PKGBUILD whose package holds so many bytes that do not
// compress, and whose log says their digest.
func bigPackage(t testing.TB, size int64) string {
	t.Helper()
	return buildtest.PKGBUILD(t, "big", fmt.Sprintf(`
	install -d "$pkgdir/usr/share"
	head -c %d /dev/urandom > "$pkgdir/usr/share/big"
	echo "payload $(sha256sum < "$pkgdir/usr/share/big")"`, size))
}

// built waits until a build is over on the worker, and nothing of it was fetched.
// That may take longer than patience: the packages are big.
func built(t testing.TB, r *sshnode.Runner) {
	t.Helper()
	for ; ; time.Sleep(20 * time.Millisecond) {
		can, err := r.Capabilities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(can.Running) == 0 {
			return
		}
	}
}

// payload is what a log says of the payload's digest.
func payload(t *testing.T, log string) string {
	t.Helper()
	_, rest, ok := strings.Cut(log, "payload ")
	if !ok {
		t.Fatalf("no digest in the log:\n%s", log)
	}
	return rest[:64]
}

// disturb breaks the connection at random places of both halves of the next so
// many bytes: it is cut, and a bit of it changes. The function it returns ends
// that, and says how many bytes were carried meanwhile.
func (w *worker) disturb(t *testing.T, size int64) (end func() int64) {
	t.Helper()
	begin := w.relay.Carried()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i, harm := range []func(){w.relay.Cut, w.relay.Corrupt} {
			at := begin + int64(i)*size/2 + mathrand.Int64N(size/2)
			t.Logf("broken after %d of %d bytes", at-begin, size)
			for w.relay.Carried() < at {
				select {
				case <-stop:
					t.Errorf("only %d bytes were carried", w.relay.Carried()-begin)
					return
				case <-time.After(time.Millisecond):
				}
			}
			harm()
		}
	}()
	return func() int64 {
		close(stop)
		<-ended
		return w.relay.Carried() - begin
	}
}

// peak is the most memory that a process had since forget, in bytes.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// forget has peak begin anew.
func forget(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// TestBigPackage fetches a big package, and has another build there need it, over
// a connection that breaks at random. What arrives is what was sent, little of it
// is sent again, and the memory of both ends does not grow with it.
// AHRIMAN_TEST_FULL=1 makes it 2 GiB.
func TestBigPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is long")
	}
	size := int64(128 << 20)
	if os.Getenv("AHRIMAN_TEST_FULL") != "" {
		size = 2 << 30
	}
	w := newWorker(t, sshtest.Options{})
	r := w.runner(nil)
	big := build.Job{ID: "big", Base: "big", Architecture: "x86_64", Source: bigPackage(t, size)}
	if err := r.Start(t.Context(), big); err != nil {
		t.Fatal(err)
	}
	built(t, r)
	ends := map[string]int{"master": os.Getpid(), "worker": w.program("serve")}
	before := map[string]int64{}
	for end, pid := range ends {
		forget(t, pid)
		before[end] = peak(t, pid)
	}
	check := func(doing string, carried int64) {
		t.Helper()
		t.Logf("%s: %.2f %% sent again", doing, 100*float64(carried-size)/float64(size))
		if carried > size+size/20 {
			t.Errorf("%s: %d bytes were carried for %d", doing, carried, size)
		}
		for end, pid := range ends {
			grown := peak(t, pid) - before[end]
			t.Logf("%s: the %s's memory grew by %d MiB", doing, end, grown>>20)
			if grown > 64<<20 {
				t.Errorf("%s: the %s's memory grew by %d MiB", doing, end, grown>>20)
			}
		}
	}

	var text log
	end := w.disturb(t, size)
	result, err := r.Attach(t.Context(), big.ID, &text)
	carried := end()
	if err != nil {
		t.Fatalf("%v\n%s", err, &text)
	}
	check("fetching", carried)

	needs := build.Job{ID: "needs", Base: "needs", Architecture: "x86_64", Dependencies: result.Files,
		Source: buildtest.PKGBUILD(t, "needs", `echo "payload $(sha256sum < /usr/share/big)"`)}
	end = w.disturb(t, size)
	err = r.Start(t.Context(), needs)
	carried = end()
	if err != nil {
		t.Fatal(err)
	}
	check("sending", carried)
	var other log
	if _, err := r.Attach(t.Context(), needs.ID, &other); err != nil {
		t.Fatalf("%v\n%s", err, &other)
	}
	check("building with it", size)
	if there, back := payload(t, text.String()), payload(t, other.String()); there != back {
		t.Errorf("the payload's SHA-256 was %s there, and %s when it came back", there, back)
	}
}

// onWorker returns the one file there whose name ends so.
func (w *worker) onWorker(suffix string) string {
	w.t.Helper()
	var found []string
	err := filepath.WalkDir(w.server.Cache, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.HasSuffix(path, suffix) {
			found = append(found, path)
		}
		return nil // others come and go
	})
	if err != nil || len(found) != 1 {
		w.t.Fatalf("files there that end in %s: %v, %v", suffix, found, err)
	}
	return found[0]
}

// flip changes a bit of a file.
func flip(t *testing.T, path string, offset int64, whence int) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if offset, err = file.Seek(offset, whence); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := file.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}

// moved waits until so many bytes more have been carried.
func (w *worker) moved(bytes int64) func() {
	at := w.relay.Carried() + bytes
	return func() { await(w.t, "bytes move", func() bool { return w.relay.Carried() >= at }) }
}

// TestChangedByteIsNoticed has a file change on the worker's disk while it is on
// its way, where no connection protects it.
func TestChangedByteIsNoticed(t *testing.T) {
	const size = 32 << 20
	w := newWorker(t, sshtest.Options{})
	scratch := t.TempDir()
	r := w.runner(func(c *sshnode.Config) { c.Scratch = scratch })
	job := build.Job{ID: "big", Base: "big", Architecture: "x86_64", Source: bigPackage(t, size)}
	if err := r.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	built(t, r)
	w.relay.Throttle(size) // it takes a second
	some, done := w.moved(size/8), make(chan error, 1)
	go func() {
		_, err := r.Attach(t.Context(), job.ID, io.Discard)
		done <- err
	}()
	some()
	flip(t, w.onWorker("/big-1.0-1-any.pkg.tar.zst"), -1, io.SeekEnd)
	if err := <-done; !errors.Is(err, build.ErrLost) || !strings.Contains(err.Error(), "its sha256 is ") {
		t.Errorf("fetching: got %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "*/*/*.pkg*")); err != nil || len(left) > 0 {
		t.Errorf("left of what was fetched: %s, %v", left, err)
	}

	data := make([]byte, size)
	_, _ = mathrand.NewChaCha8([32]byte{}).Read(data)
	job = build.Job{ID: "sent", Base: "sent", Architecture: "x86_64", Source: buildtest.PKGBUILD(t, "sent",
		fmt.Sprintf(`echo "%x  $startdir/payload" | sha256sum --check`, sha256.Sum256(data)))}
	if err := os.WriteFile(filepath.Join(job.Source, "payload"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	some = w.moved(size / 2)
	go func() { done <- r.Start(t.Context(), job) }()
	some()
	flip(t, w.onWorker(".part"), 1, io.SeekStart)
	w.relay.Cut() // what goes on is checked with what is there
	if err := <-done; !errors.Is(err, build.ErrLost) || !strings.Contains(err.Error(), "have sha256 ") {
		t.Errorf("sending: got %v", err)
	}
	w.relay.Throttle(0)
	if _, text, err := buildtest.Build(t, r, job); err != nil {
		t.Errorf("sending it anew: %v\n%s", err, text)
	}
}
