// Package ui is what a person sees: tables, progress and colour on a terminal;
// and what a program reads: JSON lines. Decoration is for terminals only.
package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Output is one stream with what it can show.
type Output struct {
	w        io.Writer
	terminal bool
	colour   bool
	width    int // columns; 0: without limit
}

// New looks at a stream and the environment: colour and bars are for terminals,
// and not with NO_COLOR set or TERM=dumb. COLUMNS overrides a terminal's width.
func New(w io.Writer, getenv func(string) string) *Output {
	o := &Output{w: w}
	fd, ok := descriptor(w)
	if !ok || !term.IsTerminal(fd) {
		return o
	}
	o.terminal = true
	o.colour = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && getenv("TERM") != ""
	if columns, err := strconv.Atoi(getenv("COLUMNS")); err == nil && columns > 0 {
		o.width = columns
	} else if columns, _, err := term.GetSize(fd); err == nil {
		o.width = columns
	}
	return o
}

func descriptor(w io.Writer) (int, bool) {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || f.Fd() > 1<<30 {
		return 0, false
	}
	return int(f.Fd()), true
}

// Terminal tells whether the stream is one.
func (o *Output) Terminal() bool { return o.terminal }

// Colour is what a word is painted in.
type Colour int

// The colours, by what they mean.
const (
	Plain  Colour = iota
	Bold          // headings
	Good          // succeeded: green
	Bad           // failed: red
	Change        // building, pending: yellow
	Dim           // less important
)

func (c Colour) code() string {
	return [...]string{"", "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[2m"}[c]
}

// Paint returns the text in a colour, or as it is where the stream shows none.
// Control characters in it are made harmless either way.
func (o *Output) Paint(c Colour, text string) string {
	text = Printable(text)
	if !o.colour || c == Plain || text == "" {
		return text
	}
	return c.code() + text + "\x1b[0m"
}

// Printable replaces what would move the cursor or break a line: what a PKGBUILD
// or a server says must not drive the terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// JSON writes a value as one line. Field names are the value's json tags, and
// "<" and "&" stay as they are.
func (o *Output) JSON(value any) error {
	encoder := json.NewEncoder(o.w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// Println writes a line of words separated by spaces, control characters made
// harmless.
func (o *Output) Println(words ...any) error {
	_, err := fmt.Fprintln(o.w, Printable(strings.TrimSuffix(fmt.Sprintln(words...), "\n")))
	return err
}
