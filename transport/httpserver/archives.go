package httpserver

import (
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
)

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
	files, err := repository.Shelf.Archives(c.Context(), c.base())
	if err != nil {
		return nil, err
	}
	versions := map[string][]alpm.Package{}
	for _, p := range files {
		versions[p.Version] = append(versions[p.Version], p)
	}
	return describe(versions, record)
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

// getKey asks a keyserver.
func (s *Server) getKey(c *call, _ nothing) (api.PGPKey, error) {
	request := api.PGPRequest{Key: c.query.Get(api.QueryKey), Server: c.query.Get(api.QueryServer)}
	if err := request.Validate(); err != nil {
		return api.PGPKey{}, err
	}
	key, err := s.config.Key(c.Context(), request.Key, request.Server)
	return api.PGPKey{Key: key}, err
}
