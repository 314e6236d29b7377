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
	"path/filepath"
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

func open(t testing.TB) *link {
	t.Helper()
	s := sshtest.Start(t, sshtest.Options{})
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

func TestPut(t *testing.T) {
	l := open(t)
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
	}
}

// cutAfter cuts the connection each time so many bytes more have been carried,
// at most so often.
func (l *link) cutAfter(bytes int64, times int) {
	var mu sync.Mutex
	next, cuts := bytes, 0
	l.Progress = func(at int64) {
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
	l := open(t)
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
}

func TestWrongBytesGetNoName(t *testing.T) {
	l := open(t)
	b, file := content(1 << 20)
	file.SHA256 = fmt.Sprintf("%064d", 0)
	there := filepath.Join(t.TempDir(), "file")
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
	same(t, there, b)
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestTransferEndsWithItsContext(t *testing.T) {
	l := open(t)
	b, file := content(16 << 20)
	ctx, stop := context.WithCancel(t.Context())
	l.Progress = func(at int64) {
		if at > 4<<20 {
			stop()
		}
	}
	if err := l.Put(ctx, bytes.NewReader(b), filepath.Join(t.TempDir(), "file"), file); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: got %v, want %v", err, context.Canceled)
	}
}
