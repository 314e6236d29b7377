package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// maxArchives bounds how many package files of one base are looked at.
const maxArchives = 1000

// Archives returns the package files of a base that are kept for this
// repository, the oldest version first, by name within one. Each has what
// .PKGINFO says, FileName and CompressedSize; PoolPath says where it is. Files
// that are no packages are passed over.
func (r *Repository) Archives(ctx context.Context, base string) ([]alpm.Package, error) {
	if err := alpm.CheckName(base); err != nil {
		return nil, fmt.Errorf("listing archives of %s: %w", base, err)
	}
	directory := filepath.Dir(r.PoolPath(base, "any"))
	entries, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing archives of %s: %w", base, err)
	}
	packages := []alpm.Package{}
	for _, entry := range entries[:min(len(entries), maxArchives)] {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, ok := archiveOf(filepath.Join(directory, entry.Name()))
		fits := p.Base == base && (p.Architecture == "any" || p.Architecture == r.options.ID.Architecture)
		if ok && fits {
			packages = append(packages, p)
		}
	}
	slices.SortStableFunc(packages, func(a, b alpm.Package) int { return alpm.Vercmp(a.Version, b.Version) })
	return packages, nil
}

// archiveOf reads what a package file says of itself; false for other files.
func archiveOf(path string) (alpm.Package, bool) {
	name := filepath.Base(path)
	if _, _, _, _, err := alpm.ParseFileName(name); err != nil || strings.HasPrefix(name, ".") {
		return alpm.Package{}, false
	}
	stat, err := os.Stat(path)
	if err != nil {
		return alpm.Package{}, false
	}
	info, err := alpm.ReadInfo(path)
	return alpm.Package{Info: info, FileName: name, CompressedSize: stat.Size()}, err == nil
}
