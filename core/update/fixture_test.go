package update_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/pkgbuild"
	"ahriman/core/repository"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"

	"github.com/google/go-cmp/cmp"
)

// fixture is a node in a directory of the test's, whose builds are made up:
// everything else is the real thing.
type fixture struct {
	observing sync.Mutex
	t         testing.TB
	root      string
	store     *store.DB
	runner    *runner
	config    update.Config
	events    []string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, root: t.TempDir()}
	id := alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}
	var err error
	if f.store, err = store.Open(t.Context(), filepath.Join(f.root, "ahriman.sqlite")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	r, err := repository.Open(repository.Options{Root: f.root, ID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"cache", "scratch", "built"} {
		if err := os.Mkdir(filepath.Join(f.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.runner = &runner{dir: filepath.Join(f.root, "built"), fail: map[string]bool{}, jobs: map[string]build.Job{}}
	f.config = update.Config{
		Repository: r, Store: f.store, Sources: source.New(source.Config{Cache: filepath.Join(f.root, "cache")}),
		Workers:  f.workers(func() build.Runner { return f.runner }),
		CacheDir: filepath.Join(f.root, "cache"), ScratchDir: filepath.Join(f.root, "scratch"),
		Observers: []update.Observer{f},
	}
	return f
}

// workers is a fleet of one.
func (f *fixture) workers(runner func() build.Runner) func(context.Context) ([]schedule.Worker, error) {
	return func(context.Context) ([]schedule.Worker, error) {
		return []schedule.Worker{{Name: "local", Runner: runner(), Features: []string{build.FeatureSources}}}, nil
	}
}

// Observe notes what happened, but for logs.
func (f *fixture) Observe(_ context.Context, e update.Event) error {
	f.observing.Lock() // flows of two runs tell it
	defer f.observing.Unlock()
	switch e := e.(type) {
	case update.BuildEnded:
		if e.Err != nil {
			f.events = append(f.events, "failed "+e.Package.Base)
		}
	case update.Published:
		f.events = append(f.events, "published "+e.Package.Base+" "+e.Package.Version)
	case update.Refused:
		f.events = append(f.events, "refused "+e.File)
	case update.Skipped:
		f.events = append(f.events, "skipped "+e.Package.Base)
	}
	return nil
}

func (f *fixture) flow() *update.Flow {
	f.t.Helper()
	flow, err := update.New(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	return flow
}

// want asks for a base with this PKGBUILD.
func (f *fixture) want(base, text string) {
	f.t.Helper()
	f.keep(base, text)
	found, err := f.config.Sources.FromOrigin(base, source.Origin{Source: source.Local})
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := f.flow().Describe(f.t.Context(), found, f.t.TempDir())
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.flow().Request(f.t.Context(), p, update.Order{Increment: true}); err != nil {
		f.t.Fatal(err)
	}
}

// run updates, and returns what was told.
func (f *fixture) run() (*update.Outcome, []string, error) {
	f.events = nil
	outcome, err := f.flow().Run(f.t.Context(), update.Request{Manual: true, Local: true, Increment: true})
	return outcome, f.events, err
}

// published lists the names and versions in the repository.
func (f *fixture) published() []string {
	f.t.Helper()
	packages, err := f.config.Repository.Packages(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for _, p := range packages {
		list = append(list, p.Name+" "+p.Version)
	}
	slices.Sort(list)
	return list
}

func (f *fixture) expect(what string, got, want []string) {
	f.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func pkgbuildOf(name, version string, more ...string) string {
	return fmt.Sprintf("pkgname=%s\npkgver=%s\npkgrel=1\narch=(any)\n%s\npackage() { :; }\n", name, version, strings.Join(more, "\n"))
}

// runner makes the packages that a PKGBUILD names.
type runner struct {
	dir  string
	fail map[string]bool

	mu   sync.Mutex
	jobs map[string]build.Job
	hang chan struct{} // closed when a job hangs; nil: none does
	gone []string      // bases that were cancelled
}

func (r *runner) Start(_ context.Context, job build.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs[job.ID] = job
	return nil
}

func (r *runner) Attach(ctx context.Context, id string, w io.Writer) (*build.Result, error) {
	r.mu.Lock()
	job := r.jobs[id]
	r.mu.Unlock()
	fmt.Fprintf(w, "building %s\nwithout a line's end", job.Base)
	if r.hang != nil {
		close(r.hang)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.fail[job.Base] {
		return nil, &build.Failure{Base: job.Base, Reason: "made to"}
	}
	info, err := pkgbuild.Evaluate(ctx, job.Source, pkgbuild.Options{Architecture: job.Architecture})
	if err != nil {
		return nil, err
	}
	result := &build.Result{}
	for _, p := range info.ForArch(job.Architecture) {
		var relations strings.Builder // the description's line ends with them
		for key, list := range map[string][]string{"depend": p.Depends, "makedepend": p.MakeDepends, "provides": p.Provides} {
			for _, relation := range list {
				fmt.Fprintf(&relations, "\n%s = %s", key, relation)
			}
		}
		path, err := writePackage(r.dir, p.Name, info.Base, info.Version(), relations.String())
		if err != nil {
			return nil, err
		}
		result.Files = append(result.Files, path)
	}
	return result, nil
}

func (r *runner) Cancel(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = append(r.gone, r.jobs[id].Base)
	return nil
}

// writePackage makes the smallest package file there is.
func writePackage(dir, name, base, version, content string) (string, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	info := fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = %s\nsize = 1\narch = any\npkgdesc = %s\n", name, base, version, content)
	var mtree bytes.Buffer
	zipped := gzip.NewWriter(&mtree)
	fmt.Fprintf(zipped, "#mtree\n./.PKGINFO type=file size=%d sha256digest=%x\n", len(info), sha256.Sum256([]byte(info)))
	if err := zipped.Close(); err != nil {
		return "", err
	}
	for _, entry := range []struct{ name, content string }{{".PKGINFO", info}, {".MTREE", mtree.String()}} {
		if err := w.WriteHeader(&tar.Header{Name: entry.name, Mode: 0o644, Size: int64(len(entry.content))}); err != nil {
			return "", err
		}
		if _, err := io.WriteString(w, entry.content); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-any.pkg.tar", name, version))
	return path, os.WriteFile(path, b.Bytes(), 0o644)
}

// handIn puts package files where uploads stand.
func (f *fixture) handIn(name, base, version, content string) {
	f.t.Helper()
	if err := os.MkdirAll(f.config.Repository.Waiting(), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if _, err := writePackage(f.config.Repository.Waiting(), name, base, version, content); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) waiting() []string {
	f.t.Helper()
	entries, err := os.ReadDir(f.config.Repository.Waiting())
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
