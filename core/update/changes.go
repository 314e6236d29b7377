package update

import (
	"context"
)

// onlyChanges makes observers of a run those of a plan.
func onlyChanges(observers []Observer) []Observer {
	var some []Observer
	for _, o := range observers {
		some = append(some, changesObserver{o})
	}
	return some
}

// changesObserver tells an Observer of changes and of nothing else.
type changesObserver struct{ Observer }

// Observe passes a Changed on.
func (o changesObserver) Observe(ctx context.Context, e Event) error {
	if _, ok := e.(Changed); !ok {
		return nil
	}
	return o.Observer.Observe(ctx, e)
}

// learnChanges finds out what the source of a base that is due has become since
// it was built last, where it comes from git, and tells it. What cannot be
// found out is logged.
func (r *run) learnChanges(ctx context.Context, d *due) {
	stored, err := r.Store.Changes(ctx, r.Repository.ID(), d.pkg.Base)
	switch {
	case err != nil:
		r.Logger.Warn("reading changes", "base", d.pkg.Base, "error", err)
		return
	case d.commit == "" || stored.LastCommit == "":
		return
	case d.commit == stored.LastCommit:
		d.changes = stored.Changes // it is built again: what the build before it brought
		return
	case !r.request.Changes:
		return
	}
	found, err := r.Sources.FromOrigin(d.pkg.Base, d.pkg.Origin)
	if err == nil {
		d.changes, err = r.Sources.Changes(ctx, found, stored.LastCommit, d.commit)
	}
	if err != nil {
		if ctx.Err() == nil {
			r.Logger.Warn("looking for changes", "base", d.pkg.Base, "error", err)
		}
		return
	}
	r.emit(Changed{Base: d.pkg.Base, Commit: stored.LastCommit, Changes: d.changes, PKGBUILD: stored.PKGBUILD})
}
