package repository_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/repository"
	"ahriman/sign"
)

// fullVariable asks for the long form of the tests below.
const fullVariable = "AHRIMAN_TEST_FULL"

// jobVariable makes the test binary a publisher: it does the job and exits.
const jobVariable = "AHRIMAN_TEST_PUBLISH"

// publishedBut begins what the publisher says when only cleaning up failed.
const publishedBut = "published, but"

// job is one publication in a process of its own.
type job struct {
	Root, Home, Key string
	Change          repository.Change
	Rollback        int      // instead of the change
	Parcel          []string // files that are handed in, instead of the change
}

// inFirstThread says that this process is a publisher, and keeps it in the thread
// that the process began with, which is the one that strace watches: a variable,
// since by the time TestMain runs it can be in another.
var inFirstThread = stayInThread()

func stayInThread() bool {
	if os.Getenv(jobVariable) == "" {
		return false
	}
	runtime.LockOSThread()
	return true
}

func TestMain(m *testing.M) {
	if inFirstThread {
		if err := publisher(os.Getenv(jobVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func publisher(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	r, err := j.open()
	if err != nil {
		return err
	}
	r.Sequential()
	if j.Parcel != nil {
		return handIn(r, j.Parcel)
	}
	var p *repository.Publication
	if j.Rollback != 0 {
		p, err = r.Rollback(context.Background(), j.Rollback)
	} else {
		p, err = r.Publish(context.Background(), j.Change)
	}
	if err == nil && p.CleanUp != nil {
		err = fmt.Errorf("%s: %w", publishedBut, p.CleanUp)
	}
	return err
}

// open has few generations and no mercy, so that pruning happens at once.
func (j job) open() (*repository.Repository, error) {
	options := repository.Options{Root: j.Root, ID: id, Keep: 2, Grace: -1, KeepBuilt: 1}
	if j.Key != "" {
		options.Signer = sign.NewGPG(sign.Config{Key: j.Key, Home: j.Home})
	}
	return repository.Open(options)
}

func (j job) command(t *testing.T, wrapper ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(wrapper, self)
	cmd := command(t, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	return cmd
}

// audit checks that what is published is whole: the database can be read, and
// each package it lists is there with the bytes it says.
func audit(t *testing.T, r *repository.Repository) []string {
	t.Helper()
	packages, err := r.Packages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages {
		data, err := os.ReadFile(filepath.Join(r.Published(), p.FileName))
		if err != nil {
			t.Fatalf("published, but missing: %v", err)
		}
		if int64(len(data)) != p.CompressedSize {
			t.Fatalf("%s has %d bytes, published as %d", p.FileName, len(data), p.CompressedSize)
		}
		names = append(names, p.Name+" "+p.Version)
	}
	return names
}

// auditClean checks that nothing is left of a run that was killed: nothing
// hidden, and nothing in the pool that no generation has.
//
// What kept begins the name of is in the pool as the newest build of a package.
func auditClean(t *testing.T, root, kept string) {
	t.Helper()
	linked := make(map[string]bool)
	var pool []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root+"/")
		switch {
		case strings.HasSuffix(name, ".part"), strings.HasPrefix(name, "archive/packages/.incoming/"),
			strings.Contains(name, "/.retiring"):
			t.Errorf("left behind: %s", name)
		case strings.HasSuffix(name, "/.spare") && !entry.IsDir():
			t.Errorf("not a directory: %s", name)
		case strings.Contains(name, "/.spare/"):
		case strings.HasPrefix(name, "generations/") && entry.Type() == fs.ModeSymlink:
			target, err := filepath.EvalSymlinks(path)
			if err != nil {
				t.Errorf("dangling: %s", name)
			}
			linked[target] = true
		case strings.HasPrefix(name, "archive/") && entry.Type().IsRegular():
			pool = append(pool, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pool {
		if !linked[path] && (kept == "" || !strings.HasPrefix(filepath.Base(path), kept)) {
			t.Errorf("in the pool, and in no generation: %s", path)
		}
	}
}

// afterKill lets pacman refresh, publishes the change and audits.
func (s *scene) afterKill() {
	s.t.Helper()
	r := s.repository()
	newClient(s.t, fileServer(r), s.home.Dir).pacman("-Sy")
	want := map[string]string{}
	for _, line := range audit(s.t, r) {
		name, version, _ := strings.Cut(line, " ")
		want[name] = version
	}
	change := s.job.Change
	delete(want, change.Remove[0])
	for _, name := range []string{"a", "moved", "new", "unsigned"} {
		want[name] = "4-1"
	}
	change.Add = slices.DeleteFunc(slices.Clone(change.Add), func(path string) bool {
		_, err := os.Stat(path)
		return errors.Is(err, fs.ErrNotExist) // taken by the run that was killed
	})
	publish(s.t, r, change)
	got := map[string]string{}
	for _, line := range audit(s.t, r) {
		name, version, _ := strings.Cut(line, " ")
		got[name] = version
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Error(diff)
	}
	auditClean(s.t, s.job.Root, s.kept)
}

// strace runs a job of which the n-th call is disturbed, and returns nil when it
// ended well all the same.
func (s *scene) strace(call string, n int, fault string) error {
	s.t.Helper()
	cmd := s.job.command(s.t, "strace", "-qq", "-o", "/dev/null", "-e", "trace="+call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", call, fault, n))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
}

// calls counts how often the job makes each call.
func (s *scene) calls(calls []string) map[string]int {
	s.t.Helper()
	log := filepath.Join(s.t.TempDir(), "log")
	if out, err := s.job.command(s.t, "strace", "-qq", "-o", log, "-e", "trace="+strings.Join(calls, ",")).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		s.t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if name, _, called := strings.Cut(line, "("); called {
			counts[name]++
		}
	}
	return counts
}

// each calls f with each call in turn; a short run takes every stride-th.
func (s *scene) each(calls []string, stride int, f func(call string, n int)) {
	s.t.Helper()
	counts := s.copy().calls(calls)
	if os.Getenv(fullVariable) != "" {
		stride = 1
	}
	for _, call := range calls {
		for n := 1; n <= counts[call]; n += stride {
			f(call, n)
			if s.t.Failed() {
				s.t.Fatalf("after %s number %d of %d", call, n, counts[call])
			}
		}
	}
	s.t.Logf("calls: %v", counts)
}

// TestKilledAtEachCall kills a run at each call that changes the file system.
// What pacman sees is then the old state or the new one, and the next run
// leaves nothing of the dead one.
func TestKilledAtEachCall(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	calls := []string{
		"mkdirat", "openat", "write", "copy_file_range", "fsync", "linkat", "symlinkat", "renameat", "renameat2",
		"unlinkat", "fchmod", "fchmodat", "utimensat", "flock",
	}
	for name, make := range scenes() {
		t.Run(name, func(t *testing.T) {
			original := make(t)
			before := audit(t, original.repository())
			states := map[string]int{}
			original.each(calls, 31, func(call string, n int) {
				s := original.copy()
				// Go's runtime wakes threads by writes of its own, now and then.
				if s.strace(call, n, "signal=KILL") == nil && call != "write" {
					t.Errorf("%s number %d was not made", call, n)
				}
				if slices.Equal(audit(t, s.repository()), before) {
					states["old"]++
				} else {
					states["new"]++
				}
				s.afterKill()
			})
			t.Logf("states after the kill: %v", states)
		})
	}
}

// TestFullDisk fails calls with ENOSPC, one after the other: the error says so,
// nothing has changed, nothing is left. After the switch it is no error.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	calls := []string{"mkdirat", "write", "copy_file_range", "fsync", "linkat", "symlinkat", "renameat", "renameat2"}
	for name, make := range scenes() {
		t.Run(name, func(t *testing.T) {
			original := make(t)
			outcomes := map[string]int{}
			original.each(calls, 31, func(call string, n int) {
				s := original.copy()
				before := tree(t, s.job.Root)
				err := s.strace(call, n, "error=ENOSPC")
				switch {
				case err == nil: // links are copies then, directories are not exchanged
					outcomes["done another way"]++
				case strings.Contains(err.Error(), "netpollBreak"): // see above
				case strings.Contains(err.Error(), publishedBut):
					outcomes["published"]++
				case !strings.Contains(err.Error(), syscall.ENOSPC.Error()):
					t.Errorf("got %v", err)
				case name == "adopt" && len(generations(t, s)) > 0:
					outcomes["taken over"]++
				default:
					outcomes["nothing changed"]++
					compareTrees(t, before, tree(t, s.job.Root))
				}
				s.afterKill()
				if t.Failed() {
					t.Log(err)
				}
			})
			t.Logf("outcomes: %v", outcomes)
		})
	}
}

func generations(t *testing.T, s *scene) []repository.Generation {
	t.Helper()
	list, err := s.repository().Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// compareTrees lets pass what is no harm: the spare, which is scratch, the lock,
// and what a take-over copied into the pool.
func compareTrees(t *testing.T, before, after []string) {
	t.Helper()
	scratch := func(name string) bool {
		return strings.Contains(name, "/.spare/") || name == "generations/.lock" || strings.HasPrefix(name, "archive/packages/b/b/b-3-1-")
	}
	before = slices.DeleteFunc(before, scratch)
	after = slices.DeleteFunc(after, scratch)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("changed although the disk was full:\n%s", diff)
	}
}

// count is how often a test repeats: the full number when it is asked for.
func count(short, full int) int {
	if os.Getenv(fullVariable) != "" {
		return full
	}
	return short
}

// TestKilledAtRandom kills publications at random moments, one after the other
// in one repository.
func TestKilledAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	s := newScene(t)
	r := s.repository()
	c := newClient(t, fileServer(r), s.home.Dir)
	start := time.Now()
	if out, err := s.job.command(t).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	span := 3 * time.Since(start) / 2
	killed := 0
	n := 0
	for ; killed < count(30, 200); n++ {
		version := strconv.Itoa(n+10) + "-1"
		s.job.Change = repository.Change{Add: s.packages(version, "a", "b", "random"+strconv.Itoa(n%5))}
		cmd := s.job.command(t)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(rand.N(span), func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		audit(t, r)
		c.pacman("-Sy")
		if n%10 == 9 {
			publish(t, r, s.job.Change)
			if !slices.Contains(audit(t, r), "a "+version) {
				t.Errorf("not published: %s", version)
			}
			auditClean(t, s.job.Root, "")
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("killed %d of %d publications, each within %s", killed, n, span)
}
