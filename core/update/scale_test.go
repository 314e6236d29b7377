package update_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
)

// BenchmarkUpdate measures the processor time of whole updates of large
// repositories by thirty workers, whose builds take none: of all packages, of
// ten, of none. Each package needs two others; the files that built ones rest
// on are looked for.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1000, 3000} {
		b.Run(fmt.Sprintf("packages=%d", n), func(b *testing.B) {
			f := newFixture(b)
			files := filepath.Join(f.root, "core.files")
			if err := os.WriteFile(files, nil, 0o644); err != nil {
				b.Fatal(err)
			}
			f.config.FilesDatabases = func() []string { return []string{files} }
			f.config.Observers = nil
			f.config.Workers = func(context.Context) ([]schedule.Worker, error) {
				var list []schedule.Worker
				for i := range 30 {
					list = append(list, schedule.Worker{Name: fmt.Sprint("w", i), Runner: f.runner, Features: []string{build.FeatureSources}})
				}
				return list, nil
			}
			var updates []store.Update
			for i := range n {
				f.release(i, "1")
				updates = append(updates, store.Update{Status: store.Unknown, Package: source.Package{
					Base: fmt.Sprintf("package-%04d", i), Version: "1-1", Origin: source.Origin{Source: source.Local},
				}})
			}
			if err := f.store.SetPackages(b.Context(), f.config.Repository.ID(), updates); err != nil {
				b.Fatal(err)
			}
			for _, u := range updates {
				if err := f.flow().Request(b.Context(), u.Package, update.Order{}); err != nil {
					b.Fatal(err)
				}
			}
			version := 1
			for _, due := range []int{n, 10, 0} {
				b.Run(fmt.Sprintf("due=%d", due), func(b *testing.B) {
					b.ReportAllocs()
					var spent time.Duration
					for b.Loop() {
						b.StopTimer()
						if version > 1 || due < n {
							version++
							for i := range due {
								f.release(i*n/due, fmt.Sprint(version))
							}
						}
						runtime.GC()
						b.StartTimer()
						before := processorTime(b)
						outcome, err := f.flow().Run(b.Context(), update.Request{Manual: true, Local: true, Increment: true})
						spent += processorTime(b) - before
						if err != nil || len(outcome.Published) != due {
							b.Fatalf("%d published: %v", len(outcome.Published), err)
						}
						version++
					}
					b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "cpu-ms/op")
				})
			}
		})
	}
}

// release gives a package a new version.
func (f *fixture) release(i int, version string) {
	name := fmt.Sprintf("package-%04d", i)
	depends := ""
	if i > 0 {
		depends = fmt.Sprintf("depends=(package-%04d package-%04d)", i/2, i/3)
	}
	f.keep(name, pkgbuildOf(name, version, depends))
}

// processorTime is what this process has used until now.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
