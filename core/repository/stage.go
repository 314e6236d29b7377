package repository

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// maxSignature is the largest signature pacman reads, in bytes.
const maxSignature = 16 << 10

// intentName lists, in a staging directory, the pool files that the run may
// have put in place: what a killed run had not published is found through it.
const intentName = ".intent"

// staging is a directory inside the pool where one run keeps the files it is
// about to add. The run holds a lock on it, which tells it from a dead one's.
type staging struct {
	dir  string
	lock *os.File
}

// staged is a package file in a staging directory: on disk, read, verified.
type staged struct {
	path   string // in the staging directory, under its published name
	source string // as the caller named it
	moved  bool   // source is in Waiting() and goes away once published
	pkg    *alpm.Package
}

func (s *staged) signed() bool { return len(s.pkg.Signature) > 0 }

// stage takes package files in, outside the writers' lock: nothing that takes
// long is left to be done under it.
func (r *Repository) stage(ctx context.Context, paths []string) (*staging, []*staged, error) {
	names, err := stagedNames(paths)
	if err != nil || len(paths) == 0 {
		return nil, nil, err
	}
	if err := durable.Mkdir(r.incoming()); err != nil {
		return nil, nil, fmt.Errorf("staging: %w", err)
	}
	area, err := newStaging(r.incoming())
	if err != nil {
		return nil, nil, fmt.Errorf("staging: %w", err)
	}
	files := make([]*staged, len(paths))
	err = r.parallel(ctx, len(paths), func(ctx context.Context, i int) (err error) {
		if names[i] != "" {
			files[i], err = r.take(ctx, area, paths[i], names[i])
		}
		return err
	})
	if err != nil {
		area.discard()
		return nil, nil, err
	}
	return area, slices.DeleteFunc(files, func(f *staged) bool { return f == nil }), nil
}

// stagedNames returns the name each file is published under; none for a path
// that comes a second time.
func stagedNames(paths []string) ([]string, error) {
	names := make([]string, len(paths))
	taken := make(map[string]string, len(paths))
	for i, path := range paths {
		name := alpm.SafeFileName(filepath.Base(path))
		other, again := taken[name]
		switch {
		case !again:
			names[i], taken[name] = name, path
		case other != path:
			return nil, &FileError{path, fmt.Errorf("%s would be published under the same name", other)}
		}
	}
	return names, nil
}

// parallel calls f for 0 to n-1, several at once, and returns the first error.
func (r *Repository) parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if r.workers == 1 { // in this thread, which tests watch
		for i := range n {
			if err := f(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.workers)
	for i := range n {
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait()
}

func newStaging(parent string) (*staging, error) {
	dir, lock, err := makeLocked(func() string { return filepath.Join(parent, rand.Text()[:12]) })
	if err != nil {
		return nil, err
	}
	return &staging{dir, lock}, nil
}

// makeLocked makes a directory of some name and locks it. Between the two
// another run may have taken it for a leftover, so it looks again.
func makeLocked(name func() string) (dir string, lock *os.File, err error) {
	for {
		dir := name()
		if err := os.Mkdir(dir, 0o700); err != nil {
			return "", nil, err
		}
		lock, err := lockDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EWOULDBLOCK) {
			os.Remove(dir)
			return "", nil, err
		}
		if err == nil {
			if _, err = os.Lstat(dir); err == nil {
				return dir, lock, nil
			}
			lock.Close()
		}
	}
}

// lockDir fails with EWOULDBLOCK when a living run holds the directory.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *staging) discard() error {
	if s == nil {
		return nil
	}
	defer s.lock.Close()
	return os.RemoveAll(s.dir)
}

