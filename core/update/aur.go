package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
)

// AUR knows what the AUR has; *source.Fetcher does.
type AUR interface {
	// Info returns the packages of these names that exist. Its error names the
	// AUR's address.
	Info(ctx context.Context, names ...string) ([]source.AURPackage, error)
}

// maxNeeded bounds how many bases a run adds because others need them.
const maxNeeded = 1000

// outdated lays out the bases that are newer in the AUR than in the repository.
// An AUR that does not answer is told once, and none is.
func (r *run) outdated(ctx context.Context, records []store.Record, published map[string]string) []*due {
	var names []string
	for _, record := range records {
		names = append(names, namesOf(record.Package)...)
	}
	there, ok := r.ask(ctx, names)
	if !ok {
		return nil
	}
	return look(ctx, records, func(p source.Package) *due { return r.newerInAUR(ctx, p, there, published[p.Base]) })
}

// namesOf returns the packages of a base, by which the AUR is asked for it.
func namesOf(p source.Package) []string {
	if len(p.Packages) == 0 {
		return []string{p.Base}
	}
	return slices.Sorted(maps.Keys(p.Packages))
}

// inAUR is what the AUR has of what it was asked for.
type inAUR struct {
	bases map[string]source.AURPackage // one package of each base
	of    map[string]string            // base by package
}

// ask asks the AUR for packages. Not ok: it could not be asked, which has been
// told.
func (r *run) ask(ctx context.Context, names []string) (there inAUR, ok bool) {
	there = inAUR{bases: map[string]source.AURPackage{}, of: map[string]string{}}
	if len(names) == 0 {
		return there, true
	}
	packages, err := r.AUR.Info(ctx, names...)
	if err != nil {
		r.unavailable(ctx, err)
		return there, false
	}
	for _, p := range packages {
		there.bases[p.Base], there.of[p.Name] = p, p.Base
	}
	return there, true
}

// gone says what became of a base that the AUR does not have.
func (there inAUR) gone(p source.Package) string {
	for _, name := range namesOf(p) {
		if base := there.of[name]; base != "" {
			return fmt.Sprintf("the AUR builds %s from %s now: package-add %s, and package-remove %s", name, base, base, p.Base)
		}
	}
	return "the AUR does not have it any more"
}

// newerInAUR lays out a base when the AUR, or the upstream of a VCS package, has
// a newer version than the repository. Nil: it has not, or that is younger than
// MinAge.
func (r *run) newerInAUR(ctx context.Context, p source.Package, aur inAUR, have string) *due {
	there, ok := aur.bases[p.Base]
	if !ok {
		r.left(Omission{Base: p.Base, Version: have, Reason: aur.gone(p)})
		return nil
	}
	if have != "" && alpm.Vercmp(there.Version, have) <= 0 {
		return r.newerUpstream(ctx, p, have)
	}
	if age := time.Since(time.Unix(there.LastModified, 0)); age < r.MinAge {
		r.left(Omission{Base: p.Base, Version: there.Version, Reason: fmt.Sprintf("changed %v ago, less than build.min_age", age.Round(time.Second))})
		return nil
	}
	d, err := r.prepare(ctx, p, nil)
	if err != nil {
		r.cannot(ctx, p, err)
		return nil
	}
	if have != "" && alpm.Vercmp(d.pkg.Version, have) <= 0 { // patched, or not what the AUR says it is
		r.discard([]*due{d})
		return nil
	}
	d.reason = "in the AUR, never published"
	if have != "" {
		d.reason = fmt.Sprintf("newer in the AUR than the published %s", have)
	}
	return r.unused(ctx, d, 0, have, true)
}

