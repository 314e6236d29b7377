package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/pkgbuild"
)

// FromSrcinfo describes the base of a PKGBUILD for an architecture. Sizes,
// dates and file names are unknown until it is built.
func FromSrcinfo(info *pkgbuild.Srcinfo, architecture string, origin Origin) Package {
	p := Package{Base: info.Base, Version: info.Version(), Origin: origin, Packages: map[string]Properties{}}
	for _, one := range info.ForArch(architecture) {
		p.Packages[one.Name] = properties(one)
	}
	return p
}

// FromPackages groups package files by their base, and describes each base;
// they come sorted by base. Two versions of one base are an error.
func FromPackages(packages []alpm.Package, origin Origin) ([]Package, error) {
	bases := map[string]*Package{}
	for i := range packages {
		one := &packages[i]
		base := one.Base
		if base == "" {
			base = one.Name
		}
		p, ok := bases[base]
		if !ok {
			p = &Package{Base: base, Version: one.Version, Origin: origin, Packages: map[string]Properties{}, Packager: one.Packager}
			bases[base] = p
		}
		if p.Version != one.Version {
			return nil, fmt.Errorf("describing %s: %w: %s and %s", base, ErrVersions, p.Version, one.Version)
		}
		described := properties(one.Info)
		described.ArchiveSize, described.FileName = one.CompressedSize, one.FileName
		p.Packages[one.Name] = described
	}
	list := make([]Package, 0, len(bases))
	for _, p := range bases {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Base, b.Base) })
	return list, nil
}

// ErrVersions says that packages of one base are of different versions.
var ErrVersions = errors.New("versions differ")

// properties describes one package. Relations lose their constraint.
func properties(info alpm.Info) Properties {
	return Properties{
		Architecture: info.Architecture, BuildDate: info.BuildDate, Description: info.Description,
		Depends: names(info.Depends), MakeDepends: names(info.MakeDepends), CheckDepends: names(info.CheckDepends),
		OptDepends: names(info.OptDepends), Provides: names(info.Provides),
		Groups: list(info.Groups), Licenses: list(info.Licenses), InstalledSize: info.Size, URL: info.URL,
	}
}

// names cuts the constraint off each relation and, of optional ones, the
// reason; each name stands once.
func names(relations []string) []string {
	found := make([]string, 0, len(relations))
	for _, relation := range relations {
		name := strings.TrimSpace(relation)
		if before, _, ok := strings.Cut(name, ": "); ok {
			name = before
		}
		if i := strings.IndexAny(name, "<>="); i >= 0 {
			name = name[:i]
		}
		if name = strings.TrimSuffix(name, ":"); name != "" && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// list returns a list that is never nil, as JSON wants it.
func list(values []string) []string { return append([]string{}, values...) }
