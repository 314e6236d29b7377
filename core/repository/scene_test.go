package repository_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ahriman/core/repository"
	"ahriman/sign"
	"ahriman/sign/signtest"
)

// scene is a repository in some state, and a change to make to it.
type scene struct {
	t    *testing.T
	home *signtest.Home
	sign *sign.GPG
	dir  string // package files
	job  job
	kept string // see auditClean
}

// scenes are what the tests below disturb.
func scenes() map[string]func(*testing.T) *scene {
	return map[string]func(*testing.T) *scene{"publish": newScene, "rollback": rollbackScene, "adopt": adoptScene}
}

func emptyScene(t *testing.T) *scene {
	s := &scene{t: t, dir: t.TempDir()}
	s.home, s.sign = signer(t)
	s.job = job{Root: t.TempDir(), Home: s.home.Dir, Key: s.sign.Key()}
	return s
}

// newScene has generations 2 and 3; the change adds, replaces and removes.
func newScene(t *testing.T) *scene {
	s := emptyScene(t)
	for _, version := range []string{"1-1", "2-1", "3-1"} {
		publish(t, s.repository(), repository.Change{Add: s.packages(version, "a", "b", "c", "moved")})
	}
	s.setChange()
	return s
}

func rollbackScene(t *testing.T) *scene {
	s := newScene(t)
	s.job.Rollback, s.kept = 2, "c-3-1-"
	return s
}

// adoptScene has a directory made by repo-add, as the Python ahriman lays it out:
// links into the pool, but for one file, and a page of its own.
func adoptScene(t *testing.T) *scene {
	s := emptyScene(t)
	dir := s.repository().Published()
	var files []string
	for _, path := range s.packages("3-1", "a", "b", "c", "moved") {
		base := filepath.Base(path)
		pool := filepath.Join(s.job.Root, "archive", "packages", base[:1], base[:strings.Index(base, "-")])
		for _, dir := range []string{pool, dir} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, suffix := range []string{"", ".sig"} {
			if base[0] == 'b' {
				run(t, "cp", path+suffix, dir)
				continue
			}
			run(t, "cp", path+suffix, pool)
			run(t, "ln", "-sr", filepath.Join(pool, base+suffix), dir)
		}
		files = append(files, filepath.Join(dir, base))
	}
	run(t, "repo-add", append([]string{"-q", filepath.Join(dir, "aur.db.tar.gz")}, files...)...)
	for _, kind := range []string{"db", "files"} {
		path := filepath.Join(dir, "aur."+kind+".tar.gz")
		if _, err := s.sign.SignFile(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		run(t, "ln", "-s", filepath.Base(path)+".sig", filepath.Join(dir, "aur."+kind+".sig"))
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("packages"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.setChange()
	return s
}

func (s *scene) setChange() {
	s.t.Helper()
	s.job.Change = repository.Change{Add: s.packages("4-1", "a", "new"), Remove: []string{"b"}}
	waiting := s.repository().Waiting() // two that are taken
	s.job.Change.Add = append(s.job.Change.Add,
		signedPackage(s.t, s.sign, testPackage{name: "moved", version: "4-1"}, waiting),
		testPackage{name: "unsigned", version: "4-1"}.write(s.t, waiting))
}

func (s *scene) packages(version string, names ...string) []string {
	s.t.Helper()
	var paths []string
	for _, name := range names {
		paths = append(paths, signedPackage(s.t, s.sign, testPackage{name: name, version: version}, s.dir))
	}
	return paths
}

func (s *scene) repository() *repository.Repository {
	s.t.Helper()
	r, err := s.job.open()
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// copy makes another scene of the same, with a root of its own.
func (s *scene) copy() *scene {
	s.t.Helper()
	c := *s
	c.job.Root = filepath.Join(s.t.TempDir(), "root")
	run(s.t, "cp", "-a", s.job.Root, c.job.Root)
	c.job.Change.Add = slices.Clone(s.job.Change.Add)
	for i, path := range c.job.Change.Add {
		c.job.Change.Add[i] = strings.Replace(path, s.job.Root, c.job.Root, 1)
	}
	return &c
}
