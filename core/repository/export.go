package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// Export writes a copy of what is published to dir, which must be empty or not
// exist: databases, package files and signatures, no links to anything outside.
// repo-add(8) and other tools may work on it; Import brings back what they did.
// The directory appears when it is whole.
func (r *Repository) Export(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("exporting %s: %w", r.options.ID, err)
	}
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return fmt.Errorf("exporting %s: %s: %w", r.options.ID, dir, unix.ENOTEMPTY)
	}
	temporary := durable.Temporary(dir)
	err = r.read(ctx, func(from string, number int) error {
		if err := os.RemoveAll(temporary); err != nil {
			return err
		}
		return r.exportTo(ctx, from, temporary, number)
	})
	if err == nil {
		err = durable.Mkdir(temporary) // where nothing was published
	}
	if err == nil {
		err = durable.Rename(temporary, dir)
	}
	if err != nil {
		return fmt.Errorf("exporting %s: %w", r.options.ID, errors.Join(err, os.RemoveAll(temporary)))
	}
	return nil
}

func (r *Repository) exportTo(ctx context.Context, from, to string, number int) error {
	s, err := r.load(from, number)
	if err != nil {
		return err
	}
	if err := durable.Mkdir(to); err != nil {
		return err
	}
	for i := range s.entries {
		e := &s.entries[i]
		for _, suffix := range e.suffixes() {
			if err := exportFile(ctx, filepath.Join(from, e.file+suffix), filepath.Join(to, e.file+suffix)); err != nil {
				return err
			}
		}
	}
	for _, kind := range []string{".db", ".files"} {
		if err := copyDatabase(ctx, from, to, r.options.ID.Name+kind); err != nil {
			return err
		}
	}
	return durable.SyncDir(to)
}

// exportFile copies a file with its modification time, since mirrors compare it.
func exportFile(ctx context.Context, from, to string) error {
	if err := takeFile(ctx, from, to, false); err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// Import publishes what another tool has made of an exported copy: packages that
// its database adds or has changed, without those it no longer lists. Package
// files stand beside the database in dir; they are copied.
func (r *Repository) Import(ctx context.Context, dir string) (*Publication, error) {
	change, err := r.importChange(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", dir, err)
	}
	return r.Publish(ctx, change)
}

func (r *Repository) importChange(ctx context.Context, dir string) (Change, error) {
	packages, err := readPackages(filepath.Join(dir, r.options.ID.Name+".db"))
	if err != nil {
		return Change{}, err
	}
	current := &state{}
	err = r.read(ctx, func(from string, number int) (err error) {
		current, err = r.load(from, number)
		return err
	})
	if err != nil {
		return Change{}, err
	}
	var change Change
	listed := make(map[string]bool, len(packages))
	for i := range packages {
		p := &packages[i]
		listed[p.Name] = true
		same, err := sameAs(current.find(p.Name), p, dir)
		if err != nil {
			return Change{}, err
		}
		if !same {
			change.Add = append(change.Add, filepath.Join(dir, p.FileName))
		}
	}
	for i := range current.entries {
		if name := current.entries[i].name; !listed[name] {
			change.Remove = append(change.Remove, name)
		}
	}
	return change, nil
}

// sameAs reports whether an entry is of the same package and signature.
func sameAs(e *entry, p *alpm.Package, dir string) (bool, error) {
	if e == nil || e.file != p.FileName || e.sha256 != p.SHA256 {
		return false, nil
	}
	signature, err := os.ReadFile(filepath.Join(dir, p.FileName+".sig"))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return digest(signature) == e.signature, err
}