// needed lays out the bases of the AUR that the dues need, directly or through
// one another, and that neither the supplies nor the distribution have. Where no
// database of the distribution is at hand, as on another one, that is done for
// dues of the AUR alone: of others, all that they need would be asked for.
func (r *run) needed(ctx context.Context, all []*due) ([]*due, error) {
	if len(all) == 0 {
		return nil, nil
	}
	have, distribution, err := r.offered(ctx)
	if err != nil {
		return nil, err
	}
	dues := slices.DeleteFunc(slices.Clone(all), func(d *due) bool { return !distribution && d.pkg.Origin.Source != source.AUR })
	taken := map[string]bool{}
	for _, d := range all {
		taken[d.pkg.Base] = true
		d.offer(have)
	}
	var added []*due
	for next := dues; len(next) > 0; {
		wanted := missing(next, have)
		there, _ := r.ask(ctx, slices.Sorted(maps.Keys(wanted)))
		for name := range wanted {
			have[name] = true // asked once
		}
		next = nil
		for _, base := range slices.Sorted(maps.Keys(there.bases)) {
			if taken[base] || slices.Contains(r.Ignore, base) {
				continue
			}
			taken[base] = true
			if len(added) == maxNeeded {
				return added, fmt.Errorf("more than %d bases of the AUR are needed", maxNeeded)
			}
			if d := r.needs(ctx, base, wanted[there.bases[base].Name]); d != nil {
				d.offer(have)
				next, added = append(next, d), append(added, d)
			}
		}
	}
	return added, nil
}

// needs lays out one base of the AUR that another needs.
func (r *run) needs(ctx context.Context, base string, by *due) *due {
	p := source.Package{Base: base, Origin: source.Origin{Source: source.AUR}, Packager: by.pkg.Packager}
	record, err := r.Store.Package(ctx, r.Repository.ID(), base)
	if err == nil && record.Held {
		return nil
	}
	if found, err := r.Sources.FromOrigin(base, p.Origin); err == nil {
		p.Origin = found.Origin
	}
	d, err := r.prepare(ctx, p, nil)
	if err != nil {
		r.fail(p, err)
		return nil
	}
	d.reason, d.packager = "needed by "+by.pkg.Base, by.packager
	return r.unused(ctx, d, 0, r.seen[base], true)
}

// missing returns the names that the dues need and nobody has, each with the
// first due that needs it.
func missing(dues []*due, have map[string]bool) map[string]*due {
	wanted := map[string]*due{}
	for _, d := range dues {
		for _, text := range d.relation.all() {
			relation, err := alpm.ParseRelation(text)
			if err == nil && !have[relation.Name] && wanted[relation.Name] == nil {
				wanted[relation.Name] = d
			}
		}
	}
	return wanted
}

// offer adds what the base will build.
func (d *due) offer(have map[string]bool) {
	offer(have, d.relation.names, d.relation.provides)
}

func offer(have map[string]bool, names, provides []string) {
	for _, name := range names {
		have[name] = true
	}
	for _, text := range provides {
		if relation, err := alpm.ParseRelation(text); err == nil {
			have[relation.Name] = true
		}
	}
}

// offered returns the names that the supplies and the distribution have, and
// whether any database of the distribution is there.
func (r *run) offered(ctx context.Context) (have map[string]bool, distribution bool, err error) {
	have = map[string]bool{}
	for _, supply := range append([]Supply{own{r.Repository}}, r.Supplies...) {
		packages, err := supply.Packages(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("reading packages to build with: %w", err)
		}
		for i := range packages {
			offer(have, []string{packages[i].Name}, packages[i].Provides)
		}
	}
	for _, path := range r.databases() {
		packages, err := readDatabase(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // pacman has not fetched it here; the AUR knows no such names
		}
		if err != nil {
			return nil, false, fmt.Errorf("reading %s: %w", path, err)
		}
		distribution = true
		for i := range packages {
			offer(have, []string{packages[i].Name}, packages[i].Provides)
		}
	}
	return have, distribution, nil
}

// databases are the paths of the distribution's databases.
func (r *run) databases() []string {
	if r.Databases == nil {
		return nil
	}
	return r.Databases()
}

// refresh fetches the distribution's databases. The run goes on with those that
// are there when that fails, which is told as a warning.
func (r *run) refresh(ctx context.Context) {
	if r.Refresh == nil {
		return
	}
	if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
		r.Logger.Warn("refreshing the distribution's databases", "error", err)
		r.outcome.Warnings = append(r.outcome.Warnings, err.Error())
	}
}

func readDatabase(path string) ([]alpm.Package, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return alpm.ReadDatabase(file)
}
