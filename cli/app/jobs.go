package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

var _ httpserver.Submitter = (*jobs)(nil)

// jobs runs what requests to the web service ask for, in its process.
type jobs struct {
	*update.Jobs
	env     *Env
	globals *Globals
	store   *store.DB

	mu       sync.Mutex
	settings map[alpm.RepositoryID]*config.Settings
}

// newJobs makes jobs; serve says of which repositories. Close ends them.
func newJobs(env *Env, globals *Globals, db *store.DB, logger *slog.Logger) *jobs {
	j := &jobs{env: env, globals: globals, store: db}
	j.Jobs = update.NewJobs(db, j.open, logger)
	return j
}

// serve makes jobs that begin from now on work by these settings.
func (j *jobs) serve(all []*config.Settings) {
	settings := map[alpm.RepositoryID]*config.Settings{}
	for _, s := range all {
		settings[s.ID] = s
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settings = settings
}

// open makes the flow of one job.
func (j *jobs) open(id alpm.RepositoryID, process string) (*update.Flow, func() error, error) {
	j.mu.Lock()
	s, ok := j.settings[id]
	j.mu.Unlock()
	if !ok {
		return nil, nil, errors.New("the repository is not served any more")
	}
	globals := *j.globals
	globals.WaitTimeout = int(s.Web.WaitTimeout.Seconds())
	n, err := globals.nodeWith(j.env, s, j.store)
	if err != nil {
		return nil, nil, err
	}
	n.reports = io.Discard // nobody reads a service's standard output
	names := fetcherConfig(s)
	names.NoLocal = true // who asks is elsewhere: paths are no names
	n.sources = source.New(names)
	flow, err := n.flow(flowOptions{process: process, builds: true})
	if err != nil {
		n.Close()
		return nil, nil, err
	}
	return flow, n.Close, nil
}

// Kinds implements httpserver.Submitter.
func (j *jobs) Kinds() []string {
	return []string{
		httpserver.JobAdd, httpserver.JobRequest, httpserver.JobUpdate, httpserver.JobRebuild, httpserver.JobRemove, httpserver.JobRollback,
		httpserver.JobKey,
	}
}

// jobArguments are the arguments of a job for what a request says.
func jobArguments(kind string, arguments any, user string) any {
	switch a := arguments.(type) {
	case api.AddRequest:
		return update.Addition{Packages: a.Packages, Packager: a.Packager, Increment: a.Increment, Patches: a.Patches, User: user, Refresh: a.Refresh}
	case api.UpdateRequest:
		return update.Request{
			AUR: a.AUR, Local: a.Local, Manual: a.Manual, Increment: a.Increment, Packager: a.Packager, Dependencies: true, VCS: true, Changes: true, Refresh: a.Refresh,
			// A worker's call after its uploads, for which an update of this
			// node may be waiting.
			NoWait: a.Manual && !a.AUR && !a.Local,
		}
	case api.BasesRequest:
		if kind == httpserver.JobRebuild {
			return update.Request{Increment: true, Changes: true, Rebuild: &update.Rebuild{DependsOn: a.Packages[:1]}}
		}
		return update.Request{Bases: a.Packages}
	case api.PGPRequest:
		return update.Key{ID: a.Key, Server: a.Server}
	case api.RollbackRequest:
		return update.Return{Base: a.Package, Version: a.Version, Hold: a.Hold}
	}
	return nil
}

// Submit implements httpserver.Submitter.
func (j *jobs) Submit(ctx context.Context, id alpm.RepositoryID, kind string, arguments any, user string) (string, error) {
	arguments, err := j.named(ctx, arguments)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(jobArguments(kind, arguments, user))
	if err != nil {
		return "", err
	}
	job, err := j.Jobs.Submit(ctx, id, kind, text, user)
	if errors.Is(err, update.ErrClosed) {
		return "", api.Errorf(api.ErrUnavailable, "%s", err)
	}
	return job, err
}

// named puts the packager of a user in the place of the user's name: a request
// may say either.
func (j *jobs) named(ctx context.Context, arguments any) (any, error) {
	var err error
	switch a := arguments.(type) {
	case api.AddRequest:
		a.Packager, err = j.packager(ctx, a.Packager)
		return a, err
	case api.UpdateRequest:
		a.Packager, err = j.packager(ctx, a.Packager)
		return a, err
	}
	return arguments, nil
}

func (j *jobs) packager(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	user, err := j.store.User(ctx, name)
	if errors.Is(err, store.ErrUnknownUser) {
		return name, nil
	}
	return user.Packager, err
}
