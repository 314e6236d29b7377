package repository_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/repository"
)

// handIn puts copies of files in one parcel.
func handIn(r *repository.Repository, files []string) error {
	p, err := r.NewParcel("one")
	if err != nil {
		return err
	}
	defer p.Discard()
	for _, path := range files {
		if err := copyInto(p, path); err != nil {
			return err
		}
	}
	return p.Put(false)
}

func copyInto(p *repository.Parcel, path string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := p.Create(filepath.Base(path))
	if err != nil {
		return err
	}
	defer to.Close()
	_, err = io.Copy(to, from)
	return err
}

// parcelScene has a set of two packages, each with its signature, to hand in, of
// which one waits already, with an older signature. It returns what waits before
// and after.
func parcelScene(t *testing.T) (s *scene, before, after []string) {
	s = emptyScene(t)
	packages := s.packages("1-1", "one", "two")
	for _, path := range packages {
		s.job.Parcel = append(s.job.Parcel, path+".sig", path)
		after = append(after, filepath.Base(path), filepath.Base(path)+".sig")
	}
	waiting := s.repository().Waiting()
	if err := os.MkdirAll(waiting, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", packages[1], waiting)
	run(t, "cp", packages[0]+".sig", filepath.Join(waiting, filepath.Base(packages[1])+".sig"))
	return s, after[2:], after
}

// waiting reads what waits, as an update does, and then all names that are there.
func (s *scene) waiting() []string {
	s.t.Helper()
	files, err := s.repository().WaitingFiles()
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(s.repository().Waiting())
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	packages := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.HasSuffix(name, ".sig") })
	if err != nil || len(packages) != len(files) {
		s.t.Errorf("%d files wait, of %v: %v", len(files), names, err)
	}
	return names
}

// auditParcel checks that the parcel waits as a whole or not at all, and that
// nothing else is left once what a dead process began is dropped. It reports
// whether the parcel waits.
func (s *scene) auditParcel(before, after []string) bool {
	s.t.Helper()
	names := s.waiting()
	whole := slices.Equal(names, after)
	if !whole && !slices.Equal(names, before) {
		s.t.Errorf("waiting are %v, want %v or %v", names, before, after)
	}
	for _, path := range s.job.Parcel {
		want, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(s.repository().Waiting(), filepath.Base(path))); whole && string(got) != string(want) {
			s.t.Errorf("%s has other bytes: %v", filepath.Base(path), err)
		}
	}
	left, err := s.repository().Parcels(0)
	if err != nil || whole && len(left) > 0 {
		s.t.Errorf("%d parcels are left: %v", len(left), err)
	}
	for _, p := range left {
		if err := p.Discard(); err != nil {
			s.t.Error(err)
		}
	}
	entries, err := os.ReadDir(s.repository().Waiting())
	if err != nil || len(entries) != len(names) {
		s.t.Errorf("there is more than %v: %v, %v", names, entries, err)
	}
	return whole
}

// TestParcelKilledAtEachCall kills a hand-in at each call that changes the file
// system.
func TestParcelKilledAtEachCall(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	original, before, after := parcelScene(t)
	outcomes := map[bool]int{}
	calls := []string{"mkdirat", "openat", "write", "copy_file_range", "fsync", "renameat", "unlinkat", "fchmod", "flock"}
	original.each(calls, 1, func(call string, n int) {
		s := original.copy()
		if s.strace(call, n, "signal=KILL") == nil && call != "write" { // see TestKilledAtEachCall
			t.Errorf("%s number %d was not made", call, n)
		}
		outcomes[s.auditParcel(before, after)]++
		if err := handIn(s.repository(), s.job.Parcel); err != nil {
			t.Errorf("the next one: %v", err)
		}
		if !s.auditParcel(before, after) {
			t.Error("the next one does not wait")
		}
	})
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("waiting after the kill: %v", outcomes)
	}
}

