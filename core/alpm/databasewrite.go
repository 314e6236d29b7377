package alpm

import (
	"archive/tar"
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

// WriteDatabase writes a repository database, the packages sorted by their
// directory ("name-version") in byte order: the same packages and options give
// the same bytes. desc and files are what repo-add(8) writes. Two packages of
// one name are an error. Entries carry the package's build date.
func WriteDatabase(w io.Writer, packages []Package, options DatabaseOptions) error {
	return UpdateDatabase(w, nil, packages, nil, options)
}

// UpdateDatabase copies the database old to w as repo-add(8) and repo-remove(8)
// would: entries whose package is in add or remove are left out, those of add
// put in, and all others keep their bytes, whatever wrote them. It holds one
// entry in memory at a time. New entries go before the first old one that sorts
// after them, so a sorted database stays sorted. options.Files says whether
// file lists are written; where old has none, a package that is kept gets none.
//
// Errors wrap ErrFormat when old is at fault, which includes an old database
// that does not keep the entries of each package together; ReadDatabase and
// WriteDatabase manage that one. A nil old is an empty database.
func UpdateDatabase(w io.Writer, old io.Reader, add []Package, remove []string, options DatabaseOptions) error {
	u, err := newUpdate(w, add, remove, options)
	if err != nil {
		return fmt.Errorf("writing database: %w", err)
	}
	if old != nil {
		if err := walkDatabase(old, databaseLimits(), u.entry); err != nil {
			return fmt.Errorf("updating database: %w", err)
		}
	}
	if err := u.finish(); err != nil {
		return fmt.Errorf("writing database: %w", err)
	}
	return nil
}

func (p *Package) directory() string { return p.Name + "-" + p.Version }

// update merges an old database's entries with new packages.
type update struct {
	out     *databaseWriter
	add     []*Package      // not yet written, sorted
	dropped map[string]bool // names that old entries give way to
	seen    map[string]bool // directories of the old database
	current rawPackage
}

// rawPackage is one package's entries as they stood in the old database.
type rawPackage struct {
	directory   string
	date        time.Time
	desc, files []byte
	described   bool
	listed      bool
}

func newUpdate(w io.Writer, add []Package, remove []string, options DatabaseOptions) (*update, error) {
	u := &update{dropped: make(map[string]bool), seen: make(map[string]bool)}
	for i := range add {
		if u.dropped[add[i].Name] {
			return nil, fmt.Errorf("two packages named %s", add[i].Name)
		}
		u.dropped[add[i].Name] = true
		u.add = append(u.add, &add[i])
	}
	for _, name := range remove {
		u.dropped[name] = true
	}
	slices.SortFunc(u.add, func(a, b *Package) int { return strings.Compare(a.directory(), b.directory()) })
	var err error
	u.out, err = newDatabaseWriter(w, options)
	return u, err
}

// entry takes one entry of the old database.
func (u *update) entry(e *databaseEntry) error {
	if e.directory != u.current.directory {
		if err := u.flush(); err != nil {
			return err
		}
		if u.seen[e.directory] {
			return fmt.Errorf("%w: entries of one package stand apart", ErrFormat)
		}
		u.seen[e.directory] = true
		u.current = rawPackage{directory: e.directory, desc: u.current.desc[:0], files: u.current.files[:0]}
	}
	if e.files {
		u.current.files, u.current.listed = append(u.current.files[:0], e.content...), true
		return nil
	}
	u.current.desc, u.current.described = append(u.current.desc[:0], e.content...), true
	u.current.date = e.date
	return nil
}

// flush writes the package that was gathered, unless it gives way, and the new
// ones before it.
func (u *update) flush() error {
	c := &u.current
	name, _ := cutLast(c.directory)
	name, _ = cutLast(name)
	if !c.described || u.dropped[name] {
		return nil
	}
	if err := u.flushAdded(c.directory); err != nil {
		return err
	}
	files := c.files
	if !c.listed {
		files = nil
	}
	return u.out.write(c.directory, c.date, c.desc, files)
}

// flushAdded writes the new packages that sort before a directory; all when it
// is empty.
func (u *update) flushAdded(before string) error {
	for len(u.add) > 0 && (before == "" || u.add[0].directory() < before) {
		if err := u.out.add(u.add[0]); err != nil {
			return fmt.Errorf("%s: %w", u.add[0].Name, err)
		}
		u.add = u.add[1:]
	}
	return nil
}

func (u *update) finish() error {
	if err := u.flush(); err != nil {
		return err
	}
	if err := u.flushAdded(""); err != nil {
		return err
	}
	return u.out.close()
}

// databaseWriter writes one package after the other.
type databaseWriter struct {
	options DatabaseOptions
	packed  io.WriteCloser
	archive *tar.Writer
	desc    []byte // reused
	files   []byte // reused
}

func newDatabaseWriter(w io.Writer, options DatabaseOptions) (*databaseWriter, error) {
	packed, err := Compress(w, options.Compression)
	if err != nil {
		return nil, err
	}
	return &databaseWriter{options: options, packed: packed, archive: tar.NewWriter(packed)}, nil
}

func (d *databaseWriter) add(p *Package) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := checkEntryFileName(p.FileName); err != nil {
		return err
	}
	d.desc = appendDesc(d.desc[:0], p, &d.options)
	d.files = appendFiles(d.files[:0], p.Files)
	return d.write(p.directory(), time.Unix(p.BuildDate, 0), d.desc, d.files)
}

// write writes a package's directory, desc and, where wanted, files.
func (d *databaseWriter) write(directory string, date time.Time, desc, files []byte) error {
	header := tar.Header{Typeflag: tar.TypeDir, Name: directory + "/", Mode: 0o755, ModTime: date, Uname: "root", Gname: "root"}
	if err := d.archive.WriteHeader(&header); err != nil {
		return err
	}
	header.Typeflag, header.Mode = tar.TypeReg, 0o644
	if err := d.file(header, directory+"/desc", desc); err != nil || !d.options.Files || files == nil {
		return err
	}
	return d.file(header, directory+"/files", files)
}

func (d *databaseWriter) file(header tar.Header, name string, content []byte) error {
	header.Name, header.Size = name, int64(len(content))
	if err := d.archive.WriteHeader(&header); err != nil {
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
