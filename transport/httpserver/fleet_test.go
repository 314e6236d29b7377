package httpserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// TestReplayFleets is a master that delegates to Python workers it was told of,
// and to workers that found it. Of what was thinned out of the captures too
// much hangs together to compare contents: status and kind of answer are.
func TestReplayFleets(t *testing.T) {
	for file, better := range map[string]map[int]int{
		"mode2-workers.txt":   {0: 200}, // valid Basic credentials are accepted
		"mode3-discovery.txt": {},
	} {
		t.Run(file, func(t *testing.T) {
			r := start(t, nil).replay()
			r.thinned = true
			for _, e := range readCapture(t, "testdata/"+file) {
				if e.status == http.StatusNotFound && strings.Contains(e.target, "/service/process/") {
					r.endJobs()
				}
				want := e.status
				if ours, ok := better[e.number]; ok {
					want = ours
				}
				got := r.send(e)
				if got.status != want {
					t.Errorf("#%d %s %s %s: %d %s, want %d", e.number, e.method, e.target, e.body, got.status, got.body, want)
				}
				if cookie := e.answer.Get("Set-Cookie"); cookie != "" {
					r.cookies[cookieOf(cookie)] = cookieOf(got.header.Get("Set-Cookie"))
				}
				var g, w any
				if json.Unmarshal([]byte(e.content), &w) == nil && json.Unmarshal(got.body, &g) == nil {
					r.learn(w, g)
					if want == e.status && fmt.Sprintf("%T", g) != fmt.Sprintf("%T", w) {
						t.Errorf("#%d %s: a %T, want a %T", e.number, e.target, g, w)
					}
				}
			}
		})
	}
}

// TestReplayWorkersSide is what a Python master asks of its workers, and of a
// worker that shows nothing but services: the answers are those captured.
func TestReplayWorkersSide(t *testing.T) {
	for _, file := range []string{"mode2-workers.txt", "mode3-discovery.txt"} {
		t.Run(file, func(t *testing.T) {
			r := start(t, func(c *httpserver.Config) { c.ServiceOnly = true }).replay()
			asked := 0
			for _, e := range readCapture(t, "testdata/"+file) {
				if strings.HasPrefix(e.label, "master-to-worker") {
					r.check(e, r.send(e), e.status)
					asked++
				}
			}
			if asked < 6 {
				t.Errorf("%d requests", asked)
			}
			jobs, err := r.db.Jobs(t.Context(), -1)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range jobs {
				var add api.AddRequest
				if err := json.Unmarshal(job.Arguments, &add); err != nil || job.Kind != httpserver.JobAdd || len(add.Packages) == 0 || add.Increment || !add.Refresh {
					t.Errorf("job %s %s, %v", job.Kind, job.Arguments, err)
				}
			}
		})
	}
}
