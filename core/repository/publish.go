package repository

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// Change is what one publication is to change. All of it becomes visible at
// once, or nothing.
type Change struct {
	// Add are package files; a signature stands beside its file with ".sig"
	// after the name. Files in Waiting() are taken, others copied. Of several
	// versions of one name the newest is published.
	Add []string
	// Remove are names of packages, not of bases. Names that are not published
	// are passed over, so that a removal can be repeated.
	Remove []string
	// KeepPublished makes a file whose name is taken by other bytes no error:
	// what is published stays, and the conflict is told in the Publication.
	KeepPublished bool
}

// Entry names one published package.
type Entry struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Base     string `json:"base"`
	FileName string `json:"filename"`
	SHA256   string `json:"sha256"`
}

// Publication is what a publication did.
type Publication struct {
	Generation int  // the number of the current generation
	Changed    bool // false: all was published already, no generation was written
	Added      []Entry
	Replaced   []Entry // what gave way to an entry of Added, same names
	Removed    []Entry
	// Superseded are the entries of Change.Add that a newer version of the same
	// name, also in Change.Add, kept from being published.
	Superseded []Entry
	// Conflicts are the files that Change.KeepPublished kept out.
	Conflicts []*ConflictError
	// CleanUp is what went wrong after the switch: the publication stands, old
	// generations or files are still there. The next publication tries again.
	CleanUp error
	// Dropped are packages that a database made by another program lists, and
	// whose files are gone.
	Dropped []Entry
}

// Publish makes the change. Adding what is published already is no change.
//
// Errors a caller may tell apart: *LockedError, *ConflictError, *FileError (the
// package file is at fault), and syscall.ENOSPC or EDQUOT. After an error the
// repository is as it was and files in Waiting() are still there.
func (r *Repository) Publish(ctx context.Context, change Change) (*Publication, error) {
	publication, err := r.publish(ctx, change)
	if err != nil {
		return nil, fmt.Errorf("publishing to %s: %w", r.options.ID, err)
	}
	return publication, nil
}

func (r *Repository) publish(ctx context.Context, change Change) (*Publication, error) {
	area, files, err := r.stage(ctx, change.Add)
	if err != nil {
		return nil, err
	}
	defer area.discard()
	return r.publishStaged(ctx, area, files, change)
}

// publishStaged makes the change with files that are staged.
func (r *Repository) publishStaged(ctx context.Context, area *staging, files []*staged, change Change) (*Publication, error) {
	w, err := r.begin(ctx, area)
	if err != nil {
		return nil, err
	}
	defer w.release()
	next, publication, err := w.plan(change, files)
	if err != nil {
		return nil, err
	}
	publication.Generation = w.current.number
	if publication.Changed {
		if err := w.commit(ctx, next, w.current); err != nil {
			return nil, err
		}
		publication.Generation = next.number
	}
	publication.CleanUp = errors.Join(w.prune(next), takeAway(files))
	return publication, nil
}

// writer is one run that holds the lock.
type writer struct {
	*Repository
	release func()
	area    *staging // nil when nothing is added
	current *state
	admit   []*staged // to be put into the pool
}

// begin takes the lock, clears what dead runs left and reads what is published.
func (r *Repository) begin(ctx context.Context, area *staging) (*writer, error) {
	release, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{Repository: r, release: release, area: area}
	if err := w.start(ctx); err != nil {
		release()
		return nil, err
	}
	return w, nil
}

func (w *writer) start(ctx context.Context) error {
	if err := w.makeDirectories(); err != nil {
		return err
	}
	if err := w.recover(); err != nil {
		return fmt.Errorf("cleaning up after an earlier run: %w", err)
	}
	dir, number, err := w.resolve()
	if err != nil {
		return err
	}
	if dir != "" && number == 0 {
		if dir, number, err = w.adopt(ctx, dir); err != nil {
			return fmt.Errorf("taking over %s: %w", w.Published(), err)
		}
	}
	if dir == "" {
		w.current = &state{foreign: true}
		w.current.index()
		return nil
	}
	w.current, err = w.load(dir, number)
	return err
}

// plan works out the next state, without touching anything.
func (w *writer) plan(change Change, files []*staged) (*state, *Publication, error) {
	p := &Publication{}
	entries := make(map[string]entry, len(w.current.entries)+len(files))
	for _, e := range w.current.entries {
		if w.current.foreign && !w.inPool(&e) {
			p.Dropped = append(p.Dropped, e.public())
			continue
		}
		entries[e.name] = e
	}
	for _, name := range change.Remove {
		if e, ok := entries[name]; ok {
			delete(entries, name)
			p.Removed = append(p.Removed, e.public())
		}
	}
	for _, file := range newest(files, p) {
		if err := w.planFile(entries, file, change.KeepPublished, p); err != nil {
			return nil, nil, err
		}
	}
	next := &state{entries: make([]entry, 0, len(entries))}
	for _, e := range entries {
		next.entries = append(next.entries, e)
	}
	next.index()
	if len(next.files) != len(next.entries) {
		return nil, nil, next.nameClash()
	}
	p.Removed = slices.DeleteFunc(p.Removed, func(e Entry) bool { return next.find(e.Name) != nil })
	p.Changed = len(p.Added)+len(p.Removed)+len(p.Dropped) > 0 || w.current.number == 0 ||
		w.current.signed != (w.options.Signer != nil)
	return next, p, nil
}

