package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

func (r *Repository) inPool(e *entry) bool {
	info, err := os.Lstat(r.PoolPath(e.base, e.file))
	return err == nil && info.Mode().IsRegular()
}

// conflict compares a staged file with the pool's of the same name; exists says
// that there is one, with the same bytes.
func (r *Repository) conflict(file *staged) (conflict *ConflictError, exists bool, err error) {
	path := r.PoolPath(file.pkg.Base, file.pkg.FileName)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, fmt.Errorf("%s is not a regular file", path)
	}
	sum, err := alpm.FileDigest(path)
	if err != nil {
		return nil, false, err
	}
	if sum != file.pkg.SHA256 {
		return &ConflictError{Source: file.source, Published: path, Have: sum, Got: file.pkg.SHA256}, true, nil
	}
	return nil, true, nil
}

// keepSignature makes the entry refer to the signature the pool has.
func (r *Repository) keepSignature(e *entry) error {
	signature, err := os.ReadFile(r.PoolPath(e.base, e.file) + ".sig")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p := *e.pkg
	p.Signature = signature
	e.pkg, e.signed, e.signature = &p, true, digest(signature)
	return nil
}

// fill puts the staged files into the pool, and returns the names, relative to
// the pool, of those that were not there before.
func (w *writer) fill() (names []string, err error) {
	for _, file := range w.admit {
		name := poolName(file.pkg.Base, file.pkg.FileName)
		for _, name := range []string{name, name + ".sig"} {
			_, err := os.Lstat(filepath.Join(w.pool(), name))
			if errors.Is(err, fs.ErrNotExist) {
				names = append(names, name)
			} else if err != nil {
				return nil, err
			}
		}
	}
	if len(names) > 0 {
		if err := w.area.intend(names); err != nil {
			return nil, err
		}
	}
	dirs := make(map[string]bool)
	for _, file := range w.admit {
		path := w.PoolPath(file.pkg.Base, file.pkg.FileName)
		dirs[filepath.Dir(path)] = true
		if err := putInPool(file, path); err != nil {
			return names, fmt.Errorf("adding %s: %w", file.source, err)
		}
	}
	for dir := range dirs {
		if err := durable.SyncDir(dir); err != nil {
			return names, err
		}
	}
	return names, nil
}

func putInPool(file *staged, path string) error {
	if err := durable.Mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if file.signed() { // first, so that no package is seen without it
		if err := putSignature(file, path+".sig"); err != nil {
			return err
		}
	}
	// A link, unlike a rename, never replaces what is there.
	err := os.Link(file.path, path)
	if errors.Is(err, fs.ErrExist) { // with the same bytes: planFile has looked
		return nil
	}
	return err
}

// putSignature replaces a signature: another one over the same bytes is as good
// for every generation that has the file.
func putSignature(file *staged, path string) error {
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, file.pkg.Signature) {
		return nil
	}
	return os.Rename(file.path+".sig", path)
}

// withdraw takes pool files back that no generation came to use.
func (r *Repository) withdraw(names []string) error {
	if len(names) == 0 {
		return nil
	}
	dirs, err := r.publishing()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(r.pool(), name)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || contains(dirs, filepath.Base(name)) {
			continue
		}
		if err := removeFromPool(path); err != nil {
			return err
		}
	}
	return nil
}

// removeFromPool removes a file, and its directories when they come to be empty.
func removeFromPool(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	if os.Remove(filepath.Dir(path)) == nil { // fails, and may, while it has other files
		os.Remove(filepath.Dir(filepath.Dir(path)))
	}
	return nil
}

// publishing lists all directories of this root whose links must keep working:
// generations first, then what is published.
func (r *Repository) publishing() ([]string, error) {
	var dirs []string
	generations, err := subdirectories(filepath.Join(r.options.Root, "generations"), 3)
	if err != nil {
		return nil, err
	}
	published, err := subdirectories(filepath.Join(r.options.Root, "repository"), 2)
	return append(append(dirs, generations...), published...), err
}

// subdirectories lists what stands depth levels below dir, hidden names left out.
func subdirectories(dir string, depth int) ([]string, error) {
	if depth == 0 {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	var all []string
	for _, entry := range entries {
		if entry.Name()[0] == '.' {
			continue
		}
		dirs, err := subdirectories(filepath.Join(dir, entry.Name()), depth-1)
		if err != nil {
			return nil, err
		}
		all = append(all, dirs...)
	}
	return all, err
}

// contains reports whether one of the directories has the file.
func contains(dirs []string, file string) bool {
	for _, dir := range dirs {
		if _, err := os.Lstat(filepath.Join(dir, file)); err == nil {
			return true
		}
	}
	return false
}
