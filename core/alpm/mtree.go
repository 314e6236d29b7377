package alpm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
)

// MtreeEntry is one path of a .MTREE, as alpm-mtree(5) and mtree(5) describe
// it. A number that is not given is -1, a text that is not given empty.
type MtreeEntry struct {
	Path   string `json:"path"` // relative to the root, unescaped, no slash at the end
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
const maxMtree = 512 << 20

// maxMtreeLine bounds one line of it: two paths of 4,096 bytes, escaped.
const maxMtreeLine = 64 << 10

// ParseMtree reads a .MTREE, packed (by gzip, as makepkg does it) or not: lines
// of "./path key=value …" with full paths, and "/set" and "/unset" for what
// following lines leave out. Keys it does not know are passed over.
func ParseMtree(r io.Reader) ([]MtreeEntry, error) {
	entries, err := parseMtree(r, 2_000_000)
	if err != nil {
		return nil, fmt.Errorf("reading .MTREE: %w", err)
	}
	return entries, nil
}

func parseMtree(r io.Reader, maxEntries int) ([]MtreeEntry, error) {
	unpacked, err := Decompress(r)
	if err != nil {
		return nil, malformed(err)
	}
	defer unpacked.Close()
	limited := &io.LimitedReader{R: unpacked, N: maxMtree + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxMtreeLine)
	var entries []MtreeEntry
	defaults := make(map[string]string)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		switch fields[0] {
		case "/set":
			maps.Copy(defaults, pairs(fields[1:]))
		case "/unset":
			unset(defaults, fields[1:])
		default:
			entry, err := mtreeEntry(fields, defaults)
			if err != nil {
				return nil, err
			}
			if len(entries) >= maxEntries {
				return nil, fmt.Errorf("%w: more than %d entries", ErrFormat, maxEntries)
			}
			entries = append(entries, entry)
		}
	}
	if limited.N <= 0 || errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%w: too long", ErrFormat)
	}
	return entries, malformed(lines.Err())
}

func pairs(fields []string) map[string]string {
	m := make(map[string]string, len(fields))
	for _, f := range fields {
		key, value, _ := strings.Cut(f, "=")
		m[key] = value
	}
	return m
}

func unset(defaults map[string]string, keys []string) {
	for _, key := range keys {
		if key == "all" {
			clear(defaults)
		}
		delete(defaults, key)
	}
}

// mtreeEntry reads one line's fields.
func mtreeEntry(fields []string, defaults map[string]string) (MtreeEntry, error) {
	e := MtreeEntry{UID: -1, GID: -1, Mode: -1, Time: -1, Size: -1}
	path, ok := strings.CutPrefix(unescapeMtree(fields[0]), "./")
	if !ok {
		return e, fmt.Errorf("%w: path %q does not begin with ./", ErrFormat, fields[0])
	}
	e.Path = strings.TrimSuffix(path, "/")
	for key, value := range defaults {
		if err := e.set(key, value); err != nil {
			return e, err
		}
	}
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		if err := e.set(key, value); err != nil {
			return e, err
		}
	}
	return e, nil
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
