package httpserver

import (
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
			files.ServeHTTP(c.w, c.Request)
			return nil
		}}})
	}
}
