// Package tree orders package bases by what they need of each other: levels
// that can be built one after the other, parts that share no dependency, the
// longest path, and what becomes ready when something is done. It is pure: it
// reads nothing and knows no repository.
//
// The rules of levels and partitions are the Python ahriman's, so that scripts
// that read them get the same from both.
package tree

import (
	"cmp"
	"slices"
	"strings"
)

// Package is a package base and the relations of all packages that it makes.
type Package struct {
	Base         string
	Version      string   // [epoch:]pkgver-pkgrel; only carried along
	Names        []string // of its packages
	Provides     []string // relations; versions do not count
	Depends      []string
	MakeDepends  []string
	CheckDepends []string
	Seconds      float64 // how long a build takes; 0 where it is not known
}

// Graph says who needs whom among bases. It does not change and may be read
// from several goroutines.
//
// Its nodes are the bases and, where more than one base offers a name, that
// name between those who need it and those who offer it: as many edges as the
// packages have relations, however many offer the same.
type Graph struct {
	packages []Package // sorted by base
	byBase   map[string]int32
	needs    [][]int32     // by node; names come behind the bases
	needed   [][]int32     // the same edges, turned
	tests    map[edge]bool // edges of checkdepends alone
	groups   []int32       // by node: its strongly connected group; what a group needs has a lower number
	members  [][]int32     // by group: bases, ascending; none for a group of names
}

// edge says that one node needs another.
type edge struct{ from, to int32 }

// New makes the graph of the packages. A base needs the names in its depends,
// makedepends and checkdepends, without constraints, that it does not offer
// itself; it offers its names and provides. Names that nobody offers are left
// out. Packages of the same base are joined.
func New(packages []Package) *Graph {
	g := &Graph{packages: join(packages), tests: map[edge]bool{}}
	g.byBase = make(map[string]int32, len(g.packages))
	for i, p := range g.packages {
		g.byBase[p.Base] = int32(i)
	}
	g.connect()
	g.group()
	return g
}

// join sorts a copy of the packages by base and makes one of those of one base.
func join(packages []Package) []Package {
	sorted := slices.Clone(packages)
	slices.SortStableFunc(sorted, func(a, b Package) int { return strings.Compare(a.Base, b.Base) })
	kept := sorted[:0]
	for _, p := range sorted {
		if len(kept) == 0 || kept[len(kept)-1].Base != p.Base {
			kept = append(kept, p)
			continue
		}
		last := &kept[len(kept)-1]
		last.Names = slices.Concat(last.Names, p.Names)
		last.Provides = slices.Concat(last.Provides, p.Provides)
		last.Depends = slices.Concat(last.Depends, p.Depends)
		last.MakeDepends = slices.Concat(last.MakeDepends, p.MakeDepends)
		last.CheckDepends = slices.Concat(last.CheckDepends, p.CheckDepends)
		last.Seconds = max(last.Seconds, p.Seconds)
	}
	return kept
}

// bare cuts the version constraint off a relation.
func bare(relation string) string {
	if at := strings.IndexAny(relation, "<>="); at >= 0 {
		relation = relation[:at]
	}
	return strings.TrimSpace(relation)
}

// offer is who offers one name, and the node of the name once it has one.
type offer struct {
	bases []int32
	node  int32
}

// connect draws the edges.
func (g *Graph) connect() {
	offers := make(map[string]*offer, len(g.packages))
	for i, p := range g.packages {
		for _, list := range [][]string{p.Names, p.Provides} {
			for _, name := range list {
				g.offer(offers, bare(name), int32(i))
			}
		}
	}
	g.needs = make([][]int32, len(g.packages))
	for i, p := range g.packages {
		for _, list := range [][]string{p.Depends, p.MakeDepends} {
			g.needAll(int32(i), list, offers)
		}
		slices.Sort(g.needs[i])
		g.needs[i] = slices.Compact(g.needs[i])
		before := len(g.needs[i])
		g.needAll(int32(i), p.CheckDepends, offers)
		for _, to := range g.needs[i][before:] {
			if _, found := slices.BinarySearch(g.needs[i][:before], to); !found {
				g.tests[edge{int32(i), to}] = true
			}
		}
	}
	for node, edges := range g.needs {
		slices.Sort(edges)
		g.needs[node] = slices.Compact(edges)
	}
	g.turn()
}

// turn draws the edges the other way round.
func (g *Graph) turn() {
	g.needed = make([][]int32, len(g.needs))
	for node, edges := range g.needs {
		for _, to := range edges {
			g.needed[to] = append(g.needed[to], int32(node))
		}
	}
}

// needAll adds the edges from a base to those who offer what the relations name.
func (g *Graph) needAll(base int32, relations []string, offers map[string]*offer) {
	for _, relation := range relations {
		if o, ok := offers[bare(relation)]; ok {
			g.need(base, o)
		}
	}
}