// take brings one package file and its signature into the staging directory,
// makes them last, and reads the package there: what is read is what will be
// published, whatever happens to the source meanwhile.
func (r *Repository) take(ctx context.Context, area *staging, source, name string) (*staged, error) {
	file := &staged{
		path:   filepath.Join(area.dir, name),
		source: source,
		moved:  r.isWaiting(source),
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := takeFile(ctx, source, file.path, file.moved); err != nil {
		if _, gone := os.Lstat(source); gone != nil {
			return nil, &FileError{source, gone}
		}
		return nil, fmt.Errorf("adding %s: %w", source, err)
	}
	if err := takeSignature(source+".sig", file.path+".sig"); err != nil {
		return nil, err
	}
	pkg, err := r.openPackage(file.path)
	if err != nil {
		return nil, &FileError{source, err}
	}
	file.pkg = pkg
	if err := r.check(pkg); err != nil {
		return nil, &FileError{source, err}
	}
	return file, nil
}

// openPackage reads what the dialect needs to know of a package file.
func (r *Repository) openPackage(path string) (*alpm.Package, error) {
	a, err := alpm.OpenArchive(path, alpm.ReadOptions{MD5: r.options.Dialect == alpm.Pacman6})
	if err != nil {
		return nil, err
	}
	return &a.Package, nil
}

func (r *Repository) isWaiting(path string) bool {
	absolute, err := filepath.Abs(path)
	return err == nil && filepath.Dir(absolute) == r.Waiting()
}

// check refuses what must not get into a path, or into this repository.
func (r *Repository) check(pkg *alpm.Package) error {
	if err := pkg.CheckFileName(); err != nil {
		return err
	}
	if err := alpm.CheckName(pkg.Base); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	if arch := pkg.Architecture; arch != "any" && arch != r.options.ID.Architecture {
		return fmt.Errorf("it is for %s, the repository for %s", arch, r.options.ID.Architecture)
	}
	return nil
}

// takeFile links a file that is ours to move, and copies any other: makepkg
// writes into the file it made last time.
func takeFile(ctx context.Context, source, path string, link bool) error {
	src, err := openRegular(source)
	if err != nil {
		return err
	}
	defer src.Close()
	if link && linkSame(source, path, src) {
		if err := os.Chmod(path, 0o644); err != nil {
			return err
		}
		return durable.Sync(path)
	}
	dst, err := create(path)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := durable.Copy(ctx, dst, src); err != nil {
		return err
	}
	return dst.Sync()
}

// linkSame makes path a second name of the open file that source names. It
// fails across file systems, and when source is a link or was replaced.
func linkSame(source, path string, src *os.File) bool {
	if os.Link(source, path) != nil {
		return false
	}
	want, err := src.Stat()
	got, err2 := os.Lstat(path)
	if err == nil && err2 == nil && os.SameFile(want, got) {
		return true
	}
	os.Remove(path)
	return false
}

func takeSignature(source, path string) error {
	src, err := openRegular(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("adding %s: %w", source, err)
	}
	defer src.Close()
	signature, err := io.ReadAll(io.LimitReader(src, maxSignature+1))
	if err != nil {
		return fmt.Errorf("adding %s: %w", source, err)
	}
	if err := alpm.CheckSignature(signature); err != nil {
		return &FileError{source, err}
	}
	if err := writeSync(path, signature); err != nil {
		return fmt.Errorf("adding %s: %w", source, err)
	}
	return nil
}

var errNotRegular = errors.New("not a regular file")

// openRegular opens a file that is one: opening a named pipe would wait.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", path, errNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// create makes a new file that everyone may read, whatever the umask.
func create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// writeSync writes a file inside a directory that no one else knows yet.
func writeSync(path string, data []byte) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// intend records which pool files the run is about to put in place.
func (s *staging) intend(names []string) error {
	text := strings.Join(names, "\n") + "\n"
	if err := writeSync(filepath.Join(s.dir, intentName), []byte(text)); err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	return durable.SyncDir(s.dir)
}

// intended reads what a run recorded; a line that was not written to its end
// does not count.
func intended(dir string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, intentName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		if name, whole := strings.CutSuffix(line, "\n"); whole && filepath.IsLocal(name) {
			names = append(names, name)
		}
	}
	return names, err
}
