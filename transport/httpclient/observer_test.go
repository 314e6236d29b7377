package httpclient_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/update"
	"ahriman/transport/httpclient"

	"github.com/google/go-cmp/cmp"
)

// TestBuildsAtOnce: each base gets its own lines, whoever builds beside it, and
// one whose build is not published has failed.
func TestBuildsAtOnce(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}    // log by base
	status := map[string]string{} // the last of each base
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, isPackage := strings.CutPrefix(r.URL.Path, "/api/v1/packages/")
		base, isLog := strings.CutSuffix(rest, "/logs")
		switch {
		case strings.HasPrefix(r.URL.Path, "/node/"): // a Python node
			http.NotFound(w, r)
			return
		case isPackage && isLog:
			var record struct{ Message string }
			if err := json.NewDecoder(r.Body).Decode(&record); err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[base] += record.Message + "\n"
			mu.Unlock()
		case isPackage && r.Method == http.MethodPost && !strings.Contains(rest, "/"):
			var record struct{ Status string }
			if err := json.NewDecoder(r.Body).Decode(&record); err != nil {
				t.Error(err)
			}
			mu.Lock()
			status[rest] = record.Status
			mu.Unlock()
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	client, err := httpclient.New(httpclient.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	observer := client.Repository(alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}).Observer("process")
	tell := func(e update.Event) {
		t.Helper()
		if err := observer.Observe(t.Context(), e); err != nil {
			t.Errorf("%T: %v", e, err)
		}
	}
	package1, package2 := source.Package{Base: "one", Version: "1-1"}, source.Package{Base: "two", Version: "2-1"}
	tell(update.BuildStarted{Package: package1})
	tell(update.BuildStarted{Package: package2})
	tell(update.LogLines{Base: "one", Version: "1-1", Time: time.Now(), Lines: []string{"of one"}})
	tell(update.LogLines{Base: "two", Version: "2-1", Time: time.Now(), Lines: []string{"of two"}})
	tell(update.LogLines{Base: "one", Version: "1-1", Time: time.Now(), Lines: []string{"of one again"}})
	tell(update.BuildEnded{Package: package1})
	tell(update.Refused{Base: "one"})
	tell(update.Refused{Base: "three"}) // handed in by somebody
	tell(update.RunEnded{Outcome: &update.Outcome{}})
	if diff := cmp.Diff(map[string]string{"one": "of one\nof one again\n", "two": "of two\n"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"one": "failed", "two": "building"}, status); diff != "" {
		t.Errorf("statuses (-want +got)\n%s", diff)
	}
}
