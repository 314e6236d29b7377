package sftpstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"ahriman/transport/sftpstore"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
)

// link is a store over a relay.
type link struct {
	*sftpstore.Store
	server *sshtest.Server
	relay  *sshtest.Relay
	dials  int
}

func open(t testing.TB, config string) *link {
	t.Helper()
	s := sshtest.Start(t, sshtest.Options{Config: config})
	l := &link{server: s, relay: sshtest.NewRelay(t, s.Addr)}
	s.Know(l.relay.Addr, s.Addr)
	dialer, err := sshdial.New(sshdial.Config{Home: s.Home, LocalUser: s.User, SystemConfig: "/dev/null",
		SystemKnownHosts: "/dev/null", Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	target, err := sshdial.ParseTarget("ssh://" + l.relay.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var client *sshdial.Client
	l.Store = &sftpstore.Store{Pause: time.Millisecond, Connect: func(ctx context.Context) (*sshdial.Client, error) {
		mu.Lock()
		defer mu.Unlock()
		if client != nil && client.Err() == nil {
			return client, nil
		}
		l.dials++
		made, err := dialer.Dial(ctx, target)
		if err == nil {
			client = made
			t.Cleanup(func() { made.Close() })
		}
		return made, err
	}}
	return l
}

// content returns bytes that do not repeat, and their description.
func content(size int) ([]byte, sftpstore.File) {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	sum := sha256.Sum256(b)
	return b, sftpstore.File{SHA256: hex.EncodeToString(sum[:]), Size: int64(size)}
}

// same checks a file's bytes and that nothing is beside it.
func same(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that are not the %d sent, %v", path, len(got), len(want), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
}

func TestThereAndBack(t *testing.T) {
	l := open(t, "")
	for _, size := range []int{0, 1, 1 << 15, 5<<20 + 3} {
		b, file := content(size)
		there := filepath.Join(t.TempDir(), "new 'dir'/deep/file")
		file.Mode = 0o755
		if err := l.Put(t.Context(), bytes.NewReader(b), there, file); err != nil {
			t.Fatal(err)
		}
		same(t, there, b)
		if info, err := os.Stat(there); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		carried := l.relay.Carried()
		if err := l.Put(t.Context(), bytes.NewReader(b), there, file); err != nil {
			t.Fatal(err)
		}
		if again := l.relay.Carried() - carried; size > 1<<20 && again > 1<<16 {
			t.Errorf("sent again: %d bytes", again)
		}
		here := filepath.Join(t.TempDir(), "file")
		if err := l.Get(t.Context(), there, here, file); err != nil {
			t.Fatal(err)
		}
		same(t, here, b)
	}
}

// cutAfter cuts the connection each time so many bytes more have been carried,
// at most so often.
func (l *link) cutAfter(bytes int64, times int) {
	var mu sync.Mutex
	next, cuts := bytes, 0
	l.Progress = func(_ string, at int64) {
		mu.Lock()
		defer mu.Unlock()
		if at >= next && cuts < times {
			cuts++
			next = at + bytes
			l.relay.Cut()
		}
	}
}

func TestBrokenConnectionsAreTakenUp(t *testing.T) {
	l := open(t, "")
	b, file := content(32 << 20)
	there := filepath.Join(t.TempDir(), "file")
	l.cutAfter(8<<20, 3)
	if err := l.Put(t.Context(), bytes.NewReader(b), there, file); err != nil {
		t.Fatal(err)
	}
	same(t, there, b)
	sent := l.relay.Carried()
	if l.dials < 3 || sent > 2*file.Size {
		t.Errorf("%d connections carried %d bytes", l.dials, sent)
	}
	l.cutAfter(8<<20, 3)
	here := filepath.Join(t.TempDir(), "file")
	if err := l.Get(t.Context(), there, here, file); err != nil {
		t.Fatal(err)
	}
	same(t, here, b)
	if got := l.relay.Carried() - sent; l.dials < 5 || got > 2*file.Size {
		t.Errorf("%d connections carried %d bytes", l.dials, got)
	}
}

func TestWithoutAnythingButSFTP(t *testing.T) {
	l := open(t, "ForceCommand internal-sftp\n")
	b, file := content(3 << 20)
	there := filepath.Join(t.TempDir(), "file")
	if err := l.Put(t.Context(), bytes.NewReader(b), there, file); err != nil {
		t.Fatal(err)
	}
	same(t, there, b)
}

func TestWrongBytesGetNoName(t *testing.T) {
	l := open(t, "")
	b, file := content(1 << 20)
	file.SHA256 = fmt.Sprintf("%064d", 0)
	there, here := filepath.Join(t.TempDir(), "file"), filepath.Join(t.TempDir(), "file")
	if err := l.Put(t.Context(), bytes.NewReader(b), there, file); !errors.Is(err, sftpstore.ErrDigest) {
		t.Errorf("Put: got %v, want %v", err, sftpstore.ErrDigest)
	}
	if _, err := os.Stat(there); err == nil {
		t.Error("the file has its name")
	}
	if left, err := os.ReadDir(filepath.Dir(there)); err != nil || len(left) > 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
	file.SHA256 = digestOf(b)
	if err := l.Put(t.Context(), bytes.NewReader(b), there, file); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(here), ".file.part"), []byte("not its beginning"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Get(t.Context(), there, here, file); err != nil {
		t.Error(err)
	}
	same(t, here, b)
	if err := l.Get(t.Context(), there+"-not", here, file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Get of nothing: got %v", err)
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestTransferEndsWithItsContext(t *testing.T) {
	l := open(t, "")
	b, file := content(16 << 20)
	ctx, stop := context.WithCancel(t.Context())
	l.Progress = func(_ string, at int64) {
		if at > 4<<20 {
			stop()
		}
	}
	if err := l.Put(ctx, bytes.NewReader(b), filepath.Join(t.TempDir(), "file"), file); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: got %v, want %v", err, context.Canceled)
	}
}

// BenchmarkTransfer compares with scp over the same link, direct and with 50 ms
// each way. scp does not verify: moving-MB/s leaves out what comes before and
// after the bytes.
func BenchmarkTransfer(b *testing.B) {
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		size := 256 << 20
		if delay > 0 {
			size = 64 << 20
		}
		data, file := content(size)
		dir := b.TempDir()
		here, there := filepath.Join(dir, "here"), filepath.Join(dir, "there")
		if err := os.WriteFile(here, data, 0o644); err != nil {
			b.Fatal(err)
		}
		l := open(b, "")
		l.relay.Delay(delay)
		if _, err := l.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		source, err := os.Open(here)
		if err != nil {
			b.Fatal(err)
		}
		defer source.Close()
		run := func(name string, transfer func() error) {
			b.Run(fmt.Sprintf("delay=%s/%s", delay, name), func(b *testing.B) {
				b.SetBytes(int64(size))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				var moving time.Duration
				var begin time.Time
				l.Progress = func(_ string, at int64) {
					if begin.IsZero() {
						begin = time.Now()
					}
					if at >= int64(size) && !begin.IsZero() {
						moving += time.Since(begin)
						begin = time.Time{}
					}
				}
				for b.Loop() {
					os.Remove(there)
					if err := transfer(); err != nil {
						b.Fatal(err)
					}
				}
				runtime.ReadMemStats(&after)
				if moving > 0 {
					b.ReportMetric(float64(b.N*size)/1e6/moving.Seconds(), "moving-MB/s")
				}
				b.ReportMetric(float64(int64(after.HeapSys)-int64(before.HeapSys))/(1<<20), "heap-growth-MiB")
			})
		}
		run("put", func() error { return l.Put(b.Context(), source, there, file) })
		run("scp-put", func() error { return l.scp(b, here, "127.0.0.1:"+there) })
		if err := os.Rename(here, here+".source"); err != nil {
			b.Fatal(err)
		}
		run("get", func() error { return l.Get(b.Context(), here+".source", there, file) })
		run("scp-get", func() error { return l.scp(b, "127.0.0.1:"+here+".source", there) })
	}
}

// scp copies with one connection that stands, as ours does.
func (l *link) scp(b *testing.B, from, to string) error {
	ssh := filepath.Join(l.server.Home, ".ssh")
	cmd := exec.CommandContext(b.Context(), "scp", "-q", "-F", "none", "-o", "UserKnownHostsFile="+ssh+"/known_hosts", "-o", "IdentityFile="+ssh+"/id_ed25519",
		"-o", "IdentityAgent=none", "-o", "ControlPath="+ssh+"/control", "-o", "ControlMaster=auto", "-o", "ControlPersist=20",
		"-P", l.relay.Addr[len("127.0.0.1:"):], "-o", "User="+l.server.User, from, to)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("scp: %w: %s", err, out)
	}
	return nil
}
