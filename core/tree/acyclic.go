package tree

import (
	"cmp"
	"container/heap"
	"maps"
	"slices"
	"strings"
)

// Open is a relation that a graph without cycles leaves out: Base needs Needs,
// but is built before it, with what is published of it.
type Open struct {
	Base  string
	Needs string
}

// Acyclic returns the graph with its cycles opened, so that there is an order
// for all bases, and the relations left out for that, sorted. A graph without
// cycles is returned as it is.
//
// What the tests alone need (checkdepends) goes first. Where a cycle stays, its
// members are ordered greedily (Eades, Lin and Smyth, "A fast and effective
// heuristic for the feedback arc set problem"): what needs nothing more comes
// next, what nothing needs comes last, and between them the base that the most
// need and that needs the least; equals by base. Everything that this order
// can keep is kept, tests included.
func (g *Graph) Acyclic() (*Graph, []Open) {
	if !slices.ContainsFunc(g.nodes(), func(nodes []int32) bool { return len(nodes) > 1 }) {
		return g, nil
	}
	direct := g.direct()
	place := make([]int32, len(g.needs))
	var next int32
	for _, nodes := range direct.nodes() {
		if len(nodes) > 1 {
			nodes = direct.sequence(nodes)
		}
		for _, node := range nodes {
			place[node] = next
			next++
		}
	}
	for node, edges := range direct.needs {
		direct.needs[node] = slices.DeleteFunc(edges, func(to int32) bool { return place[to] > place[node] })
	}
	direct.finish()
	return direct, g.leftOut(direct)
}

// maxDirect is how many edges may take the place of one name in a cycle.
const maxDirect = 1 << 16

// direct returns a copy of the graph in which the bases of a cycle need each
// other directly, not by a name that several offer: one can then be left out
// without the others.
func (g *Graph) direct() *Graph {
	d := &Graph{packages: g.packages, byBase: g.byBase, tests: maps.Clone(g.tests), needs: make([][]int32, len(g.needs))}
	nodes := g.nodes()
	resolved := func(node int32) bool {
		return !g.isBase(node) && len(nodes[g.groups[node]]) > 1 && len(g.needs[node])*len(g.needed[node]) <= maxDirect
	}
	for i, edges := range g.needs {
		node := int32(i)
		if resolved(node) {
			continue
		}
		// What tests alone need comes last: it counts only where nothing else needs it.
		var hard, soft []int32
		for _, to := range edges {
			list := []int32{to}
			if resolved(to) {
				list = g.needs[to]
			}
			if g.tests[edge{node, to}] {
				soft = append(soft, list...)
			} else {
				hard = append(hard, list...)
			}
		}
		slices.Sort(hard)
		for _, to := range soft {
			if _, found := slices.BinarySearch(hard, to); !found {
				d.tests[edge{node, to}] = true
			}
		}
		for _, to := range hard {
			delete(d.tests, edge{node, to})
		}
		d.needs[node] = append(hard, soft...)
		slices.Sort(d.needs[node])
		d.needs[node] = slices.Compact(d.needs[node])
	}
	d.finish()
	return d
}

// finish derives the rest from the needs.
func (g *Graph) finish() {
	g.members = nil
	g.turn()
	g.group()
}

// leftOut lists what bases in cycles need in g and no longer need in open.
func (g *Graph) leftOut(open *Graph) []Open {
	var left []Open
	for _, members := range g.members {
		if len(members) < 2 {
			continue
		}
		for _, base := range members {
			name := g.packages[base].Base
			kept := open.Dependencies(name)
			for _, p := range g.Dependencies(name) {
				if !slices.ContainsFunc(kept, func(k Package) bool { return k.Base == p.Base }) {
					left = append(left, Open{Base: name, Needs: p.Base})
				}
			}
		}
	}
	slices.SortFunc(left, func(a, b Open) int {
		return cmp.Or(strings.Compare(a.Base, b.Base), strings.Compare(a.Needs, b.Needs))
	})
	return left
}

// sequence orders the nodes of a cycle.
func (g *Graph) sequence(nodes []int32) []int32 {
	index := make(map[int32]int32, len(nodes))
	slices.Sort(nodes)
	for i, node := range nodes {
		index[node] = int32(i)
	}
	// Without what only tests need, most of it hangs together no more.
	part := &Graph{needs: make([][]int32, len(nodes))}
	for i, node := range nodes {
		for _, to := range g.needs[node] {
			if at, ok := index[to]; ok && !g.tests[edge{node, to}] {
				part.needs[i] = append(part.needs[i], at)
			}
		}
	}
	part.finish()
	var ordered []int32
	for _, group := range part.nodes() {
		if len(group) > 1 {
			group = part.greedy(group)
		}
		for _, i := range group {
			ordered = append(ordered, nodes[i])
		}
	}
	return ordered
}

// greedy orders a group of nodes so that few edges point backwards.
func (g *Graph) greedy(group []int32) []int32 {
	o := &opening{graph: g, left: map[int32]*loose{}}
	for _, node := range group {
		l := &loose{node: node}
		o.left[node] = l
		o.all = append(o.all, l)
	}
	for _, l := range o.all {
		l.needs, l.needed = o.count(g.needs[l.node]), o.count(g.needed[l.node])
	}
	heap.Init(o)
	var first, last []int32
	for len(o.all) > 0 {
		l := o.all[0]
		if l.needs > 0 && l.needed == 0 {
			last = append(last, l.node)
		} else {
			first = append(first, l.node)
		}
		o.take(l)
	}
	slices.Reverse(last)
	return append(first, last...)
}

// loose is a node that has no place yet, and how many edges it has to others.
type loose struct {
	node          int32
	needs, needed int
	index         int // in the heap
}

// opening is a heap of loose nodes, the one to place next on top.
type opening struct {
	graph *Graph
	left  map[int32]*loose
	all   []*loose
}

func (o *opening) count(edges []int32) int {
	n := 0
	for _, to := range edges {
		if o.left[to] != nil {
			n++
		}
	}
	return n
}

// take removes a node and its edges.
func (o *opening) take(l *loose) {
	heap.Remove(o, l.index)
	delete(o.left, l.node)
	for _, to := range o.graph.needs[l.node] {
		if other := o.left[to]; other != nil {
			other.needed--
			heap.Fix(o, other.index)
		}
	}
	for _, from := range o.graph.needed[l.node] {
		if other := o.left[from]; other != nil {
			other.needs--
			heap.Fix(o, other.index)
		}
	}
}

// rank is 0 for what needs nothing, 1 for what nothing needs, 2 for the rest.
func (l *loose) rank() int {
	switch {
	case l.needs == 0:
		return 0
	case l.needed == 0:
		return 1
	}
	return 2
}

func (o *opening) Len() int { return len(o.all) }

func (o *opening) Less(i, j int) bool {
	a, b := o.all[i], o.all[j]
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.needed-b.needs, a.needed-a.needs), cmp.Compare(a.node, b.node)) < 0
}

func (o *opening) Swap(i, j int) {
	o.all[i], o.all[j] = o.all[j], o.all[i]
	o.all[i].index, o.all[j].index = i, j
}

func (o *opening) Push(any) {}

func (o *opening) Pop() any {
	last := o.all[len(o.all)-1]
	o.all = o.all[:len(o.all)-1]
	return last
}
