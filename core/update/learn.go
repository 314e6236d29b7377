package update

import (
	"context"
	"errors"
	"maps"
	"slices"

	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
)

// Learn brings the store up to what is published of the bases, where that was
// not published by a run: it was rolled back to, imported, or is of a tree that
// another program made. A base that is published no longer stays known, since
// only the store has its origin. Without bases, those are learnt that are
// published and that the store does not know.
func Learn(ctx context.Context, db *store.DB, r *repository.Repository, bases ...string) error {
	published, err := byBase(ctx, r)
	if err != nil {
		return err
	}
	only := len(bases) == 0
	if only {
		bases = slices.Collect(maps.Keys(published))
	}
	slices.Sort(bases)
	var updates []store.Update
	var errs []error
	for _, base := range slices.Compact(bases) {
		record, err := db.Package(ctx, r.ID(), base)
		known := err == nil
		if err != nil && !errors.Is(err, store.ErrUnknownPackage) {
			return err
		}
		packages := published[base]
		switch {
		case only && known:
		case len(packages) > 0:
			p, err := source.FromPackages(packages, record.Package.Origin)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			updates = append(updates, store.Update{Package: p[0], Status: store.Success})
		case known:
			errs = append(errs, db.SetStatus(ctx, r.ID(), base, store.Unknown))
		}
	}
	if len(updates) > 0 {
		errs = append(errs, db.SetPackages(ctx, r.ID(), updates))
	}
	return errors.Join(errs...)
}

// LearnPublication learns of the bases that a publication changed.
func LearnPublication(ctx context.Context, db *store.DB, r *repository.Repository, p *repository.Publication) error {
	var bases []string
	for _, e := range slices.Concat(p.Added, p.Removed) {
		bases = append(bases, e.Base)
	}
	if len(bases) == 0 {
		return nil
	}
	return Learn(ctx, db, r, bases...)
}
