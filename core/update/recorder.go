package update

import (
	"context"
	"encoding/json"
	"errors"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
)

// recorder keeps what happens in the node's store.
type recorder struct {
	store   *store.DB
	id      alpm.RepositoryID
	process string // of the logs
}

// Observe stores the event.
func (r recorder) Observe(ctx context.Context, e Event) error {
	switch e := e.(type) {
	case RunStarted:
		return r.store.SetServiceStatus(ctx, r.id, store.Building)
	case Due:
		return errors.Join(
			r.store.SetPackage(ctx, r.id, r.keep(ctx, e.Package), store.Pending),
			r.event(ctx, store.EventPackageOutdated, e.Package.Base, e.Reason, nil))
	case Changed:
		return r.store.SetChanges(ctx, r.id, e.Base, store.Changes{LastCommit: e.Commit, Changes: e.Changes, PKGBUILD: e.PKGBUILD})
	case BuildStarted:
		return r.store.SetStatus(ctx, r.id, e.Package.Base, store.Building)
	case LogLines:
		return r.store.AddLogs(ctx, r.id, e.Base, logLines(e, r.process))
	case BuildAgain:
		return r.store.SetStatus(ctx, r.id, e.Package.Base, store.Pending)
	case BuildEnded:
		return r.buildEnded(ctx, e)
	case Rests:
		return r.store.SetDependencies(ctx, r.id, e.Base, e.Paths)
	case Skipped:
		return r.failed(ctx, e.Package)
	case Refused:
		return r.refused(ctx, e.Base)
	case Published:
		return r.store.SetPackage(ctx, r.id, e.Package, store.Success)
	case Removed:
		return r.store.RemovePackage(ctx, r.id, e.Base)
	case RunEnded:
		status := store.Success
		if e.Err != nil || e.Outcome.Err() != nil {
			status = store.Failed
		}
		return r.store.SetServiceStatus(ctx, r.id, status)
	}
	return nil
}

func (r recorder) buildEnded(ctx context.Context, e BuildEnded) error {
	if e.Err != nil {
		return errors.Join(r.failed(ctx, e.Package),
			r.event(ctx, store.EventPackageUpdateFailed, e.Package.Base, e.Err.Error(), nil))
	}
	// The names tell the next publication when the base is complete.
	return errors.Join(
		r.store.SetPackage(ctx, r.id, e.Package, store.Building),
		r.store.SetChanges(ctx, r.id, e.Package.Base, store.Changes{LastCommit: e.Commit, Changes: e.Changes, PKGBUILD: e.PKGBUILD}),
		r.event(ctx, store.EventPackageUpdated, e.Package.Base, "", map[string]float64{"took": e.Took.Seconds()}))
}

// failed marks a base as failed, which the store may not know yet.
func (r recorder) failed(ctx context.Context, p source.Package) error {
	err := r.store.SetStatus(ctx, r.id, p.Base, store.Failed)
	if errors.Is(err, store.ErrUnknownPackage) {
		return r.store.SetPackage(ctx, r.id, p, store.Failed)
	}
	return err
}

// refused marks a base as failed that was on its way into the repository. One
// that is there already is none the worse for a file that somebody hands in.
func (r recorder) refused(ctx context.Context, base string) error {
	record, err := r.store.Package(ctx, r.id, base)
	if errors.Is(err, store.ErrUnknownPackage) {
		return nil
	}
	if err == nil && (record.Status == store.Building || record.Status == store.Pending) {
		err = r.store.SetStatus(ctx, r.id, base, store.Failed)
	}
	return err
}

// keep returns the package as it is stored when it is published already: what
// is due is not what the repository has.
func (r recorder) keep(ctx context.Context, p source.Package) source.Package {
	record, err := r.store.Package(ctx, r.id, p.Base)
	if err != nil {
		return p
	}
	for _, properties := range record.Package.Packages {
		if properties.FileName != "" {
			return record.Package
		}
	}
	return p
}

func (r recorder) event(ctx context.Context, name, base, message string, data any) error {
	e := store.Event{Event: name, Object: base, Message: message}
	if data != nil {
		text, err := json.Marshal(data)
		if err != nil {
			return err
		}
		e.Data = text
	}
	return r.store.AddEvent(ctx, r.id, e)
}

func logLines(e LogLines, process string) []store.LogLine {
	created := float64(e.Time.UnixMicro()) / 1e6
	lines := make([]store.LogLine, len(e.Lines))
	for i, text := range e.Lines {
		lines[i] = store.LogLine{Created: created, Message: text, Version: e.Version, Process: process}
	}
	return lines
}
