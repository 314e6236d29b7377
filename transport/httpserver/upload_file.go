package httpserver

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"ahriman/core/alpm"
	"ahriman/sign"
	"ahriman/transport/api"
)

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
