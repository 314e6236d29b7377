package httpserver

import (
	"maps"
	"slices"
	"time"
)

// Described returns the methods and paths that the description of the API knows.
func Described() []string { return slices.Sorted(maps.Keys(texts())) }

// Routes are the methods of each path that a server has.
func Routes(s *Server) map[string][]string {
	all := map[string][]string{}
	for path, r := range s.routes {
		all[path] = slices.Sorted(maps.Keys(r))
	}
	return all
}

// SetPatience shortens how long a server waits for a body that stops.
func SetPatience(d time.Duration) func(*Server) { return func(s *Server) { s.silence = d } }

// SetRemoveAll puts something in the place of what removes builds; nothing may be
// built yet.
func SetRemoveAll(b *Builds, with func(path string) error) { b.removeAll = with }

// SetUploadPatience shortens how long a set is kept that nobody goes on with.
func SetUploadPatience(s *Server, d time.Duration) { s.uploads.patience = d }
