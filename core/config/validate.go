package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	Error   Level = "error"   // it does not work, or not as it is written
	Warning Level = "warning" // it works, and is probably not what is wanted
)

// Finding is one thing that is wrong with a configuration.
type Finding struct {
	Level   Level  `json:"level"`
	File    string `json:"file,omitempty"` // Environment for a variable; empty for what is not written anywhere
	Line    int    `json:"line,omitempty"` // from 1
	Section string `json:"section"`        // as it is written: build:aur:x86_64
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
}

// String is "file:line: level: [section] key: message".
func (f Finding) String() string {
	text := place(f.File, f.Line) + string(f.Level) + ": [" + f.Section + "]"
	if f.Key != "" {
		text += " " + f.Key
	}
	return text + ": " + f.Message
}

// Validate finds what is wrong: unknown sections and options, values that do
// not parse or are out of range, targets and required options that are missing,
// paths that cannot be read, triggers that do not exist, combinations that do
// not do what they look like. It looks at every section, and at the settings of
// every repository. What it returns is sorted by file, in the order of reading,
// and line; empty when all is well.
func (f *File) Validate() []Finding {
	c := &checker{file: f, used: f.references()}
	c.targets = c.targeted()
	for _, name := range f.order {
		c.section(f.sections[name])
	}
	ids, err := f.Repositories()
	if err != nil {
		ids = []alpm.RepositoryID{{}}
	}
	for _, id := range ids {
		c.repository(id)
	}
	return c.sorted()
}

// checker collects findings.
type checker struct {
	file     *File
	used     map[string]bool   // "section:key" and "section" that references name
	targets  map[string]string // section named by a target: its type
	findings []Finding
}

func (c *checker) add(level Level, section string, o *option, message string) {
	finding := Finding{Level: level, Section: section, Message: message}
	if o != nil {
		finding.File, finding.Line, finding.Key = o.file, o.line, o.key
	} else if s, ok := c.file.sections[section]; ok {
		finding.File, finding.Line = s.file, s.line
	}
	c.findings = append(c.findings, finding)
}

func (c *checker) sorted() []Finding {
	order := map[string]int{Environment: len(c.file.files)}
	for i, path := range c.file.files {
		order[path] = i
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line),
			strings.Compare(a.Section, b.Section), strings.Compare(a.Key, b.Key), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(c.findings)
}

// references lists what values refer to as ${key} or ${section:key}: such
// options are there for others, whatever they are called.
func (f *File) references() map[string]bool {
	used := map[string]bool{}
	pattern := regexp.MustCompile(`\$\{([^}]+)\}`)
	for name, s := range f.sections {
		for _, o := range s.options {
			for _, match := range pattern.FindAllStringSubmatch(o.value, -1) {
				section, key := name, match[1]
				if at := strings.LastIndexByte(key, ':'); at >= 0 {
					section, key = key[:at], key[at+1:]
				}
				used[section] = true
				used[section+":"+strings.ToLower(key)] = true
			}
		}
	}
	return used
}

// targeted lists the sections that targets name, with their types, for all
// repositories.
func (c *checker) targeted() map[string]string {
	found := map[string]string{}
	v := c.file.view(alpm.RepositoryID{})
	for _, g := range c.file.schema.groups {
		names, _, err := v.targets(g)
		if err != nil {
			continue // For reports it
		}
		for _, name := range names {
			for section := range c.file.sections {
				if section != name && !strings.HasPrefix(section, name+":") {
					continue
				}
				kind, err := v.typeOf(g, section)
				if general, _, _ := strings.Cut(section, ":"); err == nil && kind == "" {
					kind, _ = v.typeOf(g, general)
				}
				found[section] = kind
			}
		}
	}
	return found
}

