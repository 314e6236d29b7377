package httpserver

import (
	"io"
	"net/http"

	"ahriman/transport/api"
)

// addFileRoutes serves the published repositories below /repo/<name>/<arch>/,
// to those who may read.
func (s *Server) addFileRoutes() {
	for _, r := range s.config.Repositories {
		if r.Files == nil {
			continue
		}
		prefix := "/repo/" + r.ID.String() + "/"
		files := http.StripPrefix(prefix, r.Files)
		s.add(prefix, route{http.MethodGet: {scope: api.ScopeRead, run: func(c *call) error {
			if err := c.who.in(r.ID); err != nil {
				return err
			}
			w := &refusing{ResponseWriter: c.w}
			files.ServeHTTP(w, c.Request)
			if w.status == 0 {
				return nil
			}
			header := c.w.Header()
			header.Del("Etag")
			header.Del("Last-Modified")
			return api.ErrorOf(w.status, nil)
		}}})
	}
}

// refusing leaves it to others to say what is wrong.
type refusing struct {
	http.ResponseWriter
	status int // of a refusal
}

func (w *refusing) WriteHeader(status int) {
	if status >= 400 && status != http.StatusRequestedRangeNotSatisfiable {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *refusing) Write(p []byte) (int, error) {
	if w.status != 0 {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets the kernel copy files.
func (w *refusing) ReadFrom(r io.Reader) (int64, error) {
	if w.status != 0 {
		return io.Copy(io.Discard, r)
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap is for http.ResponseController.
func (w *refusing) Unwrap() http.ResponseWriter { return w.ResponseWriter }
