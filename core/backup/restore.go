package backup

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ahriman/core/internal/durable"
)

// Limits of an archive.
const (
	maxEntries = 1 << 20
	maxName    = 4096
)

// ErrUnsafe says that an archive holds what may not be put anywhere: a path that
// leads out, a link, a device, two files of one name.
var ErrUnsafe = errors.New("unsafe archive")

// State is what there is at a path that is to be restored.
type State string

// The states.
const (
	Missing State = "missing" // nothing: it is restored
	Same    State = "same"    // just that: it is left
	Other   State = "other"   // something else: it is replaced when that is allowed
	InUse   State = "in-use"  // a database that is open, or was not closed: nothing is restored
)

// Entry is a file or link of an archive; directories are none.
type Entry struct {
	Path  string // absolute, below the output
	Size  int64  // bytes
	State State
}

// Options say how to restore.
type Options struct {
	Output    string // absolute; directory that stands for the root of the archive's paths, made where needed
	Overwrite bool   // replace files that are there and have other contents
}

// Check reads an archive to its end, and compares it with what there is. Nothing
// is written. The error is ErrUnsafe for an archive that Restore would refuse.
func Check(ctx context.Context, r io.ReadSeeker, options Options) ([]Entry, error) {
	c := &checker{output: options.Output, kinds: map[string]byte{}}
	err := each(ctx, r, c.entry)
	if err == nil {
		err = c.whole()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	slices.SortFunc(c.entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return c.entries, nil
}

// each calls do for every entry of an archive, and reads it to its end.
func each(ctx context.Context, r io.ReadSeeker, do func(h *tar.Header, name string, content io.Reader) error) error {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	compressed, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	archive := tar.NewReader(compressed)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n == maxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrUnsafe, maxEntries)
		}
		if err := do(header, path.Clean(header.Name), archive); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, compressed) // its checksum comes last
	return err
}

// checker is what is known of an archive while it is read.
type checker struct {
	output  string
	kinds   map[string]byte // types of entries, by name
	entries []Entry
	bytes   int64 // of what is to be written
}

func (c *checker) entry(h *tar.Header, name string, content io.Reader) error {
	if !filepath.IsLocal(h.Name) || name == "." || len(name) > maxName || strings.ContainsAny(name, "\x00\n") {
		return fmt.Errorf("%w: %q leads nowhere that it may", ErrUnsafe, h.Name)
	}
	if _, twice := c.kinds[name]; twice {
		return fmt.Errorf("%w: two of %q", ErrUnsafe, name)
	}
	c.kinds[name] = h.Typeflag
	entry := Entry{Path: filepath.Join(c.output, name), Size: h.Size}
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeReg:
		entry.State, err = stateOfFile(entry.Path, content, h.Size)
		if entry.State != Same {
			c.bytes += h.Size
		}
		if h.Size < 0 || c.bytes < 0 {
			return fmt.Errorf("%w: the size of %q", ErrUnsafe, name)
		}
	case tar.TypeSymlink:
		if !filepath.IsLocal(path.Join(path.Dir(name), h.Linkname)) || path.IsAbs(h.Linkname) {
			return fmt.Errorf("%w: the link %q leads to %q", ErrUnsafe, name, h.Linkname)
		}
		entry.State, err = stateOfLink(entry.Path, h.Linkname)
	default:
		return fmt.Errorf("%w: %q is neither a file, a directory nor a link", ErrUnsafe, name)
	}
	c.entries = append(c.entries, entry)
	return err
}

// whole checks what only all entries together tell: that nothing stands below
// what is no directory, and that there is room.
func (c *checker) whole() error {
	for name := range c.kinds {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if kind, listed := c.kinds[dir]; listed && kind != tar.TypeDir {
				return fmt.Errorf("%w: %q is below %q, which is no directory", ErrUnsafe, name, dir)
			}
		}
	}
	var disk unix.Statfs_t
	err := unix.Statfs(c.output, &disk)
	for dir := c.output; errors.Is(err, fs.ErrNotExist) && dir != "/"; { // it will be made
		dir = filepath.Dir(dir)
		err = unix.Statfs(dir, &disk)
	}
	if err != nil {
		return fmt.Errorf("looking for room in %s: %w", c.output, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); uint64(c.bytes) > free {
		return fmt.Errorf("it holds %d bytes, and %s has room for %d", c.bytes, c.output, free)
	}
	return nil
}

// stateOfFile compares a file with what there is. A write-ahead log beside it
// is SQLite's: whoever opens the new database would apply the log of the old.
func stateOfFile(path string, content io.Reader, size int64) (State, error) {
	if _, err := os.Lstat(path + "-wal"); err == nil {
		return InUse, nil
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular() || info.Size() != size:
		return Other, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return compare(f, content)
}

func compare(have, want io.Reader) (State, error) {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(want, a)
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return "", err
		}
		m, err := io.ReadFull(have, b[:n])
		if err != nil && n > 0 && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return "", err
		}
		if !bytes.Equal(a[:n], b[:m]) {
			return Other, nil
		}
		if end {
			return Same, nil
		}
	}
}

