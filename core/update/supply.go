package update

import (
	"context"
	"fmt"
	"path/filepath"

	"ahriman/core/alpm"
	"ahriman/core/build"
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

// stock is what builds may be given, and who has it.
type stock struct {
	*build.Stock
	supplies map[string]Supply // by SHA-256 of the package file
}

// stock reads what the supplies have now: the repository's own packages go
// before others.
func (r *run) stock(ctx context.Context) (*stock, error) {
	s := &stock{supplies: map[string]Supply{}}
	var offers []build.Offer
	for _, supply := range append([]Supply{own{r.Repository}}, r.Supplies...) {
		packages, err := supply.Packages(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading packages to build with: %w", err)
		}
		for i := range packages {
			offers = append(offers, build.Offer{Package: packages[i]})
			if s.supplies[packages[i].SHA256] == nil {
				s.supplies[packages[i].SHA256] = supply
			}
		}
	}
	s.Stock = build.NewStock(offers)
	return s, nil
}

// ingredients are the package files a build is given.
type ingredients struct {
	files   []string
	digests []string // SHA-256 of the files, hex
	digest  string   // of all that goes into the build
}

// gather brings the package files that satisfy the relations, and what those
// depend on in turn.
func (s *stock) gather(ctx context.Context, needs []string) (*ingredients, error) {
	with := &ingredients{}
	for _, offer := range s.Needed(needs) {
		path, err := s.supplies[offer.SHA256].File(ctx, offer.Package)
		if err != nil {
			return nil, fmt.Errorf("getting %s: %w", offer.FileName, err)
		}
		with.files, with.digests = append(with.files, path), append(with.digests, offer.SHA256)
	}
	return with, nil
}
