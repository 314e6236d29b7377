package httpclient

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"ahriman/core/source"
	"ahriman/core/update"
	"ahriman/transport/api"
)

var _ update.Observer = (*Observer)(nil)

// Observer tells a master's status service what a run does, as a Python worker
// does. Once the master cannot be reached it is told nothing more in that run,
// so that a run never waits for a dead master more than once.
type Observer struct {
	repository *Repository
	process    string // of the logs

	mu   sync.Mutex
	down bool
	logs map[string]*Log // of the builds that run, by base
	// built are the bases that were built and are not published yet.
	built map[string]bool
}

// Observer returns an observer of one run; process is the process_id of its
// logs.
func (r *Repository) Observer(process string) *Observer {
	return &Observer{repository: r, process: process, logs: map[string]*Log{}, built: map[string]bool{}}
}

// Observe sends the event. The error is the first that says the master is out
// of reach, or a refusal.
func (o *Observer) Observe(ctx context.Context, e update.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil
	}
	err := o.observe(ctx, e)
	if err != nil && !isRefusal(err) && ctx.Err() == nil {
		o.down = true
	}
	return err
}

// isRefusal tells an answer of the master from silence.
func isRefusal(err error) bool {
	var refusal *api.Error
	return errors.As(err, &refusal) && !errors.Is(err, api.ErrUnavailable)
}

func (o *Observer) observe(ctx context.Context, e update.Event) error {
	switch e := e.(type) {
	case update.RunStarted:
		return o.repository.SetStatus(ctx, api.Building)
	case update.Due:
		return o.due(ctx, e)
	case update.Changed:
		return o.repository.SetChanges(ctx, e.Base, api.Changes{LastCommitSHA: e.Commit, Changes: e.Changes, PKGBUILD: e.PKGBUILD})
	case update.BuildStarted:
		err := o.endLog(e.Package.Base) // it was begun elsewhere before
		o.logs[e.Package.Base] = o.repository.Log(ctx, e.Package.Base, e.Package.Version, o.process)
		return errors.Join(err, o.set(ctx, e.Package, api.Building))
	case update.LogLines:
		if log := o.logs[e.Base]; log != nil {
			log.Write([]byte(strings.Join(e.Lines, "\n") + "\n"))
		}
	case update.BuildEnded:
		return o.buildEnded(ctx, e)
	case update.Rests:
		return o.repository.SetDependencies(ctx, e.Base, e.Paths)
	case update.Skipped:
		return o.set(ctx, e.Package, api.Failed)
	case update.Refused:
		if o.built[e.Base] {
			return o.repository.SetPackage(ctx, e.Base, api.Failed, nil)
		}
	case update.Published:
		delete(o.built, e.Package.Base)
		return o.repository.SetPackage(ctx, e.Package.Base, api.Success, &e.Package)
	case update.Undelivered:
		var errs []error
		for _, p := range e.Packages {
			errs = append(errs, o.repository.SetPackage(ctx, p.Base, api.Failed, nil))
		}
		return errors.Join(errs...)
	case update.Removed:
		return o.repository.RemovePackage(ctx, e.Base)
	case update.RunEnded:
		var errs []error
		for base := range o.logs { // of builds that were cancelled
			errs = append(errs, o.endLog(base))
		}
		return errors.Join(append(errs, o.repository.SetStatus(ctx, serviceStatus(e)))...)
	}
	return nil
}

// endLog sends what is left of a base's log, if there is one.
func (o *Observer) endLog(base string) error {
	log := o.logs[base]
	if log == nil {
		return nil
	}
	delete(o.logs, base)
	return log.Close()
}

func serviceStatus(e update.RunEnded) api.BuildStatus {
	if e.Err != nil || e.Outcome.Err() != nil {
		return api.Failed
	}
	return api.Success
}

func (o *Observer) due(ctx context.Context, e update.Due) error {
	if err := o.set(ctx, e.Package, api.Pending); err != nil {
		return err
	}
	return o.repository.AddEvent(ctx, api.Event{Event: api.EventPackageOutdated, ObjectID: e.Package.Base, Message: e.Reason})
}

// set sets the status of a base; one that the master does not know yet is told
// it whole.
func (o *Observer) set(ctx context.Context, p source.Package, status api.BuildStatus) error {
	err := o.repository.SetPackage(ctx, p.Base, status, nil)
	if errors.Is(err, api.ErrBadRequest) {
		return o.repository.SetPackage(ctx, p.Base, status, &p)
	}
	return err
}

func (o *Observer) buildEnded(ctx context.Context, e update.BuildEnded) error {
	errs := []error{o.endLog(e.Package.Base)}
	event := api.Event{Event: api.EventPackageUpdated, ObjectID: e.Package.Base}
	if e.Err != nil {
		event.Event, event.Message = api.EventPackageUpdateFailed, e.Err.Error()
		errs = append(errs, o.set(ctx, e.Package, api.Failed))
	} else {
		o.built[e.Package.Base] = true
		// With all its names, so that the master knows when the base is complete.
		errs = append(errs,
			o.repository.SetPackage(ctx, e.Package.Base, api.Building, &e.Package),
			o.repository.SetChanges(ctx, e.Package.Base, api.Changes{LastCommitSHA: e.Commit, Changes: e.Changes, PKGBUILD: e.PKGBUILD}))
		data, err := json.Marshal(map[string]float64{"took": e.Took.Seconds()})
		if err != nil {
			return err
		}
		event.Data = data
	}
	return errors.Join(append(errs, o.repository.AddEvent(ctx, event))...)
}
