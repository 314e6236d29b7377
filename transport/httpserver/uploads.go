package httpserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"ahriman/core/repository"
	"ahriman/transport/api"
)

// Bounds of uploads that are not whole yet.
const (
	maxSets        = 128 // of all users
	maxSetsOfUser  = 64
	maxUnfinished  = 2 // packages of one set: each has a decompressor waiting
	uploadPatience = api.UploadPatienceSeconds * time.Second
)

// ownerName is the file in a set's directory that holds its user's name, as JSON.
const ownerName = ".owner"

// uploadSets are the sets of files that clients send piece by piece. Each is a
// parcel, which the next process finds; this one has what reads a package on its
// way and waits for its next piece.
type uploadSets struct {
	patience time.Duration
	busy     chan struct{} // holds one for each piece that is worked on: a processor is left for other requests
	mu       sync.Mutex
	all      map[string]*uploadSet
}

func newUploadSets() *uploadSets {
	return &uploadSets{
		patience: uploadPatience, all: map[string]*uploadSet{}, busy: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
	}
}

// uploadSet is one of them.
type uploadSet struct {
	user       string
	repository Repository
	parcel     *repository.Parcel
	before     bool // another process began it
	busy       chan struct{}
	idle       *time.Timer // drops it

	mu       sync.Mutex
	files    map[string]*uploadFile
	finished bool // committed, dropped, or left to another process
}

// open returns the set of that id, and makes it unless it is only looked for.
// Another user's is as unknown as none.
func (u *uploadSets) open(id string, who identity, repository Repository, make bool) (*uploadSet, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	set := u.all[id]
	if set != nil && (set.user != who.name || set.repository.ID != repository.ID) {
		return nil, api.Errorf(api.ErrNotFound, "No upload %s", id)
	}
	if set != nil {
		set.idle.Reset(u.patience)
		return set, nil
	}
	if !make {
		return nil, api.Errorf(api.ErrNotFound, "No upload %s", id)
	}
	mine := 0
	for _, other := range u.all {
		if other.user == who.name {
			mine++
		}
	}
	if len(u.all) >= maxSets || mine >= maxSetsOfUser {
		return nil, api.Errorf(api.ErrTooMany, "%d uploads are not finished yet", len(u.all))
	}
	parcel, err := repository.Shelf.NewParcel(id)
	if errors.Is(err, fs.ErrExist) {
		return nil, api.Errorf(api.ErrConflict, "Upload %s is being removed, or another process has it", id)
	}
	if err != nil {
		return nil, diskError(fmt.Errorf("receiving an upload: %w", err))
	}
	set = &uploadSet{user: who.name, repository: repository, parcel: parcel, files: map[string]*uploadFile{}}
	if err := set.writeOwner(); err != nil {
		parcel.Discard()
		return nil, diskError(fmt.Errorf("receiving an upload: %w", err))
	}
	u.add(set, u.patience)
	return set, nil
}

// add makes a set known for so long. The caller holds the lock.
func (u *uploadSets) add(set *uploadSet, patience time.Duration) {
	set.busy = u.busy
	set.idle = time.AfterFunc(patience, func() { u.expire(set) })
	u.all[set.parcel.ID] = set
}

func (set *uploadSet) writeOwner() error {
	text, err := json.Marshal(set.user)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(set.parcel.Dir, ownerName), text, 0o600)
}

// restore finds the sets that earlier processes began, and removes those that
// nobody has gone on with for too long.
func (u *uploadSets) restore(r Repository) error {
	parcels, err := r.Shelf.Parcels(0)
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, parcel := range parcels {
		set, left := restored(r, parcel), u.patience-time.Since(parcel.Changed())
		if set == nil || left <= 0 || u.all[parcel.ID] != nil {
			err = errors.Join(err, parcel.Discard())
			continue
		}
		u.add(set, min(left, u.patience))
	}
	return err
}

// restored is the set that a parcel is; nil: it is none.
func restored(r Repository, parcel *repository.Parcel) *uploadSet {
	set := &uploadSet{repository: r, parcel: parcel, before: true, files: map[string]*uploadFile{}}
	text, err := os.ReadFile(filepath.Join(parcel.Dir, ownerName))
	if err == nil {
		err = json.Unmarshal(text, &set.user)
	}
	entries, err2 := os.ReadDir(parcel.Dir)
	if err != nil || err2 != nil {
		return nil
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if name := entry.Name(); name != ownerName {
			set.files[name] = &uploadFile{
				name: name, dir: parcel.Dir, before: true, turn: make(chan struct{}, 1), total: -1, size: info.Size(),
			}
		}
	}
	return set
}

