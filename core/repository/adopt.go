package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// adopt makes a generation of a published directory that another program, the
// Python ahriman or repo-add, has written: its database as it is, its package
// files in the pool. Then the link takes the directory's place. A killed run
// leaves the directory published, or the generation.
func (w *writer) adopt(ctx context.Context, from string) (dir string, number int, err error) {
	if number, err = w.unused(); err != nil {
		return "", 0, err
	}
	old, err := w.load(from, 0)
	if err != nil {
		return "", 0, err
	}
	temporary := durable.Temporary(w.generation(number))
	err = w.adoptGeneration(ctx, old, temporary)
	if err == nil {
		err = durable.Rename(temporary, w.generation(number))
	}
	if err == nil {
		err = w.takeOver(number)
	}
	if err == nil {
		return w.generation(number), number, nil
	}
	// The directory can have been exchanged and not been synced: then the
	// generation is what is published.
	if _, published, _ := w.resolve(); published != number {
		err = errors.Join(err, os.RemoveAll(temporary), os.RemoveAll(w.generation(number)))
	}
	return "", 0, err
}

func (w *writer) adoptGeneration(ctx context.Context, old *state, dir string) error {
	if err := durable.Mkdir(dir); err != nil {
		return err
	}
	if err := w.adoptFiles(ctx, old, dir); err != nil {
		return err
	}
	next := *old
	if err := w.carry(old, &next, dir); err != nil {
		return err
	}
	if old.modTime.IsZero() { // it has no database
		if _, _, err := w.writeDatabases(ctx, dir, &next, &state{}); err != nil {
			return err
		}
		return durable.SyncDir(dir)
	}
	for _, kind := range []string{"db", "files"} {
		name := w.options.ID.Name + "." + kind
		if err := copyDatabase(ctx, old.dir, dir, name); err != nil {
			return err
		}
	}
	return durable.SyncDir(dir)
}

// copyDatabase copies a database, its signature and the links to them.
func copyDatabase(ctx context.Context, from, to, name string) error {
	for _, suffix := range []string{"", ".sig"} {
		path, err := filepath.EvalSymlinks(filepath.Join(from, name+suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		base := filepath.Base(path)
		if err := exportFile(ctx, path, filepath.Join(to, base)); err != nil {
			return err
		}
		if base == name+suffix {
			continue
		}
		if err := os.Symlink(base, filepath.Join(to, name+suffix)); err != nil {
			return err
		}
	}
	return nil
}

// adoptFiles brings the package files into the pool and links them. An entry
// whose file is gone is left without a link; the next publication drops it.
func (w *writer) adoptFiles(ctx context.Context, old *state, dir string) error {
	area, err := newStaging(w.incoming())
	if err != nil {
		return err
	}
	defer area.discard()
	for i := range old.entries {
		e := &old.entries[i]
		if err := w.check(e.pkg); err != nil {
			return &FileError{filepath.Join(old.dir, e.file), err}
		}
		for _, suffix := range []string{"", ".sig"} {
			from, err := filepath.EvalSymlinks(filepath.Join(old.dir, e.file+suffix))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return err
			}
			to := w.PoolPath(e.base, e.file) + suffix
			if err := adoptFile(ctx, area, from, to); err != nil {
				return err
			}
			if err := os.Symlink(poolLink(e.base, e.file)+suffix, filepath.Join(dir, e.file+suffix)); err != nil {
				return err
			}
		}
	}
	return nil
}

// adoptFile puts a file into the pool where it is not there already. Unlike
// those of a publication, such a file is no orphan when the run is killed: it
// is still published where it came from, and the next run comes by here.
func adoptFile(ctx context.Context, area *staging, from, to string) error {
	if from == to {
		return nil
	}
	if err := durable.Mkdir(filepath.Dir(to)); err != nil {
		return err
	}
	staged := filepath.Join(area.dir, filepath.Base(to))
	if err := takeFile(ctx, from, staged, true); err != nil {
		return err
	}
	err := os.Link(staged, to)
	if err == nil {
		return durable.SyncDir(filepath.Dir(to))
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if filepath.Ext(to) == ".sig" { // the published one counts
		return durable.Rename(staged, to)
	}
	have, err := alpm.FileDigest(to)
	if err != nil {
		return err
	}
	got, err := alpm.FileDigest(from)
	if err == nil && have != got {
		return &ConflictError{Source: from, Published: to, Have: have, Got: got}
	}
	return err
}

// takeOver makes the published path a link to the generation. What was there is
// removed: all of it is in the generation or the pool.
func (w *writer) takeOver(number int) error {
	published := w.Published()
	info, err := os.Lstat(published)
	if err != nil {
		return err
	}
	if !info.IsDir() { // a link to a directory elsewhere, which is left alone
		return durable.Symlink(w.publishedLink(number), published)
	}
	hidden := durable.Temporary(published)
	if err := os.Symlink(w.publishedLink(number), hidden); err != nil {
		return err
	}
	err = durable.Exchange(hidden, published)
	if errors.Is(err, errors.ErrUnsupported) {
		err = w.takeOverInTwo(number, hidden)
	}
	if err != nil {
		os.Remove(hidden)
		return err
	}
	if err := os.RemoveAll(hidden); err != nil {
		return fmt.Errorf("removing what %s was: %w", published, err)
	}
	return nil
}

// takeOverInTwo is for file systems that cannot exchange: for a moment nothing
// is published, and relink mends what a run killed in that moment leaves.
func (w *writer) takeOverInTwo(number int, hidden string) error {
	if err := os.Remove(hidden); err != nil {
		return err
	}
	if err := os.Rename(w.Published(), hidden); err != nil {
		return err
	}
	err := durable.Symlink(w.publishedLink(number), w.Published())
	if _, missing := os.Lstat(w.Published()); missing != nil {
		return errors.Join(err, os.Rename(hidden, w.Published()))
	}
	return err
}
