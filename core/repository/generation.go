package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ahriman/core/internal/durable"
)

// Hidden names in the directory of generations.
const (
	retiringName = ".retiring" // a generation whose files are being pruned
	spareName    = ".spare"    // a former one, whose links serve the next
)

func (r *Repository) publishedLink(n int) string {
	return filepath.Join("../../generations", r.options.ID.Name, r.options.ID.Architecture, strconv.Itoa(n))
}

// resolve returns the directory that is published, and its generation's number:
// 0 when another program keeps it. An empty dir stands for nothing published.
func (r *Repository) resolve() (dir string, number int, err error) {
	info, err := os.Lstat(r.Published())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", 0, nil
	case err != nil:
		return "", 0, err
	case info.IsDir():
		return r.Published(), 0, nil
	case info.Mode()&fs.ModeSymlink == 0:
		return "", 0, fmt.Errorf("%s is neither a directory nor a link", r.Published())
	}
	target, err := os.Readlink(r.Published())
	if err != nil {
		return "", 0, err
	}
	if n, ok := parseNumber(filepath.Base(target)); ok && target == r.publishedLink(n) {
		return r.generation(n), n, nil
	}
	dir, err = filepath.EvalSymlinks(r.Published())
	return dir, 0, err
}

// parseNumber reads the number of a generation: from 1, in its only spelling.
func parseNumber(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n > 0 && strconv.Itoa(n) == name
}

// numbers lists the generations that stand there, ascending.
func (r *Repository) numbers() ([]int, error) {
	entries, err := os.ReadDir(r.generations())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var numbers []int
	for _, entry := range entries {
		if n, ok := parseNumber(entry.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

// unused returns the number after the last generation that stands there.
func (r *Repository) unused() (int, error) {
	numbers, err := r.numbers()
	if err != nil || len(numbers) == 0 {
		return 1, err
	}
	return numbers[len(numbers)-1] + 1, nil
}

// writeGeneration writes all of a generation into dir, a new directory, and
// makes it last. Database members are taken over from another generation.
func (w *writer) writeGeneration(ctx context.Context, dir string, next, from *state) error {
	if err := w.makeLinks(dir, next); err != nil {
		return err
	}
	dbSize, filesSize, err := w.writeDatabases(ctx, dir, next, from)
	if err != nil {
		return err
	}
	if err := w.signDatabases(ctx, dir); err != nil {
		return err
	}
	if err := w.setTimes(dir, next); err != nil {
		return err
	}
	index, err := create(filepath.Join(dir, indexName))
	if err != nil {
		return err
	}
	defer index.Close()
	if err := w.writeIndex(index, next, dbSize, filesSize); err != nil {
		return err
	}
	if err := index.Sync(); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// setTimes gives the databases their modification time, and the signatures too:
// pacman asks for either with If-Modified-Since.
func (w *writer) setTimes(dir string, next *state) error {
	for _, kind := range []string{"db", "files"} {
		for _, suffix := range []string{"", ".sig"} {
			err := os.Chtimes(filepath.Join(dir, w.database(kind)+suffix), next.modTime, next.modTime)
			if err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
	}
	return nil
}

// makeLinks makes dir with a link for each file of the next state. A former
// generation, where there is one, already has most of them; else they are the
// current generation's, under a second name, which costs no inode.
func (w *writer) makeLinks(dir string, next *state) error {
	have, err := w.reuse(dir, next)
	if err != nil {
		return err
	}
	for i := range next.entries {
		e := &next.entries[i]
		for _, suffix := range e.suffixes() {
			if have[e.file+suffix] {
				continue
			}
			if err := w.makeLink(dir, e, suffix); err != nil {
				return err
			}
		}
	}
	if w.current.dir == "" {
		return nil
	}
	return w.carry(w.current, next, dir)
}

// suffixes are what is appended to the file's name for each link of an entry.
func (e *entry) suffixes() []string {
	if e.signed {
		return []string{"", ".sig"}
	}
	return []string{""}
}

func (w *writer) makeLink(dir string, e *entry, suffix string) error {
	path := filepath.Join(dir, e.file+suffix)
	if i, ok := w.current.files[e.file]; ok && w.current.number > 0 && w.current.entries[i].base == e.base {
		if os.Link(filepath.Join(w.current.dir, e.file+suffix), path) == nil {
			return nil
		}
	}
	return os.Symlink(poolLink(e.base, e.file)+suffix, path)
}

// reuse makes dir out of the spare, with what the next state wants of it, or
// empty. It returns the names of the links that are there.
func (w *writer) reuse(dir string, next *state) (map[string]bool, error) {
	spare := filepath.Join(w.generations(), spareName)
	if err := os.Rename(spare, dir); err != nil {
		return nil, durable.Mkdir(dir)
	}
	old := &state{dir: dir}
	if _, err := old.parseIndex(); err != nil {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		return nil, durable.Mkdir(dir)
	}
	old.index()
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool, len(names))
	for _, name := range names {
		file, signature := strings.CutSuffix(name, ".sig")
		i, was := old.files[file]
		j, wanted := next.files[file]
		if was && wanted && old.entries[i].base == next.entries[j].base && (!signature || next.entries[j].signed) {
			have[name] = true
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return have, nil
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// carry hands on what stands in the published directory and is not ours, such
// as an index.html.
func (r *Repository) carry(from, next *state, dir string) error {
	names, err := readNames(from.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		file := strings.TrimSuffix(name, ".sig")
		_, ours := from.files[file]
		_, wanted := next.files[file]
		if ours || wanted || name[0] == '.' || r.isDatabase(name) {
			continue
		}
		if err := carryFile(filepath.Join(from.dir, name), filepath.Join(dir, name), from.number > 0); err != nil {
			return err
		}
	}
	return nil
}

// isDatabase reports whether the name is a database's, or what repo-add leaves
// beside one.
func (r *Repository) isDatabase(name string) bool {
	for _, kind := range []string{".db", ".files"} {
		rest, ok := strings.CutPrefix(name, r.options.ID.Name+kind)
		if ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

func carryFile(from, to string, sibling bool) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return fmt.Errorf("%s is a directory, move it away", from)
	case info.Mode().IsRegular() || sibling:
		return os.Link(from, to)
	}
	target, err := filepath.EvalSymlinks(from)
	if err != nil {
		return nil // it dangles: no one misses it
	}
	if target, err = filepath.Rel(filepath.Dir(to), target); err != nil {
		return err
	}
	return os.Symlink(target, to)
}

func (w *writer) signDatabases(ctx context.Context, dir string) error {
	if w.options.Signer == nil {
		return nil
	}
	kinds := []string{"db", "files"}
	return w.parallel(ctx, len(kinds), func(ctx context.Context, i int) error {
		name := w.database(kinds[i])
		path := filepath.Join(dir, name)
		signature, err := w.options.Signer.Sign(ctx, path)
		if err != nil {
			return fmt.Errorf("signing %s: %w", name, err)
		}
		if len(signature) > maxSignature {
			return fmt.Errorf("signing %s: a signature of %d bytes, pacman reads %d", name, len(signature), maxSignature)
		}
		if err := writeSync(path+".sig", signature); err != nil {
			return err
		}
		return os.Symlink(name+".sig", filepath.Join(dir, w.options.ID.Name+"."+kinds[i]+".sig"))
	})
}
