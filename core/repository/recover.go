package repository

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// recover removes what killed runs left. The caller holds the lock, so nothing
// that is unfinished belongs to anyone, but for staging directories, whose
// owners hold them.
func (w *writer) recover() error {
	if err := w.relink(); err != nil {
		return err
	}
	_, number, err := w.resolve()
	if err != nil {
		return err
	}
	if err := w.recoverGenerations(number); err != nil {
		return err
	}
	if err := durable.Clean(filepath.Dir(w.Published())); err != nil {
		return err
	}
	if err := w.recoverStaging(); err != nil {
		return err
	}
	return w.dropParcels()
}

// parcelPatience is how long a parcel is kept whose process died: what went on
// with it would have done so long ago.
const parcelPatience = 24 * time.Hour

func (w *writer) dropParcels() error {
	dead, err := w.Parcels(parcelPatience)
	for _, p := range dead {
		err = errors.Join(err, p.Discard())
	}
	return err
}

// relink finishes a take-over on a file system that cannot exchange: the
// directory is gone, the link not there yet.
func (w *writer) relink() error {
	if _, err := os.Lstat(w.Published()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	numbers, err := w.numbers()
	if err != nil || len(numbers) == 0 {
		return err
	}
	return durable.Symlink(w.publishedLink(numbers[len(numbers)-1]), w.Published())
}

// recoverGenerations removes generations that were written and never published,
// and finishes the retirement of one.
func (w *writer) recoverGenerations(current int) error {
	if err := durable.Clean(w.generations()); err != nil {
		return err
	}
	if current == 0 { // what is published is not ours yet
		return nil
	}
	numbers, err := w.numbers()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > current {
			if err := w.discardGeneration(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// discardGeneration hides a generation before it removes it piece by piece.
func (w *writer) discardGeneration(n int) error {
	hidden := durable.Temporary(w.generation(n))
	if err := os.Rename(w.generation(n), hidden); err != nil {
		return err
	}
	return os.RemoveAll(hidden)
}

func (w *writer) recoverStaging() error {
	entries, err := os.ReadDir(w.incoming())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := filepath.Join(w.incoming(), entry.Name())
		if w.area != nil && dir == w.area.dir {
			continue
		}
		lock, err := lockDir(dir)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue // its run is alive, or has just ended
		}
		if err != nil {
			return err
		}
		if err := w.recoverArea(&staging{dir, lock}); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) recoverArea(area *staging) error {
	names, err := intended(area.dir)
	if err == nil {
		err = w.withdraw(names)
	}
	if err != nil {
		area.lock.Close()
		return err
	}
	return area.discard()
}

// prune retires generations beyond Options.Keep and removes what only they had
// from the pool.
func (w *writer) prune(current *state) error {
	if err := w.finishRetiring(current); err != nil {
		return err
	}
	numbers, err := w.numbers()
	if err != nil {
		return err
	}
	for i := 0; len(numbers)-i > w.options.Keep; i++ {
		// A generation was superseded when the one after it was written.
		info, err := os.Stat(w.generation(numbers[i+1]))
		if err != nil {
			return err
		}
		if time.Since(info.ModTime()) < w.options.Grace {
			break
		}
		retiring := filepath.Join(w.generations(), retiringName)
		if err := durable.Rename(w.generation(numbers[i]), retiring); err != nil {
			return err
		}
		if err := w.finishRetiring(current); err != nil {
			return err
		}
	}
	return nil
}

// finishRetiring prunes the pool of what the retiring generation had, and makes
// the generation the spare.
func (w *writer) finishRetiring(current *state) error {
	dir := filepath.Join(w.generations(), retiringName)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old, err := w.load(dir, 1)
	if err != nil { // a killed run got further than the pool
		return os.RemoveAll(dir)
	}
	if err := w.prunePool(old, current); err != nil {
		return err
	}
	spare := filepath.Join(w.generations(), spareName)
	if err := os.RemoveAll(spare); err != nil {
		return err
	}
	if old.foreign {
		return os.RemoveAll(dir)
	}
	for _, kind := range []string{"db", "files"} {
		if err := os.Remove(filepath.Join(dir, w.database(kind))); err != nil {
			return err
		}
	}
	return os.Rename(dir, spare)
}

// prunePool goes through the bases of which the old state had something that the
// current one has not.
func (w *writer) prunePool(old, current *state) error {
	if w.options.KeepBuilt == 0 {
		return nil
	}
	dirs, err := w.publishing()
	if err != nil {
		return err
	}
	published, err := subdirectories(filepath.Join(w.options.Root, "repository"), 2)
	if err != nil {
		return err
	}
	bases := make(map[string]bool)
	for i := range old.entries {
		if _, still := current.files[old.entries[i].file]; !still {
			bases[old.entries[i].base] = true
		}
	}
	for base := range bases {
		if err := w.pruneBase(base, dirs, published); err != nil {
			return err
		}
	}
	return nil
}

// pruneBase removes what no generation needs, but for the newest KeepBuilt
// versions of each package, as long as the base is published at all.
func (w *writer) pruneBase(base string, dirs, published []string) error {
	dir := filepath.Dir(w.PoolPath(base, "x"))
	files, err := readNames(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	versions, alive := make(map[string]map[string]bool), false
	for _, file := range files {
		name, version, _, _, err := alpm.ParseFileName(file)
		if err != nil {
			continue
		}
		if versions[name] == nil {
			versions[name] = make(map[string]bool)
		}
		versions[name][version] = true
		alive = alive || contains(published, file)
	}
	for _, file := range files {
		name, version, _, _, err := alpm.ParseFileName(file)
		if err != nil || contains(dirs, file) || alive && rank(versions[name], version) < w.options.KeepBuilt {
			continue
		}
		path := filepath.Join(dir, file)
		if err := os.Remove(path + ".sig"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := removeFromPool(path); err != nil {
			return err
		}
	}
	return nil
}

// rank counts the versions that are newer.
func rank(versions map[string]bool, version string) int {
	n := 0
	for other := range versions {
		if alpm.Vercmp(other, version) > 0 {
			n++
		}
	}
	return n
}
