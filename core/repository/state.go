package repository

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
)

// A generation's databases are sequences of compressed members, each with whole
// tar entries of a few dozen packages; decompressors read the sequence as one
// stream. The index says where each begins, so that the next generation copies
// the members in which nothing changed and packs only the others. It is a cache:
// without it, or when it does not fit, the database is read instead.
const (
	indexName   = ".index"
	indexFormat = "ahriman-index-1"
	// A member ends after a name whose hash is divisible by this: where members
	// end depends on the names alone, so equal contents give equal bytes.
	memberSize = 64
)

// entry is one package of a generation.
type entry struct {
	name, version, base, file string
	sha256                    string // hex
	signed                    bool   // a signature stands beside the file

	member            int           // of the state's members that hold it; -1: none yet
	dbSize, filesSize int           // bytes of its tar entries in either database
	signature         string        // hash of the signature's bytes that the databases were made with
	pkg               *alpm.Package // where there is no member
}

// member is a run of entries packed together.
type member struct {
	first, count        int   // of the state's entries
	dbAt, filesAt       int64 // offset in either database
	dbBytes, filesBytes int64 // packed size
}

// state is what one generation publishes.
type state struct {
	dir     string // "" for the state before the first publication
	number  int    // 0 when dir is no generation
	entries []entry
	members []member
	files   map[string]int // entries by file name
	modTime time.Time      // the latest of the databases and their signatures
	signed  bool           // the databases are
	foreign bool           // not written by this program: see adopt
}

func (s *state) index() {
	slices.SortFunc(s.entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	s.files = make(map[string]int, len(s.entries))
	for i := range s.entries {
		s.files[s.entries[i].file] = i
	}
}

// find returns the entry of a package, nil when there is none.
func (s *state) find(name string) *entry {
	i, found := slices.BinarySearchFunc(s.entries, name, func(e entry, name string) int { return cmp.Compare(e.name, name) })
	if !found {
		return nil
	}
	return &s.entries[i]
}

// load reads what the directory of a generation publishes.
func (r *Repository) load(dir string, number int) (*state, error) {
	s := &state{dir: dir, number: number}
	info, err := os.Stat(filepath.Join(dir, r.options.ID.Name+".db"))
	if errors.Is(err, fs.ErrNotExist) && number == 0 {
		s.foreign = true
		s.index()
		return s, nil // a directory that was never published to
	}
	if err != nil {
		return nil, fmt.Errorf("reading generation: %w", err)
	}
	s.modTime = info.ModTime()
	// repo-add and gpg may have written the others in a later second.
	for _, suffix := range []string{".db.sig", ".files", ".files.sig"} {
		info, err := os.Stat(filepath.Join(dir, r.options.ID.Name+suffix))
		if err != nil {
			continue
		}
		s.signed = s.signed || suffix == ".db.sig"
		if info.ModTime().After(s.modTime) {
			s.modTime = info.ModTime()
		}
	}
	if r.readIndex(s) == nil {
		s.index()
		return s, nil
	}
	s.members, s.entries, s.foreign = nil, nil, true
	packages, err := r.readDatabase(dir)
	if err != nil {
		return nil, err
	}
	s.entries = make([]entry, 0, len(packages))
	for i := range packages {
		e := newEntry(&packages[i])
		if _, err := os.Stat(filepath.Join(dir, e.file+".sig")); err == nil {
			e.signed = true
		}
		s.entries = append(s.entries, e)
	}
	s.index()
	return s, nil
}

func newEntry(p *alpm.Package) entry {
	return entry{
		name: p.Name, version: p.Version, base: p.Base, file: p.FileName, sha256: p.SHA256,
		signed: len(p.Signature) > 0, signature: digest(p.Signature), member: -1, pkg: p,
	}
}

// readDatabase reads all there is to know about the packages: the database of
// files when it is of the same packages, else the plain one.
func (r *Repository) readDatabase(dir string) ([]alpm.Package, error) {
	packages, err := readPackages(filepath.Join(dir, r.options.ID.Name+".db"))
	if err != nil {
		return nil, err
	}
	lists := make(map[string][]string, len(packages))
	if withFiles, err := readPackages(filepath.Join(dir, r.options.ID.Name+".files")); err == nil {
		for _, p := range withFiles {
			lists[p.FileName] = p.Files
		}
	}
	last := make(map[string]int, len(packages))
	for i, p := range packages {
		packages[i].Files = lists[p.FileName]
		last[p.Name] = i // of two versions, which no writer of today makes, one counts
	}
	kept := packages[:0]
	for i, p := range packages {
		if last[p.Name] == i {
			kept = append(kept, p)
		}
	}
	return kept, nil
}

func readPackages(path string) ([]alpm.Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	packages, err := alpm.ReadDatabase(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return packages, nil
}

// dialect names everything that the bytes of an entry depend on beside the
// package: members written in another are not reused.
func (r *Repository) dialect() string {
	return fmt.Sprintf("%s-%d", r.options.Compression, r.options.Dialect)
}

var errIndex = errors.New("index does not fit")

// readIndex fills the state from the generation's index when it fits the
// databases and what this repository would write.
func (r *Repository) readIndex(s *state) error {
	header, err := s.parseIndex()
	if err != nil {
		return err
	}
	if header[1] != r.dialect() || !r.hasSize(s.dir, "db", header[2]) || !r.hasSize(s.dir, "files", header[3]) {
		return errIndex
	}
	return nil
}

// parseIndex reads the members and entries of an index. The header's fields are
// the format, the dialect, and the sizes of both databases.
func (s *state) parseIndex() (header []string, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, indexName))
	if err != nil {
		return nil, err
	}
	var db, files int64
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case header == nil:
			if header = fields; len(header) != 4 || header[0] != indexFormat {
				return nil, errIndex
			}
		case len(fields) == 2:
			m := member{first: len(s.entries), dbAt: db, filesAt: files}
			if m.dbBytes, m.filesBytes, err = twoNumbers(fields); err != nil {
				return nil, errIndex
			}
			db, files = db+m.dbBytes, files+m.filesBytes
			s.members = append(s.members, m)
		default:
			e, err := parseEntry(fields, len(s.members)-1)
			if err != nil {
				return nil, errIndex
			}
			s.entries = append(s.entries, e)
			s.members[len(s.members)-1].count++
		}
	}
	if header == nil {
		return nil, errIndex
	}
	return header, nil
}

