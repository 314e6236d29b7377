package update

import (
	"context"
	"fmt"
	"time"

	"ahriman/core/alpm"
)

// Arrived returns the newest version of a base that was handed in or is
// published; empty: there is none. A worker that uploads by itself is watched by
// it: see build.Result.Delivered.
func (f *Flow) Arrived(ctx context.Context, base string) (string, error) {
	b, err := f.newRun(ctx, Request{}).newest(ctx, &batch{base: base})
	if b == nil || err != nil {
		return "", err
	}
	return b.version(), nil
}

// arrived returns what a worker delivered by itself of the batch's base.
func (r *run) arrived(ctx context.Context, b *batch) (*batch, error) {
	found, err := r.newest(ctx, b)
	if found == nil && err == nil {
		err = fmt.Errorf("what the worker delivered of %s is not here", b.base)
	}
	return found, err
}

// newest returns the newest package files of a base, those that wait or those
// that are published. Nil: there are none.
func (r *run) newest(ctx context.Context, b *batch) (*batch, error) {
	// What waits first: it does not go back there once it is published.
	waiting, err := r.readWaiting(func(string, error) {})
	if err != nil {
		return nil, err
	}
	published, err := r.publishedBatch(ctx, b)
	if err != nil {
		return nil, err
	}
	versions := waiting[b.base]
	if len(versions) == 0 || published != nil && alpm.Vercmp(published.version(), versions[0].version()) >= 0 {
		return published, nil
	}
	versions[0].origin = b.origin
	return versions[0], nil
}

// publishedBatch returns a base as it is published; nil: it is not.
func (r *run) publishedBatch(ctx context.Context, b *batch) (*batch, error) {
	packages, err := r.Repository.Packages(ctx)
	if err != nil {
		return nil, err
	}
	var found *batch
	for _, p := range packages {
		if p.Base != b.base {
			continue
		}
		if found == nil {
			found = &batch{base: b.base, origin: b.origin, known: true}
		}
		if err := found.add(r.Repository.PoolPath(p.Base, p.FileName), p.Info); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// publicationTime is how long the publication of another run may take.
const publicationTime = time.Minute

// awaited waits for a batch that another run publishes, and returns it as it is
// then.
func (r *run) awaited(ctx context.Context, b *batch) (*batch, error) {
	ctx, cancel := context.WithTimeout(ctx, publicationTime)
	defer cancel()
	for {
		found, err := r.publishedBatch(ctx, b)
		if err != nil || found != nil && alpm.Vercmp(found.version(), b.version()) >= 0 {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the files of %s %s are gone, and it is not published", b.base, b.version())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
