package httpserver

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

// Bounds of uploads that are not whole yet.
const (
	maxSets        = 128 // of all users
	maxSetsOfUser  = 64
	maxUnfinished  = 2 // packages of one set: each has a decompressor waiting
	uploadPatience = api.UploadPatienceSeconds * time.Second
)

// uploadSets are the sets of files that clients send piece by piece. They are in
// hidden files and in this process: what reads a package on its way waits for
// its next piece.
type uploadSets struct {
	patience time.Duration
	busy     chan struct{} // holds one for each file that is fed: a processor is left for other requests
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
	id         string
	who        identity
	repository Repository
	busy       chan struct{}
	idle       *time.Timer // drops it

	mu       sync.Mutex
	files    map[string]*uploadFile
	finished bool // committed or dropped
}

// open returns the set of that id, and makes it unless it is only looked for.
// Another user's is as unknown as none.
func (u *uploadSets) open(id string, who identity, repository Repository, make bool) (*uploadSet, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	set := u.all[id]
	if set != nil && (set.who.name != who.name || set.repository.ID != repository.ID) {
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
		if other.who.name == who.name {
			mine++
		}
	}
	if len(u.all) >= maxSets || mine >= maxSetsOfUser {
		return nil, api.Errorf(api.ErrTooMany, "%d uploads are not finished yet", len(u.all))
	}
	set = &uploadSet{id: id, who: who, repository: repository, busy: u.busy, files: map[string]*uploadFile{}}
	set.idle = time.AfterFunc(u.patience, func() { u.expire(set) })
	u.all[id] = set
	return set, nil
}

// remove makes the set unknown.
func (u *uploadSets) remove(set *uploadSet) {
	u.mu.Lock()
	defer u.mu.Unlock()
	set.idle.Stop()
	if u.all[set.id] == set {
		delete(u.all, set.id)
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

// discard removes the files of a finished set, but those that were moved.
func (set *uploadSet) discard() {
	for _, f := range set.files {
		f.discard()
	}
}

// dropAll ends all sets.
func (u *uploadSets) dropAll() {
	u.mu.Lock()
	all := make([]*uploadSet, 0, len(u.all))
	for _, set := range u.all {
		all = append(all, set)
	}
	u.mu.Unlock()
	for _, set := range all {
		u.drop(set)
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

// begin is file, and makes one of so many bytes that is not there.
func (set *uploadSet) begin(name string, size int64) (*uploadFile, error) {
	if f, err := set.file(name); err == nil {
		return f, nil
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	unfinished := 0
	for _, f := range set.files {
		if !f.whole.Load() {
			unfinished++
		}
	}
	switch {
	case set.finished:
		return nil, api.Errorf(api.ErrNotFound, "No upload %s", set.id)
	case len(set.files) >= api.MaxUploadFiles, unfinished >= maxUnfinished:
		return nil, api.Errorf(api.ErrTooMany, "%d files in this upload, %d of them not whole", len(set.files), unfinished)
	}
	var signature []byte
	if other := set.files[name+".sig"]; other != nil && other.whole.Load() {
		signature = other.content
	}
	f, err := newUploadFile(set.repository, name, size, signature, set.busy)
	if err == nil {
		set.files[name] = f
	}
	return f, err
}

// uploadFile is a file that arrives: a package, which is read on its way to the
// disk by a goroutine that waits for the next piece, or a signature, which is
// kept in memory.
type uploadFile struct {
	name  string
	total int64         // bytes it will have
	busy  chan struct{} // of all files
	turn  chan struct{} // holds one while a request writes
	mu    sync.Mutex
	stop  func() // interrupts the request that writes

	size    int64       // that arrived; changed in turn
	content []byte      // of a signature
	whole   atomic.Bool // all of it arrived, and was read

	// Of a package; set by the goroutine, to be read once read is closed.
	pipe     *io.PipeWriter
	hidden   *hiddenFile
	read     chan struct{}
	pkg      *alpm.Package
	err      error
	verified func() error
}

func newUploadFile(r Repository, name string, total int64, signature []byte, busy chan struct{}) (*uploadFile, error) {
	f := &uploadFile{name: name, total: total, busy: busy, turn: make(chan struct{}, 1)}
	if strings.HasSuffix(name, ".sig") {
		return f, nil
	}
	if err := os.MkdirAll(r.Shelf.Waiting(), 0o755); err != nil {
		return nil, diskError(err)
	}
	hidden, err := newHiddenFile(r.Shelf.Waiting())
	if err != nil {
		return nil, diskError(err)
	}
	f.hidden, f.read = hidden, make(chan struct{})
	var from *io.PipeReader
	from, f.pipe = io.Pipe()
	var into io.Writer = hidden
	if r.Keyring != nil && len(signature) > 0 {
		var check *io.PipeWriter
		check, f.verified = verifyOnTheWay(r, signature)
		into = &fork{to: []io.Writer{hidden, check}, close: check}
	}
	go f.readPackage(from, into)
	return f, nil
}

// readPackage reads the package as it comes. A package that is none ends the
// writing of it.
func (f *uploadFile) readPackage(from *io.PipeReader, into io.Writer) {
	defer close(f.read)
	f.pkg, f.err = alpm.ReadPackage(bufio.NewReaderSize(io.TeeReader(from, into), uploadBuffer), f.name)
	if fork, ok := into.(*fork); ok {
		fork.close.CloseWithError(f.err)
	}
	switch {
	case f.hidden.err != nil:
		f.err = diskError(fmt.Errorf("receiving %s: %w", f.name, f.hidden.err))
	case f.err != nil:
		f.err = api.Errorf(api.ErrBadRequest, "%s is not a package: %v", f.name, f.err)
	}
	from.CloseWithError(errors.Join(f.err, io.ErrClosedPipe))
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
func verifyOnTheWay(r Repository, signature []byte) (*io.PipeWriter, func() error) {
	from, to := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := r.Keyring.Verify(from, signature)
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
	if f.pipe == nil {
		f.content = append(f.content, p...)
	} else if err := f.feed(p); err != nil {
		<-f.read
		return cmp.Or(f.err, api.Errorf(api.ErrConflict, "%s is dropped", f.name))
	}
	f.size += int64(len(p))
	return nil
}

// feed hands bytes to the goroutine that reads the package, when it is ready.
func (f *uploadFile) feed(p []byte) error {
	f.busy <- struct{}{}
	defer func() { <-f.busy }()
	_, err := f.pipe.Write(p)
	return err
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

// discard removes what arrived, unless it was moved to its place.
func (f *uploadFile) discard() {
	f.interrupt()
	if f.pipe == nil {
		return
	}
	f.pipe.CloseWithError(io.ErrClosedPipe)
	<-f.read
	if f.hidden != nil {
		f.hidden.discard()
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
