package httpclient_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpserver"
)

// ready is a Runner whose only package is there already.
type ready struct{ dir, file string }

func (ready) Start(context.Context, build.Job) error { return nil }

func (r ready) Attach(context.Context, string, io.Writer) (*build.Result, error) {
	path := filepath.Join(r.dir, filepath.Base(r.file))
	return &build.Result{Files: []string{path}, Duration: time.Second}, os.Link(r.file, path)
}

func (ready) Cancel(context.Context, string) error { return nil }

// benchFile names the variable with the path of the package of BenchmarkFetch.
const benchFile = "AHRIMAN_BENCH_FILE"

// serveFile is a worker with a package.
func serveFile(dir string) error {
	built := filepath.Join(dir, "built")
	if err := os.Mkdir(built, 0o700); err != nil {
		return err
	}
	builds, err := httpserver.NewBuilds(httpserver.BuildsConfig{
		Runner: ready{built, os.Getenv(benchFile)}, Dir: filepath.Join(dir, "worker"), Slots: 1, Architectures: []string{"x86_64"},
	})
	if err != nil {
		return err
	}
	defer builds.Close()
	return serveUntilEOF(builds)
}

// fetchFile is a master that has it built.
func fetchFile(ctx context.Context, address, path string) error {
	scratch, err := os.MkdirTemp(filepath.Dir(path), "")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	runner, err := httpclient.NewRunner(httpclient.RunnerConfig{Config: httpclient.Config{Address: address}, Scratch: scratch})
	if err != nil {
		return err
	}
	defer runner.Close()
	source := filepath.Join(scratch, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		return err
	}
	if err := runner.Start(ctx, build.Job{ID: "big", Base: "big", Architecture: "x86_64", Source: source}); err != nil {
		return err
	}
	_, err = runner.Attach(ctx, "big", io.Discard)
	return err
}

// BenchmarkFetch has a package of one GiB travel from a worker to its master,
// two processes, through the loopback: bare is the least it can take, ours is a
// build that takes no time, whose package the worker hashes, and the master
// writes, hashes and looks into.
func BenchmarkFetch(b *testing.B) {
	path, err := writePackage(b.TempDir(), "big", benchSize, bufio.NewReaderSize(&numbers{}, 1<<20))
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv(benchFile, path)
	for _, test := range []struct{ name, receiver, sender string }{
		{"bare", "bare receiver", "bare sender"},
		{"ours", "file worker", "fetcher"},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(benchSize)
			var took time.Duration
			var one, other usage
			for range b.N {
				t, s, r := transfer(b, test.receiver, test.sender, path)
				took += t
				one.add(s)
				other.add(r)
			}
			n := float64(b.N)
			b.ReportMetric(took.Seconds()/n, "s/fetch")
			b.ReportMetric(one.cpu.Seconds()/n, "master-cpu-s")
			b.ReportMetric(other.cpu.Seconds()/n, "worker-cpu-s")
			b.ReportMetric(one.memory, "master-MB")
			b.ReportMetric(other.memory, "worker-MB")
		})
	}
}

// BenchmarkTrivialBuild builds an empty package, here and by a worker in another
// process: the difference is what delegation costs.
func BenchmarkTrivialBuild(b *testing.B) {
	local := func() build.Runner {
		config := build.Config{Scratch: passable(b)}
		if os.Geteuid() == 0 {
			config.User = "65534"
		}
		l, err := build.NewLocal(config)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		return l
	}
	for _, test := range []struct {
		name   string
		runner func() build.Runner
	}{
		{"local", local},
		{"remote", func() build.Runner { return newRunner(b, startWorker(b, nil).address, nil) }},
		{"remote without makepkg", func() build.Runner {
			return newRunner(b, startWorker(b, func(o *workerOptions) { o.Immediate = true }).address, nil)
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			runner := test.runner()
			source := buildtest.PKGBUILD(b, "foo", ":")
			for i := 0; b.Loop(); i++ {
				job := build.Job{ID: fmt.Sprint(i), Base: "foo", Architecture: "x86_64", Source: source}
				if err := runner.Start(b.Context(), job); err != nil {
					b.Fatal(err)
				}
				if _, err := runner.Attach(b.Context(), job.ID, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
