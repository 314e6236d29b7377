package httpserver

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/transport/api"

	"github.com/google/uuid"
)

// call is one request on its way.
type call struct {
	*http.Request
	w     http.ResponseWriter
	query url.Values
	// silence is how long the body may stand still; 0: uploadSilence.
	silence time.Duration
	// foreign is a request that the page of another site makes a browser send,
	// and that changes something.
	foreign bool
	who     identity     // set once authorize let the request pass
	failed  *failedLogin // by the form of a page; nil: none did
}

// endpoint is what one method of a path does, and for whom.
type endpoint struct {
	scope api.Scope
	run   func(*call) error
	// What it takes and gives, for the description of the API; nil: not JSON.
	in, out reflect.Type
}

// route is a path: what its methods do.
type route map[string]endpoint

// endpoint is what a method does. HEAD is GET, whose body net/http drops.
func (r route) endpoint(method string) (endpoint, bool) {
	do, ok := r[method]
	if !ok && method == http.MethodHead {
		do, ok = r[http.MethodGet]
	}
	return do, ok
}

// choose is endpoint, and refuses a request whose method does nothing here.
func (r route) choose(c *call) (endpoint, error) {
	do, ok := r.endpoint(c.Method)
	if !ok {
		c.w.Header().Set("Allow", r.allow())
		return do, api.Errorf(api.ErrMethodNotAllowed, "Method %s is not allowed here", c.Method)
	}
	return do, nil
}

// allow lists the methods of a route, for Allow.
func (r route) allow() string {
	methods := slices.Collect(maps.Keys(r))
	if _, ok := r[http.MethodGet]; ok {
		methods = append(methods, http.MethodHead)
	}
	methods = append(methods, http.MethodOptions)
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// nothing is the body of a request or answer that has none.
type nothing struct{}

// serve makes an endpoint of a function that reads and answers by itself.
func serve(scope api.Scope, run func(*call) error) endpoint { return endpoint{scope: scope, run: run} }

// serveJSON makes an endpoint of a function: it decodes and validates the body
// (unless In is nothing), calls, and encodes the answer with its Etag, or
// answers 204 (when Out is nothing).
func serveJSON[In, Out any](scope api.Scope, f func(*call, In) (Out, error)) endpoint {
	return endpoint{in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), scope: scope, run: func(c *call) error {
		var in In
		if _, none := any(in).(nothing); !none {
			if err := c.decode(&in); err != nil {
				return err
			}
		}
		out, err := f(c, in)
		if err != nil {
			return err
		}
		if _, none := any(out).(nothing); none {
			c.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		body, err := json.Marshal(out)
		if err != nil {
			return err
		}
		return c.answer(document{body: body, etag: etagOf(body)})
	}}
}

// serveDocument is serveJSON for an answer, an Out, that is encoded already.
func serveDocument[Out any](scope api.Scope, f func(*call) (document, error)) endpoint {
	return endpoint{out: reflect.TypeFor[Out](), scope: scope, run: func(c *call) error {
		d, err := f(c)
		if err != nil {
			return err
		}
		return c.answer(d)
	}}
}

// document is what an answer holds, and its Etag.
type document struct {
	body   []byte
	etag   string
	kind   string // for Content-Type; empty: JSON
	status int    // 0: 200
}

func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// decode reads the body as JSON, whatever its Content-Type says.
func (c *call) decode(to any) error {
	text, err := c.read()
	if err != nil {
		return err
	}
	return unmarshal(text, to)
}

// read reads a body that is taken as a whole.
func (c *call) read() ([]byte, error) {
	deadline := http.NewResponseController(c.w)
	deadline.SetReadDeadline(time.Now().Add(c.patience()))
	limit := int64(maxJSON)
	if c.who.stranger {
		limit = maxLogin
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, limit))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return nil, api.Errorf(api.ErrTooLarge, "the body is longer than %d bytes", limit)
	}
	if err != nil { // the deadline stays: nobody is to wait for the rest
		return nil, api.Errorf(api.ErrBadRequest, "reading the body: %v", err)
	}
	deadline.SetReadDeadline(time.Time{})
	return body, nil
}

func unmarshal(body []byte, to any) error {
	if err := json.Unmarshal(body, to); err != nil {
		return api.Errorf(api.ErrBadRequest, "the body is not the JSON that is expected: %v", err)
	}
	v, ok := to.(interface{ Validate() error })
	if !ok {
		return nil
	}
	err := v.Validate()
	if _, told := errors.AsType[*api.Error](err); err != nil && !told {
		err = api.Errorf(api.ErrBadRequest, "%v", err)
	}
	return err
}