// TestParcelOnAFullDisk fails calls with ENOSPC, one after the other: an error
// leaves nothing of the parcel, and without one all of it waits.
func TestParcelOnAFullDisk(t *testing.T) {
	original, before, after := parcelScene(t)
	original.each([]string{"mkdirat", "write", "copy_file_range", "fsync", "renameat"}, 1, func(call string, n int) {
		s := original.copy()
		err := s.strace(call, n, "error=ENOSPC")
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "netpollBreak"): // see TestKilledAtEachCall
			return
		case !strings.Contains(err.Error(), syscall.ENOSPC.Error()):
			t.Errorf("got %v", err)
		default:
			if entries, _ := os.ReadDir(s.repository().Waiting()); len(entries) != len(before) {
				t.Errorf("an error, and there are %v", entries)
			}
		}
		if whole := s.auditParcel(before, after); whole != (err == nil) {
			t.Errorf("it waits: %v, and the error is %v", whole, err)
		}
	})
}

// TestParcels: one is found once its process is dead, and not before.
func TestParcels(t *testing.T) {
	s, _, after := parcelScene(t)
	r := s.repository()
	found := func(want ...string) []*repository.Parcel {
		t.Helper()
		left, err := r.Parcels(0)
		var ids []string
		for _, p := range left {
			ids = append(ids, p.ID)
		}
		if diff := cmp.Diff(want, ids); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
		return left
	}
	mine, err := r.NewParcel("mine")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.NewParcel("mine"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same again: %v", err)
	}
	found()
	mine.Leave()
	again := found("mine")[0]
	found()
	for _, path := range s.job.Parcel {
		if err := copyInto(again, path); err != nil {
			t.Fatal(err)
		}
	}
	own, err := again.Create(".own")
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
	if err := again.Put(false); err != nil {
		t.Error(err)
	}
	found()
	if diff := cmp.Diff(after, s.waiting()); diff != "" {
		t.Error(diff)
	}

	// Other bytes under a name that waits replace them when they may, with the
	// signature.
	p, err := r.NewParcel("other")
	if err != nil {
		t.Fatal(err)
	}
	other := testPackage{name: "one", version: "1-1", content: "other"}.write(t, t.TempDir())
	if err := copyInto(p, other); err != nil {
		t.Fatal(err)
	}
	if _, conflict := errors.AsType[*repository.ConflictError](p.Put(false)); !conflict {
		t.Error("no conflict")
	}
	if err := p.Put(true); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(slices.Delete(slices.Clone(after), 1, 2), s.waiting()); diff != "" {
		t.Error(diff)
	}
}

// TestForgottenParcels: a publication removes those that nobody came back for.
func TestForgottenParcels(t *testing.T) {
	s := emptyScene(t)
	r := s.repository()
	for _, id := range []string{"old", "young", "living"} {
		p, err := r.NewParcel(id)
		if err != nil {
			t.Fatal(err)
		}
		if id != "young" {
			long := time.Now().Add(-48 * time.Hour)
			if err := os.Chtimes(p.Dir, long, long); err != nil {
				t.Fatal(err)
			}
		}
		if id != "living" {
			p.Leave()
		} else {
			defer p.Discard()
		}
	}
	publish(t, r, repository.Change{Add: s.packages("1-1", "a")})
	left, err := filepath.Glob(filepath.Join(r.Waiting(), ".*"))
	if err != nil || len(left) != 2 || !strings.HasSuffix(left[0], "-living") || !strings.HasSuffix(left[1], "-young") {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestParcelIsReadWhole reads what waits while parcels come.
func TestParcelIsReadWhole(t *testing.T) {
	r := emptyScene(t).repository()
	const parcels, files = 10, 40
	put := func(parcel int) error {
		p, err := r.NewParcel(fmt.Sprint(parcel))
		if err != nil {
			return err
		}
		defer p.Discard()
		for i := range files {
			file, err := p.Create(fmt.Sprintf("p%d-%d-1-any.pkg.tar", i, parcel))
			if err != nil {
				return err
			}
			file.Close()
		}
		return p.Put(false)
	}
	done := make(chan error)
	go func() {
		var err error
		for parcel := range parcels {
			err = errors.Join(err, put(parcel))
		}
		done <- err
	}()
	for {
		waiting, err := r.WaitingFiles()
		if err != nil || len(waiting)%files != 0 {
			t.Errorf("%d files wait: %v", len(waiting), err)
		}
		select {
		case err := <-done:
			if waiting, _ := r.WaitingFiles(); err != nil || len(waiting) != parcels*files {
				t.Errorf("in the end %d files wait: %v", len(waiting), err)
			}
			return
		default:
		}
	}
}
