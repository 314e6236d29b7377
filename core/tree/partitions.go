package tree

import (
	"cmp"
	"container/heap"
	"slices"
)

// Partitions splits the graph into at most n parts of about as many bases, so
// that no part needs another: groups that hang together, taken by their last
// base name, the last first, each go to the first of the parts with the fewest
// bases. Then, while the fullest and the emptiest part differ by more than one,
// the first base of the fullest that stands alone there moves to the emptiest.
// Parts that stay empty are left out; n below 1 counts as 1.
func (g *Graph) Partitions(n int) []*Graph {
	groups := g.components()
	slices.SortFunc(groups, func(a, b []int32) int { return cmp.Compare(b[len(b)-1], a[len(a)-1]) })
	parts := place(groups, n, func(bases []int32) float64 { return float64(len(bases)) })
	balance(parts)
	return g.graphs(parts)
}

// PartitionsByTime splits the graph into at most n parts of about as many
// seconds: groups that hang together, the longest first, each go to the part
// with the fewest seconds. (That is at most a third longer than the best
// split.) Where nothing is known about seconds it balances the bases.
func (g *Graph) PartitionsByTime(n int) []*Graph {
	mean := g.mean()
	seconds := func(bases []int32) float64 {
		sum := 0.0
		for _, base := range bases {
			if s := g.packages[base].Seconds; s > 0 {
				sum += s
			} else {
				sum += mean
			}
		}
		return sum
	}
	groups := g.components()
	weights := make(map[int32]float64, len(groups)) // by first base
	for _, group := range groups {
		weights[group[0]] = seconds(group)
	}
	slices.SortStableFunc(groups, func(a, b []int32) int { return cmp.Compare(weights[b[0]], weights[a[0]]) })
	return g.graphs(place(groups, n, func(bases []int32) float64 { return weights[bases[0]] }))
}

// mean is what a base without a time counts: the mean of the others, or 1.
func (g *Graph) mean() float64 {
	sum, count := 0.0, 0
	for _, p := range g.packages {
		if p.Seconds > 0 {
			sum += p.Seconds
			count++
		}
	}
	if count == 0 {
		return 1
	}
	return sum / float64(count)
}

// components lists the groups of bases that hang together, each ascending.
func (g *Graph) components() [][]int32 {
	number := make([]int32, len(g.needs)) // from 1
	var components [][]int32
	var queue []int32
	for base := range g.packages {
		if number[base] != 0 {
			continue
		}
		components = append(components, nil)
		current := int32(len(components))
		number[base] = current
		for queue = append(queue[:0], int32(base)); len(queue) > 0; {
			node := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			for _, edges := range [][]int32{g.needs[node], g.needed[node]} {
				for _, to := range edges {
					if number[to] == 0 {
						number[to] = current
						queue = append(queue, to)
					}
				}
			}
		}
	}
	for base := range g.packages {
		at := number[base] - 1
		components[at] = append(components[at], int32(base))
	}
	return components
}

// part is one part being filled.
type part struct {
	index int
	size  int
	bases []int32
	alone []int32 // bases that are a group by themselves
}

// place puts each group into the first of the lightest parts.
func place(groups [][]int32, n int, weight func([]int32) float64) []*part {
	// More parts than groups would stay empty, so none are made for them.
	parts := make([]*part, min(max(n, 1), len(groups)))
	var lightest queue
	for i := range parts {
		parts[i] = &part{index: i}
		heap.Push(&lightest, entry{part: parts[i]})
	}
	for _, group := range groups {
		p := lightest[0].part
		p.size += len(group)
		if len(group) == 1 {
			p.alone = append(p.alone, group[0])
		} else {
			p.bases = append(p.bases, group...)
		}
		lightest[0].weight += weight(group)
		heap.Fix(&lightest, 0)
	}
	for _, p := range parts {
		slices.Sort(p.alone)
	}
	return parts
}

// balance moves bases that stand alone from the fullest to the emptiest part.
//
// A part that got one never gives one: it had the least then, so it has at most
// one more than the least ever after. So what there is to give only shrinks,
// and each base moves at most once.
func balance(parts []*part) {
	var fullest, emptiest queue
	push := func(p *part) {
		heap.Push(&fullest, entry{weight: -float64(p.size), part: p})
		heap.Push(&emptiest, entry{weight: float64(p.size), part: p})
	}
	for _, p := range parts {
		push(p)
	}
	for len(parts) > 1 {
		from, to := fullest.top(-1), emptiest.top(1)
		if from.size-to.size <= 1 || len(from.alone) == 0 {
			return
		}
		to.bases = append(to.bases, from.alone[0])
		from.alone = from.alone[1:]
		from.size--
		to.size++
		push(from)
		push(to)
	}
}

// entry is a part with the weight it had when it was put into a queue.
type entry struct {
	weight float64
	part   *part
}

// queue is a heap of parts, the lightest first, among equals the first.
type queue []entry

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].weight != q[j].weight {
		return q[i].weight < q[j].weight
	}
	return q[i].part.index < q[j].part.index
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for package heap.
func (q *queue) Push(x any) { *q = append(*q, x.(entry)) }

// Pop is for package heap.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// top returns the first part, dropping entries that no longer tell its size;
// sign is what sizes were multiplied with.
func (q *queue) top(sign float64) *part {
	for (*q)[0].weight != sign*float64((*q)[0].part.size) {
		heap.Pop(q)
	}
	return (*q)[0].part
}

func (g *Graph) graphs(parts []*part) []*Graph {
	var graphs []*Graph
	for _, p := range parts {
		if p.size > 0 {
			graphs = append(graphs, New(g.list(slices.Concat(p.bases, p.alone))))
		}
	}
	return graphs
}
