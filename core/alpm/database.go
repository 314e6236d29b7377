package alpm

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// DatabaseOptions say what a database is to hold and how it is packed.
type DatabaseOptions struct {
	Files       bool // add each package's file list: a .files database
	Compression Compression
	Dialect     Dialect
	// Signatures adds PGPSIG in the dialect that leaves it out, as repo-add's
	// --include-sigs does.
	Signatures bool
}

// ReadDatabase reads a repository database with or without file lists, as
// alpm-repo-db(7) describes it, in the order the archive has it. The
// compression is told from the content. Sections and files that are not known
// are passed over, as is a directory without a desc; nothing keeps a database
// from holding two versions of a name. Errors wrap ErrFormat when the database
// is at fault.
func ReadDatabase(r io.Reader) ([]Package, error) {
	packages, err := readDatabase(r, Limits{}.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("reading database: %w", err)
	}
	return packages, nil
}

// databaseReader gathers packages: desc and files of one may come in any order.
type databaseReader struct {
	parser    descParser
	packages  []Package
	index     map[string]int // by directory
	described []bool
}

func readDatabase(r io.Reader, limits Limits) ([]Package, error) {
	packed := &packedReader{r: r}
	unpacked, err := decompress(packed)
	if err != nil {
		return nil, malformed(err)
	}
	defer unpacked.Close()
	archive := tar.NewReader(&boundedReader{r: unpacked, packed: packed, limits: limits})
	d := databaseReader{index: make(map[string]int)}
	for n := 0; ; n++ {
		header, err := archive.Next()
		if err == io.EOF {
			return d.result(), nil
		}
		if err != nil {
			return nil, malformed(err)
		}
		if n >= limits.Entries {
			return nil, fmt.Errorf("%w: too many entries", ErrFormat)
		}
		if err := d.entry(header, archive); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, malformed(err))
		}
	}
}

// entry reads one entry of the archive when it is a package's desc or files.
func (d *databaseReader) entry(header *tar.Header, r io.Reader) error {
	directory, file, ok := strings.Cut(strings.TrimPrefix(header.Name, "./"), "/")
	if !ok || file != "desc" && file != "files" || header.Typeflag != tar.TypeReg {
		return nil
	}
	i, known := d.index[directory]
	if !known {
		i = len(d.packages)
		d.index[directory] = i
		d.packages = append(d.packages, Package{})
		d.described = append(d.described, false)
	}
	if file == "desc" {
		text, err := readText(r, header.Size, maxMetadata)
		if err != nil {
			return err
		}
		d.described[i] = true
		return d.parser.parse(text, &d.packages[i])
	}
	text, err := readText(r, header.Size, maxFiles)
	if err != nil {
		return err
	}
	d.packages[i].Files = parseFiles(text)
	return nil
}

// result returns the packages that have a desc.
func (d *databaseReader) result() []Package {
	i := -1
	return slices.DeleteFunc(d.packages, func(Package) bool { i++; return !d.described[i] })
}

// maxFiles bounds one package's file list, in bytes.
const maxFiles = 256 << 20

// readText reads an entry of a known size into one string.
func readText(r io.Reader, size, limit int64) (string, error) {
	if size > limit {
		return "", fmt.Errorf("%w: %d bytes, more than %d", ErrFormat, size, limit)
	}
	var b strings.Builder
	b.Grow(int(min(size, 1<<20)))
	_, err := io.Copy(&b, r)
	return b.String(), err
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

// WriteDatabase writes a repository database, the packages sorted by their
// directory ("name-version") in byte order: the same packages and options give
// the same bytes. Two packages of one name are an error.
func WriteDatabase(w io.Writer, packages []Package, options DatabaseOptions) error {
	sorted := make([]*Package, len(packages))
	names := make(map[string]bool, len(packages))
	for i := range packages {
		sorted[i] = &packages[i]
		if names[packages[i].Name] {
			return fmt.Errorf("writing database: two packages named %s", packages[i].Name)
		}
		names[packages[i].Name] = true
	}
	slices.SortFunc(sorted, func(a, b *Package) int { return cmp.Compare(a.directory(), b.directory()) })
	out, err := newDatabaseWriter(w, options)
	if err != nil {
		return fmt.Errorf("writing database: %w", err)
	}
	for _, p := range sorted {
		if err := out.add(p); err != nil {
			return fmt.Errorf("writing database: %s: %w", p.Name, err)
		}
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("writing database: %w", err)
	}
	return nil
}

func (p *Package) directory() string { return p.Name + "-" + p.Version }

// databaseWriter writes one entry after the other.
type databaseWriter struct {
	options DatabaseOptions
	packed  io.WriteCloser
	archive *tar.Writer
	buffer  []byte
}

func newDatabaseWriter(w io.Writer, options DatabaseOptions) (*databaseWriter, error) {
	packed, err := compress(w, options.Compression)
	if err != nil {
		return nil, err
	}
	return &databaseWriter{options: options, packed: packed, archive: tar.NewWriter(packed)}, nil
}

func (d *databaseWriter) add(p *Package) error {
	if err := p.check(); err != nil {
		return err
	}
	date := time.Unix(p.BuildDate, 0)
	directory := p.directory() + "/"
	if err := d.entry(directory, date, nil); err != nil {
		return err
	}
	d.buffer = appendDesc(d.buffer[:0], p, &d.options)
	if err := d.entry(directory+"desc", date, d.buffer); err != nil || !d.options.Files {
		return err
	}
	d.buffer = appendFiles(d.buffer[:0], p.Files)
	return d.entry(directory+"files", date, d.buffer)
}

// entry writes a directory (content nil) or a file.
func (d *databaseWriter) entry(name string, date time.Time, content []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: date, Uname: "root", Gname: "root"}
	if content == nil {
		header.Typeflag, header.Mode = tar.TypeDir, 0o755
	}
	if err := d.archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := d.archive.Write(content)
	return err
}

func (d *databaseWriter) close() error {
	if err := d.archive.Close(); err != nil {
		return err
	}
	return d.packed.Close()
}
