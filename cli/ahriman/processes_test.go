package main

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/alpm"
)

// crowd is a node on whose root several processes work at once.
type crowd struct {
	t   *testing.T
	dir string

	mu    sync.Mutex
	added []string // "name-version" that were added with success
}

func newCrowd(t *testing.T, name string) *crowd {
	t.Helper()
	c := &crowd{t: t, dir: filepath.Join(t.TempDir(), name)}
	text := "[repository]\nroot = root\nname = aur\narchitecture = x86_64\n[build]\ntriggers =\n"
	if err := os.MkdirAll(filepath.Join(c.dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "ahriman.ini"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs the program on the node.
func (c *crowd) run(args ...string) error {
	command := exec.CommandContext(context.WithoutCancel(c.t.Context()), "ahriman", append([]string{"-c", "ahriman.ini", "--wait-timeout", "120"}, args...)...)
	command.Dir = c.dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("ahriman %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// add makes a package and adds it.
func (c *crowd) add(name string, i int) error {
	version := fmt.Sprintf("%d-1", i+1)
	path := filepath.Join(c.dir, "files", name+"-"+version+"-any.pkg.tar")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info := fmt.Sprintf("pkgname = %[1]s\npkgbase = %[1]s\npkgver = %[2]s\narch = any\nsize = 1\nbuilddate = 1795355916\n", name, version)
	w := tar.NewWriter(f)
	if err := w.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info))}); err != nil {
		return err
	}
	if _, err := w.Write([]byte(info)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := c.run("package-add", "--now", path); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added = append(c.added, name+"-"+version)
	return nil
}

// check compares what is published with the last version of each package added.
func (c *crowd) check() {
	c.t.Helper()
	want := map[string]string{}
	for _, full := range c.added {
		name, version, _ := strings.Cut(full, "-")
		want[name] = version
	}
	f, err := os.Open(filepath.Join(c.dir, "root", "repository", "aur", "x86_64", "aur.db"))
	if err != nil {
		c.t.Error(err)
		return
	}
	defer f.Close()
	packages, err := alpm.ReadDatabase(f)
	if err != nil {
		c.t.Error(err)
	}
	got := map[string]string{}
	for _, p := range packages {
		got[p.Name] = p.Version
	}
	for name, version := range want {
		if got[name] != version {
			c.t.Errorf("%s: %s is published at %q, want %s", c.dir, name, got[name], version)
		}
	}
	if len(got) != len(want) {
		c.t.Errorf("%d packages are published, want %d", len(got), len(want))
	}
	if err := c.run("package-status"); err != nil {
		c.t.Error(err)
	}
}

// TestEightProcesses is two nodes on one host, on each of which four processes
// work at once, for a few seconds; AHRIMAN_TEST_FULL=1 makes that a minute.
func TestEightProcesses(t *testing.T) {
	long := 3 * time.Second
	if os.Getenv("AHRIMAN_TEST_FULL") != "" {
		long = time.Minute
	}
	over := time.Now().Add(long)
	nodes := []*crowd{newCrowd(t, "one"), newCrowd(t, "two")}
	var all sync.WaitGroup
	count := make([]int, 8)
	for n, c := range nodes {
		if err := c.add("first", 0); err != nil {
			t.Fatal(err)
		}
		for p, work := range []func(i int) error{
			func(i int) error { return c.add("a", i) },
			func(i int) error { return c.add("b", i) },
			func(i int) error { return c.run("package-status-update", "-s", "failed", "first") },
			func(i int) error { return c.run("user-add", "--token", fmt.Sprint("user", i)) },
		} {
			all.Go(func() {
				for i := 0; i == 0 || time.Now().Before(over); i++ {
					if err := work(i); err != nil {
						t.Error(err)
						return
					}
					count[4*n+p]++
				}
			})
		}
	}
	all.Wait()
	t.Logf("runs of each: %v", count)
	for _, c := range nodes {
		c.check()
	}
	if slices.Contains(count, 0) {
		t.Errorf("one of them did nothing: %v", count)
	}
}
