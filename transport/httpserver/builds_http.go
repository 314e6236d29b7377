package httpserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"ahriman/core/build"
	"ahriman/transport/api"
)

// buildID is the id in the path.
func (c *call) buildID() (string, error) {
	id := c.PathValue("id")
	if !api.SoundName(id) {
		return "", api.Errorf(api.ErrBadRequest, "%q cannot be the id of a build", id)
	}
	return id, nil
}

// putBuild begins a build.
func (b *Builds) putBuild(c *call, request api.BuildRequest) (api.Build, error) {
	id, err := c.buildID()
	if err != nil {
		return api.Build{}, err
	}
	return b.start(id, request)
}

// getBuild says how a build stands, and waits for its end when asked to.
func (b *Builds) getBuild(c *call, _ nothing) (api.Build, error) {
	wait, err := api.ParseWait(c.query)
	if err != nil {
		return api.Build{}, err
	}
	d, release, err := b.find(c.PathValue("id"))
	if err != nil {
		return api.Build{}, err
	}
	defer release()
	return d.await(c.Context(), wait)
}

// deleteBuild ends a build and, unless it is to be kept, forgets it.
func (b *Builds) deleteBuild(c *call, _ nothing) (nothing, error) {
	d, release, err := b.find(c.PathValue("id"))
	if err != nil {
		return nothing{}, err
	}
	defer release()
	d.cancel(build.ErrCancelled)
	select {
	case <-d.done:
	case <-c.Context().Done():
		return nothing{}, c.Context().Err()
	}
	if !c.query.Has(api.QueryKeep) {
		b.mu.Lock()
		remove := b.drop(d) // with the request, since that holds it
		b.mu.Unlock()
		remove()
	}
	return nothing{}, nil
}

// number reads a number of bytes from the query.
func (c *call) number(name string) (int64, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, api.Errorf(api.ErrBadRequest, "%s must be a number of bytes, got %q", name, text)
	}
	return n, nil
}

// getBuildLog streams a log for as long as a silent connection may be trusted.
func (b *Builds) getBuildLog(c *call) error {
	offset, err := c.number(api.QueryOffset)
	if err != nil {
		return err
	}
	wait := api.MaxWait
	if c.query.Has(api.QueryWait) {
		if wait, err = api.ParseWait(c.query); err != nil {
			return err
		}
	}
	d, release, err := b.find(c.PathValue("id"))
	if err != nil {
		return err
	}
	defer release()
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	to := &steadyWriter{w: c.w, control: http.NewResponseController(c.w), flush: true}
	if err := to.control.Flush(); err != nil {
		return aborted(err)
	}
	ctx, stop := context.WithTimeout(c.Context(), wait)
	defer stop()
	if err := d.log.CopyTo(ctx, to, offset); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		panic(http.ErrAbortHandler) // the client must not take it for the end
	}
	return nil
}

// steadyWriter gives each write a deadline of its own.
type steadyWriter struct {
	w       io.Writer
	control *http.ResponseController
	flush   bool // after each write
}

func (s *steadyWriter) Write(p []byte) (int, error) {
	s.control.SetWriteDeadline(time.Now().Add(bodyTimeout))
	defer s.control.SetWriteDeadline(time.Time{})
	n, err := s.w.Write(p)
	if err == nil && s.flush {
		err = s.control.Flush()
	}
	return n, err
}

// objectSilence is how long the sender of an object may be silent. It is less
// than what a client waits before it comes again, so that one whose connection
// died does not stand in its own way.
const objectSilence = 20 * time.Second

// steadyResponse is steadyWriter for http.ServeContent.
type steadyResponse struct {
	http.ResponseWriter
	steady steadyWriter
}

func (s *steadyResponse) Write(p []byte) (int, error) { return s.steady.Write(p) }

// ReadFrom implements io.ReaderFrom. Writes are large because each of them takes
// HTTP/2 some turns between goroutines.
func (s *steadyResponse) ReadFrom(r io.Reader) (int64, error) {
	return io.CopyBuffer(&s.steady, r, make([]byte, 256<<10))
}

// getBuildFile sends a file of the result, or a range of it.
func (b *Builds) getBuildFile(c *call) error {
	d, release, err := b.find(c.PathValue("id"))
	if err != nil {
		return err
	}
	defer release()
	name := c.PathValue("name")
	d.mu.Lock()
	path, ok := d.paths[name]
	d.mu.Unlock()
	if !ok || !d.ended() {
		return api.Errorf(api.ErrNotFound, "Build %s has no file %s", d.id, name)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.w.Header().Set("Cache-Control", "no-store")
	// Without a time, ranges are not conditional: the bytes never change.
	http.ServeContent(&steadyResponse{c.w, steadyWriter{w: c.w, control: http.NewResponseController(c.w)}}, c.Request, name, time.Time{}, file)
	return nil
}

// headObject says how much of an object is there.
func (b *Builds) headObject(c *call) error {
	digest := c.PathValue("sha256")
	if !api.SoundDigest(digest) {
		return api.Errorf(api.ErrBadRequest, "%q is no SHA-256 in lower-case hex", digest)
	}
	if b.objects == nil {
		return api.Errorf(api.ErrUnavailable, "nothing is built here: %s", b.config.Reason)
	}
	have, whole := b.objects.have(digest)
	c.w.Header().Set(api.HeaderOffset, strconv.FormatInt(have, 10))
	if !whole {
		return api.Errorf(api.ErrNotFound, "%d bytes of this object are here", have)
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// putObject takes an object, or the rest of one.
func (b *Builds) putObject(c *call, _ nothing) (nothing, error) {
	object := api.Object{SHA256: c.PathValue("sha256")}
	var err error
	if object.Size, err = c.number(api.QuerySize); err != nil {
		return nothing{}, err
	}
	offset, err := c.number(api.QueryOffset)
	if err != nil {
		return nothing{}, err
	}
	if err := object.Validate(); err != nil {
		return nothing{}, err
	}
	if !c.query.Has(api.QuerySize) || offset > object.Size || c.ContentLength > object.Size-offset {
		return nothing{}, api.Errorf(api.ErrBadRequest, "size is missing, or less than what is sent")
	}
	if b.objects == nil {
		return nothing{}, api.Errorf(api.ErrUnavailable, "nothing is built here: %s", b.config.Reason)
	}
	body := &silenceReader{r: c.Body, w: http.NewResponseController(c.w), silence: objectSilence}
	err = b.objects.receive(c.Context(), object.SHA256, offset, object.Size, body)
	if wrong, ok := errors.AsType[offsetError](err); ok {
		c.w.Header().Set(api.HeaderOffset, strconv.FormatInt(wrong.have, 10))
	}
	return nothing{}, err
}
