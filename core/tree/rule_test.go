package tree

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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

// FuzzNew reads lines "base: need +offer 3" and wants every base once, in order.
func FuzzNew(f *testing.F) {
	f.Add("a: b\nb: a\nc: a +v\nd: v\ne: +v\na: c")
	f.Add("a: a\n: \nx: +x=1 x>=2 9")
	f.Fuzz(func(t *testing.T, text string) { check(t, chain(strings.Split(text, "\n")...)) })
}