// remove makes the set unknown.
func (u *uploadSets) remove(set *uploadSet) {
	u.mu.Lock()
	defer u.mu.Unlock()
	set.idle.Stop()
	if u.all[set.parcel.ID] == set {
		delete(u.all, set.parcel.ID)
	}
}

// expire drops a set that nobody has gone on with, and lets one be to which
// something is being written.
func (u *uploadSets) expire(set *uploadSet) {
	if !set.writing() {
		u.drop(set)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	set.idle.Reset(u.patience)
}

func (set *uploadSet) writing() bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	for _, f := range set.files {
		if len(f.turn) > 0 {
			return true
		}
	}
	return false
}

// drop ends a set; nothing of it is left.
func (u *uploadSets) drop(set *uploadSet) {
	u.remove(set)
	if set.finish() {
		set.discard()
	}
}

// finish says that nothing is added to the set any more; only the first is told
// so, and has to discard it.
func (set *uploadSet) finish() bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	first := !set.finished
	set.finished = true
	return first
}

// close lets go of the files of a finished set.
func (set *uploadSet) close() {
	for _, f := range set.files {
		f.close()
	}
}

// discard removes a finished set, but what was put.
func (set *uploadSet) discard() {
	set.close()
	set.parcel.Discard()
}

// leave leaves all sets to the process after this one.
func (u *uploadSets) leave() {
	u.mu.Lock()
	all := slices.Collect(maps.Values(u.all))
	u.mu.Unlock()
	for _, set := range all {
		u.remove(set)
		if set.finish() {
			set.close()
			set.parcel.Leave()
		}
	}
}

// file returns a file of the set that has something.
func (set *uploadSet) file(name string) (*uploadFile, error) {
	set.mu.Lock()
	defer set.mu.Unlock()
	f := set.files[name]
	if set.finished || f == nil {
		return nil, api.Errorf(api.ErrNotFound, "Nothing of %s is here", name)
	}
	return f, nil
}

// goOn is file, for one that is to be written to.
func (set *uploadSet) goOn(name string) (*uploadFile, error) {
	f, err := set.file(name)
	if err != nil || f.started() {
		return f, err
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	return f, set.room()
}

// begin is goOn, and makes a file of so many bytes that is not there.
func (set *uploadSet) begin(name string, size int64) (*uploadFile, error) {
	if f, err := set.goOn(name); f != nil {
		return f, err
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	switch {
	case set.finished:
		return nil, api.Errorf(api.ErrNotFound, "No upload %s", set.parcel.ID)
	case len(set.files) >= api.MaxUploadFiles:
		return nil, api.Errorf(api.ErrTooMany, "%d files are in this upload already", len(set.files))
	}
	if err := set.room(); err != nil {
		return nil, err
	}
	var signature []byte
	if other := set.files[name+".sig"]; other != nil && other.whole.Load() && set.repository.Keyring != nil {
		var err error
		if signature, err = other.content(); err != nil {
			return nil, err
		}
	}
	file, err := set.parcel.Create(name)
	if err != nil {
		return nil, diskError(fmt.Errorf("receiving %s: %w", name, err))
	}
	f := &uploadFile{name: name, dir: set.parcel.Dir, total: size, turn: make(chan struct{}, 1)}
	if err := f.start(file, set.busy, set.repository.Keyring, signature); err != nil {
		return nil, err
	}
	set.files[name] = f
	return f, nil
}

// room says whether one more file may be read. The caller holds the lock.
func (set *uploadSet) room() error {
	unfinished := 0
	for _, f := range set.files {
		if f.reading() {
			unfinished++
		}
	}
	if unfinished >= maxUnfinished {
		return api.Errorf(api.ErrTooMany, "%d files of this upload are not whole", unfinished)
	}
	return nil
}

// forget removes one file of the set.
func (set *uploadSet) forget(f *uploadFile) {
	set.mu.Lock()
	defer set.mu.Unlock()
	if !set.finished && set.files[f.name] == f {
		delete(set.files, f.name)
		f.close()
		os.Remove(f.path())
	}
}
