package pkgbuild

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// Field is one attribute of a section with its values in order. An attribute
// that is present without a value (an override that empties it) has the single
// value "", as its line in the file has.
type Field struct {
	Key    string // pkgdesc, depends, depends_x86_64, …
	Values []string
}

// Package is the section of one pkgname. It holds only what differs from the
// base: a key that is present replaces the base's key whole.
type Package struct {
	Name   string
	Fields []Field
}

// Srcinfo is the metadata of one package base, as a .SRCINFO file holds it:
// the fields of the base and one section a package, in the file's order.
// The zero value is empty and no valid file.
type Srcinfo struct {
	// Preamble is what the PKGBUILD itself printed while it was read, which
	// makepkg lets through before the metadata; empty for all sane ones.
	Preamble string
	Base     string
	Fields   []Field
	Packages []Package
}

// Source is one entry of the source array that counts for an architecture.
type Source struct {
	Entry string // as written: [name::]url, or the name of a local file
	// Sums maps an algorithm (ck, md5, sha1, sha224, sha256, sha384, sha512,
	// b2) to the checksum at the entry's place, "SKIP" included.
	Sums map[string]string
}

// Sums names the checksum arrays without their "sums" suffix, in makepkg's order.
var sumNames = []string{"ck", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "b2"}

// Get returns the non-empty values of a key of the base, nil without the key.
func (s *Srcinfo) Get(key string) []string {
	values, _ := lookup(s.Fields, key)
	return values
}

// Value returns the first value of a key of the base, or "".
func (s *Srcinfo) Value(key string) string {
	return first(s.Get(key))
}

// Version returns the full version, [epoch:]pkgver-pkgrel; an epoch of 0 is
// left out, as pacman does.
func (s *Srcinfo) Version() string {
	version := s.Value("pkgver") + "-" + s.Value("pkgrel")
	if epoch := strings.TrimLeft(s.Value("epoch"), "0"); epoch != "" {
		version = epoch + ":" + version
	}
	return version
}

// Names returns the pkgname of each package in order.
func (s *Srcinfo) Names() []string {
	names := make([]string, len(s.Packages))
	for i := range s.Packages {
		names[i] = s.Packages[i].Name
	}
	return names
}

// Architectures returns the arch array of the base.
func (s *Srcinfo) Architectures() []string { return s.Get("arch") }

// Sources returns the source entries that count on an architecture: source,
// then source_ARCH, each with its checksums.
func (s *Srcinfo) Sources(arch string) []Source {
	sources := s.sources("")
	if arch != "" && arch != "any" {
		sources = append(sources, s.sources("_"+arch)...)
	}
	return sources
}

func (s *Srcinfo) sources(suffix string) []Source {
	var sources []Source
	for i, entry := range rawValues(s.Fields, "source"+suffix) {
		source := Source{Entry: entry, Sums: map[string]string{}}
		for _, name := range sumNames {
			if sums := rawValues(s.Fields, name+"sums"+suffix); i < len(sums) {
				source.Sums[name] = sums[i]
			}
		}
		sources = append(sources, source)
	}
	return sources
}

// ForArch returns the packages that the base builds on an architecture, with
// overrides applied and the values of key_ARCH appended to those of key.
// Packages whose arch names neither arch nor "any" are left out. The
// Architecture of each is "any" or arch; sizes, dates and the packager are
// zero, since only a build knows them. The slices are the caller's own.
func (s *Srcinfo) ForArch(arch string) []alpm.Info {
	var infos []alpm.Info
	for i := range s.Packages {
		pkg := &s.Packages[i]
		effective := s.effectiveArch(pkg, arch)
		if effective == "" {
			continue
		}
		list := func(key string) []string { return s.merged(pkg, key, arch) }
		one := func(key string) string { return first(s.override(pkg, key)) }
		infos = append(infos, alpm.Info{
			Name: pkg.Name, Base: s.Base, Version: s.Version(),
			Description: one("pkgdesc"), URL: one("url"), Architecture: effective,
			Licenses: list("license"), Replaces: list("replaces"), Groups: list("groups"),
			Conflicts: list("conflicts"), Provides: list("provides"), Backup: list("backup"),
			Depends: list("depends"), OptDepends: list("optdepends"),
			MakeDepends: list("makedepends"), CheckDepends: list("checkdepends"),
		})
	}
	return infos
}

// effectiveArch returns the architecture pkg gets when built on arch, "" when
// it is not built there.
func (s *Srcinfo) effectiveArch(pkg *Package, arch string) string {
	names := s.override(pkg, "arch")
	switch {
	case slices.Contains(names, "any"):
		return "any"
	case slices.Contains(names, arch):
		return arch
	}
	return ""
}

// override returns the values of a key for one package: its own when it has
// the key, or else the base's.
func (s *Srcinfo) override(pkg *Package, key string) []string {
	if values, ok := lookup(pkg.Fields, key); ok {
		return values
	}
	return s.Get(key)
}

func (s *Srcinfo) merged(pkg *Package, key, arch string) []string {
	values := slices.Clone(s.override(pkg, key))
	if arch == "" || arch == "any" {
		return values
	}
	return append(values, s.override(pkg, key+"_"+arch)...)
}

// lookup returns the non-empty values of key, and whether the key is there.
func lookup(fields []Field, key string) (values []string, ok bool) {
	for _, field := range fields {
		if field.Key == key {
			ok = true
			for _, value := range field.Values {
				if value != "" {
					values = append(values, value)
				}
			}
		}
	}
	return values, ok
}

func rawValues(fields []Field, key string) []string {
	for _, field := range fields {
		if field.Key == key {
			return field.Values
		}
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// WriteTo writes the file as `makepkg --printsrcinfo` prints it, the preamble
// included. It implements
// [io.WriterTo].
func (s *Srcinfo) WriteTo(w io.Writer) (int64, error) {
	var buf bytes.Buffer
	buf.WriteString(s.Preamble)
	writeSection(&buf, "pkgbase", s.Base, s.Fields)
	for _, pkg := range s.Packages {
		buf.WriteByte('\n')
		writeSection(&buf, "pkgname", pkg.Name, pkg.Fields)
	}
	return buf.WriteTo(w)
}

func writeSection(buf *bytes.Buffer, kind, name string, fields []Field) {
	buf.WriteString(kind + " = " + name + "\n")
	for _, field := range fields {
		if len(field.Values) == 0 {
			buf.WriteString("\t" + field.Key + " = \n")
		}
		for _, value := range field.Values {
			buf.WriteString("\t" + field.Key + " = " + value + "\n")
		}
	}
}
