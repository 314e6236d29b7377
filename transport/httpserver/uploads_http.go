package httpserver

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"

	"github.com/google/uuid"
)

// addUploadRoutes adds uploads in pieces.
func (s *Server) addUploadRoutes() {
	s.add(api.PathUploadFile, route{
		http.MethodGet: serve(api.ScopeUpload, s.getUploadFile),
		http.MethodPut: serve(api.ScopeUpload, s.putUploadFile),
	})
	s.add(api.PathUploadSet, route{
		http.MethodPost:   serve(api.ScopeUpload, s.postUploadSet),
		http.MethodDelete: serve(api.ScopeUpload, s.deleteUploadSet),
	})
}

// uploadSet returns the set of the request.
func (s *Server) uploadSet(c *call, make bool) (*uploadSet, error) {
	repository, err := s.repository(c)
	if err != nil {
		return nil, err
	}
	id, err := uuid.Parse(c.PathValue("id"))
	if err != nil {
		return nil, api.Errorf(api.ErrBadRequest, "The id of an upload is a UUID")
	}
	if repository.Shelf == nil {
		return nil, api.Errorf(api.ErrNotFound, "Repository %s-%s takes no uploads", repository.ID.Architecture, repository.ID.Name)
	}
	return s.uploads.open(id.String(), c.who, repository, make)
}

// getUploadFile says how much of a file is there.
func (s *Server) getUploadFile(c *call) error {
	set, err := s.uploadSet(c, false)
	if err != nil {
		return err
	}
	f, err := set.file(alpm.SafeFileName(c.PathValue("name")))
	if err != nil {
		return err
	}
	end := f.begin(nil) // a connection that hangs has lost
	defer end()
	c.w.Header().Set(api.HeaderOffset, strconv.FormatInt(f.size, 10))
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// putUploadFile takes a piece of a file.
func (s *Server) putUploadFile(c *call) error {
	offset, err := c.number(api.QueryOffset)
	if err != nil {
		return err
	}
	size, err := c.number(api.QuerySize)
	if err != nil {
		return err
	}
	name := c.PathValue("name")
	if err := s.checkAnnounced(name, offset, size); err != nil {
		return err
	}
	name = alpm.SafeFileName(name)
	set, err := s.uploadSet(c, offset == 0)
	if err != nil {
		return err
	}
	var f *uploadFile
	if offset == 0 {
		f, err = set.begin(name, size)
	} else {
		f, err = set.goOn(name)
	}
	if err != nil {
		return err
	}
	err = s.putPiece(c, f, offset, size)
	switch {
	case !errors.Is(err, errDamaged):
	case f.before: // what the machine was left with may be wrong, and not what the client has
		set.forget(f)
		c.w.Header().Set(api.HeaderOffset, "0")
		err = api.Errorf(api.ErrConflict, "%s is to be sent again: %v", name, err)
	default:
		s.uploads.drop(set)
	}
	set.idle.Reset(s.uploads.patience)
	return err
}

// checkAnnounced looks at what is said of a file before any of it is read.
func (s *Server) checkAnnounced(name string, offset, size int64) error {
	bare, isSignature := strings.CutSuffix(name, ".sig")
	if _, _, _, _, err := alpm.ParseFileName(bare); err != nil || !soundFileName(name) {
		return api.Errorf(api.ErrBadRequest, "Filename must be valid archive name")
	}
	limit := s.config.MaxFile
	if isSignature {
		limit = maxSignature
	}
	switch {
	case limit > 0 && size > limit:
		return api.Errorf(api.ErrTooLarge, "Body part is too large: %s has more than %d bytes", name, limit)
	case size == 0 || offset > size:
		return api.Errorf(api.ErrBadRequest, "%s is said to have %d bytes", name, size)
	}
	return nil
}

// errDamaged is what came of a file that is wrong, rather than its connection.
var errDamaged = errors.New("the upload is dropped")

// putPiece writes the body to the file, where that goes on at offset.
func (s *Server) putPiece(c *call, f *uploadFile, offset, size int64) error {
	body := &interruptible{r: c.Body, w: http.NewResponseController(c.w), silence: c.patience()}
	end := f.begin(body.stop)
	defer end()
	if f.total < 0 && f.size > size {
		return damaged{api.Errorf(api.ErrConflict, "%d bytes are here, and it has %d", f.size, size)}
	}
	if offset != f.size || f.total >= 0 && f.total != size {
		c.w.Header().Set(api.HeaderOffset, strconv.FormatInt(f.size, 10))
		return api.Errorf(api.ErrConflict, "%d bytes of %s are here", f.size, f.name)
	}
	if err := f.resume(size, s.uploads.busy); err != nil {
		return damaged{err}
	}
	err := f.write(body)
	if err != nil && body.broken == nil {
		io.Copy(io.Discard, body) // clients read the answer only once they have sent all
		return damaged{err}
	}
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// damaged is an error that ends the upload.
type damaged struct{ error }

func (d damaged) Unwrap() []error { return []error{d.error, errDamaged} }

// interruptible is a body that another request may end. It remembers what
// broke.
type interruptible struct {
	r       io.Reader
	w       *http.ResponseController
	silence time.Duration
	mu      sync.Mutex
	stopped bool
	broken  error
}

func (b *interruptible) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	b.w.SetReadDeadline(time.Unix(1, 0))
}

// wait gives the next read its time.
func (b *interruptible) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped {
		b.w.SetReadDeadline(time.Now().Add(b.silence))
	}
}

func (b *interruptible) Read(p []byte) (int, error) {
	b.wait()
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.broken = err
	}
	return n, err
}

