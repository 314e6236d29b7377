package tree

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
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

// TestAgainstRule compares with the documented rule, followed word by word.
func TestAgainstRule(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		packages := random(rng, 1+rng.IntN(45), 0)
		g := New(packages)
		if len(g.Cycles()) > 0 {
			continue
		}
		if diff := cmp.Diff(ruleLevels(packages), names(g.Levels())); diff != "" {
			t.Fatalf("round %d, levels: rule -, ours +:\n%s", round, diff)
		}
		for _, n := range []int{0, 1, 2, 3, 5, 8, 100} {
			if diff := cmp.Diff(rulePartitions(packages, n), partitionNames(g.Partitions(n))); diff != "" {
				t.Fatalf("round %d, %d partitions: rule -, ours +:\n%s", round, n, diff)
			}
		}
	}
}

// ruleNeeds is who needs whom, by the rule.
func ruleNeeds(packages []Package) map[string]map[string]bool {
	needs := map[string]map[string]bool{}
	for _, p := range packages {
		needs[p.Base] = map[string]bool{}
		own := map[string]bool{}
		for _, name := range slices.Concat(p.Names, p.Provides) {
			own[bare(name)] = true
		}
		for _, relation := range slices.Concat(p.Depends, p.MakeDepends, p.CheckDepends) {
			if own[bare(relation)] {
				continue
			}
			for _, q := range packages {
				for _, name := range slices.Concat(q.Names, q.Provides) {
					if bare(name) == bare(relation) {
						needs[p.Base][q.Base] = true
					}
				}
			}
		}
	}
	return needs
}

func ruleLevels(packages []Package) [][]string {
	needs := ruleNeeds(packages)
	var levels [][]string
	placed := map[string]bool{}
	for len(placed) < len(packages) {
		var level []string
		for _, p := range packages {
			free := !placed[p.Base]
			for to := range needs[p.Base] {
				free = free && placed[to]
			}
			if free {
				level = append(level, p.Base)
			}
		}
		for _, base := range level {
			placed[base] = true
		}
		levels = append(levels, level)
	}
	for i := range len(levels) - 1 {
		var stay []string
		next := levels[i+1]
		for _, base := range levels[i] {
			if slices.ContainsFunc(next, func(other string) bool { return needs[other][base] }) {
				stay = append(stay, base)
			} else {
				levels[i+1] = append(levels[i+1], base)
			}
		}
		levels[i] = stay
	}
	for _, level := range levels {
		slices.Sort(level)
	}
	return levels
}

func rulePartitions(packages []Package, n int) [][][]string {
	needs := ruleNeeds(packages)
	linked := func(a, b string) bool { return needs[a][b] || needs[b][a] }
	parts := make([][]string, max(n, 1))
	for _, group := range ruleGroups(packages, linked) {
		least := 0
		for i, part := range parts {
			if len(part) < len(parts[least]) {
				least = i
			}
		}
		parts[least] = append(parts[least], group...)
	}
	for {
		full, empty := 0, 0
		for i, part := range parts {
			slices.Sort(part)
			if len(part) > len(parts[full]) {
				full = i
			}
			if len(part) < len(parts[empty]) {
				empty = i
			}
		}
		at := slices.IndexFunc(parts[full], func(base string) bool {
			return !slices.ContainsFunc(parts[full], func(other string) bool { return linked(base, other) })
		})
		if len(parts[full])-len(parts[empty]) <= 1 || at < 0 {
			break
		}
		parts[empty] = append(parts[empty], parts[full][at])
		parts[full] = slices.Delete(parts[full], at, at+1)
	}
	var result [][][]string
	for _, part := range parts {
		if len(part) > 0 {
			result = append(result, ruleLevels(slices.DeleteFunc(slices.Clone(packages), func(p Package) bool {
				return !slices.Contains(part, p.Base)
			})))
		}
	}
	return result
}

// ruleGroups lists what hangs together, by the last name, the last first.
func ruleGroups(packages []Package, linked func(a, b string) bool) [][]string {
	var groups [][]string
	for _, p := range packages {
		group := []string{p.Base}
		var others [][]string
		for _, other := range groups {
			if slices.ContainsFunc(other, func(base string) bool { return linked(base, p.Base) }) {
				group = append(group, other...)
			} else {
				others = append(others, other)
			}
		}
		slices.Sort(group)
		groups = append(others, group)
	}
	slices.SortFunc(groups, func(a, b []string) int { return strings.Compare(b[len(b)-1], a[len(a)-1]) })
	return groups
}

// check tests what must hold for any graph.
func check(t *testing.T, packages []Package) {
	t.Helper()
	g := New(packages)
	cycle := map[string]int{}
	for i, members := range g.Cycles() {
		for _, p := range members {
			cycle[p.Base] = i + 1
		}
	}
	level := map[string]int{}
	for i, packages := range g.Levels() {
		if len(packages) == 0 {
			t.Errorf("level %d is empty", i)
		}
		for _, p := range packages {
			if _, twice := level[p.Base]; twice {
				t.Errorf("%s stands on two levels", p.Base)
			}
			level[p.Base] = i
		}
	}
	if len(level) != g.Len() {
		t.Errorf("%d of %d bases stand on a level", len(level), g.Len())
	}
	for base, at := range level {
		for _, p := range g.Dependencies(base) {
			switch same := cycle[base] != 0 && cycle[base] == cycle[p.Base]; {
			case same && level[p.Base] != at:
				t.Errorf("%s and %s are of one cycle, on levels %d and %d", base, p.Base, at, level[p.Base])
			case !same && level[p.Base] >= at:
				t.Errorf("%s on level %d needs %s on level %d", base, at, p.Base, level[p.Base])
			}
		}
	}
	for _, parts := range [][]*Graph{g.Partitions(3), g.PartitionsByTime(3)} {
		count := 0
		for _, part := range parts {
			count += part.Len()
			for _, p := range part.packages {
				if got, want := bases(part.Dependencies(p.Base)), bases(g.Dependencies(p.Base)); got != want {
					t.Errorf("in its part %s needs %q, in all %q", p.Base, got, want)
				}
			}
		}
		if count != g.Len() {
			t.Errorf("%d of %d bases are in a part", count, g.Len())
		}
	}
	if _, seconds := g.CriticalPath(); seconds < 0 {
		t.Errorf("a path of %v seconds", seconds)
	}
}

func TestRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		check(t, random(rng, 1+rng.IntN(50), 0.2*rng.Float64()))
	}
}

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

// FuzzNew reads lines "base: need +offer 3" and wants every base once, in order.
func FuzzNew(f *testing.F) {
	f.Add("a: b\nb: a\nc: a +v\nd: v\ne: +v\na: c")
	f.Add("a: a\n: \nx: +x=1 x>=2 9")
	f.Fuzz(func(t *testing.T, text string) { check(t, chain(strings.Split(text, "\n")...)) })
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
