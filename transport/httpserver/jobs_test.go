package httpserver_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ahriman/core/store"
	"ahriman/transport/api"
)

// submit begins a job and returns its id.
func (n *node) submit(path, body string) string {
	n.t.Helper()
	a := n.want(n.do("POST", path+query(), strings.NewReader(body), worker()...), 200)
	var reply api.ProcessReply
	if err := json.Unmarshal(a.body, &reply); err != nil || reply.ProcessID == "" {
		n.t.Fatalf("%s: %s (%v)", path, a.body, err)
	}
	return reply.ProcessID
}

// process asks for a job's state in our way.
func (n *node) process(id, query string) api.Process {
	n.t.Helper()
	a := n.want(n.do("GET", api.Path(api.PathNodeProcess, id)+query, nil, worker()...), 200)
	var p api.Process
	if err := json.Unmarshal(a.body, &p); err != nil {
		n.t.Fatal(err)
	}
	return p
}

func TestJobArguments(t *testing.T) {
	n := start(t, nil)
	for _, test := range []struct{ path, body, kind, want string }{
		{api.PathUpdate, `{"aur": false, "local": false, "manual": true}`, "update", `{"aur":false,"local":false,"manual":true}`},
		{api.PathUpdate, `{}`, "update", `{"aur":true,"local":true,"manual":true}`},
		{api.PathAdd, `{"packages":["a"],"increment":false,"packager":null,"patches":[],"refresh":true}`, "add", `{"packages":["a"],"patches":[],"increment":false,"refresh":true}`},
		{api.PathRequest, `{"packages":["a"]}`, "request", `{"packages":["a"],"patches":[],"increment":true,"refresh":false}`},
		{api.PathRemove, `{"packages":["a","b"]}`, "remove", `{"packages":["a","b"]}`},
		{api.PathRebuild, `{"packages":["a"]}`, "rebuild", `{"packages":["a"]}`},
		{api.PathRollback, `{"package":"a","version":"1-1"}`, "rollback", `{"package":"a","version":"1-1","hold":true}`},
	} {
		job, err := n.db.Job(t.Context(), n.submit(test.path, test.body))
		if err != nil || job.Kind != test.kind || job.Repository != refrepo || job.User != "worker-user" {
			t.Errorf("%s: %+v, %v", test.path, job, err)
		}
		n.sameJSON(job.Arguments, test.want)
	}
}

// TestProcessOutcome: v1 clients see an end as 404; ours are told what came of it.
func TestProcessOutcome(t *testing.T) {
	n := start(t, nil)
	id := n.submit(api.PathUpdate, "{}")
	v1 := api.Path(api.PathProcess, id)
	if a := n.want(n.do("GET", v1, nil, worker()...), 200); !strings.Contains(readAll(a), `"is_alive":true`) {
		t.Errorf("alive: %s", a.body)
	}
	if p := n.process(id, ""); !p.IsAlive || p.Outcome != "" || p.Kind != "update" {
		t.Errorf("alive: %+v", p)
	}
	if err := n.db.StartJob(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	ended := make(chan api.Process, 1)
	go func() { ended <- n.process(id, "?wait=30") }()
	outcome := store.Outcome{Updated: []string{"a"}, Failed: []store.Failure{{Base: "b", Reason: "makepkg: exit status 4"}}, Warnings: []string{"w"}}
	if err := n.db.EndJob(t.Context(), id, store.Partial, outcome, "1 package failed"); err != nil {
		t.Fatal(err)
	}
	p := <-ended
	got, _ := json.Marshal(p)
	n.sameJSON(got, fmt.Sprintf(`{"process_id":%q,"is_alive":false,"kind":"update","outcome":"partial","message":"1 package failed","updated":["a"],
		"failed":[{"base":"b","reason":"makepkg: exit status 4"}],"warnings":["w"],"created":%d,"started":%d,"finished":%d}`, id, p.Created, p.Started, p.Finished))
	n.want(n.do("GET", v1, nil, worker()...), 404)
	n.want(n.do("GET", api.Path(api.PathNodeProcess, "nope"), nil, worker()...), 404)
	n.want(n.do("GET", api.Path(api.PathNodeProcess, id)+"?wait=x", nil, worker()...), 400)
	if p := n.process(n.submit(api.PathUpdate, "{}"), "?wait=0.01"); !p.IsAlive {
		t.Errorf("a wait that is over: %+v", p)
	}
}

// events reads a stream's events.
type events struct {
	*bufio.Scanner
}

// next returns the next event as "name data".
func (e events) next() (string, error) {
	var name string
	for e.Scan() {
		line := e.Text()
		if rest, ok := strings.CutPrefix(line, "event: "); ok {
			name = rest
		}
		if rest, ok := strings.CutPrefix(line, "data: "); ok {
			return name + " " + rest, nil
		}
	}
	return "", errors.Join(errors.New("no event"), e.Err())
}

func (n *node) stream(query string, headers ...string) (events, *http.Response) {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), "GET", n.server.URL+api.PathEventStream+query, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := n.client.Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { response.Body.Close() })
	return events{bufio.NewScanner(response.Body)}, response
}

