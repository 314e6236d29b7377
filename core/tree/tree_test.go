package tree

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixture is a graph, with what the Python ahriman makes of it.
type fixture struct {
	Packages   []wirePackage
	Levels     [][]string
	Partitions map[string][][][]string
}

type wirePackage struct {
	Base, Version                                       string
	Names, Provides, Depends, MakeDepends, CheckDepends []string
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	file, err := os.Open("testdata/tree-fixtures.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	var all []fixture
	for lines.Scan() {
		var fx fixture
		if err := json.Unmarshal(lines.Bytes(), &fx); err != nil {
			t.Fatal(err)
		}
		all = append(all, fx)
	}
	if err := lines.Err(); err != nil || len(all) != 40 {
		t.Fatalf("%d fixtures, %v", len(all), err)
	}
	return all
}

func (fx fixture) packages() []Package {
	var packages []Package
	for _, p := range fx.Packages {
		packages = append(packages, Package{Base: p.Base, Version: p.Version, Names: p.Names, Provides: p.Provides,
			Depends: p.Depends, MakeDepends: p.MakeDepends, CheckDepends: p.CheckDepends})
	}
	return packages
}

func names(levels [][]Package) [][]string {
	var all [][]string
	for _, level := range levels {
		var bases []string
		for _, p := range level {
			bases = append(bases, p.Base)
		}
		all = append(all, bases)
	}
	return all
}

func bases(packages []Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.Base)
	}
	return strings.Join(all, " ")
}

func partitionNames(parts []*Graph) [][][]string {
	var all [][][]string
	for _, p := range parts {
		all = append(all, names(p.Levels()))
	}
	return all
}

func TestFixtures(t *testing.T) {
	for i, fx := range fixtures(t) {
		g := New(fx.packages())
		if diff := cmp.Diff(fx.Levels, names(g.Levels())); diff != "" {
			t.Errorf("graph %d, levels: ahriman -, ours +:\n%s", i, diff)
		}
		for _, count := range slices.Sorted(maps.Keys(fx.Partitions)) {
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fx.Partitions[count], partitionNames(g.Partitions(n))); diff != "" {
				t.Errorf("graph %d, %d partitions: ahriman -, ours +:\n%s", i, n, diff)
			}
		}
	}
}

// chain makes packages from "a: b c" (a needs b and c; + makes a provide).
func chain(lines ...string) []Package {
	var packages []Package
	for _, line := range lines {
		base, rest, _ := strings.Cut(line, ":")
		p := Package{Base: base, Names: []string{base}}
		for word := range strings.FieldsSeq(rest) {
			if offer, ok := strings.CutPrefix(word, "+"); ok {
				p.Provides = append(p.Provides, offer)
			} else if seconds, err := strconv.ParseFloat(word, 64); err == nil {
				p.Seconds = seconds
			} else {
				p.Depends = append(p.Depends, word)
			}
		}
		packages = append(packages, p)
	}
	return packages
}

func TestCycles(t *testing.T) {
	g := New(chain("top: b", "a: b", "b: c>=1", "c: a base", "base:", "x: y", "y: x", "self: self", "virt1: +v user", "user: v", "virt2: +v"))
	var got []string
	for _, cycle := range g.Cycles() {
		got = append(got, bases(cycle))
	}
	want := []string{"a b c", "user virt1", "x y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantLevels := [][]string{{"base", "virt2"}, {"a", "b", "c"}, {"self", "top", "user", "virt1", "x", "y"}}
	if diff := cmp.Diff(wantLevels, names(g.Levels())); diff != "" {
		t.Error(diff)
	}
}

func TestNeighbours(t *testing.T) {
	g := New(chain("app: v lib=2", "lib:", "v1: +v=3", "v2: +v lib", "other: app"))
	for _, c := range []struct{ name, got, want string }{
		{"dependencies", bases(g.Dependencies("app")), "lib v1 v2"},
		{"dependents", bases(g.Dependents("v1")), "app"},
		{"dependents", bases(g.Dependents("lib")), "app v2"},
		{"behind", bases(g.Behind("lib")), "app other v2"},
		{"unknown", bases(g.Behind("none")), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestCriticalPath(t *testing.T) {
	g := New(chain("a: 10", "b: a 5", "c: a 1", "d: c 20", "e: 12", "f: g 1", "g: f 2"))
	path, seconds := g.CriticalPath()
	if got, want := bases(path), "a c d"; got != want || seconds != 31 {
		t.Errorf("%q %v, want %q 31", got, seconds, want)
	}
	want := map[string]float64{"a": 31, "b": 5, "c": 21, "d": 20, "e": 12, "f": 3, "g": 3}
	if diff := cmp.Diff(want, g.Remaining()); diff != "" {
		t.Error(diff)
	}
	if path, seconds := New(nil).CriticalPath(); path != nil || seconds != 0 {
		t.Errorf("nothing has a path: %v %v", path, seconds)
	}
}

func TestPartitionsByTime(t *testing.T) {
	g := New(chain("a: 100", "b: c 10", "c: 50", "d: 45", "e: 20"))
	var got []string
	for _, p := range g.PartitionsByTime(2) {
		got = append(got, bases(p.Packages()))
	}
	if diff := cmp.Diff([]string{"a e", "b c d"}, got); diff != "" {
		t.Error(diff)
	}
}

// random makes a graph of n bases without cycles unless back is above 0: the
// chance of a need that points the other way.
func random(rng *rand.Rand, n int, back float64) []Package {
	order := rng.Perm(n)
	packages := make([]Package, n)
	for i := range packages {
		base := fmt.Sprintf("p%d", order[i])
		packages[i] = Package{Base: base, Names: []string{base, base + "-docs"}, Seconds: float64(rng.IntN(100))}
		if rng.IntN(5) == 0 {
			packages[i].Provides = []string{fmt.Sprintf("virtual%d=1", i/7)}
		}
		for range rng.IntN(3) {
			to := rng.IntN(i + 1)
			if rng.Float64() < back {
				to = rng.IntN(n)
			}
			need := fmt.Sprintf("p%d-docs>=1", order[to])
			if rng.IntN(4) == 0 && to/7 < i/7 {
				need = fmt.Sprintf("virtual%d", to/7)
			}
			lists := []*[]string{&packages[i].Depends, &packages[i].MakeDepends, &packages[i].CheckDepends}
			list := lists[rng.IntN(3)]
			*list = append(*list, need, "glibc")
		}
	}
	rng.Shuffle(n, func(a, b int) { packages[a], packages[b] = packages[b], packages[a] })
	return packages
}
