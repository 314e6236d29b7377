package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fill reads the options of the sections layers, the most special first, into
// the struct that to points at. Options that have no effect never fail.
func (v *view) fill(layers []string, schema []field, to reflect.Value) []error {
	var errs []error
	for _, f := range schema {
		if _, many := f.wildcard(); many {
			errs = append(errs, v.fillMany(layers, f, to.Field(f.index))...)
			continue
		}
		o, ok := v.option(layers, f)
		if !ok {
			continue
		}
		if err := v.store(layers, f, o, to.Field(f.index)); err != nil && f.effect {
			errs = append(errs, err)
		}
	}
	return errs
}

// option finds what sets the field: the configuration or its default.
func (v *view) option(layers []string, f field) (*option, bool) {
	if layers[len(layers)-1] == "repository" {
		if o, ok := v.identity(f.key); ok {
			return o, true
		}
	}
	if o, ok := v.written(layers, f.key); ok {
		return o, true
	}
	if f.fallback == "" {
		return nil, false
	}
	return &option{key: f.key, value: f.fallback}, true
}

// fillMany reads key_* into a map by what stands for the star.
func (v *view) fillMany(layers []string, f field, to reflect.Value) []error {
	prefix, _ := f.wildcard()
	values := map[string]string{}
	var errs []error
	for _, name := range slices.Backward(layers) { // the most special last, to win
		s, ok := v.file.sections[name]
		if !ok {
			continue
		}
		for key, o := range s.options {
			rest, ok := strings.CutPrefix(key, prefix)
			if !ok || rest == "" {
				continue
			}
			text, err := v.text(layers, o)
			if err != nil {
				errs = append(errs, v.fail(layers, o, err))
			}
			values[rest] = text
		}
	}
	to.Set(reflect.ValueOf(values))
	return errs
}

// store parses the value of o and sets the field. On an error the field keeps
// its zero value.
func (v *view) store(layers []string, f field, o *option, to reflect.Value) error {
	text, err := v.text(layers, o)
	if err != nil {
		return v.fail(layers, o, err)
	}
	text = strings.TrimSpace(text)
	switch unset := &(option{key: f.key, value: f.fallback}); {
	case text == "" && (f.fallback == "" || *o == *unset):
		return nil
	case text == "": // references to nothing: as if the option were not there
		return v.store(layers, f, unset, to)
	}
	value, err := v.parse(f, text)
	if err != nil {
		return v.fail(layers, o, err)
	}
	to.Set(value)
	return nil
}

func (v *view) fail(layers []string, o *option, err error) error {
	return &ValueError{File: o.file, Line: o.line, Section: v.origin(layers, o), Key: o.key, Err: err}
}

// parse turns the text of an option into a value of the field's kind.
func (v *view) parse(f field, text string) (reflect.Value, error) {
	switch f.kind.Kind() {
	case reflect.Slice:
		return v.parseList(f, text)
	case reflect.Bool:
		b, err := parseBool(text)
		return reflect.ValueOf(b), f.hide(text, err)
	case reflect.Int, reflect.Int64, reflect.Float64:
		n, err := f.number(text)
		return n, f.hide(text, err)
	}
	text, err := v.check(f, text)
	return reflect.ValueOf(text), err
}

func (v *view) parseList(f field, text string) (reflect.Value, error) {
	items, err := SplitList(text)
	if err != nil {
		return reflect.Value{}, f.hide(text, err)
	}
	item := f
	item.kind = f.kind.Elem()
	list := reflect.MakeSlice(f.kind, 0, len(items))
	for _, text := range items {
		value, err := v.parse(item, text)
		if err != nil {
			return reflect.Value{}, err
		}
		list = reflect.Append(list, value)
	}
	return list, nil
}

// hide puts the value before the error, unless it is a secret.
func (f field) hide(text string, err error) error {
	switch {
	case err == nil:
		return nil
	case f.secret:
		return err
	}
	return fmt.Errorf("%q: %w", Redact(text), err)
}

