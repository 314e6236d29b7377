package tree

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
)

// graph reads the relations of a real repository.
func graph(t testing.TB, name string) []Package {
	t.Helper()
	file, err := os.Open("testdata/" + name + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var packages []Package
	for decoder := json.NewDecoder(unzipped); ; {
		var p struct {
			Package
			Packages []string
		}
		if err := decoder.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		p.Names = p.Packages
		packages = append(packages, p.Package)
	}
}

// TestReal has two repositories as they are: arch4edu, and the AUR's mingw-w64
// with a circle of hundreds.
func TestReal(t *testing.T) {
	for _, c := range []struct {
		name            string
		bases, levels   int
		cycles, largest int
	}{
		{"graph-arch4edu", 1502, 33, 2, 7},
		{"graph-mingw", 3358, 16, 11, 589},
	} {
		packages := graph(t, c.name)
		check(t, packages)
		g := New(packages)
		largest := 0
		for _, cycle := range g.Cycles() {
			largest = max(largest, len(cycle))
		}
		if g.Len() != c.bases || len(g.Levels()) != c.levels || len(g.Cycles()) != c.cycles || largest != c.largest {
			t.Errorf("%s: %d bases, %d levels, %d cycles, the largest of %d", c.name, g.Len(), len(g.Levels()), len(g.Cycles()), largest)
		}
	}
}

func BenchmarkReal(b *testing.B) {
	for _, name := range []string{"graph-arch4edu", "graph-mingw"} {
		packages := graph(b, name)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g := New(packages)
				g.Levels()
				for _, part := range g.Partitions(8) {
					part.Levels()
				}
			}
		})
	}
}

// long makes n bases in chains of 50 that all need one another's first, with
// some that stand alone.
func long(n int) []Package {
	packages := make([]Package, n)
	for i := range packages {
		name := fmt.Sprintf("package-%06d", i)
		packages[i] = Package{Base: name, Names: []string{name}, Depends: []string{"glibc", "python>=3"}, Seconds: float64(i * 7919 % 600)}
		switch {
		case i%3 == 0: // stands alone
		case i%50 != 0:
			packages[i].MakeDepends = []string{fmt.Sprintf("package-%06d>=1", i-1), fmt.Sprintf("package-%06d", i-i%50)}
		}
	}
	return packages
}

func BenchmarkTree(b *testing.B) {
	for _, n := range []int{5_000, 100_000} {
		packages := long(n)
		b.Run(fmt.Sprintf("plan/%d", n), func(b *testing.B) {
			for b.Loop() {
				g := New(packages)
				g.Levels()
				for _, part := range g.Partitions(8) {
					part.Levels()
				}
			}
		})
	}
}

// BenchmarkWorst has what a straightforward reading of the rule is slow at: one
// long chain with as many that can move down, one group beside many that stand
// alone in 1,000 parts, and one name that half of the bases offer and half need.
func BenchmarkWorst(b *testing.B) {
	const n = 100_000
	var chained, alone, virtual []Package
	for i := range n {
		name := fmt.Sprintf("p%06d", i)
		p := Package{Base: name, Names: []string{name}}
		alone = append(alone, p)
		if i%2 == 0 && i > 1 {
			p.Depends = []string{fmt.Sprintf("p%06d", i-2)}
		}
		chained = append(chained, p)
		p.Depends = []string{"virtual"}
		if i%2 == 0 {
			p.Depends, p.Provides = nil, []string{"virtual"}
		}
		virtual = append(virtual, p)
	}
	for i := range n / 2 {
		alone[i].Depends = []string{"p099999"}
	}
	for name, packages := range map[string][]Package{"chain": chained, "alone": alone, "virtual": virtual} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g := New(packages)
				g.Levels()
				for _, part := range g.Partitions(1000) {
					part.Levels()
				}
			}
		})
	}
}
