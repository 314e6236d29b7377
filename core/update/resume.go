package update

import (
	"context"
	"slices"

	"ahriman/core/store"
)

// resume reads what an earlier run gave to workers and did not live to see the
// end of. Its builds go on where they are; what it had begun to put into the
// waiting directory is whole there, or built again.
func (r *run) resume(ctx context.Context) (err error) {
	r.assigned, err = r.Store.Assignments(ctx, r.Repository.ID())
	return err
}

// underWay returns what a run had not yet, or never, put beside a batch that it
// was about to hand over. After its death the base is built again, or fetched
// from its worker.
func (r *run) underWay(b *batch) []string {
	a := r.assigned[b.base]
	if a.Version != b.version() {
		return nil
	}
	names := b.names()
	return slices.DeleteFunc(slices.Clone(a.Packages), func(name string) bool { return slices.Contains(names, name) })
}

// answered says whether a request was answered by a run that died before it
// could say so.
func (r *run) answered(q store.Request, published map[string]string) bool {
	a := r.assigned[q.Package.Base]
	return len(a.Packages) > 0 && a.Version == published[q.Package.Base] && q.ID != 0 && !q.Requested.After(a.Started)
}