// newest leaves the newest version of each name.
func newest(files []*staged, p *Publication) []*staged {
	best := make(map[string]*staged, len(files))
	for _, file := range files {
		other := best[file.pkg.Name]
		if other != nil && alpm.Vercmp(other.pkg.Version, file.pkg.Version) >= 0 {
			file, other = other, file
		}
		best[file.pkg.Name] = file
		if other != nil {
			e := newEntry(other.pkg)
			p.Superseded = append(p.Superseded, e.public())
		}
	}
	return slices.DeleteFunc(slices.Clone(files), func(f *staged) bool { return best[f.pkg.Name] != f })
}

// planFile replaces the entry of one package.
func (w *writer) planFile(entries map[string]entry, file *staged, keep bool, p *Publication) error {
	e := newEntry(file.pkg)
	old, published := entries[e.name]
	if !published {
		if was := w.current.find(e.name); was != nil { // named in Remove too
			old, published = *was, true
		}
	}
	if published && old.file == e.file && old.base == e.base && old.sha256 == e.sha256 &&
		(old.signature == e.signature || !e.signed) {
		entries[e.name] = old
		return nil
	}
	conflict, exists, err := w.conflict(file)
	switch {
	case err != nil:
		return err
	case conflict != nil && keep:
		p.Conflicts = append(p.Conflicts, conflict)
		return nil
	case conflict != nil:
		return conflict
	}
	if exists && !e.signed { // the signature that is there stays good
		if err := w.keepSignature(&e); err != nil {
			return err
		}
	}
	w.admit = append(w.admit, file)
	entries[e.name] = e
	p.Added = append(p.Added, e.public())
	if published {
		p.Replaced = append(p.Replaced, old.public())
	}
	return nil
}

func (e *entry) public() Entry {
	return Entry{Name: e.name, Version: e.version, Base: e.base, FileName: e.file, SHA256: e.sha256}
}

// nameClash finds two packages whose files would have one name.
func (s *state) nameClash() error {
	for i := range s.entries {
		if e := &s.entries[i]; s.files[e.file] != i {
			other := &s.entries[s.files[e.file]]
			return &FileError{e.file, fmt.Errorf("%s and %s would have files of the same name", e.name, other.name)}
		}
	}
	return errors.New("files of the same name")
}

// commit puts new files into the pool, writes the generation, with what it can
// take over from another one, and switches to it.
// When any of it fails, all of it is undone.
func (w *writer) commit(ctx context.Context, next, from *state) error {
	names, err := w.fill()
	if err == nil {
		err = w.switchTo(ctx, next, from)
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, w.undo(next.number, names))
}

// undo takes a generation back that could not be published, and the pool files
// that came for it. The link can have been switched and not been synced: then it
// is switched back. Should that fail too, the generation stays published.
func (w *writer) undo(number int, names []string) error {
	dir, published, err := w.resolve()
	if err != nil {
		return err
	}
	if number > 0 && published == number && dir != "" {
		if err := w.switchBack(); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(w.generation(number)); err == nil {
		if err := w.discardGeneration(number); err != nil {
			return err
		}
	}
	if err := durable.Clean(w.generations()); err != nil {
		return err
	}
	return w.withdraw(names)
}

func (w *writer) switchBack() error {
	if w.current.number == 0 {
		return os.Remove(w.Published())
	}
	if err := durable.Symlink(w.publishedLink(w.current.number), w.Published()); err != nil {
		return fmt.Errorf("going back to generation %d: %w", w.current.number, err)
	}
	return nil
}

// switchTo writes the generation after the current one and publishes it.
func (w *writer) switchTo(ctx context.Context, next, from *state) error {
	next.number = w.current.number + 1
	next.modTime = time.Now().Truncate(time.Second)
	if after := w.current.modTime.Truncate(time.Second).Add(time.Second); next.modTime.Before(after) {
		next.modTime = after
	}
	dir := durable.Temporary(w.generation(next.number))
	if err := w.writeGeneration(ctx, dir, next, from); err != nil {
		return fmt.Errorf("writing generation %d: %w", next.number, err)
	}
	next.dir = w.generation(next.number)
	if err := durable.Rename(dir, next.dir); err != nil {
		return err
	}
	return durable.Symlink(w.publishedLink(next.number), w.Published())
}

// takeAway removes what was published from Waiting(). Each file is also in the
// pool by now, or was there before.
func takeAway(files []*staged) error {
	for _, file := range files {
		if !file.moved {
			continue
		}
		for _, path := range []string{file.source, file.source + ".sig"} {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
