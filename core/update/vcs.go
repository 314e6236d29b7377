package update

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
)

// vcsSuffixes end the names of packages that are built from the present state
// of a version control system (VCS package guidelines of Arch Linux).
func vcsSuffixes() []string {
	return []string{"-bzr", "-cvs", "-darcs", "-fossil", "-git", "-hg", "-svn"}
}

// pkgverFunction finds the function that tells a version from the sources.
var pkgverFunction = regexp.MustCompile(`(?m)^[ \t]*(function[ \t]+)?pkgver[ \t]*\([ \t]*\)`)

// isVCS says whether the version of a base is its upstream's to tell: by its
// name, or by the PKGBUILD that it was built from last.
func isVCS(base, text string) bool {
	return slices.ContainsFunc(vcsSuffixes(), func(suffix string) bool { return strings.HasSuffix(base, suffix) }) ||
		pkgverFunction.MatchString(text)
}

// newerUpstream looks upstream for a base that is no newer where its PKGBUILD
// comes from, and lays it out when its version would be newer than the
// published one. That runs its pkgver(), so that a plan leaves it. Nil: it is
// not newer, no VCS package, or was built or looked at less than VCSAge ago. An
// upstream that cannot be looked at is told, and the base left.
func (r *run) newerUpstream(ctx context.Context, p source.Package, have string) *due {
	if !r.request.VCS || have == "" || time.Since(lastBuilt(p)) < r.VCSAge {
		return nil
	}
	changes, err := r.Store.Changes(ctx, r.Repository.ID(), p.Base)
	if err == nil && (!isVCS(p.Base, changes.PKGBUILD) || r.lately(ctx, p.Base, have)) {
		return nil
	}
	if err == nil && (r.planning || r.Version == nil) {
		r.left(Omission{Base: p.Base, Version: have, Reason: "a VCS package, which only an update looks at upstream"})
		return nil
	}
	var d *due
	if err == nil {
		d, err = r.prepare(ctx, p, nil)
	}
	if err != nil {
		r.cannot(ctx, p, err)
		return nil
	}
	version, err := r.upstreamVersion(ctx, d)
	if err == nil {
		err = r.Store.SetUpstream(ctx, r.Repository.ID(), p.Base, version)
	}
	switch {
	case err != nil:
		r.unavailable(ctx, fmt.Errorf("looking upstream for %s: %w", p.Base, err))
	case alpm.Vercmp(version, have) > 0:
		d.pkg.Version, d.reason = version, fmt.Sprintf("newer upstream than the published %s", have)
		return r.unused(ctx, d, 0, have, true)
	}
	r.discard([]*due{d})
	return nil
}

// lately says whether the upstream of a base had nothing newer less than VCSAge
// ago. Who names bases wants them looked at now.
func (r *run) lately(ctx context.Context, base, have string) bool {
	if len(r.request.Bases) > 0 {
		return false
	}
	known, err := r.Store.Upstream(ctx, r.Repository.ID(), base)
	if err != nil {
		r.Logger.Warn("reading when an upstream was looked at", "error", err)
	}
	return err == nil && alpm.Vercmp(known.Version, have) <= 0 && time.Since(known.Looked) < r.VCSAge
}

// upstreamVersion returns the version that the base would have, built now.
func (r *run) upstreamVersion(ctx context.Context, d *due) (string, error) {
	text, err := os.ReadFile(filepath.Join(d.dir, "PKGBUILD"))
	if err != nil || !pkgverFunction.Match(text) {
		return d.pkg.Version, err
	}
	return r.Version(ctx, d.dir)
}

// lastBuilt is when the newest package of a base was built; zero: not known.
func lastBuilt(p source.Package) time.Time {
	var newest int64
	for _, properties := range p.Packages {
		newest = max(newest, properties.BuildDate)
	}
	return time.Unix(newest, 0)
}

// unavailable tells that a source could not be asked.
func (r *run) unavailable(ctx context.Context, err error) {
	if ctx.Err() == nil {
		r.note(func(o *Outcome) { o.Unavailable = append(o.Unavailable, err.Error()) })
		r.emit(Unavailable{Err: err})
	}
}
