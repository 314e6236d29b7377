package alpm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MtreeEntry is one path of a .MTREE, as alpm-mtree(5) and mtree(5) describe
// it. A number that is not given is -1, a text that is not given empty.
type MtreeEntry struct {
	Path   string `json:"path"` // relative to the root, unescaped, no slash at its ends
	Type   string `json:"type"` // "file", "dir" or "link"
	UID    int64  `json:"uid"`
	GID    int64  `json:"gid"`
	Mode   int64  `json:"mode"` // permission bits, with setuid, setgid and sticky
	Time   int64  `json:"time"` // unix seconds
	Size   int64  `json:"size"` // bytes, of a file
	SHA256 string `json:"sha256,omitempty"`
	MD5    string `json:"md5,omitempty"`
	Link   string `json:"link,omitempty"` // a link's target
}

// maxMtree bounds an unpacked .MTREE, in bytes.
const maxMtree = 256 << 20

// maxMtreeLine bounds one line of it: two paths of 4,096 bytes, escaped.
const maxMtreeLine = 64 << 10

// parseMtree reads a .MTREE, packed (by gzip, as makepkg does it) or not: lines
// of "./path key=value …" with full paths, and "/set" and "/unset" for what
// following lines leave out. Keys it does not know are passed over.
func parseMtree(r io.Reader, maxEntries int) ([]MtreeEntry, error) {
	unpacked, err := Decompress(r)
	if err != nil {
		return nil, malformed(err)
	}
	defer unpacked.Close()
	limited := &io.LimitedReader{R: unpacked, N: maxMtree + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxMtreeLine)
	m := mtreeReader{maxEntries: maxEntries, defaults: noMtreeEntry()}
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if err := m.line(fields); err != nil {
			return nil, err
		}
	}
	if limited.N <= 0 || errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%w: too long", ErrFormat)
	}
	return m.entries, malformed(lines.Err())
}

// noMtreeEntry gives nothing.
func noMtreeEntry() MtreeEntry { return MtreeEntry{UID: -1, GID: -1, Mode: -1, Time: -1, Size: -1} }

type mtreeReader struct {
	maxEntries int
	defaults   MtreeEntry // of /set
	entries    []MtreeEntry
}

// line takes one line's fields, of which there is at least one.
func (m *mtreeReader) line(fields []string) error {
	switch fields[0] {
	case "/set":
		return m.defaults.setAll(fields[1:])
	case "/unset":
		for _, key := range fields[1:] {
			m.defaults.unset(key)
		}
		return nil
	}
	entry := m.defaults
	path, ok := strings.CutPrefix(unescapeMtree(fields[0]), "./")
	if !ok {
		return fmt.Errorf("%w: path %q does not begin with ./", ErrFormat, fields[0])
	}
	entry.Path = strings.Trim(path, "/")
	if err := entry.setAll(fields[1:]); err != nil {
		return err
	}
	if len(m.entries) >= m.maxEntries {
		return fmt.Errorf("%w: more than %d entries", ErrFormat, m.maxEntries)
	}
	m.entries = append(m.entries, entry)
	return nil
}

func (e *MtreeEntry) setAll(fields []string) error {
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		if err := e.set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// unset takes back what /set gave.
func (e *MtreeEntry) unset(key string) {
	switch key {
	case "all":
		*e = noMtreeEntry()
	case "type":
		e.Type = ""
	case "uid":
		e.UID = -1
	case "gid":
		e.GID = -1
	case "mode":
		e.Mode = -1
	case "time":
		e.Time = -1
	case "size":
		e.Size = -1
	}
}

func (e *MtreeEntry) set(key, value string) (err error) {
	switch key {
	case "type":
		e.Type = value
	case "uid":
		e.UID, err = parseNumber(key, value)
	case "gid":
		e.GID, err = parseNumber(key, value)
	case "mode":
		if e.Mode, err = strconv.ParseInt(value, 8, 32); err != nil || e.Mode < 0 {
			err = fmt.Errorf("%w: mode %q", ErrFormat, value)
		}
	case "time":
		seconds, _, _ := strings.Cut(value, ".")
		if e.Time, err = strconv.ParseInt(seconds, 10, 64); err != nil {
			err = fmt.Errorf("%w: time %q", ErrFormat, value)
		}
	case "size":
		e.Size, err = parseNumber(key, value)
	case "sha256digest", "sha256":
		e.SHA256 = value
	case "md5digest", "md5":
		e.MD5 = value
	case "link":
		e.Link = unescapeMtree(value)
	}
	return err
}

// unescapeMtree undoes vis(3) as libarchive writes it: \ and three octal
// digits, or \ and one of the letters of C, s for a space, or \ itself.
func unescapeMtree(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		if i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(c))
				i += 3
				continue
			}
		}
		if n := strings.IndexByte(`abfnrstv\`, s[i+1]); n >= 0 {
			b = append(b, "\a\b\f\n\r \t\v\\"[n])
			i++
			continue
		}
		b = append(b, '\\')
	}
	return string(b)
}
