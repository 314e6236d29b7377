package config

import (
	"maps"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// Option is one option as it is set, for people to look at.
type Option struct {
	Section string // build, although it may be written in build:x86_64
	Key     string
	Value   string // after interpolation
	File    string // where it is set; Environment; empty for the name and architecture asked for
	Line    int    // from 1; 0 where there is none
	Origin  string // the section in which it is written: build:x86_64
	Default bool   // not set: Value is what counts then
	Secret  bool   // Value must not be shown unless asked for
}

// Sections returns the names of the sections that one repository sees, in the
// order of their appearance. The parts of a merged section (build:x86_64) are
// not listed for themselves.
func (f *File) Sections(id alpm.RepositoryID) []string {
	v := f.view(id)
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range f.order {
		general, _, special := strings.Cut(name, ":")
		switch {
		case name == "DEFAULT":
		case !special || !isMerged(general):
			add(name)
		case slices.Contains(v.special(general), name):
			add(general)
		}
	}
	if id.Name != "" || id.Architecture != "" {
		add("repository")
	}
	return names
}

// Options returns what is set in a section, merged for the repository, in the
// order of the first appearance; without defaults. A section that is not there
// has none. The error is a *ValueError for references that loop.
func (f *File) Options(id alpm.RepositoryID, section string) ([]Option, error) {
	v := f.view(id)
	layers := v.layers(section)
	var keys []string
	for _, name := range slices.Backward(layers) {
		if s, ok := f.sections[name]; ok {
			keys = append(keys, s.keys...)
		}
	}
	if section == "repository" {
		keys = append(keys, "name", "architecture")
	}
	if s, ok := f.sections["DEFAULT"]; ok && len(keys) > 0 {
		keys = append(keys, s.keys...)
	}
	var options []Option
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		o, ok := v.shown(layers, key)
		if !ok {
			continue
		}
		value, err := v.text(layers, o)
		if err != nil {
			return nil, v.fail(layers, o, err)
		}
		options = append(options, Option{Section: section, Key: key, Value: value, File: o.file, Line: o.line,
			Origin: v.origin(layers, o), Secret: f.Secret(section, key)})
	}
	return options, nil
}

// Defaults returns the options of a section that are not set and have a default,
// in the order of their documentation.
func (f *File) Defaults(id alpm.RepositoryID, section string) ([]Option, error) {
	v := f.view(id)
	layers := v.layers(section)
	general, _, _ := strings.Cut(section, ":")
	var options []Option
	for _, known := range f.schema.sections[general] {
		if _, set := v.shown(layers, known.key); set || known.fallback == "" || !known.effect {
			continue
		}
		o := &option{key: known.key, value: known.fallback}
		value, err := v.text(layers, o)
		if err != nil {
			return nil, v.fail(layers, o, err)
		}
		options = append(options, Option{Section: section, Key: known.key, Value: value, Origin: section,
			Default: true, Secret: known.secret})
	}
	return options, nil
}

// Known lists the sections that have options of their own: those that are in
// the files, and the documented ones besides.
func (f *File) Known(id alpm.RepositoryID) []string {
	names := f.Sections(id)
	for _, name := range slices.Sorted(maps.Keys(f.schema.fixed)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// shown is lookup without defaults.
func (v *view) shown(layers []string, key string) (*option, bool) {
	if layers[len(layers)-1] == "repository" {
		if o, ok := v.identity(key); ok {
			return o, true
		}
	}
	return v.written(layers, key)
}
