package update

import (
	"context"
	"fmt"
	"path/filepath"

	"ahriman/core/alpm"
	"ahriman/core/repository"
)

// own is the repository's own packages as a Supply.
type own struct {
	*repository.Repository
}

// File returns the published path; what is in the pool was verified on its way
// in.
func (o own) File(_ context.Context, p alpm.Package) (string, error) {
	return filepath.Join(o.Published(), p.FileName), nil
}

// stock finds the packages that satisfy relations in the supplies: the first
// supply that has one wins, as with pacman's repositories.
type stock struct {
	byName map[string][]*offer // by package name and by name of provides
}

// offer is one package of one supply.
type offer struct {
	alpm.Package
	supply   Supply
	provides []alpm.Relation
}

// stock reads what the supplies have now.
func (r *run) stock(ctx context.Context) (*stock, error) {
	s := &stock{byName: map[string][]*offer{}}
	for _, supply := range append([]Supply{own{r.Repository}}, r.Supplies...) {
		packages, err := supply.Packages(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading packages to build with: %w", err)
		}
		for i := range packages {
			s.add(&offer{Package: packages[i], supply: supply})
		}
	}
	return s, nil
}

func (s *stock) add(o *offer) {
	s.byName[o.Name] = append(s.byName[o.Name], o)
	for _, text := range o.Provides {
		relation, err := alpm.ParseRelation(text)
		if err != nil {
			continue // whoever wrote the database let it through; nothing can need it
		}
		o.provides = append(o.provides, relation)
		if relation.Name != o.Name {
			s.byName[relation.Name] = append(s.byName[relation.Name], o)
		}
	}
}

// find returns the package that satisfies a relation: one of that name before
// one that provides it, an earlier supply before a later one. Nil: none.
func (s *stock) find(relation alpm.Relation) *offer {
	var provider *offer
	for _, o := range s.byName[relation.Name] {
		if !relation.SatisfiedBy(o.Name, o.Version, o.provides) {
			continue
		}
		if o.Name == relation.Name {
			return o
		}
		if provider == nil {
			provider = o
		}
	}
	return provider
}

// ingredients are the package files a build is given.
type ingredients struct {
	files   []string // each before what needs it
	digests []string // SHA-256 of the files, hex
	digest  string   // of all that goes into the build
}

// gather returns the package files that satisfy the relations, and what those
// depend on in turn. What no supply has is left to the machine that builds.
func (s *stock) gather(ctx context.Context, needs []string) (*ingredients, error) {
	with := &ingredients{}
	seen := map[string]bool{}
	var visit func(needs []string) error
	visit = func(needs []string) error {
		for _, text := range needs {
			relation, err := alpm.ParseRelation(text)
			if err != nil {
				return err
			}
			o := s.find(relation)
			if o == nil || seen[o.Name] {
				continue
			}
			seen[o.Name] = true
			if err := visit(o.Depends); err != nil {
				return err
			}
			path, err := o.supply.File(ctx, o.Package)
			if err != nil {
				return fmt.Errorf("getting %s: %w", o.FileName, err)
			}
			with.files, with.digests = append(with.files, path), append(with.digests, o.SHA256)
		}
		return nil
	}
	return with, visit(needs)
}
