package api

import (
	"maps"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/source"
)

// BuildStatus is the state of a package or of the service.
type BuildStatus string

// The states.
const (
	Unknown  BuildStatus = "unknown"
	Pending  BuildStatus = "pending"
	Building BuildStatus = "building"
	Failed   BuildStatus = "failed"
	Success  BuildStatus = "success"
)

// BuildStatuses returns all states in the order ahriman counts them.
func BuildStatuses() []BuildStatus {
	return []BuildStatus{Unknown, Pending, Building, Failed, Success}
}

// Validate refuses what is no state, with ErrBadRequest.
func (s BuildStatus) Validate() error {
	if slices.Contains(BuildStatuses(), s) {
		return nil
	}
	return Errorf(ErrBadRequest, "%q is not a status (use one of unknown, pending, building, failed, success)", string(s))
}

// Status is the "S" of the reference: a state and since when.
type Status struct {
	Status    BuildStatus `json:"status"`
	Timestamp int64       `json:"timestamp"` // unix seconds
	IsHeld    bool        `json:"is_held,omitempty"`
}

// Repository names a repository in a body.
type Repository struct {
	Architecture string `json:"architecture"`
	Repository   string `json:"repository"`
}

// RepositoryOf converts from the core's name.
func RepositoryOf(id alpm.RepositoryID) Repository {
	return Repository{Architecture: id.Architecture, Repository: id.Name}
}

// ID converts to the core's name.
func (r Repository) ID() alpm.RepositoryID {
	return alpm.RepositoryID{Name: r.Repository, Architecture: r.Architecture}
}

// Counts is how many packages are in which state.
type Counts struct {
	Total    int `json:"total"`
	Unknown  int `json:"unknown"`
	Pending  int `json:"pending"`
	Building int `json:"building"`
	Failed   int `json:"failed"`
	Success  int `json:"success"`
}

// Stats is the size of a repository.
type Stats struct {
	Bases         int   `json:"bases"`
	Packages      int   `json:"packages"`
	ArchiveSize   int64 `json:"archive_size"`   // bytes
	InstalledSize int64 `json:"installed_size"` // bytes
}

// ServiceStatus answers GET PathStatus.
type ServiceStatus struct {
	Status       Status `json:"status"`
	Architecture string `json:"architecture"`
	Packages     Counts `json:"packages"`
	Repository   string `json:"repository"`
	Stats        Stats  `json:"stats"`
	Version      string `json:"version"`
}

// StatusUpdate is the body of POST PathStatus.
type StatusUpdate struct {
	Status BuildStatus `json:"status"`
}

// Validate checks the state.
func (u StatusUpdate) Validate() error { return u.Status.Validate() }

// PackageEntry is an element of the answers of PathPackages and PathPackage.
type PackageEntry struct {
	Package    source.Package `json:"package"`
	Status     Status         `json:"status"`
	Repository Repository     `json:"repository"`
}

// PackageUpdate is the body of POST PathPackage. Without Package the base must
// be known already.
type PackageUpdate struct {
	Status  BuildStatus     `json:"status"`
	Package *source.Package `json:"package,omitempty"`
}

// Validate checks the state and that the package, if any, is a whole one.
func (u PackageUpdate) Validate() error {
	if err := u.Status.Validate(); err != nil {
		return err
	}
	if u.Package == nil {
		return nil
	}
	for _, name := range append(slices.Collect(maps.Keys(u.Package.Packages)), u.Package.Base) {
		if err := alpm.CheckName(name); err != nil { // updates look for it among directories
			return Errorf(ErrBadRequest, "package: %v", err)
		}
	}
	return required("package.version", u.Package.Version, "package.remote.source", string(u.Package.Origin.Source))
}

// Hold is the body of POST PathHold.
type Hold struct {
	IsHeld *bool `json:"is_held"`
}

// Validate checks that it is there: a body without it releases nothing.
func (h Hold) Validate() error {
	if h.IsHeld == nil {
		return Errorf(ErrBadRequest, "is_held is missing")
	}
	return nil
}

// Changes is what changed in a package's sources since the last build.
type Changes struct {
	LastCommitSHA string `json:"last_commit_sha,omitempty"`
	Changes       string `json:"changes,omitempty"`  // a diff
	PKGBUILD      string `json:"pkgbuild,omitempty"` // as it is now
}

// Dependencies are the paths a base's packages rest on, and the packages that
// own them.
type Dependencies struct {
	Paths map[string][]string `json:"paths"`
}

// required returns ErrBadRequest for the first value that is empty; arguments
// are pairs of name and value.
func required(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			return Errorf(ErrBadRequest, "%s is missing", pairs[i])
		}
	}
	return nil
}
