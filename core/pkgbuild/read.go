package pkgbuild

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Limits on a .SRCINFO that is read.
const (
	maxSrcinfoSize = 8 << 20 // bytes
	maxSrcinfoLine = 1 << 20 // bytes
)

// ParseSrcinfo reads a .SRCINFO file: "key = value" lines in a pkgbase section
// and one pkgname section a package; blank lines, indentation and lines that
// start with "#" mean nothing. Keys it does not know are kept. What
// [Srcinfo.WriteTo] wrote reads back equal. A malformed file gives a
// [*SyntaxError] with the line; a file over 8 MiB is refused.
func ParseSrcinfo(r io.Reader) (*Srcinfo, error) {
	limited := &io.LimitedReader{R: r, N: maxSrcinfoSize + 1}
	scanner := bufio.NewScanner(limited)
	scanner.Buffer(nil, maxSrcinfoLine)
	reader := srcinfoReader{info: &Srcinfo{}}
	for scanner.Scan() {
		reader.line++
		if err := reader.read(scanner.Text()); err != nil {
			return nil, err
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading .SRCINFO: %w", err)
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("reading .SRCINFO: larger than %d bytes", maxSrcinfoSize)
	}
	if reader.index == nil {
		return nil, reader.errorf("no pkgbase")
	}
	return reader.info, nil
}

type srcinfoReader struct {
	info   *Srcinfo
	fields *[]Field       // of the section being read
	index  map[string]int // key to its place in fields; nil before pkgbase
	line   int
}

func (r *srcinfoReader) errorf(format string, args ...any) error {
	return &SyntaxError{File: ".SRCINFO", Line: r.line, Message: fmt.Sprintf(format, args...)}
}

func (r *srcinfoReader) read(text string) error {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return nil
	}
	key, value, ok := strings.Cut(text, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || key == "" || strings.ContainsAny(key, " \t") {
		return r.errorf("not a \"key = value\" line")
	}
	switch {
	case key == "pkgbase":
		if r.index != nil {
			return r.errorf("a second pkgbase")
		}
		r.info.Base, r.fields, r.index = value, &r.info.Fields, map[string]int{}
	case r.index == nil:
		return r.errorf("%s before pkgbase", key)
	case key == "pkgname":
		r.info.Packages = append(r.info.Packages, Package{Name: value})
		r.fields, r.index = &r.info.Packages[len(r.info.Packages)-1].Fields, map[string]int{}
	default:
		r.add(key, value)
	}
	return nil
}

func (r *srcinfoReader) add(key, value string) {
	i, ok := r.index[key]
	if !ok {
		i = len(*r.fields)
		r.index[key] = i
		*r.fields = append(*r.fields, Field{Key: key})
	}
	field := &(*r.fields)[i]
	field.Values = append(field.Values, value)
}
