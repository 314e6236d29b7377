package httpclient

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/transport/api"
)

// ID names the repository.
func (r *Repository) ID() alpm.RepositoryID { return r.id }

// Client returns the node the repository is on.
func (r *Repository) Client() *Client { return r.client }

func (r *Repository) get(ctx context.Context, what, path string, query url.Values, into any) error {
	all := api.RepositoryQuery(r.id)
	maps.Copy(all, query)
	return r.client.do(ctx, call{what: what, method: http.MethodGet, path: path, query: all, into: into, safe: true})
}

// set posts a state: doing it twice is doing it once.
func (r *Repository) set(ctx context.Context, what, path string, body any) error {
	return r.client.do(ctx, call{
		what: what, method: http.MethodPost, path: path, query: api.RepositoryQuery(r.id), body: body, safe: true,
	})
}

// add posts something that is there twice when it is posted twice.
func (r *Repository) add(ctx context.Context, what, path string, body, into any) error {
	return r.client.do(ctx, call{
		what: what, method: http.MethodPost, path: path, query: api.RepositoryQuery(r.id), body: body, into: into,
	})
}

// Status returns the service's status and counts.
func (r *Repository) Status(ctx context.Context) (*api.ServiceStatus, error) {
	status := &api.ServiceStatus{}
	if err := r.get(ctx, "asking for the status", api.PathStatus, nil, status); err != nil {
		return nil, err
	}
	return status, nil
}

// SetStatus sets the service's status.
func (r *Repository) SetStatus(ctx context.Context, status api.BuildStatus) error {
	return r.set(ctx, "setting the status", api.PathStatus, api.StatusUpdate{Status: status})
}

// Packages returns all packages, sorted by base.
func (r *Repository) Packages(ctx context.Context) ([]api.PackageEntry, error) {
	var packages []api.PackageEntry
	err := r.get(ctx, "asking for packages", api.PathPackages, nil, &packages)
	return packages, err
}

// Package returns one package; the error is api.ErrNotFound when it is unknown.
func (r *Repository) Package(ctx context.Context, base string) (*api.PackageEntry, error) {
	var packages []api.PackageEntry
	what := "asking for package " + base
	if err := r.get(ctx, what, api.Path(api.PathPackage, base), nil, &packages); err != nil {
		return nil, err
	}
	if len(packages) != 1 {
		return nil, fmt.Errorf("%s: %s: got %d packages", what, r.client.address, len(packages))
	}
	return &packages[0], nil
}

// SetPackage sets a package's status and, unless it is nil, the package.
func (r *Repository) SetPackage(ctx context.Context, base string, status api.BuildStatus, p *source.Package) error {
	return r.set(ctx, "setting package "+base, api.Path(api.PathPackage, base), api.PackageUpdate{Status: status, Package: p})
}

// RemovePackage removes a package from the node's list, not from its repository.
func (r *Repository) RemovePackage(ctx context.Context, base string) error {
	return r.client.do(ctx, call{
		what: "removing package " + base, method: http.MethodDelete,
		path: api.Path(api.PathPackage, base), query: api.RepositoryQuery(r.id), safe: true,
	})
}

// Changes returns what changed in a base's sources; all empty when nothing did.
func (r *Repository) Changes(ctx context.Context, base string) (*api.Changes, error) {
	changes := &api.Changes{}
	err := r.get(ctx, "asking for the changes of "+base, api.Path(api.PathChanges, base), nil, changes)
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// SetChanges stores what changed in a base's sources.
func (r *Repository) SetChanges(ctx context.Context, base string, changes api.Changes) error {
	return r.set(ctx, "setting the changes of "+base, api.Path(api.PathChanges, base), changes)
}

// Dependencies returns the paths a base rests on and who owns them.
func (r *Repository) Dependencies(ctx context.Context, base string) (*api.Dependencies, error) {
	dependencies := &api.Dependencies{}
	err := r.get(ctx, "asking for the dependencies of "+base, api.Path(api.PathDependencies, base), nil, dependencies)
	if err != nil {
		return nil, err
	}
	return dependencies, nil
}

// SetDependencies stores the paths a base rests on and who owns them.
func (r *Repository) SetDependencies(ctx context.Context, base string, paths map[string][]string) error {
	if paths == nil {
		paths = map[string][]string{}
	}
	return r.set(ctx, "setting the dependencies of "+base, api.Path(api.PathDependencies, base), api.Dependencies{Paths: paths})
}

// Logs returns log records of a base.
func (r *Repository) Logs(ctx context.Context, base string, window api.Paging) ([]api.LogRecord, error) {
	query := url.Values{}
	window.AddTo(query)
	var records []api.LogRecord
	err := r.get(ctx, "asking for the logs of "+base, api.Path(api.PathLogsV2, base), query, &records)
	return records, err
}

// RotateLogs removes old logs but those of the last keep builds of each base.
func (r *Repository) RotateLogs(ctx context.Context, keep int) error {
	query := api.RepositoryQuery(r.id)
	query.Set(api.QueryKeepLastRecords, strconv.Itoa(keep))
	return r.client.do(ctx, call{
		what: "removing old logs", method: http.MethodDelete, path: api.PathRotateLogs, query: query, safe: true,
	})
}

// AddEvent tells the node of an event.
func (r *Repository) AddEvent(ctx context.Context, event api.Event) error {
	return r.add(ctx, fmt.Sprintf("telling of event %s", event.Event), api.PathEvents, event, nil)
}

// Events returns a window on the events of one kind and object; empty strings
// mean all.
func (r *Repository) Events(ctx context.Context, kind api.EventKind, object string, window api.Paging) ([]api.Event, error) {
	query := url.Values{}
	window.AddTo(query)
	if kind != "" {
		query.Set(api.QueryEvent, string(kind))
	}
	if object != "" {
		query.Set(api.QueryObjectID, object)
	}
	var events []api.Event
	err := r.get(ctx, "asking for events", api.PathEvents, query, &events)
	return events, err
}

// Update asks the node to update its repository and returns the job's id.
func (r *Repository) Update(ctx context.Context, request api.UpdateRequest) (id string, err error) {
	return r.begin(ctx, "requesting an update", api.PathUpdate, request)
}

// Add asks the node to add packages and build them now, and returns the job's id.
func (r *Repository) Add(ctx context.Context, request api.AddRequest) (id string, err error) {
	return r.begin(ctx, "requesting builds", api.PathAdd, request)
}

func (r *Repository) begin(ctx context.Context, what, path string, body any) (string, error) {
	var reply api.ProcessReply
	if err := r.add(ctx, what, path, body, &reply); err != nil {
		return "", err
	}
	if reply.ProcessID == "" {
		return "", fmt.Errorf("%s: %s: the answer has no process_id", what, r.client.address)
	}
	return reply.ProcessID, nil
}
