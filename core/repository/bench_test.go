package repository_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/repository"
)

// large is a repository with as many packages as Arch Linux's own.
const large = 15_000

// BenchmarkPublishOne publishes one package into a large repository, again and
// again; -benchtime 30x goes past the generations that are kept, after which
// each reuses a former one.
func BenchmarkPublishOne(b *testing.B) {
	for _, keep := range []int{3, 1000} {
		b.Run(fmt.Sprintf("keep=%d", keep), func(b *testing.B) { benchmarkPublishOne(b, keep) })
	}
}

func benchmarkPublishOne(b *testing.B, keep int) {
	r := open(b, repository.Options{Keep: keep, Grace: -1, KeepBuilt: 1})
	fillDirectory(b, r)
	dir := b.TempDir()
	next := make([]string, b.N)
	for i := range next {
		next[i] = testPackage{name: "package-with-a-name-7777", version: strconv.Itoa(i+2) + "-1", files: 150}.write(b, dir)
	}
	publish(b, r, repository.Change{Remove: []string{"package-with-a-name-1"}}) // takes the directory over
	for _, kind := range []string{"db", "files"} {
		info, err := os.Stat(filepath.Join(r.Published(), "aur."+kind))
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("aur.%s has %d bytes", kind, info.Size())
	}
	for i := range next {
		if i == len(next)/2 {
			b.ResetTimer() // by now former generations are used again
		}
		publish(b, r, repository.Change{Add: next[i : i+1]})
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(len(next)-len(next)/2), "ms/publication")
}

// fillDirectory makes a published directory of a large repository, as another
// program would have, with package files that are empty.
func fillDirectory(b *testing.B, r *repository.Repository) {
	b.Helper()
	if err := os.MkdirAll(r.Published(), 0o755); err != nil {
		b.Fatal(err)
	}
	packages := make([]alpm.Package, large)
	for i := range packages {
		p := &packages[i]
		p.Name = fmt.Sprintf("package-with-a-name-%d", i)
		p.Base, p.Version, p.Architecture = p.Name, "1.0.0-1", "x86_64"
		p.Description, p.URL, p.Packager = "the package number "+p.Name, "https://example.org/"+p.Name, "Nobody <nobody@example.org>"
		p.Depends, p.SHA256 = []string{"glibc", "bash"}, fmt.Sprintf("%064x", i*7919)
		p.FileName = p.Info.FileName(".pkg.tar.zst")
		for n := range 150 {
			p.Files = append(p.Files, fmt.Sprintf("usr/share/%s/directory-%d/file-%x", p.Name, n/10, n*n*i))
		}
		pool := r.PoolPath(p.Base, p.FileName)
		if err := os.MkdirAll(filepath.Dir(pool), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(pool, nil, 0o644); err != nil {
			b.Fatal(err)
		}
		if err := os.Symlink(pool, filepath.Join(r.Published(), p.FileName)); err != nil {
			b.Fatal(err)
		}
	}
	for kind, files := range map[string]bool{"db": false, "files": true} {
		f, err := os.Create(filepath.Join(r.Published(), "aur."+kind))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if err := alpm.WriteDatabase(f, packages, alpm.DatabaseOptions{Files: files, Compression: alpm.Gzip}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublishHundred publishes a hundred packages into an empty
// repository; its peer is one run of the real repo-add with the same hundred.
func BenchmarkPublishHundred(b *testing.B) {
	add := hundred(b)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			r := open(b, repository.Options{})
			b.StartTimer()
			publish(b, r, repository.Change{Add: add})
		}
	})
	b.Run("repo-add", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			database := filepath.Join(b.TempDir(), fmt.Sprintf("aur%d.db.tar.gz", i))
			run(b, "repo-add", append([]string{"-q", database}, add...)...)
		}
	})
}
