package update

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// verify looks at the files a worker gave: that they are whole, what was asked
// for, and all of it.
func (d *due) verify(files []string, architecture string) ([]alpm.Info, error) {
	if len(files) == 0 {
		return nil, errors.New("the build gave no package")
	}
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	var infos []alpm.Info
	for _, path := range files {
		// This reads to the end; makepkg makes none without a .MTREE.
		archive, err := alpm.OpenArchive(path, alpm.ReadOptions{Check: true})
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		if len(archive.Mismatches) > 0 {
			return nil, fmt.Errorf("%s is not what its .MTREE says: %v", name, archive.Mismatches[0])
		}
		if err := archive.CheckFileName(); err != nil {
			return nil, err
		}
		if err := d.asked(archive.Info, architecture, pkgverFunction.MatchString(text)); err != nil {
			return nil, fmt.Errorf("%s is not what was asked for: %w", name, err)
		}
		infos = append(infos, archive.Info)
	}
	return infos, d.complete(infos)
}

// asked says whether a package is one of the base's; moving, whether the version
// is known only once it is built.
func (d *due) asked(info alpm.Info, architecture string, moving bool) error {
	switch {
	case info.Base != d.pkg.Base:
		return fmt.Errorf("it is a package of %s, not of %s", info.Base, d.pkg.Base)
	case !slices.Contains(d.relation.names, info.Name) && !isDebug(info.Name):
		return fmt.Errorf("%s makes no %s", d.pkg.Base, info.Name)
	case info.Architecture != architecture && info.Architecture != "any":
		return fmt.Errorf("it is for %s, not for %s", info.Architecture, architecture)
	case info.Version != d.pkg.Version && !moving:
		return fmt.Errorf("it is version %s, not %s", info.Version, d.pkg.Version)
	}
	return nil
}

func isDebug(name string) bool { return strings.HasSuffix(name, "-debug") }

// complete says whether all packages of the base are there, of one version.
func (d *due) complete(infos []alpm.Info) error {
	have := map[string]bool{}
	for _, info := range infos {
		have[info.Name] = true
		if info.Version != infos[0].Version {
			return fmt.Errorf("%s is version %s, and %s is %s", infos[0].Name, infos[0].Version, info.Name, info.Version)
		}
	}
	for _, name := range d.relation.names {
		if !have[name] {
			return fmt.Errorf("the build gave no package %s", name)
		}
	}
	return nil
}
