package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
)

// looking is how many sources are looked at at once: most of it is waiting for
// others, but a pkgver() may fetch a gigabyte.
const looking = 4

// looked lays out, of the bases that are wanted and not held, those whose source
// the request looks at and has something newer.
func (r *run) looked(ctx context.Context, published map[string]string, wanted func(source.Package) bool, records []store.Record) []*due {
	of := func(fits func(source.Origin) bool) []store.Record {
		return slices.DeleteFunc(slices.Clone(records), func(record store.Record) bool {
			return record.Held || !fits(record.Package.Origin) || !wanted(record.Package)
		})
	}
	newer := func(p source.Package) *due { return r.newer(ctx, p, published[p.Base]) }
	defer r.inOrder()()
	var found []*due
	if r.request.Local {
		found = look(ctx, of(func(o source.Origin) bool { return inCache(o) || o.Source == source.Local }), newer)
	}
	if r.request.AUR {
		found = append(found, look(ctx, of(func(o source.Origin) bool { return o.Source == source.Repository && o.GitURL != "" }), newer)...)
	}
	if r.request.AUR && r.AUR != nil {
		found = append(found, r.outdated(ctx, of(func(o source.Origin) bool { return o.Source == source.AUR }), published)...)
	}
	return found
}

// inOrder has what is noted until the function it returns is called stand in the
// outcome in an order that does not depend on who answered first.
func (r *run) inOrder() func() {
	var left, unavailable int
	r.note(func(o *Outcome) { left, unavailable = len(o.Unchanged), len(o.Unavailable) })
	return func() {
		r.note(func(o *Outcome) {
			slices.SortStableFunc(o.Unchanged[left:], func(a, b Omission) int { return strings.Compare(a.Base, b.Base) })
			slices.Sort(o.Unavailable[unavailable:])
		})
	}
}

// look calls newer for each package, a few at a time, and returns what is due in
// the order of the packages.
func look(ctx context.Context, records []store.Record, newer func(source.Package) *due) []*due {
	found := make([]*due, len(records))
	var wait sync.WaitGroup
	slots := make(chan struct{}, looking)
	for i, record := range records {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() == nil {
				found[i] = newer(record.Package)
			}
		})
	}
	wait.Wait()
	return slices.DeleteFunc(found, func(d *due) bool { return d == nil })
}

// newer lays out a base when its PKGBUILD, in cache/ or in git, or the upstream
// of a VCS package, is newer than what the repository has. Nil: it is not. What
// was never published is built when someone asks for it.
func (r *run) newer(ctx context.Context, p source.Package, have string) *due {
	if p.Origin.GitURL != "" {
		return r.newerInGit(ctx, p, have)
	}
	// What stands in cache/ is evaluated where it is: most of it is not newer.
	info, err := r.read(ctx, filepath.Join(r.CacheDir, p.Base))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its source is elsewhere, on a worker perhaps
	}
	if err != nil {
		r.cannot(ctx, p, err)
		return nil
	}
	if have == "" || alpm.Vercmp(info.Version(), have) <= 0 {
		return r.newerUpstream(ctx, p, have)
	}
	d, err := r.prepare(ctx, p, nil)
	if err != nil {
		r.cannot(ctx, p, err)
		return nil
	}
	d.reason = fmt.Sprintf("newer than the published %s", have)
	return r.unused(ctx, d, 0, have, true)
}

// newerInGit lays out a base whose PKGBUILD has a git repository of its own when
// that is not at the commit that was built last: by its version, or by a raised
// pkgrel where that stayed.
func (r *run) newerInGit(ctx context.Context, p source.Package, have string) *due {
	if have == "" {
		return nil
	}
	built, err := r.Store.Changes(ctx, r.Repository.ID(), p.Base)
	if err != nil {
		r.cannot(ctx, p, err)
		return nil
	}
	found, err := r.Sources.FromOrigin(p.Base, p.Origin)
	var now string
	if err == nil {
		now, err = r.Sources.Head(ctx, found)
	}
	if err != nil {
		r.unavailable(ctx, err)
		return nil
	}
	if now == built.LastCommit {
		return r.newerUpstream(ctx, p, have)
	}
	d, err := r.prepare(ctx, p, nil)
	if err != nil {
		r.cannot(ctx, p, err)
		return nil
	}
	if reason := r.versionNow(ctx, d, have); reason != "" {
		r.leave(ctx, d, 0, reason)
		return nil
	}
	order := alpm.Vercmp(d.pkg.Version, have)
	d.reason = fmt.Sprintf("its source has changed since %s was built", have)
	switch {
	case order > 0:
		d.reason = fmt.Sprintf("newer than the published %s", have)
	case built.LastCommit == "": // nobody knows what was built; the version alone tells
		r.discard([]*due{d})
		return nil
	case !sameUpstream(d.pkg.Version, have):
		r.leave(ctx, d, 0, fmt.Sprintf("older than the published %s", have))
		return nil
	}
	return r.unused(ctx, d, 0, have, true)
}

// versionNow gives a base whose PKGBUILD has changed the version that it would
// have, where its upstream tells that. It returns why it cannot be told.
func (r *run) versionNow(ctx context.Context, d *due, have string) (reason string) {
	text, err := d.text()
	if err != nil {
		return err.Error()
	}
	if !isVCS(d.pkg.Base, text) || alpm.Vercmp(d.pkg.Version, have) > 0 {
		return ""
	}
	if !r.request.VCS || r.planning || r.Version == nil {
		return "its source has changed; what version a VCS package has then, only an update with --vcs finds out"
	}
	if d.pkg.Version, err = r.upstreamVersion(ctx, d); err != nil {
		r.unavailable(ctx, fmt.Errorf("looking upstream for %s: %w", d.pkg.Base, err))
		return "its upstream does not answer"
	}
	return ""
}

// cannot says that a base could not be looked at, unless that is because the
// run is over.
func (r *run) cannot(ctx context.Context, p source.Package, err error) {
	if ctx.Err() == nil {
		r.fail(p, err)
	}
}
