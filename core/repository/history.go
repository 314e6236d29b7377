package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ahriman/core/alpm"
)

// Generation is one publication that is kept.
type Generation struct {
	Number    int       `json:"generation"`
	Published time.Time `json:"published"` // of the database; whole seconds
	Current   bool      `json:"current"`
	Packages  int       `json:"packages"`
	Signed    bool      `json:"signed"` // the databases are
	// What it changed to the kept generation before it; nil in the oldest.
	Added    []Entry `json:"added,omitempty"`
	Replaced []Entry `json:"replaced,omitempty"`
	Removed  []Entry `json:"removed,omitempty"`
}

// Packages reads what is published, without file lists, sorted by name. Nothing
// is published in a repository that does not exist yet.
func (r *Repository) Packages(ctx context.Context) ([]alpm.Package, error) {
	var packages []alpm.Package
	err := r.read(ctx, func(dir string, number int) (err error) {
		packages, err = readPackages(filepath.Join(dir, r.options.ID.Name+".db"))
		if number == 0 && errors.Is(err, fs.ErrNotExist) {
			return nil // a directory that was never published to
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading repository %s: %w", r.options.ID, err)
	}
	slices.SortFunc(packages, func(a, b alpm.Package) int { return cmp.Compare(a.Name, b.Name) })
	return packages, nil
}

// readAttempts bounds how often a reader that was overtaken by the removal of
// the generation it was reading looks again.
const readAttempts = 5

// read calls f with what is published, again when that vanishes meanwhile.
func (r *Repository) read(ctx context.Context, f func(dir string, number int) error) error {
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir, number, err := r.resolve()
		if err != nil || dir == "" {
			return err
		}
		if err = f(dir, number); !errors.Is(err, fs.ErrNotExist) || attempt == readAttempts {
			return err
		}
	}
}

// Generations lists what is kept, the oldest first. A repository that another
// program keeps has none.
func (r *Repository) Generations(ctx context.Context) ([]Generation, error) {
	_, current, err := r.resolve()
	if err != nil {
		return nil, fmt.Errorf("listing generations of %s: %w", r.options.ID, err)
	}
	numbers, err := r.numbers()
	if err != nil {
		return nil, fmt.Errorf("listing generations of %s: %w", r.options.ID, err)
	}
	var all []Generation
	var before *state
	for _, n := range numbers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if n > current { // written and not published, or not yet
			break
		}
		s, err := r.load(r.generation(n), n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // retired meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("listing generations of %s: %w", r.options.ID, err)
		}
		g := Generation{Number: n, Published: s.modTime, Current: n == current, Packages: len(s.entries), Signed: s.signed}
		if before != nil {
			g.Added, g.Replaced, g.Removed = difference(before, s)
		}
		all, before = append(all, g), s
	}
	return all, nil
}

// difference tells two states apart; replaced holds the older entries of added.
func difference(from, to *state) (added, replaced, removed []Entry) {
	for i := range to.entries {
		e := &to.entries[i]
		was := from.find(e.name)
		if was != nil && was.file == e.file && was.sha256 == e.sha256 && was.signature == e.signature {
			continue
		}
		added = append(added, e.public())
		if was != nil {
			replaced = append(replaced, was.public())
		}
	}
	for i := range from.entries {
		if to.find(from.entries[i].name) == nil {
			removed = append(removed, from.entries[i].public())
		}
	}
	return added, replaced, removed
}

// Rollback publishes what generation n had once more, as a new generation with
// a newer modification time, so that pacman takes it. 0 is the generation before
// the current one. ErrNoGeneration is returned for one that is not kept.
func (r *Repository) Rollback(ctx context.Context, n int) (*Publication, error) {
	p, err := r.rollback(ctx, n, false)
	if err != nil {
		return nil, fmt.Errorf("rolling %s back: %w", r.options.ID, err)
	}
	return p, nil
}

// PlanRollback returns what Rollback would do, and does not.
func (r *Repository) PlanRollback(ctx context.Context, n int) (*Publication, error) {
	p, err := r.rollback(ctx, n, true)
	if err != nil {
		return nil, fmt.Errorf("rolling %s back: %w", r.options.ID, err)
	}
	return p, nil
}

func (r *Repository) rollback(ctx context.Context, n int, dry bool) (*Publication, error) {
	_, number, err := r.resolve()
	if err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, fmt.Errorf("%w: nothing was published by this program yet", ErrNoGeneration)
	}
	w, err := r.begin(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer w.release()
	from, err := w.former(n)
	if err != nil {
		return nil, err
	}
	p := &Publication{Generation: w.current.number}
	p.Added, p.Replaced, p.Removed = difference(w.current, from)
	p.Changed = from.number != w.current.number
	if dry || !p.Changed {
		return p, nil
	}
	for i := range from.entries {
		if e := &from.entries[i]; !w.inPool(e) {
			return nil, fmt.Errorf("generation %d needs %s, which is gone", from.number, w.PoolPath(e.base, e.file))
		}
	}
	next := &state{entries: slices.Clone(from.entries)}
	next.index()
	if err := w.commit(ctx, next, from); err != nil {
		return nil, err
	}
	p.Generation = next.number
	p.CleanUp = w.prune(next)
	return p, nil
}

// former reads the generation to roll back to.
func (w *writer) former(n int) (*state, error) {
	numbers, err := w.numbers()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		i := slices.Index(numbers, w.current.number)
		if i <= 0 {
			return nil, fmt.Errorf("%w before generation %d", ErrNoGeneration, w.current.number)
		}
		n = numbers[i-1]
	}
	if !slices.Contains(numbers, n) || n > w.current.number {
		return nil, fmt.Errorf("%w: %d", ErrNoGeneration, n)
	}
	if _, err := os.Stat(w.generation(n)); err != nil {
		return nil, err
	}
	return w.load(w.generation(n), n)
}
