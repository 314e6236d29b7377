package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
)

// Order is how a base that someone asks for is to be built.
type Order struct {
	Packager  string // empty: the configuration's
	Increment bool   // raise pkgrel when its version is published already
	Patches   []source.Patch
	User      string // who asked
}

// Request queues a base for the next update that looks at what was asked for.
func (f *Flow) Request(ctx context.Context, p source.Package, order Order) error {
	_, err := f.Store.Enqueue(ctx, f.Repository.ID(), store.Request{
		Package: p, Packager: order.Packager, Increment: order.Increment, Patches: order.Patches, User: order.User,
	})
	if err != nil {
		return err
	}
	_, err = f.Store.Package(ctx, f.Repository.ID(), p.Base)
	if errors.Is(err, store.ErrUnknownPackage) {
		return f.Store.SetPackage(ctx, f.Repository.ID(), p, store.Unknown)
	}
	return err
}

// Describe lays out the sources in dir, an empty directory, and reads the
// PKGBUILD.
func (f *Flow) Describe(ctx context.Context, found *source.Found, dir string) (source.Package, error) {
	if _, err := f.Sources.Sources(ctx, found, dir); err != nil {
		return source.Package{}, err
	}
	r := f.newRun(Request{})
	info, err := r.read(ctx, dir)
	if err != nil {
		return source.Package{}, err
	}
	return source.FromSrcinfo(info, r.architecture(), found.Origin), nil
}

// HandIn copies package files, with the signatures beside them, to where the
// next update publishes them, and returns their bases. All are read to their
// ends first: after an error none is there.
func HandIn(ctx context.Context, r *repository.Repository, files []string) ([]string, error) {
	var bases []string
	for _, path := range files {
		p, err := alpm.OpenPackage(path)
		if err != nil {
			return nil, err
		}
		if err := p.CheckFileName(); err != nil {
			return nil, err
		}
		bases = append(bases, p.Base)
	}
	if err := durable.Mkdir(r.Waiting()); err != nil {
		return nil, err
	}
	for _, path := range files {
		target := filepath.Join(r.Waiting(), alpm.SafeFileName(filepath.Base(path)))
		// The signature first: the file is what makes it count.
		if err := copyFile(ctx, path+".sig", target+".sig"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := copyFile(ctx, path, target); err != nil {
			return nil, err
		}
	}
	return bases, nil
}

func copyFile(ctx context.Context, from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := durable.Create(to, 0o644)
	if err != nil {
		return err
	}
	defer target.Abort()
	if err := durable.Copy(ctx, target.File, source); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return target.Commit()
}
