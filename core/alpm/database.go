package alpm

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ReadDatabase reads a repository database with or without file lists, as
// alpm-repo-db(7) describes it, in the order the archive has it. The
// compression is told from the content. Sections and files that are not known
// are passed over, as is a directory without a desc; nothing keeps a database
// from holding two versions of a name. Errors wrap ErrFormat when the database
// is at fault.
func ReadDatabase(r io.Reader) ([]Package, error) {
	packages, err := readDatabase(r, databaseLimits())
	if err != nil {
		return nil, fmt.Errorf("reading database: %w", err)
	}
	return packages, nil
}

func readDatabase(r io.Reader, limits Limits) ([]Package, error) {
	d := databaseReader{index: make(map[string]int)}
	if err := walkDatabase(r, limits, d.entry); err != nil {
		return nil, err
	}
	return d.result(), nil
}

// databaseEntry is one file of a database that this package knows.
type databaseEntry struct {
	directory string // "name-version"
	files     bool   // it is the file list, not the desc
	date      time.Time
	content   []byte // valid until the next entry
}

// walkDatabase calls visit for each desc and files of a database, in its order.
func walkDatabase(r io.Reader, limits Limits, visit func(*databaseEntry) error) error {
	packed := &packedReader{r: r}
	unpacked, err := Decompress(packed)
	if err != nil {
		return malformed(err)
	}
	defer unpacked.Close()
	bounded := &boundedReader{r: unpacked, packed: packed, limits: limits}
	archive := &tarScanner{r: bufio.NewReaderSize(bounded, 64<<10)}
	var e databaseEntry
	for {
		err := archive.next(&limits.Entries)
		if err == io.EOF {
			// What follows the last entry holds the stream's checksum.
			_, err = io.Copy(io.Discard, bounded)
			return malformed(err)
		}
		if err != nil {
			return malformed(err)
		}
		if !e.named(archive.name) {
			continue
		}
		e.date = archive.date
		if err := e.read(archive); err != nil {
			return fmt.Errorf("%s: %w", archive.name, malformed(err))
		}
		if err := visit(&e); err != nil {
			return fmt.Errorf("%s: %w", archive.name, err)
		}
	}
}

// maxFiles bounds one package's file list, in bytes.
const maxFiles = 256 << 20

// named takes an entry's path apart and tells whether it is one we know. The
// entries of one package share a string.
func (e *databaseEntry) named(path []byte) bool {
	directory, file, ok := bytes.Cut(bytes.TrimPrefix(path, []byte("./")), []byte("/"))
	if string(directory) != e.directory {
		e.directory = string(directory)
	}
	e.files = string(file) == "files"
	return ok && (e.files || string(file) == "desc")
}

// read fills content with the entry the archive is at.
func (e *databaseEntry) read(archive *tarScanner) error {
	limit := int64(maxMetadata)
	if e.files {
		limit = maxFiles
	}
	if archive.size > limit {
		return fmt.Errorf("%w: %d bytes, more than %d", ErrFormat, archive.size, limit)
	}
	e.content = e.content[:0]
	for archive.size > 0 { // grow as it comes: a header may lie
		n := len(e.content)
		part := int(min(archive.size, 1<<20))
		e.content = slices.Grow(e.content, part)[:n+part]
		if err := archive.read(e.content[n:]); err != nil {
			return err
		}
	}
	return nil
}

// databaseReader gathers packages: desc and files of one may come in any order.
type databaseReader struct {
	parser    descParser
	packages  []Package
	index     map[string]int // by directory
	described []bool
}

func (d *databaseReader) entry(e *databaseEntry) error {
	i, known := d.index[e.directory]
	if !known {
		i = len(d.packages)
		d.index[e.directory] = i
		d.packages = append(d.packages, Package{})
		d.described = append(d.described, false)
	}
	text := string(e.content)
	if e.files {
		d.packages[i].Files = parseFiles(text)
		return nil
	}
	d.described[i] = true
	return d.parser.parse(text, &d.packages[i])
}

// result returns the packages that have a desc.
func (d *databaseReader) result() []Package {
	i := -1
	return slices.DeleteFunc(d.packages, func(Package) bool { i++; return !d.described[i] })
}

// parseFiles reads a "files": everything after %FILES%.
func parseFiles(text string) []string {
	_, text, _ = strings.Cut(text, "%FILES%")
	files := make([]string, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			files = append(files, line)
		}
	}
	return files
}
