package alpm

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Dialect is which repo-add(8) a database is written like. They differ in desc
// only, see alpm-repo-desc(5); both are always read.
type Dialect int

// The dialects.
const (
	// Pacman7 has no MD5SUM, and PGPSIG only with DatabaseOptions.Signatures.
	// It is what pacman writes since 6.1.
	Pacman7 Dialect = iota
	// Pacman6 is what pacman 6.0 writes: MD5SUM (where Package.MD5 is known)
	// and PGPSIG (where there is a signature).
	Pacman6
)

// appendDesc appends the package's desc, as alpm-repo-desc(5) orders it.
func appendDesc(b []byte, p *Package, options *DatabaseOptions) []byte {
	b = appendSection(b, "FILENAME", p.FileName)
	b = appendSection(b, "NAME", p.Name)
	if !p.BaseImplied {
		b = appendSection(b, "BASE", p.Base)
	}
	b = appendSection(b, "VERSION", p.Version)
	b = appendSection(b, "DESC", p.Description)
	b = appendSection(b, "GROUPS", p.Groups...)
	b = appendSection(b, "CSIZE", strconv.FormatInt(p.CompressedSize, 10))
	b = appendSection(b, "ISIZE", strconv.FormatInt(p.Size, 10))
	if options.Dialect == Pacman6 {
		b = appendSection(b, "MD5SUM", p.MD5)
	}
	b = appendSection(b, "SHA256SUM", p.SHA256)
	if (options.Dialect == Pacman6 || options.Signatures) && p.Signature != nil {
		b = append(b, "%PGPSIG%\n"...)
		b = base64.StdEncoding.AppendEncode(b, p.Signature)
		b = append(b, "\n\n"...)
	}
	b = appendSection(b, "URL", p.URL)
	b = appendSection(b, "LICENSE", p.Licenses...)
	b = appendSection(b, "ARCH", p.Architecture)
	b = appendSection(b, "BUILDDATE", strconv.FormatInt(p.BuildDate, 10))
	b = appendSection(b, "PACKAGER", p.Packager)
	b = appendSection(b, "REPLACES", p.Replaces...)
	b = appendSection(b, "CONFLICTS", p.Conflicts...)
	b = appendSection(b, "PROVIDES", p.Provides...)
	b = appendSection(b, "DEPENDS", p.Depends...)
	b = appendSection(b, "OPTDEPENDS", p.OptDepends...)
	b = appendSection(b, "MAKEDEPENDS", p.MakeDepends...)
	return appendSection(b, "CHECKDEPENDS", p.CheckDepends...)
}

// appendSection appends one section, or nothing when it has no value.
func appendSection(b []byte, key string, values ...string) []byte {
	start := len(b)
	b = append(b, '%')
	b = append(b, key...)
	b = append(b, "%\n"...)
	empty := true
	for _, value := range values {
		if value = descValue(value); value != "" {
			b = append(b, value...)
			b = append(b, '\n')
			empty = false
		}
	}
	if empty {
		return b[:start]
	}
	return append(b, '\n')
}

// descValue gives a value the form repo-add gives it. Its shell splits the line
// of .PKGINFO at spaces and "=", so an "=" that ends a value with neither of
// the two before it is lost; then runs of white space become one space.
func descValue(s string) string {
	s = strings.TrimSpace(s)
	if head, ok := strings.CutSuffix(s, "="); ok {
		if head = strings.TrimRight(head, " "); !strings.ContainsAny(head, " =") {
			s = head
		}
	}
	if !strings.ContainsFunc(s, isControlSpace) && !strings.Contains(s, "  ") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		space := s[i] == ' ' || isControlSpace(rune(s[i]))
		switch {
		case !space:
			b = append(b, s[i])
		case len(b) == 0 || b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
	}
	return string(b)
}

func isControlSpace(r rune) bool { return r >= '\t' && r <= '\r' }

// appendFiles appends the package's "files", as alpm-repo-files(5) has it.
func appendFiles(b []byte, files []string) []byte {
	b = append(b, "%FILES%\n"...)
	for _, f := range files {
		b = append(b, f...)
		b = append(b, '\n')
	}
	return b
}

