package config

import (
	"strings"

	"ahriman/core/alpm"
)

// merged are the sections that are merged for a repository and architecture.
var merged = [...]string{"alpm", "build", "sign", "web"}

func isMerged(section string) bool {
	for _, name := range merged {
		if section == name {
			return true
		}
	}
	return false
}

// view is the configuration as one repository sees it.
type view struct {
	file *File
	id   alpm.RepositoryID
}

func (f *File) view(id alpm.RepositoryID) *view { return &view{file: f, id: id} }

// layers returns the sections in which an option of section is looked up, the
// most special first.
func (v *view) layers(section string) []string {
	if !isMerged(section) {
		return []string{section}
	}
	return v.special(section)
}

// special returns section:name:architecture, section:name,
// section:architecture, section.
func (v *view) special(section string) []string {
	var layers []string
	if v.id.Name != "" && v.id.Architecture != "" {
		layers = append(layers, section+":"+v.id.Name+":"+v.id.Architecture)
	}
	for _, part := range []string{v.id.Name, v.id.Architecture} {
		if part != "" {
			layers = append(layers, section+":"+part)
		}
	}
	return append(layers, section)
}

// lookup finds what sets the option, default included. The section [DEFAULT]
// stands below all others, as in every file of Python's configparser.
func (v *view) lookup(layers []string, key string) (*option, bool) {
	if layers[len(layers)-1] == "repository" {
		if o, ok := v.identity(key); ok {
			return o, true
		}
	}
	if o, ok := v.written(layers, key); ok {
		return o, true
	}
	if value, ok := v.file.schema.fallback(layers[len(layers)-1], key); ok {
		return &option{key: key, value: value}, true
	}
	return nil, false
}

// written is lookup without defaults.
func (v *view) written(layers []string, key string) (*option, bool) {
	for _, name := range layers {
		if s, ok := v.file.sections[name]; ok {
			if o, ok := s.options[key]; ok {
				return o, true
			}
		}
	}
	if s, ok := v.file.sections["DEFAULT"]; ok {
		if o, ok := s.options[key]; ok {
			return o, true
		}
	}
	return nil, false
}

// identity gives repository.name and repository.architecture, which are those
// of the view.
func (v *view) identity(key string) (*option, bool) {
	value := ""
	switch key {
	case "name":
		value = v.id.Name
	case "architecture":
		value = v.id.Architecture
	}
	if value == "" {
		return nil, false
	}
	return &option{key: key, value: strings.ReplaceAll(value, "$", "$$")}, true
}

// origin is the section in which the option is written, or the general one.
func (v *view) origin(layers []string, o *option) string {
	for _, name := range layers {
		if s, ok := v.file.sections[name]; ok && s.options[o.key] == o {
			return name
		}
	}
	return layers[len(layers)-1]
}

// text is the value of the option after interpolation.
func (v *view) text(layers []string, o *option) (string, error) {
	return (&expander{view: v}).expand(o, layers)
}

// exists tells whether any of the sections is there.
func (v *view) exists(layers []string) bool {
	for _, name := range layers {
		if _, ok := v.file.sections[name]; ok {
			return true
		}
	}
	return false
}
