package httpclient_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/repository"
	"ahriman/transport/httpclient"
)

// restarting is a server in a process of its own, behind a cutter.
type restarting struct {
	t       *testing.T
	root    string
	address string
	cutter  *cutter
	client  *httpclient.Repository
	kill    func()
}

func startRestarting(t *testing.T) *restarting {
	t.Helper()
	s := &restarting{t: t, root: t.TempDir(), address: "127.0.0.1:0"}
	s.start()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.cutter = &cutter{to: s.address}
	go s.cutter.serve(l)
	client, err := httpclient.New(httpclient.Config{
		Address: "http://" + l.Addr().String(), Username: "worker-user", Password: "very-secure-password",
		MaxRetries: 20, Backoff: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.client = client.Repository(refrepo())
	return s
}

// start starts the server where it was before.
func (s *restarting) start() {
	s.t.Helper()
	server, address := startServer(s.t, s.root, s.address)
	s.address = strings.TrimPrefix(address, "http://")
	s.kill = func() {
		server.Process.Kill()
		server.Wait()
	}
}

func (s *restarting) waiting() string {
	s.t.Helper()
	r, err := repository.Open(repository.Options{Root: s.root, ID: refrepo()})
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Waiting()
}

// arrived waits until the server has written so many bytes of a file, and
// returns its path.
func (s *restarting) arrived(name string, size int64) string {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		found, err := filepath.Glob(filepath.Join(s.waiting(), ".*", name))
		if err != nil || len(found) != 1 {
			continue
		}
		if info, err := os.Stat(found[0]); err == nil && info.Size() >= size {
			return found[0]
		}
	}
	s.t.Errorf("less than %d bytes of %s have arrived", size, name)
	return ""
}

// at calls f once, when so much of a file has been sent.
func at(share float64, f func()) (progress func(sent, total int64)) {
	var once sync.Once
	return func(sent, total int64) {
		if float64(sent) >= share*float64(total) {
			once.Do(f)
		}
	}
}

// sameAsSent checks that what waits is what was sent, and nothing else.
func (s *restarting) sameAsSent(paths ...string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.waiting())
	if err != nil || len(entries) != len(paths) {
		s.t.Errorf("waiting are %v, %v", entries, err)
	}
	for _, path := range paths {
		if !bytes.Equal(readFile(s.t, path), readFile(s.t, filepath.Join(s.waiting(), filepath.Base(path)))) {
			s.t.Errorf("%s has other bytes", filepath.Base(path))
		}
	}
}

// TestUploadOutlivesTheServer kills the server while a file is uploaded, and
// between the files of a set: little is sent again.
func TestUploadOutlivesTheServer(t *testing.T) {
	const size = 256 << 20
	dir := t.TempDir()
	path, err := writePackage(dir, "big", size, &numbers{})
	if err != nil {
		t.Fatal(err)
	}
	small, err := writePackage(dir, "small", 1<<20, &numbers{})
	if err != nil {
		t.Fatal(err)
	}
	s := startRestarting(t)
	set, err := s.client.NewUploadSet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	restart := func() { s.kill(); s.start() }
	if _, err := set.Add(t.Context(), path, at(0.5, restart)); err != nil {
		t.Fatal(err)
	}
	restart()
	if _, err := set.Add(t.Context(), small, nil); err != nil {
		t.Fatal(err)
	}
	if err := set.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.sameAsSent(path, small)
	extra := float64(s.cutter.sent.Load())/float64(size+1<<20) - 1
	t.Logf("%.2f %% more sent than the files have", 100*extra)
	if extra > 0.05 {
		t.Errorf("%.1f %% sent twice, want at most 5", 100*extra)
	}
}

// TestUploadOfDamagedBytes: what a machine that died left of an upload is not
// what was sent, and is sent again.
func TestUploadOfDamagedBytes(t *testing.T) {
	path, err := writePackage(t.TempDir(), "big", 8<<20, &numbers{})
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(*os.File, int64) error{
		"zeroes at the end": func(f *os.File, size int64) error {
			_, err := f.WriteAt(make([]byte, 1000), size-1000)
			return err
		},
		"other bytes": func(f *os.File, size int64) error {
			_, err := f.WriteAt([]byte("other bytes"), size/2)
			return err
		},
		"too much":  func(f *os.File, _ int64) error { return f.Truncate(9 << 20) },
		"less":      func(f *os.File, size int64) error { return f.Truncate(size - 1000) },
		"no owner":  func(f *os.File, _ int64) error { return os.Remove(filepath.Join(filepath.Dir(f.Name()), ".owner")) },
		"no file":   func(f *os.File, _ int64) error { return os.Remove(f.Name()) },
		"all is in": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := startRestarting(t)
			dead := func() {
				arrived := s.arrived(filepath.Base(path), 1<<20)
				s.kill()
				f, err := os.OpenFile(arrived, os.O_RDWR, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				info, err := f.Stat()
				if err == nil {
					err = damage(f, info.Size())
				}
				if err != nil {
					t.Error(err)
				}
				s.start()
			}
			set, err := s.client.NewUploadSet(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var progress func(sent, total int64)
			if damage != nil {
				progress = at(0.6, dead)
			}
			if _, err := set.Add(t.Context(), path, progress); err != nil {
				t.Fatal(err)
			}
			if damage == nil { // once all of it was sent
				damage = func(f *os.File, size int64) error {
					_, err := f.WriteAt([]byte("other bytes"), size/2)
					return err
				}
				dead()
			}
			if err := set.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.sameAsSent(path)
		})
	}
}
