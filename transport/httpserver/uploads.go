package httpserver

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/sign"
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

// uploadFile is a file that arrives. A package is read on its way to the disk,
// by a goroutine that waits for the next piece.
type uploadFile struct {
	name   string
	dir    string        // of its set
	before bool          // another process began it
	turn   chan struct{} // holds one while a request writes
	whole  atomic.Bool   // all of it arrived, and was read

	// Changed in turn.
	total int64 // bytes it will have; -1: only another process knew
	size  int64 // that are here

	mu     sync.Mutex
	stop   func() // interrupts the request that writes
	closed bool

	// Set by start, in turn.
	into *sink
	pipe *io.PipeWriter // of a package
	read chan struct{}  // closed at the end of the package's reading

	// Of a package, to be looked at once read is closed.
	pkg      *alpm.Package
	err      error
	verified func() error
}

func (f *uploadFile) path() string { return filepath.Join(f.dir, f.name) }

func (f *uploadFile) isSignature() bool { return strings.HasSuffix(f.name, ".sig") }

// content is that of a signature.
func (f *uploadFile) content() ([]byte, error) { return os.ReadFile(f.path()) }

// start begins to write, and to read a package on the way; its signature, when
// there is one yet, is checked too.
func (f *uploadFile) start(file *os.File, busy chan struct{}, keyring *sign.Keyring, signature []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		file.Close()
		return api.Errorf(api.ErrNotFound, "Nothing of %s is here", f.name)
	}
	f.into = &sink{file: file}
	if f.isSignature() {
		return nil
	}
	f.read = make(chan struct{})
	var from *io.PipeReader
	from, f.pipe = io.Pipe()
	var into io.Writer = f.into
	if len(signature) > 0 {
		var check *io.PipeWriter
		check, f.verified = verifyOnTheWay(keyring, signature)
		into = &fork{to: []io.Writer{f.into, check}, close: check}
	}
	go f.readPackage(from, into, busy)
	return nil
}

// resume goes on with a file that another process began, and which has so many
// bytes in the end: what is here is read once more. An error may be that of a
// machine that died with it.
func (f *uploadFile) resume(total int64, busy chan struct{}) error {
	if f.into != nil {
		return nil
	}
	file, err := os.OpenFile(f.path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := f.start(file, busy, nil, nil); err != nil {
		return err
	}
	here := io.NewSectionReader(file, 0, f.size)
	f.total, f.into.here, f.size = total, f.size, 0
	return f.write(here)
}

// readPackage reads the package as it comes. A package that is none ends the
// writing of it.
func (f *uploadFile) readPackage(from *io.PipeReader, into io.Writer, busy chan struct{}) {
	defer close(f.read)
	pieces := &busyReader{from: from, busy: busy}
	defer pieces.rest()
	f.pkg, f.err = alpm.ReadPackage(bufio.NewReaderSize(io.TeeReader(pieces, into), uploadBuffer), f.name)
	if fork, ok := into.(*fork); ok {
		fork.close.CloseWithError(f.err)
	}
	switch {
	case f.into.err != nil:
		f.err = diskError(fmt.Errorf("receiving %s: %w", f.name, f.into.err))
	case f.err != nil:
		f.err = api.Errorf(api.ErrBadRequest, "%s is not a package: %v", f.name, f.err)
	}
	from.CloseWithError(errors.Join(f.err, io.ErrClosedPipe))
}

// busyReader has whoever reads a piece from it wait for a place in busy, which is
// given back when the next piece is asked for.
type busyReader struct {
	from io.Reader
	busy chan struct{}
	held bool
}

func (r *busyReader) Read(p []byte) (int, error) {
	r.rest()
	n, err := r.from.Read(p)
	if n > 0 {
		r.busy <- struct{}{}
		r.held = true
	}
	return n, err
}

// rest gives the place back.
func (r *busyReader) rest() {
	if r.held {
		r.held = false
		<-r.busy
	}
}

// fork writes to several.
type fork struct {
	to    []io.Writer
	close *io.PipeWriter
}

func (f *fork) Write(p []byte) (int, error) {
	for _, w := range f.to {
		if n, err := w.Write(p); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// verifyOnTheWay checks a signature of what is written; the answer is there
// when that was closed.
func verifyOnTheWay(keyring *sign.Keyring, signature []byte) (*io.PipeWriter, func() error) {
	from, to := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := keyring.Verify(from, signature)
		io.Copy(io.Discard, from) // of a signature that is bad from the start
		done <- err
	}()
	return to, sync.OnceValue(func() error { return <-done })
}

// write takes a piece of the file. It ends as what stop interrupts, or when
// there is no more.
func (f *uploadFile) write(body io.Reader) error {
	buffer := make([]byte, uploadBuffer)
	for {
		n, err := fill(body, buffer)
		if n > 0 {
			if err := f.take(buffer[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return f.end()
		}
		if err != nil {
			return api.Errorf(api.ErrBadRequest, "reading %s: %v", f.name, err)
		}
	}
}

// fill reads until the buffer is full or an error comes, which stays what it is.
func fill(r io.Reader, buffer []byte) (n int, err error) {
	for n < len(buffer) && err == nil {
		var m int
		m, err = r.Read(buffer[n:])
		n += m
	}
	return n, err
}

func (f *uploadFile) take(p []byte) error {
	if f.size+int64(len(p)) > f.total {
		return api.Errorf(api.ErrBadRequest, "%s has more than the %d bytes announced", f.name, f.total)
	}
	if f.isSignature() {
		if _, err := f.into.Write(p); err != nil {
			return diskError(fmt.Errorf("receiving %s: %w", f.name, err))
		}
	} else if _, err := f.pipe.Write(p); err != nil {
		<-f.read
		return cmp.Or(f.err, api.Errorf(api.ErrConflict, "%s is dropped", f.name))
	}
	f.size += int64(len(p))
	return nil
}

// end reads the file to its end when all of it is here, and returns what is
// wrong with it.
func (f *uploadFile) end() error {
	if f.size < f.total || f.whole.Load() {
		return nil
	}
	if f.pipe != nil {
		f.pipe.Close()
		<-f.read
		if f.err != nil {
			return f.err
		}
	}
	f.whole.Store(true)
	return nil
}

// started reports whether this process has written to the file.
func (f *uploadFile) started() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.into != nil
}

// reading reports whether a goroutine reads the package.
func (f *uploadFile) reading() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pipe != nil && !f.whole.Load()
}

// close ends the writing and the reading. What arrived stays on the disk.
func (f *uploadFile) close() {
	f.interrupt()
	f.mu.Lock()
	f.closed = true
	into, pipe := f.into, f.pipe
	f.mu.Unlock()
	if pipe != nil {
		pipe.CloseWithError(io.ErrClosedPipe)
		<-f.read
	}
	if into != nil {
		into.file.Close()
	}
}

// interrupt ends the request that writes, if there is one.
func (f *uploadFile) interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
	}
}

// begin waits for the turn to write, which a request before loses.
func (f *uploadFile) begin(stop func()) (end func()) {
	f.interrupt()
	f.turn <- struct{}{}
	f.mu.Lock()
	f.stop = stop
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		f.stop = nil
		f.mu.Unlock()
		<-f.turn
	}
}
