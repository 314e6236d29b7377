package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"

	"github.com/google/uuid"
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

// Add puts what name stands for where the next run finds it, and returns the
// bases: sources into the queue, package files into the waiting directory. The
// sources of a directory are kept in CacheDir. The error is source.ErrNotFound
// when the name stands for nothing of that kind.
func (f *Flow) Add(ctx context.Context, name string, kind source.Kind, order Order) ([]string, error) {
	found, err := f.Sources.Resolve(ctx, name, kind)
	if err != nil {
		return nil, err
	}
	scratch, err := durable.NewScratch(f.ScratchDir)
	if err != nil {
		return nil, err
	}
	defer scratch.Remove()
	if found.IsFiles() {
		files, err := f.Sources.Packages(ctx, found, scratch.Dir)
		if err != nil {
			return nil, err
		}
		return HandIn(ctx, f.Repository, files)
	}
	dir := filepath.Join(scratch.Dir, "source")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	p, err := f.Describe(ctx, found, dir)
	if err != nil {
		return nil, err
	}
	if found.Kind == source.Local && p.Origin.GitURL == "" {
		if err := source.Keep(ctx, dir, filepath.Join(f.CacheDir, p.Base)); err != nil {
			return nil, err
		}
	}
	return []string{p.Base}, f.Request(ctx, p, order)
}

// Addition names what is added, and how it is built.
type Addition struct {
	Packages  []string       `json:"packages"` // as Add takes them
	Packager  string         `json:"packager,omitempty"`
	Increment bool           `json:"increment"`
	Patches   []source.Patch `json:"patches,omitempty"`
	Refresh   bool           `json:"refresh,omitempty"` // as a Request has it; AddNow only
	User      string         `json:"user,omitempty"`    // who asked
}

// Queue adds bases of the AUR and of cache/, by name, for the next run: who may
// only ask for packages brings none along, nor the address of their source.
func (f *Flow) Queue(ctx context.Context, a Addition) (*Outcome, error) {
	r := f.newRun(ctx, Request{})
	a.Packages = slices.DeleteFunc(slices.Clone(a.Packages), func(name string) bool {
		if !strings.ContainsAny(name, "/:") {
			return false
		}
		r.outcome.Failed = append(r.outcome.Failed, Failure{Base: name, Reason: "only names can be asked for"})
		return true
	})
	r.addAll(ctx, a)
	return r.outcome, r.outcome.Err()
}

// AddNow adds packages and builds them, and what they need of the AUR. What is
// published already, and asked for without Increment, is delivered once more.
func (f *Flow) AddNow(ctx context.Context, a Addition) (*Outcome, error) {
	request := Request{Manual: true, Increment: a.Increment, Deliver: !a.Increment, Dependencies: true, Changes: true, Refresh: a.Refresh, Packager: a.Packager}
	return f.do(ctx, request, func(r *run) error {
		if r.request.Bases = r.addAll(ctx, a); len(r.request.Bases) == 0 {
			return ctx.Err()
		}
		return r.update(ctx)
	})
}

// addAll adds packages and returns their bases. One that cannot be added fails
// alone.
func (r *run) addAll(ctx context.Context, a Addition) []string {
	var bases []string
	order := Order{Packager: a.Packager, Increment: a.Increment, Patches: a.Patches, User: a.User}
	for _, name := range a.Packages {
		added, err := r.Add(ctx, name, source.Auto, order)
		if err != nil {
			// What is no base is nobody's status.
			r.outcome.Failed = append(r.outcome.Failed, Failure{Base: name, Reason: err.Error()})
			r.Logger.Error("adding", "name", name, "error", err)
			continue
		}
		bases = append(bases, added...)
	}
	slices.Sort(bases)
	return slices.Compact(bases)
}

// Describe lays out the sources in dir, an empty directory, and reads the
// PKGBUILD.
func (f *Flow) Describe(ctx context.Context, found *source.Found, dir string) (source.Package, error) {
	if _, err := f.Sources.Sources(ctx, found, dir); err != nil {
		return source.Package{}, err
	}
	r := f.newRun(ctx, Request{})
	info, err := r.read(ctx, dir)
	if err != nil {
		return source.Package{}, err
	}
	return source.FromSrcinfo(info, r.architecture(), found.Origin), nil
}

// HandIn copies package files, with the signatures beside them, to where the
// next update publishes them, all or none, and returns their bases.
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
	parcel, err := r.NewParcel(uuid.NewString())
	if err != nil {
		return nil, err
	}
	defer parcel.Discard()
	for _, path := range files {
		target := filepath.Join(parcel.Dir, alpm.SafeFileName(filepath.Base(path)))
		if err := copyFile(ctx, path+".sig", target+".sig"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := copyFile(ctx, path, target); err != nil {
			return nil, err
		}
	}
	return bases, parcel.Put(true)
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
