package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/trigger"
)

// batch is the package files of one base that are published together.
type batch struct {
	base   string
	origin source.Origin
	files  []string // paths in the waiting directory
	infos  []alpm.Info
	sizes  []int64 // bytes of the files
	known  bool    // another run has published it, and told its triggers
	handed bool    // it was handed in: which run publishes it does not matter
	untold bool    // another run has published it, and did not live to tell
}

// add adds the package file at path to the batch.
func (b *batch) add(path string, info alpm.Info) error {
	stat, err := os.Stat(path)
	if err != nil {
		return err
	}
	b.files, b.infos, b.sizes = append(b.files, path), append(b.infos, info), append(b.sizes, stat.Size())
	return nil
}

func (b *batch) version() string { return b.infos[0].Version }

func (b *batch) names() []string {
	var names []string
	for _, info := range b.infos {
		names = append(names, info.Name)
	}
	return names
}

// publishWaiting publishes what was uploaded, added, or built by a run that did
// not live to publish it.
func (r *run) publishWaiting(ctx context.Context) error {
	batches, err := r.waiting(ctx)
	if err != nil || len(batches) == 0 {
		return err
	}
	published, err := r.published(ctx)
	if err != nil {
		return err
	}
	var complete []*batch
	for _, b := range batches {
		if !r.wanted(b.base) {
			continue
		}
		record, err := r.Store.Package(ctx, r.Repository.ID(), b.base)
		if err != nil && !errors.Is(err, store.ErrUnknownPackage) {
			return err
		}
		b.origin, b.handed = record.Package.Origin, true
		have := published[b.base]
		missing := b.missing(record.Package)
		if len(missing) == 0 {
			missing = r.underWay(b)
		}
		switch {
		case have != "" && alpm.Vercmp(b.version(), have) < 0:
			r.refuse(b, fmt.Sprintf("version %s is older than the published %s", b.version(), have))
		case len(missing) > 0:
			r.left(Omission{Base: b.base, Version: b.version(), Reason: "waiting for " + strings.Join(missing, ", ")})
		default:
			complete = append(complete, b)
		}
	}
	built, _, err := r.publish(ctx, complete)
	if err != nil || len(built) == 0 {
		return err
	}
	r.deliver(ctx, trigger.Result{Built: built})
	return nil
}

