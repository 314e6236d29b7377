package alpm

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRelation is what ParseRelation's errors wrap.
var ErrRelation = errors.New("not a package relation")

// Relation is one dependency, provision, conflict or replacement, as
// alpm-package-relation(7) describes it: a name, perhaps with a comparison and
// a version. Sonames are relations too: "libx.so=1-64" is the name "libx.so"
// with the version "1-64", and "lib:libx.so.1" is a name alone.
type Relation struct {
	Name     string
	Operator string // "", "<", "<=", "=", ">=" or ">"
	Version  string // empty exactly where Operator is
	Reason   string // of an optional dependency: what follows ": "
}

// asciiSpace is what a shell takes for white space: makepkg knows no other.
const asciiSpace = " \t\n\v\f\r"

// ParseRelation reads "name", "name>=version" or, as optdepends has it,
// "name: reason". Spaces around the whole are dropped; any elsewhere, an empty
// name or an operator without a version give an error that wraps ErrRelation.
func ParseRelation(s string) (Relation, error) {
	var r Relation
	text := strings.Trim(s, asciiSpace)
	text, r.Reason, _ = strings.Cut(text, ": ")
	r.Reason = strings.Trim(r.Reason, asciiSpace)
	text = strings.TrimSuffix(text, ":") // "name:" is an empty reason
	r.Name = text
	if i := strings.IndexAny(text, "<>="); i >= 0 {
		n := 1
		if text[i] != '=' && i+1 < len(text) && text[i+1] == '=' {
			n = 2
		}
		r.Name, r.Operator, r.Version = text[:i], text[i:i+n], text[i+n:]
		if r.Version == "" {
			return Relation{}, fmt.Errorf("reading %q: %w: no version after %s", s, ErrRelation, r.Operator)
		}
	}
	if r.Name == "" || strings.HasSuffix(text, ":") {
		return Relation{}, fmt.Errorf("reading %q: %w: no name", s, ErrRelation)
	}
	if hasSpace(r.Name) || hasSpace(r.Version) {
		return Relation{}, fmt.Errorf("reading %q: %w: space or control character inside", s, ErrRelation)
	}
	return r, nil
}

// String returns the relation as it is written, with the reason where it has
// one.
func (r Relation) String() string {
	s := r.Name + r.Operator + r.Version
	if r.Reason != "" {
		s += ": " + r.Reason
	}
	return s
}

// SatisfiedBy reports whether a package of this name and version, which
// provides what provides lists, satisfies the relation, by libalpm's rules: a
// version without a release stands for any release; a provision without a
// version satisfies only a relation without one; a provision's operator is "=".
func (r Relation) SatisfiedBy(name, version string, provides []Relation) bool {
	if name == r.Name && r.admits(version) {
		return true
	}
	for _, p := range provides {
		if p.Name != r.Name {
			continue
		}
		if r.Operator == "" || p.Operator == "=" && r.admits(p.Version) {
			return true
		}
	}
	return false
}

// admits reports whether the version is within the relation's bounds.
func (r Relation) admits(version string) bool {
	if r.Operator == "" {
		return true
	}
	c := Vercmp(version, r.Version)
	switch r.Operator {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	default:
		return c > 0
	}
}

// hasSpace reports white space or control characters.
func hasSpace(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