func (g *Graph) offer(offers map[string]*offer, name string, base int32) {
	o, ok := offers[name]
	if !ok {
		o = &offer{node: -1}
		offers[name] = o
	}
	// Bases come in ascending order, so a second time is next to the first.
	if n := len(o.bases); n == 0 || o.bases[n-1] != base {
		o.bases = append(o.bases, base)
	}
}

// need adds the edge from a base to all who offer a name, unless it is one of
// them.
func (g *Graph) need(base int32, o *offer) {
	if _, own := slices.BinarySearch(o.bases, base); own {
		return
	}
	if len(o.bases) == 1 {
		g.needs[base] = append(g.needs[base], o.bases[0])
		return
	}
	if o.node < 0 {
		o.node = int32(len(g.needs))
		g.needs = append(g.needs, slices.Clone(o.bases))
	}
	g.needs[base] = append(g.needs[base], o.node)
}

// isBase tells a base from a name.
func (g *Graph) isBase(node int32) bool { return int(node) < len(g.packages) }

// frame is a node whose edges are being followed.
type frame struct {
	node int32
	next int // index of the next edge
}

// group finds the strongly connected groups (Tarjan's algorithm, without
// recursion: chains of 100,000 are no deep stack).
func (g *Graph) group() {
	n := len(g.needs)
	g.groups = make([]int32, n)
	var (
		index = make([]int32, n) // from 1; 0: not seen
		low   = make([]int32, n)
		on    = make([]bool, n)
		path  []frame
		stack []int32
		count int32
	)
	enter := func(node int32) {
		count++
		index[node], low[node], on[node] = count, count, true
		stack = append(stack, node)
		path = append(path, frame{node: node})
	}
	for root := range int32(n) {
		if index[root] == 0 {
			enter(root)
		}
		for len(path) > 0 {
			top := &path[len(path)-1]
			node := top.node
			if top.next < len(g.needs[node]) {
				to := g.needs[node][top.next]
				top.next++
				if index[to] == 0 {
					enter(to)
				} else if on[to] {
					low[node] = min(low[node], index[to])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				above := path[len(path)-1].node
				low[above] = min(low[above], low[node])
			}
			if low[node] == index[node] {
				stack = g.close(stack, node, on)
			}
		}
	}
}

// close takes the group that ends at node off the stack.
func (g *Graph) close(stack []int32, node int32, on []bool) []int32 {
	var bases []int32
	for {
		last := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		on[last] = false
		g.groups[last] = int32(len(g.members))
		if g.isBase(last) {
			bases = append(bases, last)
		}
		if last == node {
			break
		}
	}
	slices.Sort(bases)
	g.members = append(g.members, bases)
	return stack
}

// Packages returns all packages, sorted by base.
func (g *Graph) Packages() []Package { return slices.Clone(g.packages) }

// Len is the number of bases.
func (g *Graph) Len() int { return len(g.packages) }

// Package returns the package of a base.
func (g *Graph) Package(base string) (Package, bool) {
	i, ok := g.byBase[base]
	if !ok {
		return Package{}, false
	}
	return g.packages[i], true
}

// Dependencies returns what a base needs directly, sorted by base.
func (g *Graph) Dependencies(base string) []Package { return g.neighbours(base, g.needs) }

// Dependents returns what needs a base directly, sorted by base.
func (g *Graph) Dependents(base string) []Package { return g.neighbours(base, g.needed) }

func (g *Graph) neighbours(base string, edges [][]int32) []Package {
	i, ok := g.byBase[base]
	if !ok {
		return nil
	}
	var found []int32
	for _, to := range edges[i] {
		if g.isBase(to) {
			found = append(found, to)
			continue
		}
		found = append(found, edges[to]...)
	}
	slices.Sort(found)
	return g.list(slices.Compact(found))
}

// list turns nodes into packages.
func (g *Graph) list(nodes []int32) []Package {
	packages := make([]Package, len(nodes))
	for i, node := range nodes {
		packages[i] = g.packages[node]
	}
	return packages
}

// Cycles returns the groups of bases that need each other in a circle, each
// sorted by base, the groups by their first base. Inside such a group there is
// no order that gives each base what it needs.
func (g *Graph) Cycles() [][]Package {
	var cycles [][]Package
	for _, bases := range g.members {
		if len(bases) > 1 {
			cycles = append(cycles, g.list(bases))
		}
	}
	slices.SortFunc(cycles, func(a, b []Package) int { return cmp.Compare(a[0].Base, b[0].Base) })
	return cycles
}

// Behind returns everything that needs a base, directly or through others,
// sorted by base: what cannot be built when it cannot.
func (g *Graph) Behind(base string) []Package {
	start, ok := g.byBase[base]
	if !ok {
		return nil
	}
	seen := map[int32]bool{start: true}
	var found []int32
	for queue := []int32{start}; len(queue) > 0; queue = queue[1:] {
		for _, to := range g.needed[queue[0]] {
			if seen[to] {
				continue
			}
			seen[to] = true
			queue = append(queue, to)
			if g.isBase(to) {
				found = append(found, to)
			}
		}
	}
	slices.Sort(found)
	return g.list(found)
}