// missing returns the packages that a record names for the batch's version and
// that are not in it.
func (b *batch) missing(record source.Package) []string {
	if record.Version != b.version() {
		return nil
	}
	have := b.names()
	var missing []string
	for name, properties := range record.Packages {
		debug := strings.HasSuffix(name, "-debug") && properties.FileName == ""
		if !slices.Contains(have, name) && !debug {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// waiting reads the waiting directory into batches, sorted by base. A file that
// is no package is refused; of two versions of a base, the older ones are.
func (r *run) waiting(ctx context.Context) ([]*batch, error) {
	byBase, err := r.readWaiting(func(path string, err error) {
		r.refuse(&batch{files: []string{path}}, err.Error())
	})
	if err != nil {
		return nil, err
	}
	var batches []*batch
	for _, base := range slices.Sorted(maps.Keys(byBase)) {
		versions := byBase[base]
		for _, old := range versions[1:] {
			r.refuse(old, fmt.Sprintf("version %s of %s waits too", versions[0].version(), base))
		}
		batches = append(batches, versions[0])
	}
	return batches, ctx.Err()
}

// readWaiting reads the waiting directory into batches by base, the newest
// version first. What is no package is left to refuse. A file that another run
// publishes meanwhile is none.
func (r *run) readWaiting(refuse func(path string, err error)) (map[string][]*batch, error) {
	files, err := r.Repository.WaitingFiles()
	if err != nil {
		return nil, err
	}
	byBase := map[string][]*batch{}
	for _, path := range files {
		info, err := alpm.ReadInfo(path)
		var versions []*batch
		if err == nil {
			var b *batch
			versions, b = batchOf(byBase[info.Base], info)
			err = b.add(path, info)
		}
		switch {
		case err == nil:
			byBase[info.Base] = versions
		case !errors.Is(err, fs.ErrNotExist):
			refuse(path, err)
		}
	}
	for _, versions := range byBase {
		slices.SortFunc(versions, func(a, b *batch) int { return alpm.Vercmp(b.version(), a.version()) })
	}
	return byBase, nil
}

// batchOf returns the batch of a version, a new one where there is none.
func batchOf(batches []*batch, info alpm.Info) ([]*batch, *batch) {
	for _, b := range batches {
		if b.version() == info.Version {
			return batches, b
		}
	}
	b := &batch{base: info.Base}
	return append(batches, b), b
}

// publish makes the batches the newest generation, all at once, and returns what
// the triggers have not been told of yet. A batch that cannot be published is
// refused whole, with the reason by base, and the others go on.
func (r *run) publish(ctx context.Context, batches []*batch) (built []trigger.Built, refused map[string]error, err error) {
	refused = map[string]error{}
	for len(batches) > 0 {
		change, err := r.change(ctx, batches)
		if err != nil {
			return nil, nil, err
		}
		done, err := r.Repository.Publish(ctx, change)
		if err == nil {
			return r.announce(batches, done), refused, nil
		}
		culprit := culpritOf(err)
		i := slices.IndexFunc(batches, func(b *batch) bool { return slices.Contains(b.files, culprit) })
		if i < 0 {
			return nil, nil, err
		}
		batches = slices.Clone(batches)
		culpable := batches[i]
		var other *batch
		switch gone := errors.Is(err, fs.ErrNotExist); { // another run was faster
		case gone && culpable.handed:
			batches = slices.Delete(batches, i, i+1)
			continue
		case gone:
			if other, err = r.awaited(ctx, culpable); ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
		}
		if other != nil {
			batches[i] = other
			continue
		}
		r.refuse(culpable, err.Error())
		refused[culpable.base] = err
		batches = slices.Delete(batches, i, i+1)
	}
	return nil, refused, nil
}

// culpritOf returns the file because of which a publication failed, empty when
// it failed for another reason.
func culpritOf(err error) string {
	if conflict, ok := errors.AsType[*repository.ConflictError](err); ok {
		return conflict.Source
	}
	if file, ok := errors.AsType[*repository.FileError](err); ok {
		return file.Path
	}
	return ""
}

// change lists the files of the batches, and the packages that their bases
// built before and build no longer.
func (r *run) change(ctx context.Context, batches []*batch) (repository.Change, error) {
	var change repository.Change
	packages, err := r.Repository.Packages(ctx)
	if err != nil {
		return change, err
	}
	names := map[string][]string{}
	for _, b := range batches {
		if b.known {
			continue
		}
		change.Add = append(change.Add, b.files...)
		names[b.base] = b.names()
	}
	for _, p := range packages {
		if built, ok := names[p.Base]; ok && !slices.Contains(built, p.Name) && r.complete(ctx, p.Base, built) {
			change.Remove = append(change.Remove, p.Name)
		}
	}
	return change, nil
}

// complete says whether the names are known to be all that a base builds.
// Somebody who uploads single files, and never said what the base builds, does
// not lose the others.
func (r *run) complete(ctx context.Context, base string, names []string) bool {
	record, err := r.Store.Package(ctx, r.Repository.ID(), base)
	if err != nil {
		return false
	}
	for name := range record.Package.Packages {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// announce tells the observers what a publication changed.
func (r *run) announce(batches []*batch, done *repository.Publication) []trigger.Built {
	if done.CleanUp != nil {
		r.Logger.Warn("cleaning up after a publication", "error", done.CleanUp)
	}
	names := map[string]string{} // file by package
	for _, entry := range done.Added {
		names[entry.Name] = entry.FileName
	}
	var built []trigger.Built
	for _, b := range batches {
		p, err := b.describe(names)
		if err != nil {
			r.Logger.Error("describing a publication", "base", b.base, "error", err)
			continue
		}
		r.emit(Published{Package: p})
		r.note(func(o *Outcome) { o.Published = append(o.Published, p) })
		if b.known {
			continue
		}
		one := trigger.Built{Package: p}
		for _, published := range b.packages(names) {
			one.Files = append(one.Files, filepath.Join(r.Repository.Published(), published.FileName))
		}
		built = append(built, one)
	}
	return built
}

// describe returns the base as the batch's files have it, under the names they
// are published as, by package; nil: as they are.
func (b *batch) describe(names map[string]string) (source.Package, error) {
	bases, err := source.FromPackages(b.packages(names), b.origin)
	if err != nil {
		return source.Package{}, err
	}
	if len(bases) != 1 {
		return source.Package{}, fmt.Errorf("the files of %s are packages of %d bases", b.base, len(bases))
	}
	return bases[0], nil
}

// packages returns the batch's packages under the names of their files.
func (b *batch) packages(names map[string]string) []alpm.Package {
	var packages []alpm.Package
	for i, info := range b.infos {
		p := alpm.Package{Info: info, FileName: names[info.Name], CompressedSize: b.sizes[i]}
		if p.FileName == "" { // published before, byte for byte
			p.FileName = alpm.SafeFileName(filepath.Base(b.files[i]))
		}
		packages = append(packages, p)
	}
	return packages
}

// deliver runs the triggers for a result.
func (r *run) deliver(ctx context.Context, result trigger.Result) {
	if r.Triggers == nil {
		return
	}
	result.Repository = r.Repository.ID()
	if err := r.Triggers.Result(ctx, result); err != nil {
		r.note(func(o *Outcome) { o.Triggers = append(o.Triggers, err.Error()) })
		var packages []source.Package
		for _, built := range result.Built {
			packages = append(packages, built.Package)
		}
		r.emit(Undelivered{Packages: packages, Err: err})
	}
}

// refuse drops a batch from the waiting directory: what is published wins.
func (r *run) refuse(b *batch, reason string) {
	for _, path := range b.files {
		refusal := Refusal{Base: b.base, File: filepath.Base(path), Reason: reason}
		r.note(func(o *Outcome) { o.Refused = append(o.Refused, refusal) })
		r.emit(Refused(refusal))
		for _, file := range []string{path, path + ".sig"} {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				r.Logger.Warn("removing a refused file", "error", err)
			}
		}
	}
}

// remove takes bases out of the repository and the store.
func (r *run) remove(ctx context.Context) error {
	packages, err := r.Repository.Packages(ctx)
	if err != nil {
		return err
	}
	var change repository.Change
	known := map[string]bool{}
	for _, p := range packages {
		if slices.Contains(r.request.Bases, p.Base) {
			change.Remove = append(change.Remove, p.Name)
			known[p.Base] = true
		}
	}
	for _, base := range r.request.Bases {
		_, err := r.Store.Package(ctx, r.Repository.ID(), base)
		if errors.Is(err, store.ErrUnknownPackage) && !known[base] {
			return fmt.Errorf("removing %s: %w", base, err)
		} else if err != nil && !errors.Is(err, store.ErrUnknownPackage) {
			return err
		}
	}
	if len(change.Remove) > 0 {
		if _, err := r.Repository.Publish(ctx, change); err != nil {
			return fmt.Errorf("removing %s: %w", strings.Join(r.request.Bases, ", "), err)
		}
	}
	for _, base := range r.request.Bases {
		r.outcome.Removed = append(r.outcome.Removed, base)
		r.emit(Removed{Base: base})
	}
	r.deliver(ctx, trigger.Result{Removed: r.outcome.Removed})
	return nil
}
