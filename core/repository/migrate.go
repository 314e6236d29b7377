package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ahriman/core/internal/durable"
)

// Move is a directory that Migrate brings to another place.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Migrate brings what older programs kept to where it stands nowadays: the
// directories of ahriman before 2.12, named by the architecture alone, and a
// published directory, which becomes a generation. It returns the moves, in
// order; with dry it makes none. A killed run is finished by the next.
func (r *Repository) Migrate(ctx context.Context, dry bool) ([]Move, error) {
	moves, err := r.migrate(ctx, dry)
	if err != nil {
		return nil, fmt.Errorf("migrating %s: %w", r.options.ID, err)
	}
	return moves, nil
}

func (r *Repository) migrate(ctx context.Context, dry bool) ([]Move, error) {
	moves, err := r.outgrown()
	if err != nil {
		return nil, err
	}
	dir, number, err := r.resolve()
	if err != nil {
		return nil, err
	}
	if len(moves) > 0 || dir != "" && number == 0 {
		next, err := r.unused()
		if err != nil {
			return nil, err
		}
		moves = append(moves, Move{r.Published(), r.generation(next)})
	}
	if dry || len(moves) == 0 {
		return moves, nil
	}
	release, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range moves[:len(moves)-1] {
		if err := moveDirectory(m); err != nil {
			release()
			return nil, err
		}
	}
	release()
	w, err := r.begin(ctx, nil) // takes the directory over
	if err != nil {
		return nil, err
	}
	w.release()
	return moves, nil
}

// outgrown lists the moves of a tree from before repositories had names in it:
// one whose published directory, which goes last, has this repository's database.
func (r *Repository) outgrown() ([]Move, error) {
	old := func(kind string) string { return filepath.Join(r.options.Root, kind, r.options.ID.Architecture) }
	_, err := os.Stat(filepath.Join(old("repository"), r.options.ID.Name+".db"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var moves []Move
	for _, kind := range []string{"packages", "pacman", "repository"} {
		m := Move{old(kind), filepath.Join(r.options.Root, kind, r.options.ID.Name, r.options.ID.Architecture)}
		if _, err := os.Lstat(m.From); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		entries, err := os.ReadDir(m.To)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(entries) > 0 {
			return nil, fmt.Errorf("%s would become %s, which is there and not empty", m.From, m.To)
		}
		moves = append(moves, m)
	}
	return moves, nil
}

// moveDirectory moves a directory to where at most an empty one is.
func moveDirectory(m Move) error {
	if err := durable.Mkdir(filepath.Dir(m.To)); err != nil {
		return err
	}
	if err := os.Remove(m.To); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.Rename(m.From, m.To)
}
