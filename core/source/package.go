// Package source knows where a PKGBUILD comes from (a directory, git, the AUR,
// an archive), fetches it, applies patches, and packs it for a worker.
package source

import (
	"encoding/json"
	"net/url"
)

// Kind is where a package comes from; the words are ahriman's.
type Kind string

// The kinds that remote.source may hold.
const (
	Auto       Kind = "auto"
	Archive    Kind = "archive"
	AUR        Kind = "aur"
	Directory  Kind = "directory"
	Local      Kind = "local"
	Remote     Kind = "remote"
	Repository Kind = "repository"
)

// Origin says where the PKGBUILD of a base is to be had.
type Origin struct {
	Source Kind   `json:"source"`
	GitURL string `json:"git_url,omitempty"`
	WebURL string `json:"web_url,omitempty"`
	Path   string `json:"path,omitempty"`
	Branch string `json:"branch,omitempty"`
}

// Portable returns the origin as another machine takes it: without an address
// that stands for files there, or for what its keys open.
func (o Origin) Portable() Origin {
	if o.GitURL != "" && !portable(o.GitURL) {
		return Origin{Source: o.Source}
	}
	return o
}

// portable says whether an address means the same on every machine, and holds
// no password, which everyone who may see the package would see.
func portable(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, secret := parsed.User.Password()
	return !secret && (parsed.Scheme == "https" || parsed.Scheme == "http" || parsed.Scheme == "git")
}

// Properties is one package of a base, as ahriman's API shows it. Relations
// are stored without their version constraint.
type Properties struct {
	Architecture  string   `json:"architecture,omitempty"`
	ArchiveSize   int64    `json:"archive_size,omitempty"`
	BuildDate     int64    `json:"build_date,omitempty"`
	Depends       []string `json:"depends"`
	MakeDepends   []string `json:"make_depends"`
	OptDepends    []string `json:"opt_depends"`
	CheckDepends  []string `json:"check_depends"`
	Description   string   `json:"description,omitempty"`
	FileName      string   `json:"filename,omitempty"`
	Groups        []string `json:"groups"`
	InstalledSize int64    `json:"installed_size,omitempty"`
	Licenses      []string `json:"licenses"`
	Provides      []string `json:"provides"`
	URL           string   `json:"url,omitempty"`
}

// MarshalJSON writes empty lists as such, never as null.
func (p Properties) MarshalJSON() ([]byte, error) {
	type plain Properties
	for _, list := range []*[]string{
		&p.Depends, &p.MakeDepends, &p.OptDepends, &p.CheckDepends, &p.Groups, &p.Licenses, &p.Provides,
	} {
		if *list == nil {
			*list = []string{}
		}
	}
	return json.Marshal(plain(p))
}

// Package is a package base: what a PKGBUILD builds. Its JSON is the "Package
// JSON (P)" of ahriman's HTTP API, and what the store keeps.
type Package struct {
	Base     string                `json:"base"`
	Version  string                `json:"version"`
	Origin   Origin                `json:"remote"`
	Packages map[string]Properties `json:"packages"`
	Packager string                `json:"packager,omitempty"`
}

// Patch changes a PKGBUILD before it is built: see "Patches" in the reference.
// A nil Key is a diff; Value is a string, or a list of strings for an array.
type Patch struct {
	Key   *string `json:"key,omitempty"`
	Value any     `json:"value"`
}
