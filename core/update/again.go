package update

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/trigger"
)

// settle deals with a base whose version is there already and that nobody wants
// with a new release. What is published is delivered once more where the
// request says so; what left the repository comes back as it was, since its file
// names stand for those bytes.
func (r *run) settle(ctx context.Context, d *due, request int64, version, published string) {
	if published != "" && alpm.Vercmp(d.pkg.Version, published) <= 0 {
		r.leave(ctx, d, request, fmt.Sprintf("%s is published already", published))
		if r.request.Deliver && !r.planning {
			r.deliverAgain(ctx, d.pkg)
		}
		return
	}
	if r.planning {
		r.leave(ctx, d, request, fmt.Sprintf("%s is kept, and comes back as it is", version))
		return
	}
	if err := r.rollback(ctx, d.pkg.Base, version); err != nil {
		r.fail(d.pkg, fmt.Errorf("publishing the %s that is kept: %w", version, err))
	}
	r.leave(ctx, d, request, "")
}

// deliverAgain gives a base, as it is published, to the observers and triggers.
func (r *run) deliverAgain(ctx context.Context, p source.Package) {
	built, err := r.publishedAs(ctx, p)
	if err != nil {
		r.fail(p, err)
		return
	}
	r.emit(Published{Package: built.Package})
	r.deliver(ctx, trigger.Result{Built: []trigger.Built{built}})
}

// publishedAs returns a base as it is published, with its files.
func (r *run) publishedAs(ctx context.Context, p source.Package) (trigger.Built, error) {
	packages, err := r.Repository.Packages(ctx)
	if err != nil {
		return trigger.Built{}, err
	}
	own := slices.DeleteFunc(slices.Clone(packages), func(one alpm.Package) bool { return one.Base != p.Base })
	bases, err := source.FromPackages(own, p.Origin)
	if err != nil {
		return trigger.Built{}, err
	}
	if len(bases) == 0 {
		return trigger.Built{}, fmt.Errorf("%s is not published", p.Base)
	}
	built := trigger.Built{Package: bases[0]}
	for _, one := range own {
		built.Files = append(built.Files, filepath.Join(r.Repository.Published(), one.FileName))
	}
	return built, nil
}