// escapePath writes a path as bsdtar(1) -t does in a UTF-8 locale, and so
// %FILES%: what is not printable, and the backslash, stands as an escape.
func escapePath(s string) string {
	if !strings.ContainsFunc(s, mustEscape) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if mustEscape(r) {
			for i := range size {
				b.WriteString(escapeByte(s[i]))
			}
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

func mustEscape(r rune) bool {
	return r == '\\' || r == utf8.RuneError || !unicode.IsGraphic(r) && !unicode.In(r, unicode.Cf, unicode.Co)
}

func escapeByte(c byte) string {
	if i := strings.IndexByte("\a\b\f\n\r\t\v\\", c); i >= 0 {
		return `\` + `abfnrtv\`[i:i+1]
	}
	return fmt.Sprintf(`\%03o`, c)
}

// section is one section of a desc: where its values stand in descParser.values.
type section struct {
	key        string
	start, end int
}

// descParser reads desc files; its buffers serve one after the other.
type descParser struct {
	sections []section
	values   []string
}

// parse reads one desc. The strings it returns are parts of text.
func (d *descParser) parse(text string, p *Package) error {
	d.scan(text)
	values := slices.Clone(d.values) // one allocation for all lists
	for _, s := range d.sections {
		if err := p.setSection(s.key, values[s.start:s.end:s.end]); err != nil {
			return err
		}
	}
	if p.Base == "" {
		p.Base, p.BaseImplied = p.Name, true
	}
	if err := checkEntryFileName(p.FileName); err != nil {
		return err
	}
	return p.check()
}

// checkEntryFileName refuses what pacman refuses as %FILENAME%, and what could
// lead out of the repository's directory.
func checkEntryFileName(name string) error {
	if name == "" || name[0] == '.' || strings.Contains(name, "/") || hasSpace(name) || len(name) > maxNameLength {
		return fmt.Errorf("%w: file name %q", ErrFormat, name)
	}
	return nil
}

// scan splits the text into sections: a line %KEY%, then values up to an empty
// line or the end.
func (d *descParser) scan(text string) {
	d.sections, d.values = d.sections[:0], d.values[:0]
	open := false
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		line = strings.TrimSuffix(line, "\r")
		switch {
		case line == "":
			open = false
		case open:
			d.values = append(d.values, line)
			d.sections[len(d.sections)-1].end++
		case len(line) > 2 && line[0] == '%' && line[len(line)-1] == '%':
			d.sections = append(d.sections, section{line[1 : len(line)-1], len(d.values), len(d.values)})
			open = true
		}
	}
}

// setSection stores one section; unknown ones are passed over.
func (p *Package) setSection(key string, values []string) (err error) {
	if list := p.sectionList(key); list != nil {
		*list = values
		return nil
	}
	if len(values) == 0 {
		return nil
	}
	value := values[0]
	switch key {
	case "FILENAME":
		p.FileName = value
	case "NAME":
		p.Name = value
	case "BASE":
		p.Base = value
	case "VERSION":
		p.Version = value
	case "DESC":
		p.Description = value
	case "CSIZE":
		p.CompressedSize, err = parseNumber(key, value)
	case "ISIZE":
		p.Size, err = parseNumber(key, value)
	case "MD5SUM":
		p.MD5 = value
	case "SHA256SUM":
		p.SHA256 = value
	case "PGPSIG":
		p.Signature, err = decodeSignature(value)
	case "URL":
		p.URL = value
	case "ARCH":
		p.Architecture = value
	case "BUILDDATE":
		p.BuildDate, err = parseNumber(key, value)
	case "PACKAGER":
		p.Packager = value
	}
	return err
}

func (p *Package) sectionList(key string) *[]string {
	switch key {
	case "GROUPS":
		return &p.Groups
	case "LICENSE":
		return &p.Licenses
	case "REPLACES":
		return &p.Replaces
	case "CONFLICTS":
		return &p.Conflicts
	case "PROVIDES":
		return &p.Provides
	case "DEPENDS":
		return &p.Depends
	case "OPTDEPENDS":
		return &p.OptDepends
	case "MAKEDEPENDS":
		return &p.MakeDepends
	case "CHECKDEPENDS":
		return &p.CheckDepends
	case "FILES":
		return &p.Files
	}
	return nil
}

func decodeSignature(value string) ([]byte, error) {
	signature, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, fmt.Errorf("%w: PGPSIG: %w", ErrFormat, err)
	}
	return signature, nil
}
