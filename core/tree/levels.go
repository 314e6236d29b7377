package tree

import "math"

// Levels puts each base on the first level at which all that it needs stands
// below; then moves it down as long as nothing on the next level needs it.
// Members of a cycle stand on one level. Within a level the order is by base.
//
// The rule moves level by level, from the first to the last but one. Nothing
// that needs a base can have moved before that base's own level is reached, so
// a base ends on the level before the first one that holds, at the beginning,
// something that needs it; without any, on the last. That takes one look at
// each edge.
func (g *Graph) Levels() [][]Package {
	lowest := g.lowest()
	last := int32(-1)
	for _, level := range lowest {
		last = max(last, level)
	}
	bound := g.bound(lowest)
	levels := make([][]Package, last+1)
	for base := range g.packages {
		group := g.groups[base]
		level := last
		if bound[group] <= last {
			level = bound[group] - 1
		}
		levels[level] = append(levels[level], g.packages[base])
	}
	return levels
}

// lowest returns the first possible level of each group, and -1 for those of
// names.
func (g *Graph) lowest() []int32 {
	// above is the level on which something that needs the group can stand.
	above := make([]int32, len(g.members))
	lowest := make([]int32, len(g.members))
	for group, nodes := range g.nodes() {
		var level int32
		for _, node := range nodes {
			for _, to := range g.needs[node] {
				if other := g.groups[to]; int(other) != group {
					level = max(level, above[other])
				}
			}
		}
		above[group], lowest[group] = level, -1
		if len(g.members[group]) > 0 {
			above[group], lowest[group] = level+1, level
		}
	}
	return lowest
}

// bound returns the first level on which something stands that needs the group.
func (g *Graph) bound(lowest []int32) []int32 {
	bound := make([]int32, len(g.members))
	for i := range bound {
		bound[i] = math.MaxInt32
	}
	nodes := g.nodes()
	for group := len(nodes) - 1; group >= 0; group-- {
		level := lowest[group]
		if level < 0 {
			level = bound[group]
		}
		for _, node := range nodes[group] {
			for _, to := range g.needs[node] {
				if other := g.groups[to]; int(other) != group {
					bound[other] = min(bound[other], level)
				}
			}
		}
	}
	return bound
}

// nodes lists the nodes of each group, names included.
func (g *Graph) nodes() [][]int32 {
	count := make([]int32, len(g.members)+1)
	for _, group := range g.groups {
		count[group+1]++
	}
	for i := range g.members {
		count[i+1] += count[i]
	}
	all := make([]int32, len(g.groups))
	nodes := make([][]int32, len(g.members))
	for i := range nodes {
		nodes[i] = all[count[i]:count[i]:count[i+1]]
	}
	for node, group := range g.groups {
		nodes[group] = append(nodes[group], int32(node))
	}
	return nodes
}

// remaining returns, by group, the seconds from the start of its build to the
// end of the last build that has to wait for it; a cycle is built one after
// the other. next is the group that the longest path goes on with, or -1.
func (g *Graph) remaining() (seconds []float64, next []int32) {
	seconds = make([]float64, len(g.members))
	next = make([]int32, len(g.members))
	nodes := g.nodes()
	for group := len(nodes) - 1; group >= 0; group-- {
		next[group] = -1
		longest := 0.0
		for _, node := range nodes[group] {
			for _, from := range g.needed[node] {
				other := g.groups[from]
				if int(other) != group && (next[group] < 0 || seconds[other] > longest) {
					longest, next[group] = seconds[other], other
				}
			}
		}
		for _, base := range g.members[group] {
			longest += max(g.packages[base].Seconds, 0)
		}
		seconds[group] = longest
	}
	return seconds, next
}

// Remaining returns for each base the seconds from the start of its build to
// the end of the last build that has to wait for it, its own included. Whoever
// starts the longest first finishes early.
func (g *Graph) Remaining() map[string]float64 {
	seconds, _ := g.remaining()
	remaining := make(map[string]float64, len(g.packages))
	for i, p := range g.packages {
		remaining[p.Base] = seconds[g.groups[i]]
	}
	return remaining
}

// CriticalPath returns the bases on the longest path by seconds, in the order
// of building, and its length: no number of workers is faster. Members of a
// cycle on it come one after the other, by base.
func (g *Graph) CriticalPath() ([]Package, float64) {
	seconds, next := g.remaining()
	first := int32(-1)
	for group := range seconds {
		if len(g.members[group]) > 0 && (first < 0 || seconds[group] > seconds[first]) {
			first = int32(group)
		}
	}
	if first < 0 {
		return nil, 0
	}
	var path []Package
	for group := first; group >= 0; group = next[group] {
		path = append(path, g.list(g.members[group])...)
	}
	return path, seconds[first]
}
