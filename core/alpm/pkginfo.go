package alpm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// ErrFormat is what the errors of every reader in this package wrap when the
// input is not what it should be: damaged, ambiguous or past a limit.
var ErrFormat = errors.New("malformed")

// maxMetadata bounds .PKGINFO, .BUILDINFO and one desc, in bytes.
const maxMetadata = 4 << 20

// ParsePkginfo reads a .PKGINFO, as PKGINFO(5) describes it: "key = value"
// lines and comments with "#". A key that may stand once and stands twice
// counts the last time, as it does for pacman and repo-add; unknown keys and
// lines without "=" are passed over. Name, version and architecture must be
// there and sound.
func ParsePkginfo(r io.Reader) (Info, error) {
	var info Info
	err := scanPairs(r, func(key, value string) error { return info.set(key, value) })
	if err == nil {
		err = info.check()
	}
	if err != nil {
		return Info{}, fmt.Errorf("reading .PKGINFO: %w", err)
	}
	if info.Base == "" {
		info.Base, info.BaseImplied = info.Name, true
	}
	return info, nil
}

// set stores one pair of .PKGINFO.
func (i *Info) set(key, value string) (err error) {
	if list := i.list(key); list != nil {
		if value != "" {
			*list = append(*list, value)
		}
		return nil
	}
	switch key {
	case "pkgname":
		i.Name = value
	case "pkgbase":
		i.Base = value
	case "pkgver":
		i.Version = value
	case "pkgdesc":
		i.Description = value
	case "url":
		i.URL = value
	case "packager":
		i.Packager = value
	case "arch":
		i.Architecture = value
	case "builddate":
		i.BuildDate, err = parseNumber(key, value)
	case "size":
		i.Size, err = parseNumber(key, value)
	}
	return err
}

// list returns where the values of a repeatable key of .PKGINFO go, or nil.
func (i *Info) list(key string) *[]string {
	switch key {
	case "license":
		return &i.Licenses
	case "replaces":
		return &i.Replaces
	case "group":
		return &i.Groups
	case "conflict":
		return &i.Conflicts
	case "provides":
		return &i.Provides
	case "backup":
		return &i.Backup
	case "depend":
		return &i.Depends
	case "optdepend":
		return &i.OptDepends
	case "makedepend":
		return &i.MakeDepends
	case "checkdepend":
		return &i.CheckDepends
	case "xdata":
		return &i.XData
	}
	return nil
}

// check reports what makes the metadata unusable.
func (i *Info) check() error {
	if err := CheckName(i.Name); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := CheckVersion(i.Version); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if i.Architecture == "" || strings.Contains(i.Architecture, "/") || hasSpace(i.Architecture) {
		return fmt.Errorf("%w: architecture %q", ErrFormat, i.Architecture)
	}
	return nil
}

// parseNumber reads a count of bytes or seconds, which is never negative.
func parseNumber(key, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s %q is not a number of the expected range", ErrFormat, key, value)
	}
	return n, nil
}

// scanPairs calls set for each "key = value" line, with or without the spaces,
// up to maxMetadata bytes.
func scanPairs(r io.Reader, set func(key, value string) error) error {
	limited := &io.LimitedReader{R: r, N: maxMetadata + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxMetadata)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		if strings.ContainsRune(value, 0) {
			return fmt.Errorf("%w: NUL in the value of %q", ErrFormat, key)
		}
		if err := set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) || limited.N <= 0 {
		return fmt.Errorf("%w: more than %d bytes", ErrFormat, maxMetadata)
	}
	return lines.Err()
}
