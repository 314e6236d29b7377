package update

import (
	"maps"
	"path/filepath"
	"slices"

	"ahriman/core/source"
	"ahriman/core/store"
)

// rebuilt returns what the request says to build again, by base. What has no
// source here, and what is held, is left.
func (r *run) rebuilt(records []store.Record, published map[string]string) []store.Record {
	want := r.request.Rebuild
	needing := dependents(records, want.DependsOn)
	var again []store.Record
	for _, record := range records {
		p := record.Package
		version, isPublished := published[p.Base]
		switch {
		case want.FromStore && want.Status != "" && record.Status != want.Status:
		case !want.FromStore && !isPublished:
		case len(want.DependsOn) > 0 && !needing[p.Base]:
		case record.Held:
			r.left(Omission{Base: p.Base, Version: version, Reason: "held"})
		case !r.hasSource(p):
			r.left(Omission{Base: p.Base, Version: version, Reason: "it was added as a package file: its source is not known"})
		default:
			again = append(again, record)
		}
	}
	return again
}

// hasSource says whether it is known where the PKGBUILD of a base is.
func (r *run) hasSource(p source.Package) bool {
	return !inCache(p.Origin) || p.Origin.Source == source.Local || source.HasPKGBUILD(filepath.Join(r.CacheDir, p.Base))
}

// dependents returns the bases that need one of the names.
func dependents(records []store.Record, names []string) map[string]bool {
	affected := map[string]bool{} // names without which something does not run
	for _, name := range names {
		affected[name] = true
	}
	needs := func(list []string) bool {
		return slices.ContainsFunc(list, func(name string) bool { return affected[name] })
	}
	found := map[string]bool{}
	for again := true; again; {
		again = false
		for _, record := range records {
			for name, p := range record.Package.Packages {
				if affected[name] || !needs(p.Depends) {
					continue
				}
				again, affected[name], found[record.Package.Base] = true, true, true
				for _, provided := range p.Provides {
					affected[provided] = true
				}
			}
		}
	}
	for _, record := range records {
		for p := range maps.Values(record.Package.Packages) {
			if needs(p.Depends) || needs(p.MakeDepends) || needs(p.CheckDepends) {
				found[record.Package.Base] = true
			}
		}
	}
	return found
}
