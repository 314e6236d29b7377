package httpserver

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"ahriman/transport/api"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// counters are of the process and its answers.
type counters struct {
	registry *prometheus.Registry
	answers  *prometheus.CounterVec
	times    *prometheus.HistogramVec
}

func newCounters() *counters {
	c := &counters{
		registry: prometheus.NewRegistry(),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ahriman_http_requests_total", Help: "Requests answered.",
		}, []string{"method", "status"}),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ahriman_http_request_duration_seconds", Help: "Time to the end of the answer.",
			Buckets: []float64{.001, .01, .05, .1, 1, 10, 60},
		}, []string{"path"}),
	}
	c.registry.MustRegister(c.answers, c.times, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return c
}

// add counts an answer. Methods and paths are told apart as far as there are
// some, so that a client cannot make counters.
func (c *counters) add(r *http.Request, status int, took time.Duration) {
	method, path := r.Method, r.Pattern
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS":
	default:
		method = "other"
	}
	if path == "" || path == "/" {
		path = "none"
	}
	c.answers.WithLabelValues(method, strconv.Itoa(status)).Inc()
	c.times.WithLabelValues(path).Observe(took.Seconds())
}

// metrics answers in Prometheus's text format.
func (s *Server) metrics(c *call) error {
	packages, err := s.packageMetrics(c)
	if err != nil {
		return err
	}
	families, err := prometheus.Gatherers{s.requests.registry, packages}.Gather()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	encoder := expfmt.NewEncoder(&b, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return c.answer(document{body: b.Bytes(), kind: string(format), etag: etagOf(b.Bytes())})
}

// packageMetrics counts the packages as they are now.
func (s *Server) packageMetrics(c *call) (prometheus.Gatherer, error) {
	packages := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ahriman_packages", Help: "Package bases by status.",
	}, []string{"repository", "architecture", "status"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(packages)
	for _, r := range s.config.Repositories {
		if s.config.ServiceOnly {
			break
		}
		n, err := s.packages(c.Context(), r.ID)
		if err != nil {
			return nil, err
		}
		for status, count := range map[api.BuildStatus]int{
			api.Unknown: n.counts.Unknown, api.Pending: n.counts.Pending, api.Building: n.counts.Building,
			api.Failed: n.counts.Failed, api.Success: n.counts.Success,
		} {
			packages.WithLabelValues(r.ID.Name, r.ID.Architecture, string(status)).Set(float64(count))
		}
	}
	return registry, nil
}
