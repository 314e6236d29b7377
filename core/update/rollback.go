package update

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ahriman/core/repository"
	"ahriman/core/trigger"
)

// ErrNoArchive says that no package files of a version are kept.
var ErrNoArchive = errors.New("no package files of that version are kept")

// Rollback publishes an earlier version of a base from the package files that
// are kept, in place of the one that is published. With hold, updates leave the
// base alone from then on. Errors a caller may tell apart: ErrNoArchive and
// store.ErrUnknownPackage.
func (f *Flow) Rollback(ctx context.Context, base, version string, hold bool) (*Outcome, error) {
	return f.do(ctx, Request{Bases: []string{base}}, func(r *run) error {
		if err := r.rollback(ctx, base, version); err != nil {
			return fmt.Errorf("going back to %s %s: %w", base, version, err)
		}
		if hold {
			return r.Store.SetHeld(ctx, r.Repository.ID(), base, true)
		}
		return nil
	})
}

func (r *run) rollback(ctx context.Context, base, version string) error {
	record, err := r.Store.Package(ctx, r.Repository.ID(), base)
	if err != nil {
		return err
	}
	archives, err := r.Repository.Archives(ctx, base)
	if err != nil {
		return err
	}
	b := &batch{base: base, origin: record.Package.Origin}
	for _, p := range archives {
		if p.Version != version {
			continue
		}
		if err := b.add(r.Repository.PoolPath(base, p.FileName), p.Info); err != nil {
			return err
		}
	}
	if len(b.files) == 0 {
		return ErrNoArchive
	}
	published, err := r.Repository.Packages(ctx)
	if err != nil {
		return err
	}
	change := repository.Change{Add: b.files}
	for _, p := range published {
		if p.Base == base && !slices.Contains(b.names(), p.Name) {
			change.Remove = append(change.Remove, p.Name)
		}
	}
	done, err := r.Repository.Publish(ctx, change)
	if err != nil {
		return err
	}
	if done.Changed {
		r.deliver(ctx, trigger.Result{Built: r.announce([]*batch{b}, done)})
	} else {
		r.left(Omission{Base: base, Version: version, Reason: "it is published"})
	}
	return nil
}
