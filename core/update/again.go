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
		switch {
		case r.planning:
		case r.request.Deliver:
			r.deliverAgain(ctx, d.pkg)
		default:
			r.learnOrigin(ctx, d.pkg)
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

// learnOrigin keeps where the source of a base is that was published without one:
// imported, or handed in as a file. Updates look there from then on.
func (r *run) learnOrigin(ctx context.Context, p source.Package) {
	record, err := r.Store.Package(ctx, r.Repository.ID(), p.Base)
	if err == nil && record.Package.Origin.Source == "" {
		record.Package.Origin = p.Origin
		err = r.Store.SetPackage(ctx, r.Repository.ID(), record.Package, record.Status)
	}
	if err != nil {
		r.Logger.Warn("keeping where the source is", "base", p.Base, "error", err)
	}
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
