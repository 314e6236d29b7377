package build

import (
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// Offer is a package that a build may be given: one that was built in the same
// run, or one of a repository.
type Offer struct {
	alpm.Package
	Path string // of the package file; empty while it is elsewhere
}

// Needed returns the packages to build with: those that satisfy needs,
// which are relations as a PKGBUILD has them, and all that these depend on when
// they run. What nobody offers is the machine's own affair. Of two offers that
// satisfy a relation the first counts, but one of that very name comes before
// one that only provides it. The order is that of the needs.
func Needed(needs []string, offers []Offer) []Offer {
	index := map[string][]int{}
	for i := range offers {
		index[offers[i].Name] = append(index[offers[i].Name], i)
	}
	for i := range offers {
		for _, provided := range offers[i].Provides {
			name := bareName(provided)
			if name != offers[i].Name {
				index[name] = append(index[name], i)
			}
		}
	}
	var found []Offer
	taken := map[int]bool{}
	seen := map[string]bool{}
	for queue := slices.Clone(needs); len(queue) > 0; queue = queue[1:] {
		need := queue[0]
		if seen[need] {
			continue
		}
		seen[need] = true
		i := satisfying(need, index, offers)
		if i < 0 || taken[i] {
			continue
		}
		taken[i] = true
		found = append(found, offers[i])
		queue = append(queue, offers[i].Depends...)
	}
	return found
}

// satisfying returns the number of the first offer for a relation, -1 without.
func satisfying(need string, index map[string][]int, offers []Offer) int {
	relation, err := alpm.ParseRelation(need)
	if err != nil {
		return -1
	}
	for _, i := range index[bareName(need)] {
		var provides []alpm.Relation
		for _, text := range offers[i].Provides {
			if provided, err := alpm.ParseRelation(text); err == nil {
				provides = append(provides, provided)
			}
		}
		if relation.SatisfiedBy(offers[i].Name, offers[i].Version, provides) {
			return i
		}
	}
	return -1
}

// bareName cuts the constraint off a relation.
func bareName(relation string) string {
	if i := strings.IndexAny(relation, "<>="); i >= 0 {
		return relation[:i]
	}
	return relation
}
