// Package config reads ahriman.ini: the main file, the files that it includes,
// and the environment; merged for one repository, interpolated, and given out
// as one typed Settings.
//
// The dialect is that of the Python ahriman: key = value or key: value, keys in
// any case, indented lines that continue a value, key[] = value to append,
// ${key}, ${section:key}, $ENVIRONMENT and $$, environment variables named
// section:key, and lists that are split as a shell does.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// DefaultPath is the main file when neither --configuration nor
// AHRIMAN_CONFIGURATION name another.
const DefaultPath = "/etc/ahriman.ini"

// Environment is what File and Finding name as the file of a value that an
// environment variable set.
const Environment = "environment"

const (
	maxFileSize = 4 << 20
	maxFiles    = 1000
)

// File is a configuration as it is written: sections from the main file, its
// includes and the environment, not yet merged for a repository. It does not
// change after Load, and may be read from several goroutines.
type File struct {
	path     string
	files    []string
	sections map[string]*section
	order    []string // names of sections in the order of their appearance
	environ  map[string]string
	prefix   string // ${prefix}: where ahriman is installed
	schema   *schema
}

// Load reads the main file at path, then every *.ini of the directories that
// settings.include names, in the order of their names, then the variables
// named "section:key" of environ (as os.Environ gives it). What comes later
// wins. The error wraps fs.ErrNotExist when there is no main file, and is a
// *SyntaxError for a line that cannot be read.
func Load(path string, environ []string) (*File, error) {
	f, err := newFile(path, environ)
	if err != nil {
		return nil, err
	}
	if err := f.read(f.path); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return f.rest(environ)
}

// Empty is Load without a main file at path, as before a node is set up.
func Empty(path string, environ []string) (*File, error) {
	f, err := newFile(path, environ)
	if err != nil {
		return nil, err
	}
	return f.rest(environ)
}

func newFile(path string, environ []string) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	f := &File{path: path, sections: map[string]*section{}, environ: map[string]string{}, prefix: "/usr", schema: newSchema()}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		f.environ[name] = value
	}
	return f, nil
}

// rest reads what comes after the main file.
func (f *File) rest(environ []string) (*File, error) {
	includes, logging, err := f.includes(environ)
	if err != nil {
		return nil, err
	}
	for _, directory := range includes {
		if err := f.include(directory, logging); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
	}
	f.override(environ)
	return f, nil
}

// Path is the absolute path of the main file; paths in values are relative to
// its directory.
func (f *File) Path() string { return f.path }

// Files returns the paths of all files read, in order.
func (f *File) Files() []string { return slices.Clone(f.files) }

// includes says which directories settings.include names, and which file among
// theirs is the configuration of Python's logging, in another dialect. An
// environment variable counts here although the files it overrides are not
// read yet.
func (f *File) includes(environ []string) (directories []string, logging string, err error) {
	main := &File{path: f.path, sections: map[string]*section{}, environ: f.environ, prefix: f.prefix, schema: f.schema}
	for name, s := range f.sections {
		clone := *s
		clone.options = map[string]*option{}
		maps.Copy(clone.options, s.options)
		main.sections[name] = &clone
	}
	main.override(environ)
	var settings Main
	v := main.view(alpm.RepositoryID{})
	if errs := v.fill([]string{"settings"}, f.schema.sections["settings"], reflect.ValueOf(&settings).Elem()); len(errs) > 0 {
		return nil, "", errors.Join(errs...)
	}
	return settings.Include, settings.Logging, nil
}

// include reads the *.ini files of one directory; a directory that is not there
// is none.
func (f *File) include(directory, logging string) error {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries { // sorted by name
		path := filepath.Join(directory, entry.Name())
		if filepath.Ext(path) != ".ini" || path == logging || path == f.path || entry.IsDir() {
			continue
		}
		if len(f.files) >= maxFiles {
			return fmt.Errorf("%s: more than %d files", directory, maxFiles)
		}
		if err := f.read(path); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return err
	}
	if len(text) > maxFileSize {
		return fmt.Errorf("%s: larger than %d bytes", path, maxFileSize)
	}
	f.files = append(f.files, path)
	return f.parse(path, string(text))
}

// override applies the environment variables named section:key, in the order of
// their names, so that the outcome does not depend on how they were exported.
func (f *File) override(environ []string) {
	variables := slices.Clone(environ)
	slices.Sort(variables)
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		at := strings.LastIndexByte(name, ':')
		if at <= 0 || at == len(name)-1 {
			continue
		}
		s := f.section(name[:at], Environment, 0)
		s.set(option{key: strings.ToLower(name[at+1:]), value: strings.TrimSpace(value), file: Environment})
	}
}

// section returns the section of exactly that name, adding it when it is new.
func (f *File) section(name, file string, line int) *section {
	s, ok := f.sections[name]
	if !ok {
		s = newSection(name, file, line)
		f.sections[name] = s
		f.order = append(f.order, name)
	}
	return s
}
