package config

import (
	"reflect"
	"strconv"
	"strings"
)

// field is the schema of one option, read from the tags in settings.go.
type field struct {
	index    int
	key      string // "key_*" for all that begin with "key_"
	fallback string // default, before interpolation
	as       string
	schemes  []string
	min, max *float64
	one      []string
	later    []string // words of ahriman's that do not exist here
	secret   bool
	required bool
	effect   bool // false: nothing reads it yet
	move     string
	kind     reflect.Type
}

// wildcard returns the prefix of a field that takes many options.
func (f field) wildcard() (string, bool) { return strings.CutSuffix(f.key, "*") }

// fields reads the schema of a struct.
func fields(of reflect.Type) []field {
	var list []field
	for i := range of.NumField() {
		tag := of.Field(i).Tag
		key, ok := tag.Lookup("ini")
		if !ok {
			continue
		}
		f := field{
			index:    i,
			key:      key,
			fallback: tag.Get("default"),
			as:       tag.Get("as"),
			schemes:  strings.Fields(tag.Get("schemes")),
			min:      number(tag.Get("min")),
			max:      number(tag.Get("max")),
			one:      strings.Fields(tag.Get("one")),
			later:    strings.Fields(tag.Get("later")),
			secret:   tag.Get("secret") == "yes",
			required: tag.Get("required") == "yes",
			effect:   tag.Get("effect") != "none",
			move:     tag.Get("move"),
			kind:     of.Field(i).Type,
		}
		list = append(list, f)
	}
	return list
}

func number(text string) *float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return &n
}

// group is a section whose option target names further sections.
type group struct {
	index    int // of the field in Settings
	name     string
	targets  string             // default of its option target
	fallback string             // type of a section that does not say
	types    map[string]int     // type to field in the target's struct
	none     map[string]bool    // types that have no effect yet
	fields   map[string][]field // type to its options
}

// schema is all that is known about sections and options.
type schema struct {
	sections map[string][]field // fixed sections, and types of targets
	fixed    map[string]int     // fixed sections to fields in Settings
	groups   []group
}

func newSchema() *schema {
	s := &schema{sections: map[string][]field{}, fixed: map[string]int{}}
	settings := reflect.TypeFor[Settings]()
	for i := range settings.NumField() {
		f := settings.Field(i)
		if name, ok := f.Tag.Lookup("section"); ok {
			s.fixed[name] = i
			s.sections[name] = fields(f.Type)
		}
		if name, ok := f.Tag.Lookup("target"); ok {
			s.addGroup(i, name, f)
		}
	}
	return s
}

func (s *schema) addGroup(index int, name string, f reflect.StructField) {
	g := group{
		index:    index,
		name:     name,
		targets:  f.Tag.Get("default"),
		fallback: f.Tag.Get("fallback"),
		types:    map[string]int{},
		none:     map[string]bool{},
		fields:   map[string][]field{},
	}
	target := f.Type.Elem()
	for i := range target.NumField() {
		kind, ok := target.Field(i).Tag.Lookup("type")
		if !ok {
			continue
		}
		g.types[kind] = i
		g.none[kind] = target.Field(i).Tag.Get("effect") == "none"
		g.fields[kind] = fields(target.Field(i).Type.Elem())
		s.sections[kind] = g.fields[kind]
	}
	s.groups = append(s.groups, g)
}

// find returns the schema of one option of a fixed section or a type.
func (s *schema) find(section, key string) (field, bool) {
	for _, f := range s.sections[section] {
		prefix, many := f.wildcard()
		if f.key == key || many && len(key) > len(prefix) && strings.HasPrefix(key, prefix) {
			return f, true
		}
	}
	return field{}, false
}

// fallback returns the default of an option, before interpolation.
func (s *schema) fallback(section, key string) (string, bool) {
	f, ok := s.find(section, key)
	return f.fallback, ok && f.fallback != ""
}
