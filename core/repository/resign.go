package repository

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ahriman/core/internal/durable"
)

// ErrUnknownBase is returned for a package base that is not published.
var ErrUnknownBase = errors.New("no such package base is published")

// SignFunc writes the signature of the package file at path, one of the base, to
// path+".sig". A good one that is there already it leaves: signed then is false.
type SignFunc func(ctx context.Context, base, path string) (signed bool, err error)

// SignPackages signs packages that are published already: those of the bases, or
// all without any. Files keep their bytes; new signatures are published at once,
// in the Publication's Added. It works on copies of the file names outside the
// pool, several at once, and holds the lock only to publish.
func (r *Repository) SignPackages(ctx context.Context, bases []string, sign SignFunc) (*Publication, error) {
	p, err := r.signPackages(ctx, bases, sign)
	if err != nil {
		return nil, fmt.Errorf("signing packages of %s: %w", r.options.ID, err)
	}
	return p, nil
}

func (r *Repository) signPackages(ctx context.Context, bases []string, sign SignFunc) (*Publication, error) {
	chosen, dir, err := r.ofBases(ctx, bases)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return &Publication{}, nil
	}
	if err := durable.Mkdir(r.incoming()); err != nil {
		return nil, err
	}
	area, err := newStaging(r.incoming())
	if err != nil {
		return nil, err
	}
	defer area.discard()
	files := make([]*staged, len(chosen))
	err = r.parallel(ctx, len(chosen), func(ctx context.Context, i int) (err error) {
		files[i], err = r.signOne(ctx, area, &chosen[i], dir, sign)
		return err
	})
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(f *staged) bool { return f == nil })
	return r.publishStaged(ctx, area, files, Change{})
}

// ofBases returns what is published of the bases, and where.
func (r *Repository) ofBases(ctx context.Context, bases []string) (chosen []entry, dir string, err error) {
	var s *state
	err = r.read(ctx, func(from string, number int) (err error) {
		dir = from
		s, err = r.load(from, number)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	known := make(map[string]bool)
	if s != nil {
		for _, e := range s.entries {
			if len(bases) == 0 || slices.Contains(bases, e.base) {
				known[e.base] = true
				chosen = append(chosen, e)
			}
		}
	}
	for _, base := range bases {
		if !known[base] {
			return nil, "", fmt.Errorf("%w: %s", ErrUnknownBase, base)
		}
	}
	return chosen, dir, nil
}

// signOne returns the package with its new signature; nil when the one it has
// is good.
func (r *Repository) signOne(ctx context.Context, area *staging, e *entry, dir string, sign SignFunc) (*staged, error) {
	published := filepath.Join(dir, e.file)
	source, err := filepath.EvalSymlinks(published)
	if err != nil {
		return nil, err
	}
	file := &staged{path: filepath.Join(area.dir, e.file), source: published}
	if err := takeFile(ctx, source, file.path, true); err != nil {
		return nil, err
	}
	if err := takeSignature(published+".sig", file.path+".sig"); err != nil {
		var malformed *FileError
		if !errors.As(err, &malformed) { // else it is to be replaced
			return nil, err
		}
	}
	signed, err := sign(ctx, e.base, file.path)
	if err != nil {
		return nil, err
	}
	if !signed && e.signed {
		return nil, nil
	}
	if err := os.Chmod(file.path+".sig", 0o644); err != nil {
		return nil, err
	}
	if err := durable.Sync(file.path + ".sig"); err != nil {
		return nil, err
	}
	file.pkg, err = r.openPackage(file.path)
	return file, err
}
