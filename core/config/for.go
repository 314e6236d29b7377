package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"ahriman/core/alpm"
)

// For returns the settings of one repository. All that is wrong with values is
// joined into one error; each part is a *ValueError.
func (f *File) For(id alpm.RepositoryID) (*Settings, error) {
	v := f.view(id)
	settings := &Settings{ID: id, Path: f.path}
	to := reflect.ValueOf(settings).Elem()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.schema.fixed)) {
		errs = append(errs, v.fill(v.layers(name), f.schema.sections[name], to.Field(f.schema.fixed[name]))...)
	}
	for _, g := range f.schema.groups {
		errs = append(errs, v.fillTargets(g, to.Field(g.index))...)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return settings, nil
}

// targets returns the words of the group's option target, and the option; nil
// where a default of ours applies.
func (v *view) targets(g group) ([]string, *option, error) {
	o, ok := v.written([]string{g.name}, "target")
	if !ok {
		switch {
		case g.targets != "":
			return strings.Fields(g.targets), nil, nil
		case g.fallback == "gitremote" && v.exists(v.special(g.fallback)):
			return []string{g.fallback}, nil, nil
		}
		return nil, nil, nil
	}
	text, err := v.text([]string{g.name}, o)
	if err != nil {
		return nil, o, v.fail([]string{g.name}, o, err)
	}
	words, err := SplitList(text)
	if err != nil {
		return nil, o, v.fail([]string{g.name}, o, err)
	}
	// "disabled" is how an older configuration says none.
	return slices.DeleteFunc(words, func(s string) bool { return s == "" || s == "disabled" }), o, nil
}

// typeOf says of which type the section of a target is.
func (v *view) typeOf(g group, name string) (string, error) {
	layers := v.special(name)
	if o, ok := v.written(layers, "type"); ok {
		text, err := v.text(layers, o)
		if err != nil {
			return "", v.fail(layers, o, err)
		}
		if _, known := g.types[text]; !known {
			return "", v.fail(layers, o, fmt.Errorf("%q is no type of [%s]: %s", text, g.name, g.words()))
		}
		return text, nil
	}
	general, _, _ := strings.Cut(name, ":")
	if _, known := g.types[general]; known {
		return general, nil
	}
	if g.fallback != "" && v.exists(layers) {
		return g.fallback, nil
	}
	return "", nil
}

// words lists the types of a group for a message.
func (g group) words() string { return strings.Join(slices.Sorted(maps.Keys(g.types)), ", ") }

func (v *view) fillTargets(g group, to reflect.Value) []error {
	names, o, err := v.targets(g)
	if err != nil {
		return []error{err}
	}
	var errs []error
	for _, name := range names {
		kind, err := v.typeOf(g, name)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case kind == "":
			errs = append(errs, v.fail([]string{g.name}, o, v.unknownTarget(g, name)))
			continue
		}
		target := reflect.New(to.Type().Elem()).Elem()
		target.FieldByName("Target").Set(reflect.ValueOf(Target{Name: name, Type: kind}))
		part := target.Field(g.types[kind])
		part.Set(reflect.New(part.Type().Elem()))
		bad := v.fill(v.special(name), g.fields[kind], part.Elem())
		if !g.none[kind] {
			errs = append(errs, bad...)
		}
		to.Set(reflect.Append(to, target))
	}
	return errs
}

func (v *view) unknownTarget(g group, name string) error {
	if v.exists(v.special(name)) {
		return fmt.Errorf("[%s] has no option type, and its name is no type: %s", name, g.words())
	}
	return fmt.Errorf("there is no section [%s]; without one it is a type: %s", name, g.words())
}

// StatusAddress is where the status service of this node, or of its master,
// listens: status.address, else web.unix_socket, else web.address, else
// http://web.host:web.port. It is http://…, https://…, or http+unix:// and the
// escaped path of a socket; without a slash at the end. It is empty when none
// is configured or status.enabled is no.
func (s *Settings) StatusAddress() string {
	switch {
	case !s.Status.Enabled:
		return ""
	case s.Status.Address != "":
		return strings.TrimRight(s.Status.Address, "/")
	}
	return s.WebAddress()
}

// WebAddress is where this node's own service is to be reached, or empty when
// it has none.
func (s *Settings) WebAddress() string {
	switch {
	case s.Web.UnixSocket != "":
		return "http+unix://" + url.PathEscape(s.Web.UnixSocket)
	case s.Web.Address != "":
		return strings.TrimRight(s.Web.Address, "/")
	case s.Web.Port == 0:
		return ""
	}
	return "http://" + net.JoinHostPort(s.Web.Host, strconv.Itoa(s.Web.Port))
}