func parseEntry(fields []string, member int) (entry, error) {
	if len(fields) != 9 || member < 0 || fields[0] == "" || fields[2] == "" || fields[3] == "" {
		return entry{}, errIndex
	}
	db, files, err := twoNumbers(fields[7:])
	return entry{
		name: fields[0], version: fields[1], base: fields[2], file: fields[3], sha256: fields[4],
		signed: fields[5] == "s", signature: fields[6], dbSize: int(db), filesSize: int(files), member: member,
	}, err
}

func twoNumbers(fields []string) (a, b int64, err error) {
	a, err = strconv.ParseInt(fields[0], 10, 63)
	b, err2 := strconv.ParseInt(fields[1], 10, 63)
	return a, b, errors.Join(err, err2)
}

// hasSize reports whether the generation's database is as long as the index says.
func (r *Repository) hasSize(dir, kind, size string) bool {
	info, err := os.Stat(filepath.Join(dir, r.database(kind)))
	return err == nil && strconv.FormatInt(info.Size(), 10) == size
}

func (r *Repository) writeIndex(w io.Writer, s *state, dbSize, filesSize int64) error {
	b := bufio.NewWriterSize(w, 1<<16)
	fmt.Fprintf(b, "%s\t%s\t%d\t%d\n", indexFormat, r.dialect(), dbSize, filesSize)
	for _, m := range s.members {
		fmt.Fprintf(b, "%d\t%d\n", m.dbBytes, m.filesBytes)
		for i := range m.count {
			e := &s.entries[m.first+i]
			signed := "-"
			if e.signed {
				signed = "s"
			}
			for _, field := range []string{e.name, e.version, e.base, e.file, e.sha256, signed, e.signature} {
				b.WriteString(field)
				b.WriteByte('\t')
			}
			b.WriteString(strconv.Itoa(e.dbSize))
			b.WriteByte('\t')
			b.WriteString(strconv.Itoa(e.filesSize))
			b.WriteByte('\n')
		}
	}
	return b.Flush()
}
