package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ValueError is a value that does not parse, or that is out of its range. It
// never holds the value of a secret.
type ValueError struct {
	File    string // Environment for a value from the environment; empty for a default
	Line    int    // from 1; 0 where there is none
	Section string // as it is written, build:aur:x86_64
	Key     string
	Err     error
}

func (e *ValueError) Error() string {
	return place(e.File, e.Line) + "[" + e.Section + "] " + e.Key + ": " + e.Err.Error()
}

// Unwrap returns what is wrong with the value.
func (e *ValueError) Unwrap() error { return e.Err }

// place is the "file:line: " before a message.
func place(file string, line int) string {
	switch {
	case file == "":
		return ""
	case line == 0:
		return file + ": "
	}
	return fmt.Sprintf("%s:%d: ", file, line)
}

var errUnclosed = errors.New("a quote is not closed")

// SplitList splits as a shell does: quotes group, and a quote of one kind may
// stand inside the other kind; ” is an empty item. There is no escape
// character inside single quotes; inside double quotes a backslash takes only
// a quote or a backslash as it is, and outside of quotes any character.
func SplitList(value string) ([]string, error) {
	var (
		items   []string
		item    strings.Builder
		started bool
		quote   rune
		escaped bool
	)
	for _, r := range value {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				item.WriteByte('\\')
			}
			item.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			item.WriteRune(r)
		case r == '"' || r == '\'':
			quote, started = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if started {
				items = append(items, item.String())
				item.Reset()
				started = false
			}
		default:
			item.WriteRune(r)
			started = true
		}
	}
	switch {
	case quote != 0:
		return nil, errUnclosed
	case escaped:
		return nil, errors.New("nothing follows the last backslash")
	case started:
		items = append(items, item.String())
	}
	return items, nil
}

// parseBool knows Python's words for yes and no, in any case.
func parseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "1", "yes", "true", "on":
		return true, nil
	case "0", "no", "false", "off":
		return false, nil
	}
	return false, errors.New("neither yes nor no (yes, no, true, false, on, off, 1, 0)")
}

// reference is one $… of a value.
type reference struct {
	text string // as written
	name string // without $ and braces
	end  int    // offset behind it
}

// nextReference reads the reference that begins at value[at] == '$'.
func nextReference(value string, at int) (reference, bool) {
	rest := value[at+1:]
	if strings.HasPrefix(rest, "{") {
		end := strings.IndexByte(rest, '}')
		if end < 2 {
			return reference{}, false
		}
		return reference{text: value[at : at+end+2], name: rest[1:end], end: at + end + 2}, true
	}
	end := 0
	for end < len(rest) && isIdentifier(rest[end], end > 0) {
		end++
	}
	if end == 0 {
		return reference{}, false
	}
	return reference{text: value[at : at+end+1], name: rest[:end], end: at + end + 1}, true
}

func isIdentifier(c byte, digits bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digits && c >= '0' && c <= '9'
}

// maxExpanded bounds what a value may grow to by references to references.
const maxExpanded = 1 << 20

// maxReferences bounds how many references one value may lead to: twenty values
// that each hold the next twice are a million.
const maxReferences = 10_000

// expander replaces references in the values of one view, and notices loops.
type expander struct {
	view  *view
	stack []string // "section:key" being expanded
	count int      // of references so far
}

// expand returns the value of o, which stands in the section that layers names
// (the most special first).
func (e *expander) expand(o *option, layers []string) (string, error) {
	name := layers[len(layers)-1] + ":" + o.key
	if at := slices.Index(e.stack, name); at >= 0 {
		return "", fmt.Errorf("a loop of references: %s", strings.Join(append(e.stack[at:], name), " → "))
	}
	if e.count++; len(e.stack) > 100 || e.count > maxReferences {
		return "", fmt.Errorf("references more than 100 deep, or more than %d of them", maxReferences)
	}
	e.stack = append(e.stack, name)
	defer func() { e.stack = e.stack[:len(e.stack)-1] }()

	var out strings.Builder
	for value := o.value; value != ""; {
		at := strings.IndexByte(value, '$')
		if at < 0 {
			out.WriteString(value)
			break
		}
		out.WriteString(value[:at])
		text, end, err := e.dollar(value, at, layers)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		if out.Len() > maxExpanded {
			return "", fmt.Errorf("larger than %d bytes with its references", maxExpanded)
		}
		value = value[end:]
	}
	return out.String(), nil
}

// dollar returns what the dollar at value[at] and what belongs to it stand for,
// and where that ends.
func (e *expander) dollar(value string, at int, layers []string) (text string, end int, err error) {
	if strings.HasPrefix(value[at:], "$$") {
		return "$", at + 2, nil
	}
	ref, ok := nextReference(value, at)
	if !ok {
		return "$", at + 1, nil
	}
	text, err = e.resolve(ref, layers)
	return text, ref.end, err
}

// resolve returns what a reference stands for; an unknown one stays as written.
func (e *expander) resolve(ref reference, layers []string) (string, error) {
	braced := strings.HasPrefix(ref.text, "${")
	if braced {
		if at := strings.LastIndexByte(ref.name, ':'); at >= 0 {
			layers = e.view.layers(ref.name[:at])
			ref.name = ref.name[at+1:]
		}
		if o, ok := e.view.lookup(layers, strings.ToLower(ref.name)); ok {
			return e.expand(o, layers)
		}
		if strings.Contains(ref.text, ":") {
			return ref.text, nil
		}
	}
	if value, ok := e.view.file.environ[ref.name]; ok {
		return value, nil
	}
	if braced && ref.name == "prefix" {
		return e.view.file.prefix, nil
	}
	return ref.text, nil
}
