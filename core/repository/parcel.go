package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// Directories in Waiting(). The rename of a parcel's from one to the other is
// what makes it wait.
const (
	arrivingPrefix = ".arriving-" // may still change
	arrivedPrefix  = ".arrived-"  // waits; its files are about to be moved out of it
)

// Parcel is package files that come to wait together. They arrive in a hidden
// directory of Waiting(), which outlives the process: Parcels finds those of
// dead ones. It is not safe for concurrent use.
type Parcel struct {
	ID  string // the caller's choice; a file name
	Dir string // takes the files; a hidden one is the caller's own and never waits

	repository *Repository
	lock       *os.File
}

// NewParcel begins a parcel. The caller must call Put, Discard or Leave.
func (r *Repository) NewParcel(id string) (*Parcel, error) {
	if err := durable.Mkdir(r.Waiting()); err != nil {
		return nil, err
	}
	dir, lock, err := makeLocked(func() string { return filepath.Join(r.Waiting(), arrivingPrefix+id) })
	if err != nil {
		return nil, err
	}
	return &Parcel{ID: id, Dir: dir, repository: r, lock: lock}, nil
}

// Parcels returns the parcels of processes that are dead by now, but for those
// that were changed not so long ago.
func (r *Repository) Parcels(untouched time.Duration) ([]*Parcel, error) {
	entries, err := os.ReadDir(r.Waiting())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var left []*Parcel
	for _, entry := range entries {
		id, arriving := strings.CutPrefix(entry.Name(), arrivingPrefix)
		p := &Parcel{ID: id, Dir: filepath.Join(r.Waiting(), entry.Name()), repository: r}
		if !arriving || time.Since(p.Changed()) < untouched {
			continue
		}
		p.lock, err = lockDir(p.Dir)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // its process is alive, or has just put it, or was another user's
		}
		if err != nil {
			return left, err
		}
		if _, err := os.Lstat(p.Dir); err != nil { // put before it was locked
			p.Leave()
			continue
		}
		left = append(left, p)
	}
	return left, nil
}

// Changed is when something last came into the parcel; zero: nobody knows.
func (p *Parcel) Changed() time.Time {
	entries, err := os.ReadDir(p.Dir)
	info, err2 := os.Stat(p.Dir)
	if err != nil || err2 != nil {
		return time.Time{}
	}
	last := info.ModTime()
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// Create makes a file in the parcel, which everyone may read once it waits.
func (p *Parcel) Create(name string) (*os.File, error) { return create(filepath.Join(p.Dir, name)) }

// Put makes the files wait: whenever the process or the machine dies, all of
// them are found waiting, or none. A file that waits under the same name gives
// way, but one with other bytes only when they replace it; else the error is a
// *ConflictError. After an error nothing waits, and the parcel is still there.
func (p *Parcel) Put(replace bool) error {
	names, err := p.sync()
	if err != nil {
		return fmt.Errorf("handing in: %w", err)
	}
	unlock, err := p.repository.lockWaiting()
	if err != nil {
		return fmt.Errorf("handing in: %w", err)
	}
	defer unlock()
	if err := p.repository.settle(); err != nil {
		return fmt.Errorf("handing in: %w", err)
	}
	if !replace {
		if err := p.compare(names); err != nil {
			return err
		}
	}
	arrived := filepath.Join(p.repository.Waiting(), arrivedPrefix+p.ID)
	if err := durable.Rename(p.Dir, arrived); err != nil {
		// It may have been moved, and not last.
		if back := os.Rename(arrived, p.Dir); back != nil && !errors.Is(back, fs.ErrNotExist) {
			err = errors.Join(err, back)
		}
		return fmt.Errorf("handing in: %w", err)
	}
	p.lock.Close()
	p.Dir = ""
	_ = p.repository.settle() // who reads next goes on with it, and says what is in its way
	return nil
}

// sync makes the files last, and returns their names.
func (p *Parcel) sync() (names []string, err error) {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if entry.Name()[0] == '.' {
			continue
		}
		if err := durable.Sync(filepath.Join(p.Dir, entry.Name())); err != nil {
			return nil, err
		}
		names = append(names, entry.Name())
	}
	return names, durable.SyncDir(p.Dir)
}

// compare looks for package files that wait under these names with other bytes.
func (p *Parcel) compare(names []string) error {
	for _, name := range names {
		if strings.HasSuffix(name, ".sig") {
			continue
		}
		waiting := filepath.Join(p.repository.Waiting(), name)
		have, err := alpm.FileDigest(waiting)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		path := filepath.Join(p.Dir, name)
		got, err := alpm.FileDigest(path)
		if err != nil {
			return err
		}
		if got != have {
			return &ConflictError{Source: path, Published: waiting, Have: have, Got: got}
		}
	}
	return nil
}

// Leave keeps the parcel for a later process, or for Parcels of this one.
func (p *Parcel) Leave() { p.lock.Close() }

// Discard removes the parcel, without opening a file: there may be none left to
// open. After Put it does nothing.
func (p *Parcel) Discard() error {
	if p.Dir == "" {
		return nil
	}
	defer p.lock.Close()
	names, err := p.lock.Readdirnames(-1)
	for _, name := range names {
		err = errors.Join(err, os.Remove(filepath.Join(p.Dir, name)))
	}
	return errors.Join(err, os.Remove(p.Dir))
}

// WaitingFiles returns the package files in Waiting(), without their signatures:
// of each parcel all files or none.
func (r *Repository) WaitingFiles() ([]string, error) {
	unlock, err := r.lockWaiting()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what waits: %w", err)
	}
	defer unlock()
	if err := r.settle(); err != nil {
		return nil, fmt.Errorf("reading what waits: %w", err)
	}
	entries, err := os.ReadDir(r.Waiting())
	if err != nil {
		return nil, fmt.Errorf("reading what waits: %w", err)
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".sig") && strings.Contains(name, ".pkg.tar") {
			files = append(files, filepath.Join(r.Waiting(), name))
		}
	}
	return files, nil
}

// lockWaiting keeps others from putting parcels, and from reading while one is
// half moved. It is held for a few renames, and by who puts for a comparison.
func (r *Repository) lockWaiting() (unlock func(), err error) {
	dir, err := os.Open(r.Waiting())
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			dir.Close()
			return nil, err
		}
	}
}

// settle moves files of parcels that were put to where they wait. The caller
// holds the lock.
func (r *Repository) settle() error {
	entries, err := os.ReadDir(r.Waiting())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), arrivedPrefix) {
			if err := r.unpack(filepath.Join(r.Waiting(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// unpack can be ended anywhere and begun again: a package goes before its
// signature, and an older signature before both.
func (r *Repository) unpack(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries { // by name
		name := entry.Name()
		if name[0] == '.' {
			continue
		}
		to := filepath.Join(r.Waiting(), name)
		if !strings.HasSuffix(name, ".sig") {
			if err := os.Remove(to + ".sig"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.Rename(filepath.Join(dir, name), to); err != nil {
			return err
		}
	}
	if err := durable.SyncDir(r.Waiting()); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
