package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"unicode"

	"ahriman/core/source"
)

// Login is the body of POST PathLogin.
type Login struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// Validate checks that both are there.
func (l Login) Validate() error { return required("username", l.Username, "password", l.Password) }

// AddRequest is the body of POST PathAdd and PathRequest. Increment is true
// when a body does not say.
type AddRequest struct {
	Packages  []string       `json:"packages"`
	Patches   []source.Patch `json:"patches"`
	Packager  string         `json:"packager,omitempty"`
	Increment bool           `json:"increment"` // bump pkgrel when the version is published already
	Refresh   bool           `json:"refresh"`   // fetch pacman's databases first
}

// UnmarshalJSON sets the documented defaults first.
func (r *AddRequest) UnmarshalJSON(data []byte) error {
	type plain AddRequest
	p := plain{Increment: true}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*r = AddRequest(p)
	return nil
}

// MarshalJSON writes empty lists as such, never as null.
func (r AddRequest) MarshalJSON() ([]byte, error) {
	type plain AddRequest
	p := plain(r)
	p.Packages = append([]string{}, p.Packages...)
	p.Patches = append([]source.Patch{}, p.Patches...)
	return json.Marshal(p)
}

// Validate checks that there is a package, and that the patches can be applied.
func (r AddRequest) Validate() error {
	if err := needBases(r.Packages); err != nil {
		return err
	}
	for _, patch := range r.Patches {
		if err := patch.Validate(); err != nil {
			return Errorf(ErrBadRequest, "%v", err)
		}
	}
	return nil
}

// UpdateRequest is the body of POST PathUpdate. AUR, Local, Manual and
// Increment are true when a body does not say; NewUpdateRequest starts there.
type UpdateRequest struct {
	AUR       bool   // look for updates in the AUR
	Local     bool   // look for updates of local packages
	Manual    bool   // take what was requested and uploaded
	Increment bool   // bump pkgrel when the version is published already
	Refresh   bool   // fetch pacman's databases first
	Packager  string // empty: the configuration's
}

// NewUpdateRequest returns the documented defaults.
func NewUpdateRequest() UpdateRequest {
	return UpdateRequest{AUR: true, Local: true, Manual: true, Increment: true}
}

type updateBody struct {
	AUR       *bool   `json:"aur,omitempty"`
	Local     *bool   `json:"local,omitempty"`
	Manual    *bool   `json:"manual,omitempty"`
	Increment *bool   `json:"increment,omitempty"`
	Refresh   *bool   `json:"refresh,omitempty"`
	Packager  *string `json:"packager,omitempty"`
}

// MarshalJSON writes what a Python worker writes: aur, local and manual, and of
// the rest what differs from the defaults.
func (r UpdateRequest) MarshalJSON() ([]byte, error) {
	body := updateBody{AUR: &r.AUR, Local: &r.Local, Manual: &r.Manual}
	if !r.Increment {
		body.Increment = &r.Increment
	}
	if r.Refresh {
		body.Refresh = &r.Refresh
	}
	if r.Packager != "" {
		body.Packager = &r.Packager
	}
	return json.Marshal(body)
}

// UnmarshalJSON sets the documented defaults first.
func (r *UpdateRequest) UnmarshalJSON(data []byte) error {
	value := NewUpdateRequest()
	var body updateBody
	if err := json.Unmarshal(data, &body); err != nil {
		return err
	}
	for _, field := range []struct{ from, to *bool }{
		{body.AUR, &value.AUR},
		{body.Local, &value.Local},
		{body.Manual, &value.Manual},
		{body.Increment, &value.Increment},
		{body.Refresh, &value.Refresh},
	} {
		if field.from != nil {
			*field.to = *field.from
		}
	}
	if body.Packager != nil {
		value.Packager = *body.Packager
	}
	*r = value
	return nil
}

// BasesRequest is the body of POST PathRemove, and of PathRebuild, which uses
// the first: what depends on it is rebuilt.
type BasesRequest struct {
	Packages []string `json:"packages"`
}

// Validate checks that there is a package.
func (r BasesRequest) Validate() error { return needBases(r.Packages) }

// maxName is the length of what a package may be called, bytes.
const maxName = 255

func needBases(bases []string) error {
	if len(bases) == 0 {
		return Errorf(ErrBadRequest, "Key packages is missing or empty")
	}
	for _, base := range bases {
		if err := required("a package's name", base); err != nil {
			return err
		}
		// More than a name may be asked for, such as a URL; but never an option.
		if len(base) > maxName || base[0] == '-' || strings.ContainsFunc(base, unicode.IsControl) {
			return Errorf(ErrBadRequest, "%.50q is no package's name", base)
		}
	}
	return nil
}

// RollbackRequest is the body of POST PathRollback. Hold is true when a body
// does not say.
type RollbackRequest struct {
	Package string `json:"package"`
	Version string `json:"version"`
	Hold    bool   `json:"hold"` // keep the package at that version
}

// UnmarshalJSON sets the documented defaults first.
func (r *RollbackRequest) UnmarshalJSON(data []byte) error {
	type plain RollbackRequest
	p := plain{Hold: true}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*r = RollbackRequest(p)
	return nil
}

// Validate checks that both names are there.
func (r RollbackRequest) Validate() error {
	return required("package", r.Package, "version", r.Version)
}

// ProcessReply answers requests that begin a job.
type ProcessReply struct {
	ProcessID string `json:"process_id"`
}

// SearchResult is an element of PathSearch's answer.
type SearchResult struct {
	Package     string `json:"package"`
	Description string `json:"description"`
}

// PGPRequest is the body of POST PathPGP.
type PGPRequest struct {
	Key    string `json:"key"`
	Server string `json:"server"`
}

// Validate checks that both are there.
func (r PGPRequest) Validate() error { return required("key", r.Key, "server", r.Server) }

// PGPKey answers GET PathPGP.
type PGPKey struct {
	Key string `json:"key"` // armored
}

// ConfigEntry is an element of GET PathConfig's answer.
type ConfigEntry struct {
	Section string `json:"section"`
	Key     string `json:"key"`
	Value   string `json:"value"`
}

// Worker is an element of GET PathDistributed's answer and the body of its POST.
type Worker struct {
	Address    string `json:"address"`
	Identifier string `json:"identifier"`
}

// Validate checks that both are there, and that the address is one of HTTP and
// nothing else: the node that is told goes there by itself.
func (w Worker) Validate() error {
	if err := required("address", w.Address, "identifier", w.Identifier); err != nil {
		return err
	}
	for name, text := range map[string]string{"address": w.Address, "identifier": w.Identifier} {
		// People see both, and paste them into commands.
		if len(text) > maxWorker || strings.ContainsAny(text, "'\"`\\") || strings.ContainsFunc(text, unicode.IsControl) {
			return Errorf(ErrBadRequest, "%s %.50q has more than %d bytes, a quote, a backslash or a control character", name, text, maxWorker)
		}
	}
	address, err := url.Parse(w.Address)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Hostname() == "" ||
		address.User != nil || address.RawQuery != "" || address.Fragment != "" {
		return Errorf(ErrBadRequest, "address %.50q is not http:// or https:// with a host, without user and query", w.Address)
	}
	return nil
}

// maxWorker is how long a worker's address and identifier may be, bytes.
const maxWorker = 255
