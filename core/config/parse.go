package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError is a line that is neither a section, nor an option, nor a
// continuation of the value above it.
type SyntaxError struct {
	File    string
	Line    int // from 1
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// option is one value as it is written, before interpolation.
type option struct {
	key   string
	value string
	file  string // where it was last set; environment for the environment
	line  int
	parts int // how many assignments it is joined from
}

// section is one section of exactly that name, from all files.
type section struct {
	name    string
	file    string
	line    int
	keys    []string // in the order of their first appearance
	options map[string]*option
}

func newSection(name, file string, line int) *section {
	return &section{name: name, file: file, line: line, options: map[string]*option{}}
}

// set applies one assignment. "key[]" appends; an empty value, or a plain key,
// forgets what was there.
func (s *section) set(o option) {
	key, appends := strings.CutSuffix(o.key, "[]")
	o.key, o.parts = key, 1
	old := s.options[key]
	switch {
	case o.value == "":
		delete(s.options, key)
		return
	case appends && old != nil:
		o.value, o.parts = old.value+" "+o.value, old.parts+1
	}
	if slices.Contains(s.keys, key) {
		s.options[key] = &o
		return
	}
	s.keys = append(s.keys, key)
	s.options[key] = &o
}

// parser reads one file, line by line, as Python's configparser does when it
// is told that an empty line ends a value.
type parser struct {
	file    *File
	name    string
	line    int
	current *section
	pending option
	lines   []string // of the pending value
	indent  int      // of the pending option; a deeper line continues it
	open    bool     // whether the pending value can still grow
}

// parse adds the text of one file to f.
func (f *File) parse(name, text string) error {
	p := &parser{file: f, name: name}
	text = strings.TrimPrefix(text, "\ufeff")
	for line := range strings.Lines(text) {
		p.line++
		if !utf8.ValidString(line) {
			return p.fail("the line is not UTF-8")
		}
		if err := p.read(strings.TrimRightFunc(line, unicode.IsSpace)); err != nil {
			return err
		}
	}
	p.flush()
	return nil
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{File: p.name, Line: p.line, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) read(line string) error {
	text := strings.TrimLeftFunc(line, unicode.IsSpace)
	if text == "" || text[0] == ';' || text[0] == '#' {
		p.flush()
		return nil
	}
	if p.open && len(line)-len(text) > p.indent {
		p.lines = append(p.lines, text)
		return nil
	}
	p.flush()
	if text[0] == '[' {
		return p.header(text)
	}
	return p.assignment(text, len(line)-len(text))
}

func (p *parser) header(text string) error {
	end := strings.LastIndexByte(text, ']')
	if end < 2 {
		return p.fail("a section is written [name], not %q", text)
	}
	p.current = p.file.section(text[1:end], p.name, p.line)
	return nil
}

func (p *parser) assignment(text string, indent int) error {
	at := strings.IndexAny(text, "=:")
	if at < 0 {
		return p.fail("neither a section nor key = value: %q (an empty line or a comment ends the value above it)", text)
	}
	key := strings.ToLower(strings.TrimSpace(text[:at]))
	if strings.TrimSuffix(key, "[]") == "" {
		return p.fail("no key before %q", text[at:])
	}
	if p.current == nil {
		return p.fail("the option %s stands before the first [section]", key)
	}
	p.pending = option{key: key, file: p.name, line: p.line}
	p.lines = []string{strings.TrimSpace(text[at+1:])}
	p.indent, p.open = indent, true
	return nil
}

func (p *parser) flush() {
	if !p.open {
		return
	}
	p.open = false
	p.pending.value = strings.TrimSpace(strings.Join(p.lines, "\n"))
	p.current.set(p.pending)
}
