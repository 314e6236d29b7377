package alpm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// cpuTime returns what this process, or its children, used of the processor:
// on a busy machine it says more than the clock.
func cpuTime(tb testing.TB, who int) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds processor time per operation to a benchmark's figures; call
// the result when the loop has ended.
func reportCPU(b *testing.B, who int) func() {
	start := cpuTime(b, who)
	return func() {
		b.ReportMetric(float64((cpuTime(b, who)-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	}
}

// benchmarkPeer measures the same work done by a real program.
func benchmarkPeer(b *testing.B, name string, run func(b *testing.B)) {
	b.Run(name, func(b *testing.B) {
		defer reportCPU(b, syscall.RUSAGE_CHILDREN)()
		for b.Loop() {
			run(b)
		}
	})
}

func benchmarkOurs(b *testing.B, run func(b *testing.B)) {
	b.Run("ours", func(b *testing.B) {
		defer reportCPU(b, syscall.RUSAGE_SELF)()
		b.ReportAllocs()
		for b.Loop() {
			run(b)
		}
	})
}

// BenchmarkReadDatabase reads 15,000 packages. The goal: 200 ms.
func BenchmarkReadDatabase(b *testing.B) {
	packages := samplePackages(15_000, 0)
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		var db bytes.Buffer
		if err := WriteDatabase(&db, packages, DatabaseOptions{Compression: c}); err != nil {
			b.Fatal(err)
		}
		b.Run("packages=15000/tar"+c.Extension(), func(b *testing.B) {
			benchmarkOurs(b, func(b *testing.B) {
				got, err := ReadDatabase(bytes.NewReader(db.Bytes()))
				if err != nil || len(got) != len(packages) {
					b.Fatal(len(got), err)
				}
			})
			path := filepath.Join(b.TempDir(), "r.db")
			if err := os.WriteFile(path, db.Bytes(), 0o644); err != nil {
				b.Fatal(err)
			}
			benchmarkPeer(b, "bsdtar -t", func(b *testing.B) { runIn(b, "/", "bsdtar", "-tf", path) })
		})
	}
}

// BenchmarkAddPackages adds one and a hundred package files to a database of
// 1,000, with its file lists. The goal: ten times faster than repo-add.
func BenchmarkAddPackages(b *testing.B) {
	for _, count := range []int{1, 100} {
		b.Run(fmt.Sprintf("add=%d", count), func(b *testing.B) {
			dir := b.TempDir()
			files := samplePackageFiles(b, dir, 5000, count)
			for _, kind := range []string{"db", "files"} {
				var db bytes.Buffer
				options := DatabaseOptions{Files: kind == "files", Compression: Gzip, Dialect: Pacman6}
				if err := WriteDatabase(&db, samplePackages(1000, 20), options); err != nil {
					b.Fatal(err)
				}
				for _, name := range []string{"r." + kind + ".tar.gz", "old." + kind} {
					if err := os.WriteFile(filepath.Join(dir, name), db.Bytes(), 0o644); err != nil {
						b.Fatal(err)
					}
				}
			}
			benchmarkOurs(b, func(b *testing.B) { addPackages(b, dir, files) })
			benchmarkPeer(b, "repo-add", func(b *testing.B) {
				runIn(b, dir, "repo-add", append([]string{"r.db.tar.gz"}, files...)...)
			})
		})
	}
}

// addPackages does what repo-add does with our parts.
func addPackages(b *testing.B, dir string, files []string) {
	packages := openAll(b, files)
	for _, kind := range []string{"db", "files"} {
		old, err := os.Open(filepath.Join(dir, "old."+kind))
		if err != nil {
			b.Fatal(err)
		}
		out, err := os.Create(filepath.Join(dir, "new."+kind))
		if err != nil {
			b.Fatal(err)
		}
		options := DatabaseOptions{Files: kind == "files", Compression: Gzip, Dialect: Pacman6}
		if err := UpdateDatabase(out, old, packages, nil, options); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(old.Close(), out.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadPackage reads a package file of 64 MiB. The goal: the speed of
// the decompressor, plus SHA-256 of the packed bytes.
func BenchmarkReadPackage(b *testing.B) {
	dir := b.TempDir()
	info := sampleInfo(1)
	entries := []tarEntry{{name: ".PKGINFO", content: pkginfoText(&info)}}
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 64 {
		entries = append(entries, tarEntry{name: fmt.Sprintf("usr/%d", n), content: sampleText(r, 1<<20)})
	}
	if err := os.WriteFile(filepath.Join(dir, "p"), tarBytes(b, entries...), 0o644); err != nil {
		b.Fatal(err)
	}
	for program, ext := range map[string]string{"gzip": "gz", "xz": "xz", "zstd": "zst", "bzip2": "bz2"} {
		b.Run(ext, func(b *testing.B) {
			runIn(b, dir, program, "-q", "-k", "-1", "p")
			path := filepath.Join(dir, "p."+ext)
			benchmarkOurs(b, func(b *testing.B) {
				b.SetBytes(64 << 20)
				if _, err := OpenPackage(path); err != nil {
					b.Fatal(err)
				}
			})
			benchmarkPeer(b, "decompressor+sha256sum", func(b *testing.B) {
				b.SetBytes(64 << 20)
				runIn(b, dir, "sh", "-c", program+" -dc p."+ext+" >/dev/null && sha256sum p."+ext)
			})
		})
	}
}

// sampleText invents text that packs about as well as programs do.
func sampleText(r *rand.Rand, size int) string {
	b := make([]byte, 0, size+64)
	for len(b) < size {
		if len(b) > 1000 && r.IntN(3) > 0 {
			at, n := r.IntN(len(b)-100), 8+r.IntN(40)
			b = append(b, b[at:at+n]...)
			continue
		}
		for range 8 {
			b = append(b, byte(r.Uint32()))
		}
	}
	return string(b[:size])
}

func BenchmarkVercmp(b *testing.B) {
	versions := realVersions(b)
	n := 0
	benchmarkOurs(b, func(*testing.B) {
		Vercmp(versions[n%len(versions)], versions[(n*7+1)%len(versions)])
		n++
	})
	benchmarkPeer(b, "vercmp", func(b *testing.B) {
		runIn(b, "/", "vercmp", versions[n%len(versions)], versions[(n*7+1)%len(versions)])
		n++
	})
}
