package httpserver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
)

// maxArchives bounds how many package files of one base are looked at.
const maxArchives = 1000

// getArchives lists the versions of a base that are kept, the oldest first.
func (s *Server) getArchives(c *call, _ nothing) ([]source.Package, error) {
	repository, err := s.repository(c)
	if err != nil {
		return nil, err
	}
	record, err := s.known(c, repository.ID)
	if err != nil || repository.Shelf == nil || alpm.CheckName(c.base()) != nil {
		return []source.Package{}, err
	}
	directory := filepath.Dir(repository.Shelf.PoolPath(c.base(), "any"))
	entries, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	versions := map[string][]alpm.Package{}
	for _, entry := range entries[:min(len(entries), maxArchives)] {
		p, ok := archiveOf(filepath.Join(directory, entry.Name()))
		fits := p.Base == c.base() && (p.Architecture == "any" || p.Architecture == repository.ID.Architecture)
		if ok && fits {
			versions[p.Version] = append(versions[p.Version], p)
		}
	}
	return describe(versions, record)
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

// describe makes one package of the files of each version, the oldest first.
func describe(versions map[string][]alpm.Package, record store.Record) ([]source.Package, error) {
	list := []source.Package{}
	for _, files := range versions {
		described, err := source.FromPackages(files, record.Package.Origin)
		if err != nil {
			return nil, err
		}
		list = append(list, described...)
	}
	slices.SortFunc(list, func(a, b source.Package) int { return alpm.Vercmp(a.Version, b.Version) })
	return list, nil
}

// search asks the AUR.
func (s *Server) search(c *call, _ nothing) ([]api.SearchResult, error) {
	terms := slices.DeleteFunc(slices.Clone(c.query[api.QueryFor]), func(term string) bool { return strings.TrimSpace(term) == "" })
	if len(terms) == 0 {
		return nil, api.Errorf(api.ErrBadRequest, "Key %s is missing or empty", api.QueryFor)
	}
	found, err := s.config.Search(c.Context(), terms)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, api.Errorf(api.ErrNotFound, "No packages found for terms: ['%s']", strings.Join(terms, "', '"))
	}
	return found, nil
}
