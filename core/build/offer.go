package build

import (
	"slices"

	"ahriman/core/alpm"
)

// Offer is a package that a build may be given: one that was built in the same
// run, or one of a repository.
type Offer struct {
	alpm.Package
	Path string // of the package file; empty while it is elsewhere
}

// Stock is all that builds may be given. It may be read from several goroutines
// while nothing is added.
type Stock struct {
	offers    []Offer
	provides  [][]alpm.Relation // by offer
	named     map[string][]int  // offers of that name, the preferred last
	providers map[string][]int  // offers of other names that provide it, the preferred last
}

// NewStock makes a stock of the offers; of two that would do, the first counts.
func NewStock(offers []Offer) *Stock {
	s := &Stock{named: make(map[string][]int, len(offers)), providers: map[string][]int{}}
	for _, offer := range slices.Backward(offers) {
		s.Prefer(offer)
	}
	return s
}

// Prefer adds an offer that counts before those there are.
func (s *Stock) Prefer(offer Offer) {
	i := len(s.offers)
	s.named[offer.Name] = append(s.named[offer.Name], i)
	var provides []alpm.Relation
	for _, text := range offer.Provides {
		provided, err := alpm.ParseRelation(text)
		if err != nil {
			continue // whoever wrote the database let it through; nothing can need it
		}
		provides = append(provides, provided)
		if provided.Name != offer.Name {
			s.providers[provided.Name] = append(s.providers[provided.Name], i)
		}
	}
	s.offers, s.provides = append(s.offers, offer), append(s.provides, provides)
}

// Needed returns the packages to build with: those that satisfy needs, which
// are relations as a PKGBUILD has them, and all that these depend on when they
// run. What nobody offers is the machine's own affair. A package of the very
// name comes before one that only provides it. The order is that of the needs.
func (s *Stock) Needed(needs []string) []Offer {
	var found []Offer
	taken := map[int]bool{}
	seen := map[string]bool{}
	for queue := slices.Clone(needs); len(queue) > 0; queue = queue[1:] {
		need := queue[0]
		if seen[need] {
			continue
		}
		seen[need] = true
		i := s.satisfying(need)
		if i < 0 || taken[i] {
			continue
		}
		taken[i] = true
		found = append(found, s.offers[i])
		queue = append(queue, s.offers[i].Depends...)
	}
	return found
}

// satisfying returns the number of the first offer for a relation, -1 without.
func (s *Stock) satisfying(need string) int {
	relation, err := alpm.ParseRelation(need)
	if err != nil {
		return -1
	}
	for _, list := range [][]int{s.named[relation.Name], s.providers[relation.Name]} {
		for _, i := range slices.Backward(list) {
			if relation.SatisfiedBy(s.offers[i].Name, s.offers[i].Version, s.provides[i]) {
				return i
			}
		}
	}
	return -1
}
