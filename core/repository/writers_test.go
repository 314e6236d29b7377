package repository_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/repository"
)

// slowSigner holds the lock of its publication until it is let go.
type slowSigner struct{ entered, leave chan struct{} }

func (s *slowSigner) Sign(ctx context.Context, path string) ([]byte, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	select {
	case <-s.leave:
		return []byte("signature"), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestLocked(t *testing.T) {
	root := t.TempDir()
	slow := &slowSigner{make(chan struct{}, 2), make(chan struct{})}
	holder := open(t, repository.Options{Root: root, Signer: slow, Command: "ahriman repo-update"})
	result := make(chan error)
	go func() {
		_, err := holder.Publish(t.Context(), repository.Change{})
		result <- err
	}()
	<-slow.entered
	for _, timeout := range []time.Duration{-1, 20 * time.Millisecond} {
		_, err := open(t, repository.Options{Root: root, LockTimeout: timeout}).Publish(t.Context(), repository.Change{})
		var locked *repository.LockedError
		if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Command != "ahriman repo-update" || locked.Hint() == "" {
			t.Errorf("got %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := open(t, repository.Options{Root: root}).Publish(ctx, repository.Change{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := open(t, repository.Options{LockTimeout: -1}).Publish(t.Context(), repository.Change{}); err != nil {
		t.Errorf("another root: %v", err)
	}
	if got := published(t, holder); got != nil {
		t.Errorf("readers see %v", got)
	}
	close(slow.leave)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, repository.Options{Root: root, LockTimeout: -1}).Publish(t.Context(), repository.Change{}); err != nil {
		t.Errorf("after the holder's end: %v", err)
	}
}

// TestManyWriters publishes from many goroutines, each with a lock of its own as
// processes have it: nothing is lost.
func TestManyWriters(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	var wait sync.WaitGroup
	var want []string
	for i := range 12 {
		p := testPackage{name: fmt.Sprintf("p%02d", i), version: "1-1"}
		path := p.write(t, dir)
		r := open(t, repository.Options{Root: root, Keep: 2, Grace: -1, KeepBuilt: 1})
		wait.Go(func() {
			if _, err := r.Publish(t.Context(), repository.Change{Add: []string{path}}); err != nil {
				t.Error(err)
			}
		})
		want = append(want, p.name+" "+p.version)
	}
	wait.Wait()
	if diff := cmp.Diff(want, published(t, open(t, repository.Options{Root: root}))); diff != "" {
		t.Error(diff)
	}
	auditClean(t, root, "")
}

func TestCancelled(t *testing.T) {
	slow := &slowSigner{make(chan struct{}, 2), make(chan struct{})}
	root := t.TempDir()
	r := open(t, repository.Options{Root: root, Signer: slow})
	path := testPackage{name: "foo", version: "1-1"}.write(t, r.Waiting())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-slow.entered
		cancel()
	}()
	if _, err := r.Publish(ctx, repository.Change{Add: []string{path}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	want := []string{"generations/.lock", "packages/aur/x86_64/foo-1-1-any.pkg.tar.zst"}
	if diff := cmp.Diff(want, tree(t, root)); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	good := testPackage{name: "good", version: "1-1"}.write(t, dir)
	write := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	renamed := func(p testPackage, name string) string {
		path := p.write(t, t.TempDir())
		to := filepath.Join(filepath.Dir(path), name)
		if err := os.Rename(path, to); err != nil {
			t.Fatal(err)
		}
		return to
	}
	fifo := filepath.Join(t.TempDir(), "fifo-1-1-any.pkg.tar.zst")
	run(t, "mkfifo", fifo)
	armored := testPackage{name: "armored", version: "1-1"}.write(t, t.TempDir())
	long := testPackage{name: "long", version: "1-1"}.write(t, t.TempDir())
	for path, text := range map[string]string{armored: "-----BEGIN PGP SIGNATURE-----\n", long: strings.Repeat("x", 20<<10)} {
		if err := os.WriteFile(path+".sig", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, add := range map[string][]string{
		"absent":             {filepath.Join(dir, "absent-1-1-any.pkg.tar.zst")},
		"no package":         {write("text-1-1-any.pkg.tar.zst", "text")},
		"another name":       {renamed(testPackage{name: "foo", version: "1-1"}, "bar-1-1-any.pkg.tar.zst")},
		"another version":    {renamed(testPackage{name: "foo", version: "1-1"}, "foo-2-1-any.pkg.tar.zst")},
		"other architecture": {testPackage{name: "foo", version: "1-1", arch: "aarch64"}.write(t, dir)},
		"path as base":       {testPackage{name: "foo", version: "1-1", base: "../../foo"}.write(t, t.TempDir())},
		"named pipe":         {fifo},
		"directory":          {dir},
		"armored signature":  {armored},
		"long signature":     {long},
		"same name twice":    {good, testPackage{name: "good", version: "1-1", content: "!"}.write(t, t.TempDir())},
		"mapped to one name": {
			testPackage{name: "a+b", version: "1-1"}.write(t, t.TempDir()),
			testPackage{name: "a-b", version: "1-1"}.write(t, t.TempDir()),
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			r := open(t, repository.Options{Root: root})
			if p, err := r.Publish(t.Context(), repository.Change{Add: append(slices.Clone(add), good)}); err == nil {
				t.Errorf("published %+v", p)
			} else {
				t.Log(err)
			}
			if diff := cmp.Diff([]string(nil), tree(t, root)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, options := range []repository.Options{
		{ID: id},
		{Root: "/r"},
		{Root: "/r", ID: repositoryID("..", "x86_64")},
		{Root: "/r", ID: repositoryID("aur", "a/b")},
		{Root: "/r", ID: id, Compression: "bz2"},
	} {
		if r, err := repository.Open(options); err == nil {
			t.Errorf("opened %+v as %s", options, r.ID())
		}
	}
}