func stateOfLink(path, target string) (State, error) {
	have, err := os.Readlink(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, nil
	case err == nil && have == target:
		return Same, nil
	case err == nil || errors.Is(err, unix.EINVAL): // another link, or none
		return Other, nil
	}
	return "", err
}

// BlockedError says what keeps an archive from being restored.
type BlockedError struct {
	InUse []string // databases that a process has open
	Other []string // files that are there, with other contents
}

func (e *BlockedError) Error() string {
	if len(e.InUse) > 0 {
		return fmt.Sprintf("restoring: %s is in use, or was not closed", strings.Join(e.InUse, ", "))
	}
	text := strings.Join(e.Other[:min(len(e.Other), 5)], ", ")
	if more := len(e.Other) - 5; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "restoring: other files are there already: " + text
}

// Blocked tells whether entries can be restored: nil, or a *BlockedError.
func Blocked(entries []Entry, overwrite bool) error {
	var e BlockedError
	for _, entry := range entries {
		switch {
		case entry.State == InUse:
			e.InUse = append(e.InUse, entry.Path)
		case entry.State == Other && !overwrite:
			e.Other = append(e.Other, entry.Path)
		}
	}
	if len(e.InUse)+len(e.Other) == 0 {
		return nil
	}
	return &e
}

// Restore puts the files of an archive in place, each at once and whole. All of
// it is checked first: after ErrUnsafe or a *BlockedError nothing was written.
// Root gives files to the users and groups that had them; a name that is unknown
// here is returned in strangers, and its files are the caller's.
func Restore(ctx context.Context, r io.ReadSeeker, options Options) (entries []Entry, strangers []string, err error) {
	entries, err = Check(ctx, r, options)
	if err == nil {
		err = Blocked(entries, options.Overwrite)
	}
	if err != nil {
		return nil, nil, err
	}
	w := &writer{output: options.Output, states: map[string]State{}, owners: owners{unknown: map[string]bool{}}}
	for _, entry := range entries {
		w.states[entry.Path] = entry.State
	}
	err = each(ctx, r, w.entry)
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("restoring: %w", err)
	}
	for name := range w.owners.unknown {
		strangers = append(strangers, name)
	}
	slices.Sort(strangers)
	return entries, strangers, nil
}

type writer struct {
	output string
	states map[string]State
	owners owners
	made   []*tar.Header // directories, which get their modes last
}

func (w *writer) entry(h *tar.Header, name string, content io.Reader) error {
	target := filepath.Join(w.output, name)
	if h.Typeflag != tar.TypeDir && w.states[target] == Same {
		return nil
	}
	if err := durable.Mkdir(filepath.Dir(target)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return w.directory(h, target)
	case tar.TypeSymlink:
		if err := durable.Symlink(h.Linkname, target); err != nil {
			return err
		}
		return w.owners.give(target, h)
	}
	f, err := durable.Create(target, 0o600)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := w.owners.give(f.Temporary, h); err != nil {
		return err
	}
	if err := f.Chmod(mode(h)); err != nil {
		return err
	}
	if err := os.Chtimes(f.Temporary, h.ModTime, h.ModTime); err != nil {
		return err
	}
	return f.Commit()
}

// directory makes one, closed to others until all of it is there. One that is
// there stays as it is.
func (w *writer) directory(h *tar.Header, path string) error {
	err := os.Mkdir(path, 0o700)
	if info, other := os.Stat(path); errors.Is(err, fs.ErrExist) && other == nil && info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	w.made = append(w.made, h)
	return nil
}

func (w *writer) finish() error {
	for _, h := range slices.Backward(w.made) {
		dir := filepath.Join(w.output, path.Clean(h.Name))
		if err := w.owners.give(dir, h); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode(h)); err != nil {
			return err
		}
	}
	return nil
}

// mode is what may be done with a file; whose rights a program has is no part.
func mode(h *tar.Header) fs.FileMode { return h.FileInfo().Mode().Perm() }

// owners gives files to those who had them.
type owners struct{ unknown map[string]bool }

func (o owners) give(path string, h *tar.Header) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid := -1, -1
	if account, err := user.Lookup(h.Uname); err == nil {
		uid, _ = strconv.Atoi(account.Uid)
	} else if h.Uid != 0 {
		o.unknown[cmp.Or(h.Uname, "#"+strconv.Itoa(h.Uid))] = true
	}
	if group, err := user.LookupGroup(h.Gname); err == nil {
		gid, _ = strconv.Atoi(group.Gid)
	}
	return os.Lchown(path, uid, gid)
}