// schemaOf returns the options that a section may have.
func (c *checker) schemaOf(s *section) (general string, known []field, ok bool) {
	general, _, _ = strings.Cut(s.name, ":")
	if kind, targeted := c.targets[s.name]; targeted {
		return kind, append(slices.Clone(c.file.schema.sections[kind]), typeField()), true
	}
	if known, ok = c.file.schema.sections[general]; ok {
		if _, fixed := c.file.schema.fixed[general]; !fixed {
			known = append(slices.Clone(known), typeField())
		}
		return general, known, true
	}
	for _, g := range c.file.schema.groups {
		if g.name == general {
			return general, []field{{key: "target", effect: true, kind: reflect.TypeFor[[]string]()}, typeField()}, true
		}
	}
	if o, typed := s.options["type"]; typed {
		known, ok = c.file.schema.sections[o.value]
		return o.value, append(slices.Clone(known), typeField()), ok
	}
	return general, nil, false
}

func typeField() field { return field{key: "type", effect: true, kind: reflect.TypeFor[string]()} }

// section checks one section as it is written.
func (c *checker) section(s *section) {
	if s.name == "DEFAULT" {
		return
	}
	general, known, ok := c.schemaOf(s)
	if !ok {
		c.unknownSection(s, general)
		return
	}
	_, fixed := c.file.schema.fixed[general]
	if fixed && s.name != general && !isMerged(general) {
		c.add(Warning, s.name, nil, fmt.Sprintf("has no effect: only %s have sections for one repository or architecture; write [%s]",
			strings.Join(merged[:], ", "), general))
		return
	}
	for _, key := range s.keys {
		if o, set := s.options[key]; set {
			c.option(s, o, known)
		}
	}
}

func (c *checker) unknownSection(s *section, general string) {
	if c.used[s.name] {
		return
	}
	names := slices.Collect(maps.Keys(c.file.schema.sections))
	for _, g := range c.file.schema.groups {
		names = append(names, g.name)
	}
	slices.Sort(names)
	level := Error
	if s.file == Environment { // perhaps not meant for us
		level = Warning
	}
	c.add(level, s.name, nil, "no such section, and no target names it"+didYouMean(general, names))
}

// comment is what looks like one behind a value.
var comment = regexp.MustCompile(`\s[;#]\s.*$`)

// option checks one option by itself.
func (c *checker) option(s *section, o *option, known []field) {
	at := slices.IndexFunc(known, func(f field) bool {
		prefix, many := f.wildcard()
		return f.key == o.key || many && strings.HasPrefix(o.key, prefix) && o.key != prefix
	})
	if at < 0 {
		c.unknownOption(s, o, known)
		return
	}
	f := known[at]
	if at := comment.FindStringIndex(o.value); at != nil {
		c.add(Warning, s.name, o, fmt.Sprintf("%q is a part of the value: a comment has a line of its own", o.value[at[0]+1:]))
	}
	switch {
	case f.move != "":
		c.add(Warning, s.name, o, fmt.Sprintf("has no effect: nowadays it stands in [%s]", f.move))
		return
	case !f.effect:
		c.add(Warning, s.name, o, "has no effect yet")
		return
	}
	general, _, _ := strings.Cut(s.name, ":")
	layers := slices.Compact([]string{s.name, general})
	if _, many := f.wildcard(); many {
		f.kind = reflect.TypeFor[string]()
	}
	v := c.file.view(alpm.RepositoryID{})
	value := reflect.New(f.kind).Elem()
	if err := v.store(layers, f, o, value); err != nil {
		c.failed(err)
		return
	}
	c.content(s, o, f, value)
}

func (c *checker) unknownOption(s *section, o *option, known []field) {
	if c.used[s.name+":"+o.key] {
		return
	}
	var names []string
	for _, f := range known {
		names = append(names, f.key)
	}
	c.add(Error, s.name, o, "no such option"+didYouMean(o.key, names))
}

// failed turns errors of For into findings.
func (c *checker) failed(err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, part := range joined.Unwrap() {
			c.failed(part)
		}
		return
	}
	var value *ValueError
	if errors.As(err, &value) {
		c.findings = append(c.findings, Finding{Level: Error, File: value.File, Line: value.Line,
			Section: value.Section, Key: value.Key, Message: value.Err.Error()})
	}
}
