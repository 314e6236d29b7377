package alpm

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Mismatch is one difference between a package's content and its .MTREE.
type Mismatch struct {
	Path  string `json:"path"`
	Field string `json:"field"` // "entry", "type", "mode", "uid", "gid", "time", "size", "sha256" or "link"
	Want  string `json:"want"`  // what .MTREE says
	Got   string `json:"got"`   // what the archive holds
}

func (m Mismatch) String() string {
	return fmt.Sprintf("%s: %s is %s, want %s", m.Path, m.Field, m.Got, m.Want)
}

// contentCheck notes each entry of an archive in the terms of .MTREE.
type contentCheck struct {
	entries    map[string]MtreeEntry
	current    MtreeEntry
	digest     hash.Hash
	mismatches []Mismatch
}

func newContentCheck() *contentCheck {
	return &contentCheck{entries: make(map[string]MtreeEntry), digest: sha256.New()}
}

// open notes an entry's header and returns a reader of its content that
// digests what passes; close must follow.
func (c *contentCheck) open(header *tar.Header, content io.Reader) io.Reader {
	e := MtreeEntry{
		Path: cleanPath(header.Name),
		UID:  int64(header.Uid), GID: int64(header.Gid),
		Mode: header.Mode & 0o7777, Time: header.ModTime.Unix(), Size: -1,
	}
	switch header.Typeflag {
	case tar.TypeDir:
		e.Type = "dir"
	case tar.TypeSymlink:
		e.Type, e.Link = "link", header.Linkname
	case tar.TypeLink: // shares what the file before it has
		target := c.entries[cleanPath(header.Linkname)]
		e.Type, e.Size, e.SHA256 = target.Type, target.Size, target.SHA256
	case tar.TypeReg, tar.TypeGNUSparse:
		e.Type, e.Size = "file", header.Size
	default:
		e.Type = "other"
	}
	c.current = e
	c.digest.Reset()
	return io.TeeReader(content, c.digest)
}

// close reads the rest of the entry's content and files it.
func (c *contentCheck) close(content io.Reader) error {
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	e := c.current
	if e.Type == "file" && e.SHA256 == "" {
		e.SHA256 = hex.EncodeToString(c.digest.Sum(nil))
	}
	if _, twice := c.entries[e.Path]; twice {
		c.add(e.Path, "entry", "one", "two")
	}
	c.entries[e.Path] = e
	return nil
}

func cleanPath(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
}

// compare returns what differs, sorted by path. .MTREE does not list itself.
func (c *contentCheck) compare(want []MtreeEntry) []Mismatch {
	delete(c.entries, ".MTREE")
	delete(c.entries, "") // "./"
	for i := range want {
		got, ok := c.entries[want[i].Path]
		if !ok {
			if want[i].Path != "" {
				c.add(want[i].Path, "entry", "present", "missing")
			}
			continue
		}
		c.compareEntry(&want[i], &got)
		delete(c.entries, want[i].Path)
	}
	for path := range c.entries {
		c.add(path, "entry", "missing", "present")
	}
	slices.SortStableFunc(c.mismatches, func(a, b Mismatch) int { return cmp.Compare(a.Path, b.Path) })
	return c.mismatches
}

// compareEntry compares what .MTREE gives of one path.
func (c *contentCheck) compareEntry(want, got *MtreeEntry) {
	c.text(want.Path, "type", want.Type, got.Type)
	c.number(want.Path, "uid", want.UID, got.UID, 10)
	c.number(want.Path, "gid", want.GID, got.GID, 10)
	c.number(want.Path, "time", want.Time, got.Time, 10)
	if want.Type == "link" {
		c.text(want.Path, "link", want.Link, got.Link)
		return // what mode and size a link has depends on the system
	}
	c.number(want.Path, "mode", want.Mode, got.Mode, 8)
	if want.Type == "file" {
		c.number(want.Path, "size", want.Size, got.Size, 10)
		c.text(want.Path, "sha256", strings.ToLower(want.SHA256), got.SHA256)
	}
}

func (c *contentCheck) number(path, field string, want, got int64, base int) {
	if want != -1 && want != got {
		c.add(path, field, strconv.FormatInt(want, base), strconv.FormatInt(got, base))
	}
}

func (c *contentCheck) text(path, field, want, got string) {
	if want != "" && want != got {
		c.add(path, field, want, got)
	}
}

func (c *contentCheck) add(path, field, want, got string) {
	c.mismatches = append(c.mismatches, Mismatch{Path: path, Field: field, Want: want, Got: got})
}
