package httpserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
)

// TestListFollowsStore changes packages at random; the list is always what the
// store holds.
func TestListFollowsStore(t *testing.T) {
	n := start(t, nil)
	etags := map[string]string{}
	for step := range 300 {
		var err error
		for range 1 + rand.IntN(3) {
			base := fmt.Sprintf("p%d", rand.IntN(12))
			p := source.Package{
				Base: base, Version: fmt.Sprint(step, "-1"), Origin: source.Origin{Source: source.AUR},
				Packages: map[string]source.Properties{base: {ArchiveSize: int64(step)}},
			}
			switch rand.IntN(4) {
			case 0:
				err = n.db.RemovePackage(t.Context(), refrepo, base)
			case 1:
				if n.db.SetStatus(t.Context(), refrepo, base, store.Failed) != nil {
					continue // it is not there
				}
			default:
				err = n.db.SetPackage(t.Context(), refrepo, p, store.Pending)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		records, err := n.db.Packages(t.Context(), refrepo)
		if err != nil {
			t.Fatal(err)
		}
		want := []api.PackageEntry{}
		for _, r := range records {
			want = append(want, api.PackageEntry{
				Package: r.Package, Repository: api.RepositoryOf(refrepo),
				Status: api.Status{Status: api.BuildStatus(r.Status), Timestamp: r.Changed, IsHeld: r.Held},
			})
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := n.want(n.do("GET", api.PathPackages, nil), 200)
		n.sameJSON(got.body, string(text))
		if before, seen := etags[got.header.Get("Etag")]; seen && before != string(got.body) {
			t.Fatalf("two lists have the Etag %s", got.header.Get("Etag"))
		}
		etags[got.header.Get("Etag")] = string(got.body)
		if t.Failed() {
			t.Fatalf("after %d steps", step)
		}
	}
}

// TestReadersSeeWhatWasWritten: who asks after a change sees it, however many
// ask at once.
func TestReadersSeeWhatWasWritten(t *testing.T) {
	n := start(t, nil)
	n.addPackages(1)
	var readers sync.WaitGroup
	var mu sync.Mutex
	written := int64(0)
	for range 8 {
		readers.Go(func() {
			for range 50 {
				mu.Lock()
				written++
				version := written
				p := source.Package{Base: "package-0000", Version: fmt.Sprint(version, "-1"), Packages: map[string]source.Properties{}}
				err := n.db.SetPackage(t.Context(), refrepo, p, store.Success)
				mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				response, err := n.client.Get(n.server.URL + api.PathPackages)
				if err != nil {
					t.Error(err)
					return
				}
				var got []api.PackageEntry
				err = json.NewDecoder(response.Body).Decode(&got)
				response.Body.Close()
				var seen int64
				fmt.Sscan(got[0].Package.Version, &seen)
				if err != nil || seen < version {
					t.Errorf("wrote %d and read %d: %v", version, seen, err)
				}
			}
		})
	}
	readers.Wait()
}

// BenchmarkPackages asks for 1,000 packages, whole and unchanged, while a status
// changes every 100 ms; bare is a server that has the same bytes ready.
func BenchmarkPackages(b *testing.B) {
	n := start(b, nil)
	n.addPackages(1000)
	first := n.do("GET", api.PathPackages, nil)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"x"`)
		if r.Header.Get("If-None-Match") == `"x"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", fmt.Sprint(len(first.body)))
		w.Write(first.body)
	}))
	defer bare.Close()
	for _, unchanged := range []bool{false, true} {
		for _, server := range []struct{ name, url string }{{"bare", bare.URL}, {"ours", n.server.URL}} {
			name := map[bool]string{false: "200/", true: "304/"}[unchanged] + server.name
			b.Run(name, func(b *testing.B) {
				stop := make(chan struct{})
				var changing sync.WaitGroup
				changing.Go(func() { n.keepChanging(stop) })
				n.ask(b, server.url, unchanged)
				close(stop)
				changing.Wait()
			})
		}
	}
}

// keepChanging sets a status every 100 ms.
func (n *node) keepChanging(stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
			status := []store.Status{store.Building, store.Success}[i%2]
			if err := n.db.SetStatus(n.t.Context(), refrepo, fmt.Sprintf("package-%04d", i%1000), status); err != nil {
				n.t.Error(err)
			}
		}
	}
}

// ask sends requests over connections that stay, and reads what comes.
func (n *node) ask(b *testing.B, url string, unchanged bool) {
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
		defer client.CloseIdleConnections()
		request, err := http.NewRequest("GET", url+api.PathPackages, nil)
		if err != nil {
			b.Fatal(err)
		}
		for pb.Next() {
			response, err := client.Do(request)
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if unchanged {
				request.Header.Set("If-None-Match", response.Header.Get("Etag"))
			}
		}
	})
}