// number parses whole numbers, fractions, and durations, and checks the range.
func (f field) number(text string) (reflect.Value, error) {
	var (
		n     float64
		value reflect.Value
	)
	switch {
	case f.kind == reflect.TypeFor[time.Duration]():
		d, err := parseDuration(text)
		if err != nil {
			return value, err
		}
		n, value = d.Seconds(), reflect.ValueOf(d)
	case f.kind.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x != x || x > 1e15 || x < -1e15 {
			return value, errors.New("not a number")
		}
		n, value = x, reflect.ValueOf(x)
	default:
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return value, errors.New("not a whole number")
		}
		n, value = float64(i), reflect.ValueOf(i).Convert(f.kind)
	}
	switch {
	case f.min != nil && n < *f.min:
		return value, fmt.Errorf("less than %v", *f.min)
	case f.max != nil && n > *f.max:
		return value, fmt.Errorf("more than %v", *f.max)
	}
	return value, nil
}

// maxSeconds keeps durations, and sums of them, far from overflow: 100 years.
const maxSeconds = 100 * 365 * 24 * 3600

// parseDuration reads a number of seconds, or what time.ParseDuration reads.
func parseDuration(text string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n > maxSeconds || n < -maxSeconds {
			return 0, errors.New("more than 100 years")
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("not a time: a whole number of seconds, or 90s, 15m, 1h30m")
	}
	return d, nil
}

// check tests one word against as and one, and makes paths absolute.
func (v *view) check(f field, text string) (string, error) {
	if f.secret && f.as == "" {
		return text, nil
	}
	var err error
	switch f.as {
	case "path", "file":
		return v.file.absolute(text), nil
	case "url":
		err = checkURL(text, f.schemes)
	case "origin":
		err = checkOrigin(text)
	case "regexp":
		if _, bad := regexp.Compile(text); bad != nil {
			err = errors.New(strings.TrimPrefix(bad.Error(), "error parsing regexp: "))
		}
	case "host":
		if strings.ContainsAny(text, "/ \t@") {
			err = errors.New("neither a host name nor an address")
		}
	case "key32":
		if key, bad := base64.URLEncoding.DecodeString(text); bad != nil || len(key) != 32 {
			err = errors.New("not 32 bytes in url-safe base64")
		}
	}
	switch words := strings.Join(f.one, ", "); {
	case slices.Contains(f.later, text):
		err = fmt.Errorf("not supported yet; supported: %s", words)
	case err == nil && len(f.one) > 0 && !slices.Contains(f.one, text):
		err = fmt.Errorf("not one of %s", words)
	}
	return text, f.hide(text, err)
}

// absolute makes a path absolute, from the directory of the main file.
func (f *File) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

// CheckWorker tests the address of a worker, as build.workers has it.
func CheckWorker(address string) error {
	return checkURL(address, []string{"http", "https", "http+unix", "ssh", "local"})
}

// checkURL tests an address. Its own text is not part of the error.
func checkURL(text string, schemes []string) error {
	if len(schemes) == 0 {
		schemes = []string{"http", "https"}
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !slices.Contains(schemes, scheme) {
		return fmt.Errorf("not a URL with %s://", strings.Join(schemes, ":// or "))
	}
	if scheme == "local" {
		if rest, _, _ := strings.Cut(rest, "?"); rest != "" {
			return errors.New("nothing but options may follow local://")
		}
		return nil
	}
	if scheme == "http+unix" {
		host, _, _ := strings.Cut(rest, "/")
		if path, err := url.PathUnescape(host); err != nil || !filepath.IsAbs(path) {
			return errors.New("after http+unix:// there is no absolute path with its slashes as %2F")
		}
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("not a URL")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("its port is not between 1 and 65535")
		}
	}
	if u.Hostname() == "" {
		return errors.New("a URL without a host")
	}
	return nil
}

// checkOrigin takes what browsers call the site of a page, or * for all.
func checkOrigin(text string) error {
	u, err := url.Parse(text)
	if text == "*" || err == nil && u.Host != "" && text == u.Scheme+"://"+u.Host {
		return nil
	}
	return errors.New("neither * nor a site, as in https://example.org")
}
