package tree

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAcyclic(t *testing.T) {
	packages := chain("top: b", "a: b base", "b: c", "base:", "x: y", "y: x", "many: x", "virt1: +v user", "user: v", "virt2: +v")
	packages = append(packages, Package{Base: "c", Names: []string{"c"}, CheckDepends: []string{"a", "base"}})
	g := New(packages)
	open, left := g.Acyclic()
	want := []Open{{"c", "a"}, {"user", "virt1"}, {"x", "y"}}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if len(open.Cycles()) != 0 {
		t.Errorf("cycles are left: %v", open.Cycles())
	}
	if got := bases(open.Dependencies("user")); got != "virt2" {
		t.Errorf("user needs %q: of those who offer a name, only what closes the circle goes", got)
	}
	if got := bases(open.Dependencies("c")); got != "base" {
		t.Errorf("c needs %q: what its cycle has nothing to do with stays", got)
	}
	if again, none := open.Acyclic(); again != open || none != nil {
		t.Error("a graph without cycles is not returned as it is")
	}
}

func TestAcyclicRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		packages := random(rng, 1+rng.IntN(50), 0.3*rng.Float64())
		g := New(packages)
		open, left := g.Acyclic()
		if len(open.Cycles()) > 0 {
			t.Fatalf("cycles are left of %+v", packages)
		}
		missing := map[string]bool{}
		for _, o := range left {
			missing[o.Base+" "+o.Needs] = true
		}
		for _, p := range packages {
			kept := map[string]bool{}
			for _, q := range open.Dependencies(p.Base) {
				kept[q.Base] = true
			}
			for _, q := range g.Dependencies(p.Base) {
				if kept[q.Base] == missing[p.Base+" "+q.Base] {
					t.Errorf("%s needs %s: kept %t, left out %t", p.Base, q.Base, kept[q.Base], !kept[q.Base])
				}
			}
		}
	}
}

// TestAcyclicReal says how much of the relations inside the cycles of two real
// repositories is kept.
func TestAcyclicReal(t *testing.T) {
	for name, most := range map[string]int{"graph-arch4edu": 3, "graph-mingw": 290} {
		g := New(graph(t, name))
		open, left := g.Acyclic()
		_, path := open.CriticalPath()
		t.Logf("%s: %d relations left out, critical path %.2f h", name, len(left), path/3600)
		if len(open.Cycles()) > 0 || len(left) > most {
			t.Errorf("%s: %d cycles, %d relations left out, want at most %d", name, len(open.Cycles()), len(left), most)
		}
	}
}

// BenchmarkAcyclic opens one circle of many.
func BenchmarkAcyclic(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var packages []Package
	const n = 20_000
	for i := range n {
		packages = append(packages, Package{Base: fmt.Sprint(i), Names: []string{fmt.Sprint(i)},
			Depends: []string{fmt.Sprint((i + 1) % n), fmt.Sprint(rng.IntN(n)), fmt.Sprint(rng.IntN(n))}})
	}
	g := New(packages)
	for b.Loop() {
		g.Acyclic()
	}
}