// deleteUploadSet drops what was sent.
func (s *Server) deleteUploadSet(c *call) error {
	set, err := s.uploadSet(c, false)
	if err != nil {
		return err
	}
	s.uploads.drop(set)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// postUploadSet takes the files of a set, all of them or none.
func (s *Server) postUploadSet(c *call) error {
	var in api.UploadSet
	if err := c.decode(&in); err != nil {
		return err
	}
	set, err := s.uploadSet(c, false)
	if errors.Is(err, api.ErrNotFound) { // the answer before may have been lost
		replies, taken, takenErr := s.taken(c, in)
		if taken {
			return c.created(replies)
		}
		err = cmp.Or(takenErr, err)
	}
	if err != nil {
		return err
	}
	s.uploads.remove(set)
	if !set.finish() {
		return api.Errorf(api.ErrNotFound, "No upload %s", set.parcel.ID)
	}
	defer set.discard()
	arrivals, err := set.arrivals(in, c.who)
	if err != nil && set.before {
		return api.Errorf(api.ErrNotFound, "Upload %s is to be sent again: %v", set.parcel.ID, err)
	}
	if err != nil {
		return err
	}
	replies, err := s.admit(c.Context(), arrivals...)
	if err != nil {
		return err
	}
	return c.created(replies)
}

// taken says whether the files wait or are published, all of them.
func (s *Server) taken(c *call, in api.UploadSet) (replies []api.UploadReply, all bool, err error) {
	repository, err := s.repository(c)
	if err != nil || repository.Shelf == nil {
		return nil, false, err
	}
	known, err := s.packages(c.Context(), repository.ID)
	if err != nil {
		return nil, false, err
	}
	bases := map[string]string{} // by the published file's name
	for _, e := range known.entries {
		for _, p := range e.Package.Packages {
			bases[p.FileName] = e.Package.Base
		}
	}
	for _, said := range in.Files {
		name := alpm.SafeFileName(said.Name)
		if !soundFileName(name) {
			return nil, false, nil
		}
		paths := []string{filepath.Join(repository.Shelf.Waiting(), name)}
		if base, published := bases[strings.TrimSuffix(name, ".sig")]; published {
			paths = append(paths, repository.Shelf.PoolPath(base, name))
		}
		found := slices.ContainsFunc(paths, func(path string) bool {
			digest, digestErr := digestOf(path)
			err = cmp.Or(err, digestErr)
			return digest == strings.ToLower(said.SHA256)
		})
		if err != nil || !found {
			return nil, false, err
		}
		if !strings.HasSuffix(name, ".sig") {
			replies = append(replies, api.UploadReply{File: name, Size: said.Size, SHA256: strings.ToLower(said.SHA256)})
		}
	}
	return replies, true, nil
}

// arrivals makes the packages of a finished set of its files, which must be those
// that the client says it sent.
func (set *uploadSet) arrivals(in api.UploadSet, who identity) ([]*arrival, error) {
	named := map[*uploadFile]bool{}
	for _, said := range in.Files {
		f := set.files[alpm.SafeFileName(said.Name)]
		if f == nil { // it came to a process before this one, too long ago
			return nil, api.Errorf(api.ErrNotFound, "Nothing of %s is here", said.Name)
		}
		named[f] = true
		if err := f.check(said, set.busy); err != nil {
			return nil, err
		}
	}
	if len(named) != len(set.files) {
		return nil, api.Errorf(api.ErrBadRequest, "%d files were sent, and %d are named", len(set.files), len(named))
	}
	var all []*arrival
	for _, said := range in.Files { // in the client's order, which its answer has too
		if f := set.files[alpm.SafeFileName(said.Name)]; !f.isSignature() {
			a, err := set.arrival(f, who)
			if err != nil {
				return nil, err
			}
			all = append(all, a)
		}
	}
	for _, f := range set.files {
		if name, isSignature := strings.CutSuffix(f.name, ".sig"); isSignature && set.files[name] == nil {
			return nil, api.Errorf(api.ErrBadRequest, "%s is the signature of nothing", f.name)
		}
	}
	return all, nil
}

// check compares what arrived with what was sent.
func (f *uploadFile) check(said api.UploadedFile, busy chan struct{}) error {
	end := f.begin(nil)
	defer end()
	if err := f.resume(said.Size, busy); err != nil {
		return err
	}
	if f.size != said.Size || !f.whole.Load() {
		return api.Errorf(api.ErrBadRequest, "%d bytes of %s arrived, and it has %d", f.size, f.name, said.Size)
	}
	var got string
	if f.isSignature() {
		content, err := f.content()
		if err != nil {
			return err
		}
		got = sumOf(content)
	} else {
		got = f.pkg.SHA256
	}
	if want := strings.ToLower(said.SHA256); got != want {
		return api.Errorf(api.ErrBadRequest, "%s was damaged on its way: sha256 sent %s, received %s", f.name, want, got)
	}
	return nil
}

// arrival is the package that a file holds, with its signature.
func (set *uploadSet) arrival(f *uploadFile, who identity) (*arrival, error) {
	a := &arrival{repository: set.repository, parcel: set.parcel, who: who, pkg: f.pkg, ours: true}
	if err := a.checkPackage(f.name); err != nil {
		return nil, err
	}
	if signature := set.files[f.name+".sig"]; signature != nil {
		content, err := signature.content()
		if err == nil {
			err = alpm.CheckSignature(content)
		}
		if err != nil {
			return nil, api.Errorf(api.ErrBadRequest, "%s: %v", signature.name, err)
		}
		a.signature, a.verified = content, f.verified
	}
	return a, nil
}
