package httpclient_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/httpclient"
)

// TestRunner runs the suite with a worker in another process.
func TestRunner(t *testing.T) {
	buildtest.Run(t, buildtest.Options{}, func(t *testing.T) build.Runner {
		return newRunner(t, startWorker(t, nil).address, nil)
	})
}

// TestFetchedPackageIsNotReadAgain changes a package that came from a worker,
// without a trace: who remembers its digest sends other bytes than announced, and
// only who reads it notices.
func TestFetchedPackageIsNotReadAgain(t *testing.T) {
	w := startWorker(t, func(o *workerOptions) { o.Immediate = true })
	var digests httpclient.Digests
	shared := func(c *httpclient.RunnerConfig) { c.Digests = &digests }
	job := build.Job{ID: "1", Base: "foo", Architecture: "x86_64", Source: sources(t)}
	first := newRunner(t, w.address, shared)
	if err := first.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	result, err := first.Attach(t.Context(), job.ID, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	path := result.Files[0]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, info.Size()), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	job.Dependencies = []string{path}
	job.ID = "2"
	if err := newRunner(t, w.address, nil).Start(t.Context(), job); err != nil {
		t.Errorf("by who reads it: %v", err)
	}
	job.ID = "3"
	err = newRunner(t, w.address, shared).Start(t.Context(), job)
	wantLost(t, err)
	if err == nil || !strings.Contains(err.Error(), "the bytes received have sha256") {
		t.Errorf("by who remembers it: %v", err)
	}
}
