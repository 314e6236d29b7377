package httpclient

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ahriman/transport/api"
)

// form is the multipart body of one upload, as a Python client writes it: the
// parts' sizes are known beforehand, so that the length is exact.
type form struct {
	path     string // of the package file
	name     string // under which it is sent
	digests  bool   // add api.PartSHA256
	progress func(sent, total int64)

	boundary   string
	files      []*formFile // the package, then perhaps its signature
	digestHead string      // delimiter and header before the digests
	end        string      // the closing delimiter
	total      int64       // length of the body, bytes

	last *formBody // of the last attempt
}

// formFile is one file of a form.
type formFile struct {
	part, path, name string
	head             string // delimiter and header before it
	size             int64
	modified         time.Time
}

// measure looks at the files and lays out the body.
func (f *form) measure() error {
	f.boundary = strings.ToLower(rand.Text() + rand.Text())[:32] // as long as Python's
	if err := f.addFile(api.PartPackage, f.path, f.name); err != nil {
		return err
	}
	signature := f.path + ".sig"
	err := f.addFile(api.PartSignature, signature, f.name+".sig")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && f.files[1].size > maxSignature {
		return fmt.Errorf("%s: %d bytes are too many for a signature", signature, f.files[1].size)
	}
	return f.layOut()
}

func (f *form) addFile(part, path, name string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	f.files = append(f.files, &formFile{part: part, path: path, name: name, size: info.Size(), modified: info.ModTime()})
	return nil
}

// layOut lets mime/multipart write everything but the files' bytes, and adds up
// the length.
func (f *form) layOut() error {
	var text bytes.Buffer
	take := func() string {
		defer text.Reset()
		f.total += int64(text.Len())
		return text.String()
	}
	w := multipart.NewWriter(&text)
	if err := w.SetBoundary(f.boundary); err != nil {
		return err
	}
	for _, file := range f.files {
		if _, err := w.CreateFormFile(file.part, file.name); err != nil {
			return err
		}
		file.head = take()
		f.total += file.size
	}
	if f.digests {
		if _, err := w.CreateFormField(api.PartSHA256); err != nil {
			return err
		}
		f.digestHead = take()
		for _, file := range f.files {
			f.total += int64(len(api.DigestLine(strings.Repeat("0", 2*sha256.Size), file.name)))
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	f.end = take()
	return nil
}

// attach makes the form the body of a request. Each read restarts the timer
// with the time a transfer may stand still; the last one with the time the
// answer may take.
func (f *form) attach(request *http.Request, timer *time.Timer, still, answer time.Duration) error {
	begin := func() (io.ReadCloser, error) {
		body, err := f.open()
		if err != nil {
			return nil, err
		}
		body.alive = func(done bool) {
			if done {
				timer.Reset(answer)
				return
			}
			timer.Reset(still)
		}
		f.last = body
		return body, nil
	}
	body, err := begin()
	if err != nil {
		return err
	}
	request.Body = body
	request.GetBody = begin // for a connection that the node closed meanwhile
	request.ContentLength = f.total
	request.Header.Set("Content-Type", "multipart/form-data; boundary="+f.boundary)
	if f.digests && f.total > expectAbove {
		request.Header.Set("Expect", "100-continue")
	}
	return nil
}

// sum returns the digest of the package as it was sent last, hex.
func (f *form) sum() (string, error) {
	for i, file := range f.files {
		info, err := os.Stat(file.path)
		if err != nil {
			return "", err
		}
		if info.Size() != file.size || !info.ModTime().Equal(file.modified) || f.last.sums[i].Load() == nil {
			return "", fmt.Errorf("%s: changed while it was sent", file.path)
		}
	}
	return *f.last.sums[0].Load(), nil
}

// open returns the body for one attempt.
func (f *form) open() (*formBody, error) {
	b := &formBody{form: f, sums: make([]atomic.Pointer[string], len(f.files))}
	var readers []io.Reader
	for i, file := range f.files {
		r, err := os.Open(file.path)
		if err != nil {
			b.Close()
			return nil, err
		}
		b.open = append(b.open, r)
		readers = append(readers, strings.NewReader(file.head),
			&hashed{from: r, left: file.size, digest: sha256.New(), sum: &b.sums[i], path: file.path})
	}
	if f.digests {
		readers = append(readers, strings.NewReader(f.digestHead), &lazy{text: b.digestLines})
	}
	b.from = io.MultiReader(append(readers, strings.NewReader(f.end))...)
	return b, nil
}

// formBody is the body of one attempt. net/http reads it from a goroutine of
// its own, which may outlive the answer.
type formBody struct {
	form  *form
	from  io.Reader
	open  []*os.File
	close sync.Once                // net/http may close twice, and while it reads
	sums  []atomic.Pointer[string] // of the files read to their end, hex
	sent  int64
	alive func(done bool)
}

func (b *formBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.sent += int64(n)
	b.alive(b.sent == b.form.total)
	if b.form.progress != nil && n > 0 {
		b.form.progress(b.sent, b.form.total)
	}
	return n, err
}

func (b *formBody) Close() error {
	var errs []error
	b.close.Do(func() {
		for _, file := range b.open {
			errs = append(errs, file.Close())
		}
	})
	return errors.Join(errs...)
}

// digestLines is the content of api.PartSHA256. It is asked for when the files
// have been read.
func (b *formBody) digestLines() string {
	var lines strings.Builder
	for i, file := range b.form.files {
		lines.WriteString(api.DigestLine(*b.sums[i].Load(), file.name))
	}
	return lines.String()
}

// hashed reads exactly left bytes of a file and keeps their digest.
type hashed struct {
	from   io.Reader
	left   int64
	digest hash.Hash
	sum    *atomic.Pointer[string]
	path   string
}

func (h *hashed) Read(p []byte) (int, error) {
	if h.left == 0 {
		sum := hex.EncodeToString(h.digest.Sum(nil))
		h.sum.Store(&sum)
		return 0, io.EOF
	}
	n, err := h.from.Read(p[:min(int64(len(p)), h.left)])
	h.digest.Write(p[:n])
	h.left -= int64(n)
	if err == io.EOF && h.left > 0 {
		return n, fmt.Errorf("%s: %d bytes shorter than it was: %w", h.path, h.left, io.ErrUnexpectedEOF)
	}
	if err == io.EOF {
		err = nil // the next read ends
	}
	return n, err
}

// lazy is a text that is known only when its turn comes.
type lazy struct {
	text func() string
	from *strings.Reader
}

func (l *lazy) Read(p []byte) (int, error) {
	if l.from == nil {
		l.from = strings.NewReader(l.text())
	}
	return l.from.Read(p)
}
