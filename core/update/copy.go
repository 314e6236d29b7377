package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/core/store"
	"ahriman/core/trigger"
)

// Copy publishes here what another repository of this node has published of the
// bases, all in one publication, with their signatures and with what the store
// knows of their sources. Packages that have no signature get one where
// SignPackage is set. A base that is published here just so is left. Nothing is
// copied when one is not published there (repository.ErrUnknownBase) or newer
// here (*OlderError).
func (f *Flow) Copy(ctx context.Context, from *repository.Repository, bases []string) (*Outcome, error) {
	bases = slices.Compact(slices.Sorted(slices.Values(bases)))
	return f.do(ctx, Request{Bases: bases}, func(r *run) error {
		if err := r.copyFrom(ctx, from); err != nil {
			return fmt.Errorf("copying from %s: %w", from.ID(), err)
		}
		return nil
	})
}

// OlderError is a base that is published in a newer version than the one that is
// to take its place.
type OlderError struct {
	Base, Version, Published string
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("%s %s is older than the published %s", e.Base, e.Version, e.Published)
}

func (r *run) copyFrom(ctx context.Context, from *repository.Repository) error {
	batches, change, err := r.copies(ctx, from)
	if err != nil || len(batches) == 0 {
		return err
	}
	done, err := r.Repository.Publish(ctx, change)
	if err != nil {
		return err
	}
	batches = slices.DeleteFunc(batches, func(b *batch) bool {
		// Another run may have been faster; it tells of what it published.
		overtaken := !b.untold && !slices.ContainsFunc(slices.Concat(done.Added, done.Removed), func(e repository.Entry) bool { return e.Base == b.base })
		if overtaken {
			r.leftPublished(b.base, b.version())
		}
		return overtaken
	})
	if len(batches) == 0 {
		return nil
	}
	built := r.announce(batches, done)
	var errs []error
	for _, b := range batches {
		errs = append(errs, r.copyKnown(ctx, from.ID(), b.base))
	}
	r.deliver(ctx, trigger.Result{Built: built})
	return errors.Join(errs...)
}

// copies are what is to be published. A base that a run did not live to tell of
// after it was published is among them.
func (r *run) copies(ctx context.Context, from *repository.Repository) (batches []*batch, change repository.Change, err error) {
	theirs, err := byBase(ctx, from)
	if err != nil {
		return nil, change, err
	}
	ours, err := byBase(ctx, r.Repository)
	if err != nil {
		return nil, change, err
	}
	for _, base := range r.request.Bases {
		packages, have := theirs[base], ours[base]
		_, unknown := r.Store.Package(ctx, r.Repository.ID(), base)
		switch {
		case len(packages) == 0:
			return nil, change, fmt.Errorf("%w: %s", repository.ErrUnknownBase, base)
		case len(have) > 0 && alpm.Vercmp(packages[0].Version, have[0].Version) < 0:
			return nil, change, &OlderError{base, packages[0].Version, have[0].Version}
		case slices.EqualFunc(packages, have, samePackage) && unknown == nil:
			r.leftPublished(base, have[0].Version)
			continue
		}
		b, err := r.copied(ctx, from, base, packages)
		if err != nil {
			return nil, change, err
		}
		b.untold = slices.EqualFunc(packages, have, samePackage)
		batches = append(batches, b)
		change.Add = append(change.Add, b.files...)
		for _, p := range have {
			if !slices.Contains(b.names(), p.Name) {
				change.Remove = append(change.Remove, p.Name)
			}
		}
	}
	return batches, change, nil
}

// leftPublished says that a base is left alone since it is there already.
func (r *run) leftPublished(base, version string) {
	r.left(Omission{Base: base, Version: version, Reason: "it is published"})
}

// byBase returns what is published, by base; within one by name.
func byBase(ctx context.Context, from *repository.Repository) (map[string][]alpm.Package, error) {
	packages, err := from.Packages(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string][]alpm.Package{}
	for _, p := range packages {
		found[p.Base] = append(found[p.Base], p)
	}
	return found, nil
}

func samePackage(a, b alpm.Package) bool {
	return a.Name == b.Name && a.FileName == b.FileName && a.SHA256 == b.SHA256
}

// copied is what another repository has published of a base.
func (r *run) copied(ctx context.Context, from *repository.Repository, base string, packages []alpm.Package) (*batch, error) {
	record, err := r.Store.Package(ctx, from.ID(), base)
	if err != nil && !errors.Is(err, store.ErrUnknownPackage) {
		return nil, err
	}
	b := &batch{base: base, origin: record.Package.Origin}
	for _, p := range packages {
		path := filepath.Join(from.Published(), p.FileName)
		if r.SignPackage != nil {
			if path, err = r.signedCopy(ctx, path); err != nil {
				return nil, err
			}
		}
		if err := b.add(path, p.Info); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// signedCopy returns the path itself where a signature stands beside it, else
// that of a copy that is signed: what is published elsewhere stays as it is.
func (r *run) signedCopy(ctx context.Context, path string) (string, error) {
	if _, err := os.Stat(path + ".sig"); err == nil {
		return path, nil
	}
	dir, err := r.scratchDir()
	if err != nil {
		return "", err
	}
	signed := filepath.Join(dir, filepath.Base(path))
	if err := copyFile(ctx, path, signed); err != nil {
		return "", err
	}
	return signed, r.SignPackage(ctx, signed)
}

// copyKnown tells the observers what the store knows of a base that came from
// another repository: its source, and on which files its packages rest.
func (r *run) copyKnown(ctx context.Context, from alpm.RepositoryID, base string) error {
	changes, err := r.Store.Changes(ctx, from, base)
	if err != nil {
		return err
	}
	paths, err := r.Store.Dependencies(ctx, from, base)
	if err != nil {
		return err
	}
	r.emit(Changed{Base: base, Commit: changes.LastCommit, Changes: changes.Changes, PKGBUILD: changes.PKGBUILD})
	r.emit(Rests{Base: base, Paths: paths})
	return nil
}
