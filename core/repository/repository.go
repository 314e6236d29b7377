// Package repository is the published repository: a pool of package files and
// generations of a pacman database with links into the pool.
//
// Below the root stand
//
//	archive/packages/<first letter>/<base>/   the pool; a file name never changes its bytes
//	generations/<name>/<arch>/<n>/            what was published n-th: databases, signatures, links
//	repository/<name>/<arch>                  a link to the current generation: what pacman is given
//	packages/<name>/<arch>/                   package files that wait to be published
//
// A publication writes a whole generation beside the current one and switches
// the link by one rename. A process killed anywhere leaves the old or the new
// generation, and the next writer removes its leftovers. Readers take no lock.
package repository

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// Defaults of Options.
const (
	DefaultKeep  = 10
	DefaultGrace = time.Minute
)

// Signer makes OpenPGP signatures.
type Signer interface {
	// Sign returns the detached binary signature of the file at path. It must
	// be safe for concurrent use.
	Sign(ctx context.Context, path string) ([]byte, error)
}

// Options say which repository to open, and how. Only Root and ID are required.
type Options struct {
	Root string            // repository.root
	ID   alpm.RepositoryID // the repository below it

	// Signer signs the databases. Nil: they are published unsigned.
	Signer Signer
	// Compression of the databases, alpm.Gzip or alpm.Zstd; empty: Gzip, which
	// is what other tools expect to find in <repo>.db.tar.gz.
	Compression alpm.Compression
	// Dialect of the database entries.
	Dialect alpm.Dialect

	// Keep is how many generations stay for Rollback, the current one
	// included; 0: DefaultKeep.
	Keep int
	// Grace is how long a generation stays after it was superseded, however
	// many there are: a reader may be in the middle of it. 0: DefaultGrace;
	// negative: none.
	Grace time.Duration
	// KeepBuilt is archive.keep_built_packages: how many versions of a
	// published package stay in the pool besides those that a kept generation
	// needs. 0: all, the pool is never pruned.
	KeepBuilt int

	// LockTimeout is how long a writer waits for another: 0 without an end,
	// negative not at all. The error then is a *LockedError.
	LockTimeout time.Duration
	// Command is what the lock says about its holder; empty: the program's name.
	Command string
}

// Repository is one published repository. Its methods are safe for concurrent
// use, by other processes on the same root too.
type Repository struct {
	options Options
	workers int // how many package files are read at once
}

// Open checks the options. It neither reads nor creates anything: a repository
// that was never published to has no packages.
func Open(options Options) (*Repository, error) {
	for _, part := range []string{options.ID.Name, options.ID.Architecture} {
		if err := checkPart(part); err != nil {
			return nil, fmt.Errorf("opening repository %s: %w", options.ID, err)
		}
	}
	root, err := filepath.Abs(options.Root)
	if options.Root == "" || err != nil {
		return nil, fmt.Errorf("opening repository %s: no usable root %q", options.ID, options.Root)
	}
	options.Root = root
	switch options.Compression {
	case alpm.Uncompressed:
		options.Compression = alpm.Gzip
	case alpm.Gzip, alpm.Zstd:
	default:
		return nil, fmt.Errorf("opening repository %s: databases cannot be compressed with %q", options.ID, options.Compression)
	}
	if options.Keep <= 0 {
		options.Keep = DefaultKeep
	}
	if options.Grace == 0 {
		options.Grace = DefaultGrace
	}
	if options.Command == "" {
		options.Command = filepath.Base(os.Args[0])
	}
	return &Repository{options: options, workers: runtime.GOMAXPROCS(0)}, nil
}

// checkPart accepts what may be one part of a path: neither hidden nor nested.
func checkPart(part string) error {
	if part == "" || part[0] == '.' || part[0] == '-' || strings.ContainsAny(part, "/\x00\n\t") {
		return fmt.Errorf("%q cannot be a directory's name", part)
	}
	return nil
}

// ID returns which repository this is.
func (r *Repository) ID() alpm.RepositoryID { return r.options.ID }

// Published is the path that pacman is given: a link to the current generation.
func (r *Repository) Published() string { return PublishedPath(r.options.Root, r.options.ID) }

// PublishedPath is the Published of the repository below root, opened or not.
func PublishedPath(root string, id alpm.RepositoryID) string {
	return filepath.Join(root, "repository", id.Name, id.Architecture)
}

// Waiting is the directory of package files, built or uploaded, that wait to be
// published. Publish takes files out of it; others it copies.
func (r *Repository) Waiting() string {
	return filepath.Join(r.options.Root, "packages", r.options.ID.Name, r.options.ID.Architecture)
}

// PoolPath is where the package file of a package base is, or would be, kept.
func (r *Repository) PoolPath(base, fileName string) string {
	return filepath.Join(r.pool(), poolName(base, fileName))
}

func (r *Repository) pool() string { return filepath.Join(r.options.Root, "archive", "packages") }

// incoming holds a directory for each run that is adding to the pool; it is
// inside the pool, so that a rename from it stays on one file system.
func (r *Repository) incoming() string { return filepath.Join(r.pool(), ".incoming") }

func (r *Repository) generations() string {
	return filepath.Join(r.options.Root, "generations", r.options.ID.Name, r.options.ID.Architecture)
}

func (r *Repository) generation(n int) string {
	return filepath.Join(r.generations(), fmt.Sprint(n))
}

func poolName(base, fileName string) string {
	return filepath.Join(base[:1], base, fileName)
}

// poolLink is the target of a generation's link to a pool file; relative, so
// that the root can be moved.
func poolLink(base, fileName string) string {
	return filepath.Join("../../../../archive/packages", poolName(base, fileName))
}

// database is the name of the real file behind <repo>.db or <repo>.files.
func (r *Repository) database(kind string) string {
	return r.options.ID.Name + "." + kind + ".tar" + r.options.Compression.Extension()
}

// makeDirectories creates what a writer needs.
func (r *Repository) makeDirectories() error {
	for _, dir := range []string{r.generations(), r.incoming(), filepath.Dir(r.Published())} {
		if err := durable.Mkdir(dir); err != nil {
			return err
		}
	}
	return nil
}