func TestEventStream(t *testing.T) {
	n := start(t, nil)
	all, _ := n.stream("", worker()...)
	some, _ := n.stream("?event=package-status-changed&event=package-removed&object_id=package-0001")
	n.addPackages(2)
	n.want(n.do("POST", api.Path(api.PathLogs, "package-0000"), strings.NewReader(`{"created":1.5,"message":"m","version":"1-1","process_id":"p"}`), worker()...), 204)
	n.want(n.do("POST", api.PathStatus, strings.NewReader(`{"status":"building"}`), worker()...), 204)
	n.want(n.do("DELETE", api.Path(api.PathPackage, "package-0001"), nil, worker()...), 204)
	check := func(e events, want ...string) {
		t.Helper()
		for _, w := range want {
			got, err := e.next()
			name, data, _ := strings.Cut(got, " ")
			wantName, wantData, _ := strings.Cut(w, " ")
			var g map[string]any
			if err := json.Unmarshal([]byte(data), &g); err != nil {
				t.Fatal(err)
			}
			if created, ok := g["created"].(float64); ok && created > 1000 {
				delete(g, "created")
			}
			text, _ := json.Marshal(g)
			if err != nil || name != wantName || diffJSON(text, []byte(wantData)) != "" {
				t.Errorf("event %s (%v), want %s", got, err, w)
			}
		}
	}
	check(all,
		`package-status-changed {"object_id":"package-0000","status":"success"}`,
		`package-status-changed {"object_id":"package-0001","status":"success"}`,
		`build-log {"object_id":"package-0000","created":1.5,"message":"m","version":"1-1","process_id":"p"}`,
		`service-status-changed {"object_id":"","status":"building"}`,
		`package-removed {"object_id":"package-0001"}`)
	check(some,
		`package-status-changed {"object_id":"package-0001","status":"success"}`,
		`package-removed {"object_id":"package-0001"}`)
	for _, query := range []string{"", "?event=build-log", "?event=package-removed&event=build-log"} {
		if _, response := n.stream(query); response.StatusCode != 401 {
			t.Errorf("%s for strangers: %d", query, response.StatusCode)
		}
	}
}

// TestEventStreamEnds: who may not follow any more does not, though the
// connection stays.
func TestEventStreamEnds(t *testing.T) {
	n := start(t, nil)
	token := func(name string) []string {
		return []string{"Authorization", "Bearer " + n.secret(store.User{Name: name, Access: store.Full})}
	}
	session, stays := n.login("worker-user", "very-secure-password"), token("stays")
	streams := map[string]events{}
	for name, headers := range map[string][]string{"removed": token("removed"), "demoted": token("demoted"), "logged out": session} {
		streams[name], _ = n.stream("?event=build-log", headers...)
	}
	staying, _ := n.stream("?event=build-log", stays...)
	n.want(n.do("POST", api.PathLogout, nil, session...), 302)
	if err := errors.Join(n.db.RemoveUser(t.Context(), "removed"), n.db.SetUser(t.Context(), store.User{Name: "demoted", Access: store.Reporter})); err != nil {
		t.Fatal(err)
	}
	over := time.Now().Add(20 * time.Second)
	noticed := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		for i := 1; time.Now().Before(over); i++ {
			select {
			case <-noticed:
				return
			case <-time.After(20 * time.Millisecond):
				body := fmt.Sprintf(`{"created":%d,"message":"m","version":"1-1"}`, i)
				n.want(n.do("POST", api.Path(api.PathLogs, "foo"), strings.NewReader(body), stays...), 204)
			}
		}
	})
	for name, stream := range streams {
		for {
			if _, err := stream.next(); err != nil {
				break
			}
			if time.Now().After(over) {
				t.Errorf("%s: still told", name)
				break
			}
		}
	}
	close(noticed)
	telling.Wait()
	if _, err := staying.next(); err != nil {
		t.Errorf("who may is not told: %v", err)
	}
}

// TestProcessOfAnotherProcess has a job whose end this process does not see
// announced: the long poll looks by itself.
func TestProcessOfAnotherProcess(t *testing.T) {
	n := start(t, nil)
	other, err := store.Open(t.Context(), n.db.Path())
	if err != nil {
		t.Fatal(err)
	}
	job, err := other.CreateJob(t.Context(), store.Job{Repository: refrepo, Kind: "update"})
	if err != nil {
		t.Fatal(err)
	}
	if p := n.process(job.ID, ""); !p.IsAlive {
		t.Errorf("alive: %+v", p)
	}
	ended := make(chan api.Process, 1)
	begin := time.Now()
	go func() { ended <- n.process(job.ID, "?wait=30") }()
	other.Close() // as a killed process does, it lets go of its lock
	if p := <-ended; p.IsAlive || p.Outcome != api.OutcomeCancelled || p.Message == "" {
		t.Errorf("its process is gone: %+v", p)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestKeys(t *testing.T) {
	n := start(t, nil)
	n.want(n.do("GET", api.PathPGP+"?key=8BE91E5A773FB48A&server=keys.example.org", nil), 401)
	answer := n.want(n.do("GET", api.PathPGP+"?key=8BE91E5A773FB48A&server=keys.example.org", nil, worker()...), 200)
	if got, want := string(answer.body), `{"key":"a key of keys.example.org"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	n.want(n.do("GET", api.PathPGP+"?key=1&server=a", nil, worker()...), 404)
	n.want(n.do("GET", api.PathPGP+"?key=1", nil, worker()...), 400)
	n.want(n.do("POST", api.PathPGP, strings.NewReader(`{"key":"1"}`), worker()...), 400)
	posted := n.want(n.do("POST", api.PathPGP, strings.NewReader(`{"key":"8BE91E5A773FB48A","server":"a"}`), worker()...), 200)
	if !strings.Contains(string(posted.body), `"process_id":`) {
		t.Errorf("answered %s", posted.body)
	}
}
