package update

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// Bounds of what is read of a package for the files it needs.
const (
	maxUnpacked = 64 << 30 // bytes
	maxEntries  = 2_000_000
)

// runtimes are directories that belong to one version of an interpreter or
// kernel: what lies in them works with the file or directory named beside, and
// has to be built again once that is gone.
func runtimes() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"usr/bin/python$1":            regexp.MustCompile(`^usr/lib/python(\d+\.\d+)/`),
		"usr/lib/perl5/$1/core_perl/": regexp.MustCompile(`^usr/lib/perl5/(\d+\.\d+)/`),
		"usr/lib/ruby/$1/":            regexp.MustCompile(`^usr/lib/ruby/gems/(\d+\.\d+\.\d+)/`),
		"usr/lib/modules/$1/vmlinuz":  regexp.MustCompile(`^usr/lib/modules/([^/]+)/`),
	}
}

// ownable matches the paths that a need can be for: libraries where the loader
// looks, and what runtimes names.
var ownable = regexp.MustCompile(`^usr/(lib(32)?/[^/]*\.so[^/]*|bin/python\d+\.\d+|lib/perl5/\d+\.\d+/core_perl/|lib/ruby/\d+\.\d+\.\d+/|lib/modules/[^/]+/vmlinuz)$`)

// owners are the packages that have a path, by path.
type owners map[string][]string

// scan adds what a files database has of ownable paths.
func (o owners) scan(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = alpm.ScanFiles(file, func(directory, path string) {
		if strings.HasPrefix(path, "usr/") && ownable.MatchString(path) {
			path = strings.Clone(path) // the rest of the list is not kept with it
			o[path] = append(o[path], packageOf(directory))
		}
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// packageOf cuts the version off "name-pkgver-pkgrel".
func packageOf(directory string) string {
	for range 2 {
		if i := strings.LastIndexByte(directory, '-'); i > 0 {
			directory = directory[:i]
		}
	}
	return directory
}

// ownership is who has which path: the distribution, and this repository.
type ownership struct{ distribution, own owners }

// of returns the packages that have a path, sorted.
func (o *ownership) of(path string) []string {
	names := slices.Concat(o.distribution[path], o.own[path])
	slices.Sort(names)
	return slices.Compact(names)
}

// owners returns who has which path. Nil where not all of the distribution's files databases are at hand.
func (r *run) owners() (*ownership, error) {
	r.filesOnce.Do(func() { r.files, r.filesErr = r.distributionOwners() })
	if r.files == nil || r.filesErr != nil {
		return nil, r.filesErr
	}
	all := &ownership{distribution: r.files, own: owners{}}
	published := filepath.Join(r.Repository.Published(), r.Repository.ID().Name+".files")
	if err := all.own.scan(published); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return all, nil
}

func (r *run) distributionOwners() (owners, error) {
	if r.FilesDatabases == nil {
		return nil, nil
	}
	paths := r.FilesDatabases()
	if len(paths) == 0 {
		return nil, nil
	}
	all := owners{}
	for _, path := range paths {
		if err := all.scan(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// learnDependencies finds out which files of other packages those of a base
// need, and tells it. What cannot be found out is logged.
func (r *run) learnDependencies(ctx context.Context, base string, files []string, read func() (*ownership, error)) {
	owners, err := read()
	if owners == nil && err == nil {
		return
	}
	needs := newNeeds()
	for _, path := range files {
		if err == nil {
			err = needs.read(ctx, path, r.ScratchDir)
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			r.Logger.Warn("looking for the files that a base needs", "base", base, "error", err)
		}
		return
	}
	r.emit(Rests{Base: base, Paths: needs.owned(owners)})
}

// needs are the paths that packages of a base need.
type needs struct {
	runtimes map[string]*regexp.Regexp
	own      map[string]bool     // paths the packages have themselves
	wanted   map[string][]string // by need: paths of which the first that is owned satisfies it
}

func newNeeds() *needs {
	return &needs{runtimes: runtimes(), own: map[string]bool{}, wanted: map[string][]string{}}
}

// owned returns the paths that others own, and who.
func (n *needs) owned(all *ownership) map[string][]string {
	paths := map[string][]string{}
	for _, candidates := range n.wanted {
		for _, path := range candidates {
			if n.own[path] {
				break
			}
			if names := all.of(path); len(names) > 0 {
				paths[path] = names
				break
			}
		}
	}
	return paths
}

// read adds what a package file needs; ELF files are laid down in scratch.
func (n *needs) read(ctx context.Context, path, scratch string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := alpm.Decompress(file)
	if err != nil {
		return err
	}
	defer unpacked.Close()
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return err
	}
	spool, err := os.CreateTemp(scratch, "elf-")
	if err != nil {
		return err
	}
	defer spool.Close()
	if err := os.Remove(spool.Name()); err != nil {
		return err
	}
	archive := tar.NewReader(io.LimitReader(unpacked, maxUnpacked))
	for range maxEntries {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err := n.entry(header, archive, spool); err != nil {
			return fmt.Errorf("reading %s of %s: %w", header.Name, filepath.Base(path), err)
		}
	}
	return fmt.Errorf("%s has more than %d entries", filepath.Base(path), maxEntries)
}

func (n *needs) entry(header *tar.Header, content io.Reader, spool *os.File) error {
	path := strings.TrimPrefix(header.Name, "./")
	if ownable.MatchString(path) {
		n.own[path] = true
	}
	for witness, pattern := range n.runtimes {
		if match := pattern.FindStringSubmatchIndex(path); match != nil {
			need := string(pattern.ExpandString(nil, strings.ReplaceAll(witness, "$1", "${1}"), path, match))
			n.wanted[need] = []string{need}
		}
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	magic := make([]byte, 4)
	if _, err := io.ReadFull(content, magic); err != nil || string(magic) != "\x7fELF" {
		return nil // an error comes again with the next entry
	}
	if err := spool.Truncate(0); err != nil {
		return err
	}
	if _, err := spool.WriteAt(magic, 0); err != nil {
		return err
	}
	if _, err := spool.Seek(int64(len(magic)), io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(spool, content); err != nil {
		return err
	}
	names, wide, err := sonames(spool)
	if err != nil && !errors.Is(err, errELF) {
		return err
	}
	for _, name := range names {
		if wide {
			n.wanted[name] = []string{"usr/lib/" + name}
		} else {
			n.wanted["32 "+name] = []string{"usr/lib32/" + name, "usr/lib/" + name}
		}
	}
	return nil
}

// broken returns the published bases of which a file that they were found to
// need when they were built is in no package any more, with the reason.
func (r *run) broken(ctx context.Context, records []store.Record, published map[string]string) map[string]string {
	owners, err := r.owners()
	reasons := map[string]string{}
	for _, record := range records {
		base := record.Package.Base
		if owners == nil || err != nil || record.Held || published[base] == "" || !r.wanted(base) || !r.hasSource(record.Package) {
			continue
		}
		var paths map[string][]string
		if paths, err = r.Store.Dependencies(ctx, r.Repository.ID(), base); err != nil {
			break
		}
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			if ownable.MatchString(path) && len(owners.of(path)) == 0 {
				reasons[base] = fmt.Sprintf("needs /%s, which %s had and no package has any more", path, strings.Join(paths[path], ", "))
				break
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		r.unavailable(ctx, fmt.Errorf("looking for bases whose dependencies are broken: %w", err))
	}
	return reasons
}