// answer writes a document, or 304 when the client has it.
func (c *call) answer(d document) error {
	header := c.w.Header()
	if c.Method == http.MethodGet || c.Method == http.MethodHead {
		header.Set("Etag", d.etag)
		if matches(c.Header.Get("If-None-Match"), d.etag) {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	header.Set("Content-Type", cmp.Or(d.kind, "application/json; charset=utf-8"))
	header.Set("Content-Length", strconv.Itoa(len(d.body)))
	deadline := http.NewResponseController(c.w)
	deadline.SetWriteDeadline(time.Now().Add(bodyTimeout))
	defer deadline.SetWriteDeadline(time.Time{})
	c.w.WriteHeader(cmp.Or(d.status, http.StatusOK))
	_, err := c.w.Write(d.body)
	return aborted(err)
}

// errAborted is an answer that cannot be finished: the client went away.
var errAborted = errors.New("client went away")

func aborted(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errAborted, err)
	}
	return nil
}

// matches says whether an If-None-Match names etag.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || one == etag && etag != "" {
			return true
		}
	}
	return false
}

// text answers with a line such as "201: Created", as the Python node does.
func (c *call) text(status int) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.WriteHeader(status)
	_, err := fmt.Fprintf(c.w, "%d: %s", status, http.StatusText(status))
	return aborted(err)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connOf{}).(*conn); ok {
		c.handled.Store(true)
	}
	if next := s.replaced.Load(); next != nil {
		s = next
	}
	begin := time.Now()
	counted := &countingWriter{ResponseWriter: w}
	id := r.Header.Get(api.HeaderRequestID)
	if !sound(id) {
		id = uuid.NewString()
	}
	w.Header().Set(api.HeaderRequestID, id)
	if r.RequestURI == "*" || r.Method == http.MethodConnect { // no paths: the mux refuses them in words of its own
		s.handler(s.unknown).ServeHTTP(counted, r)
	} else {
		s.mux.ServeHTTP(counted, r)
	}
	s.requests.add(r, counted.status, time.Since(begin))
}

// handler is a route as the mux takes it.
func (s *Server) handler(do func(*call) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, w: w, query: r.URL.Query(), silence: s.silence}
		s.config.CORS.share(c)
		if err := do(c); err != nil && !errors.Is(err, errAborted) {
			c.refuse(err, s.config.Log)
		}
	})
}

// sound says whether an id of a client may be echoed and logged.
func sound(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// countingWriter remembers the status.
type countingWriter struct {
	http.ResponseWriter
	status int
}

func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets the kernel copy files.
func (w *countingWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap is for http.ResponseController.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// maxHeaders is how many headers a request may have; what their lengths come to
// is bounded by maxHeader.
const maxHeaders = 500

// dispatch calls the endpoint of the request's method.
func (s *Server) dispatch(c *call, found route) error {
	headers := 0
	for _, values := range c.Header {
		headers += len(values)
	}
	if headers > maxHeaders {
		return api.Errorf(api.ErrHeaders, "%d headers are too many", headers)
	}
	if c.Method == http.MethodOptions {
		return s.config.CORS.preflight(c, found)
	}
	do, err := found.choose(c)
	if err != nil {
		return err
	}
	c.foreign = s.crossing.Check(c.Request) != nil
	if err := s.authorize(c, do.scope); err != nil {
		return err
	}
	return do.run(c)
}

// unknown answers for a path that does not exist: with log-in on, strangers are
// not told so.
func (s *Server) unknown(c *call) error {
	if short, err := url.Parse(strings.TrimSuffix(c.URL.EscapedPath(), "/")); err == nil && short.Path != c.URL.Path && short.Path != "" {
		other := c.Clone(c.Context())
		other.URL.Path, other.URL.RawPath = short.Path, short.RawPath
		if _, pattern := s.mux.Handler(other); pattern != "/" {
			short.RawQuery = c.URL.RawQuery
			c.w.Header().Set("Location", short.String())
			return c.text(http.StatusPermanentRedirect)
		}
	}
	if who, err := s.identify(c); err != nil || who.stranger {
		return cmp.Or(err, api.Errorf(api.ErrUnauthorized, "Unauthorized"))
	}
	return api.Errorf(api.ErrNotFound, "Not Found")
}

// refuse answers with an error; log takes what the client is not told.
func (c *call) refuse(err error, log *slog.Logger) {
	status, body := api.StatusOf(err)
	if status == http.StatusInternalServerError {
		if c.Context().Err() != nil {
			return // the client went away, which is why it failed
		}
		log.Error("request failed", "method", c.Method, "path", c.URL.Path, "request", c.w.Header().Get(api.HeaderRequestID), "error", err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	c.w.WriteHeader(status)
	c.w.Write(text)
}

// packageError turns the store's error about a base into the API's.
func packageError(base string, err error) error {
	if errors.Is(err, store.ErrUnknownPackage) {
		return api.Errorf(api.ErrNotFound, "Package %s is unknown", base)
	}
	return err
}

// base is the package base in the path.
func (c *call) base() string { return c.PathValue("base") }

// inRepository makes a function of a repository into one that serveJSON takes.
func inRepository[In, Out any](s *Server, f func(*call, alpm.RepositoryID, In) (Out, error)) func(*call, In) (Out, error) {
	return func(c *call, in In) (Out, error) {
		r, err := s.repository(c)
		if err != nil {
			var none Out
			return none, err
		}
		return f(c, r.ID, in)
	}
}
