package httpserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
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
