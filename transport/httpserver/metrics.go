package httpserver

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

// counters counts answers by method and status.
type counters struct {
	mu  sync.Mutex
	all map[answerKind]int64
}

type answerKind struct {
	method string
	status int
}

// add counts an answer. Methods are told apart as far as there are some, so
// that a client cannot make counters.
func (c *counters) add(method string, status int) {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS":
	default:
		method = "other"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[answerKind{method, status}]++
}

// metrics answers in Prometheus's text format.
func (s *Server) metrics(c *call) error {
	var b bytes.Buffer
	s.requests.write(&b)
	if !s.config.ServiceOnly {
		if err := s.packageMetrics(c, &b); err != nil {
			return err
		}
	}
	return c.answer(document{body: b.Bytes(), kind: "text/plain; version=0.0.4; charset=utf-8", etag: etagOf(b.Bytes())})
}

func (c *counters) write(w io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(w, "# HELP ahriman_http_requests_total Requests answered.")
	fmt.Fprintln(w, "# TYPE ahriman_http_requests_total counter")
	kinds := slices.SortedFunc(maps.Keys(c.all), func(a, b answerKind) int {
		return cmp.Or(strings.Compare(a.method, b.method), a.status-b.status)
	})
	for _, kind := range kinds {
		fmt.Fprintf(w, "ahriman_http_requests_total{method=%q,status=\"%d\"} %d\n", kind.method, kind.status, c.all[kind])
	}
}

func (s *Server) packageMetrics(c *call, w io.Writer) error {
	fmt.Fprintln(w, "# HELP ahriman_packages Package bases by status.")
	fmt.Fprintln(w, "# TYPE ahriman_packages gauge")
	for _, r := range s.config.Repositories {
		n, err := s.packages(c.Context(), r.ID)
		if err != nil {
			return err
		}
		for _, state := range []struct {
			name  api.BuildStatus
			count int
		}{
			{api.Unknown, n.counts.Unknown}, {api.Pending, n.counts.Pending}, {api.Building, n.counts.Building},
			{api.Failed, n.counts.Failed}, {api.Success, n.counts.Success},
		} {
			fmt.Fprintf(w, "ahriman_packages{%s,status=%q} %d\n", labels(r.ID), state.name, state.count)
		}
	}
	return nil
}

func labels(id alpm.RepositoryID) string {
	return fmt.Sprintf("repository=%q,architecture=%q", id.Name, id.Architecture)
}
