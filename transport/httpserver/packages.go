package httpserver

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
)

func entryOf(id alpm.RepositoryID, r store.Record) api.PackageEntry {
	return api.PackageEntry{
		Package:    r.Package,
		Status:     api.Status{Status: api.BuildStatus(r.Status), Timestamp: r.Changed, IsHeld: r.Held},
		Repository: api.RepositoryOf(id),
	}
}

func (s *Server) getPackages(c *call) (document, error) {
	r, err := s.repository(c)
	if err != nil {
		return document{}, err
	}
	paging, err := api.ParsePaging(c.query)
	if err != nil {
		return document{}, err
	}
	n, err := s.packages(c.Context(), r.ID)
	if err != nil {
		return document{}, err
	}
	if paging == api.All() {
		return n.all(), nil
	}
	body, err := json.Marshal(api.Page(n.entries, paging))
	return document{body: body, etag: etagOf(body)}, err
}

func (s *Server) refresh(c *call, id alpm.RepositoryID, _ nothing) (nothing, error) {
	return nothing{}, s.config.Refresh(c.Context(), id)
}

func (s *Server) getStatus(c *call, id alpm.RepositoryID, _ nothing) (api.ServiceStatus, error) {
	status, changed, err := s.config.Store.ServiceStatus(c.Context(), id)
	if err != nil {
		return api.ServiceStatus{}, err
	}
	if changed == 0 {
		changed = s.started.Unix()
	}
	n, err := s.packages(c.Context(), id)
	if err != nil {
		return api.ServiceStatus{}, err
	}
	return api.ServiceStatus{
		Status: api.Status{Status: api.BuildStatus(status), Timestamp: changed}, Architecture: id.Architecture,
		Packages: n.counts, Repository: id.Name, Stats: n.stats, Version: s.config.Version,
	}, nil
}

func (s *Server) postStatus(c *call, id alpm.RepositoryID, in api.StatusUpdate) (nothing, error) {
	return nothing{}, s.config.Store.SetServiceStatus(c.Context(), id, store.Status(in.Status))
}

func (s *Server) getPackage(c *call, id alpm.RepositoryID, _ nothing) ([]api.PackageEntry, error) {
	r, err := s.config.Store.Package(c.Context(), id, c.base())
	if err != nil {
		return nil, packageError(c.base(), err)
	}
	return []api.PackageEntry{entryOf(id, r)}, nil
}

func (s *Server) postPackage(c *call, id alpm.RepositoryID, in api.PackageUpdate) (nothing, error) {
	if in.Package != nil {
		if err := c.who.about(in.Package.Base); err != nil { // which need not be the path's
			return nothing{}, err
		}
		if err := s.unclaimed(c.Context(), id, c.who, slices.Collect(maps.Keys(in.Package.Packages))...); err != nil {
			return nothing{}, err
		}
		in.Package.Origin = in.Package.Origin.Portable() // updates here look where it says
		return nothing{}, s.config.Store.SetPackage(c.Context(), id, *in.Package, store.Status(in.Status))
	}
	err := s.config.Store.SetStatus(c.Context(), id, c.base(), store.Status(in.Status))
	if errors.Is(err, store.ErrUnknownPackage) {
		err = api.Errorf(api.ErrBadRequest, "Package %s is unknown, but no package body set", c.base())
	}
	return nothing{}, err
}

func (s *Server) deletePackage(c *call, id alpm.RepositoryID, _ nothing) (nothing, error) {
	return nothing{}, s.config.Store.RemovePackage(c.Context(), id, c.base())
}

func (s *Server) postHold(c *call, id alpm.RepositoryID, in api.Hold) (nothing, error) {
	return nothing{}, packageError(c.base(), s.config.Store.SetHeld(c.Context(), id, c.base(), *in.IsHeld))
}

// known returns ErrNotFound for a base that the repository does not have.
func (s *Server) known(c *call, id alpm.RepositoryID) (store.Record, error) {
	r, err := s.config.Store.Package(c.Context(), id, c.base())
	return r, packageError(c.base(), err)
}

func (s *Server) getChanges(c *call, id alpm.RepositoryID, _ nothing) (api.Changes, error) {
	if _, err := s.known(c, id); err != nil {
		return api.Changes{}, err
	}
	changes, err := s.config.Store.Changes(c.Context(), id, c.base())
	return api.Changes{LastCommitSHA: changes.LastCommit, Changes: changes.Changes, PKGBUILD: changes.PKGBUILD}, err
}

func (s *Server) postChanges(c *call, id alpm.RepositoryID, in api.Changes) (nothing, error) {
	changes := store.Changes{LastCommit: in.LastCommitSHA, Changes: in.Changes, PKGBUILD: in.PKGBUILD}
	return nothing{}, s.config.Store.SetChanges(c.Context(), id, c.base(), changes)
}

func (s *Server) getDependencies(c *call, id alpm.RepositoryID, _ nothing) (api.Dependencies, error) {
	if _, err := s.known(c, id); err != nil {
		return api.Dependencies{}, err
	}
	paths, err := s.config.Store.Dependencies(c.Context(), id, c.base())
	return api.Dependencies{Paths: paths}, err
}

func (s *Server) postDependencies(c *call, id alpm.RepositoryID, in api.Dependencies) (nothing, error) {
	return nothing{}, s.config.Store.SetDependencies(c.Context(), id, c.base(), in.Paths)
}

func (s *Server) getPatches(c *call, _ nothing) ([]source.Patch, error) {
	return s.config.Store.Patches(c.Context(), c.base())
}

func (s *Server) postPatch(c *call, in source.Patch) (nothing, error) {
	return nothing{}, s.config.Store.SetPatch(c.Context(), c.base(), in)
}

func (s *Server) getPatch(c *call, _ nothing) (source.Patch, error) {
	patch, err := s.config.Store.Patch(c.Context(), c.base(), c.PathValue("key"))
	if errors.Is(err, store.ErrUnknownPatch) {
		err = api.Errorf(api.ErrNotFound, "Patch %s is unknown", c.PathValue("key"))
	}
	return patch, err
}

func (s *Server) deletePatch(c *call, _ nothing) (nothing, error) {
	return nothing{}, s.config.Store.RemovePatch(c.Context(), c.base(), c.PathValue("key"))
}
