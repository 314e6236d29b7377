package httpserver_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ahriman/core/store"
	"ahriman/transport/api"
)

// exchange is one request of a capture and what a Python node answered.
type exchange struct {
	number  int
	label   string // who asks whom
	method  string
	target  string
	header  [][2]string
	body    string
	parts   []part // of a multipart body; the content is its length only
	status  int    // 0: no answer
	answer  http.Header
	content string
}

// readCapture reads a file of captures, as the
// reference describes them: ">" is sent, "<" is received.
func readCapture(t *testing.T, path string) []*exchange {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ = bytes.Cut(text, []byte("=== SUMMARY"))
	var all []*exchange
	var e *exchange
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		number, isHead := strings.CutPrefix(line, "=== #")
		switch {
		case isHead:
			words := strings.Fields(number)
			n, err := strconv.Atoi(words[0])
			if err != nil {
				t.Fatal(err)
			}
			e = &exchange{number: n, label: words[2], answer: http.Header{}}
			all = append(all, e)
		case strings.HasPrefix(line, "> "):
			e.sent(line[2:])
		case strings.HasPrefix(line, "< "):
			e.received(line[2:])
		}
	}
	return all
}

var (
	headerLine = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*: `)
	partName   = regexp.MustCompile(` name="([^"]*)"`)
	partFile   = regexp.MustCompile(`filename="([^"]*)"`)
	partSize   = regexp.MustCompile(`<(\d+) bytes, first`)
)

func (e *exchange) sent(line string) {
	switch {
	case e.method == "":
		words := strings.Fields(line)
		e.method, e.target = words[0], words[1]
	case strings.HasPrefix(line, "[multipart"), strings.HasPrefix(line, "  part "), strings.HasPrefix(line, "  closing"):
		e.body = ""
	case strings.HasPrefix(line, "    Content-Disposition"):
		p := part{name: partName.FindStringSubmatch(line)[1]}
		if m := partFile.FindStringSubmatch(line); m != nil {
			p.fileName = m[1]
		}
		e.parts = append(e.parts, p)
	case strings.HasPrefix(line, "    <"):
		n, _ := strconv.Atoi(partSize.FindStringSubmatch(line)[1])
		e.parts[len(e.parts)-1].content = make([]byte, n)
	case strings.HasPrefix(line, "    "):
	case headerLine.MatchString(line):
		name, value, _ := strings.Cut(line, ": ")
		e.header = append(e.header, [2]string{name, value})
	default:
		e.body = line
	}
}

func (e *exchange) received(line string) {
	switch {
	case strings.HasPrefix(line, "HTTP/1.1 "):
		e.status, _ = strconv.Atoi(strings.Fields(line)[1])
	case e.status != 0 && headerLine.MatchString(line) && e.content == "":
		name, value, _ := strings.Cut(line, ": ")
		e.answer.Add(name, value)
	default:
		e.content += line
	}
}

// replay sends captures to a node of ours, with its own cookies and ids in the
// place of those captured.
type replay struct {
	*node
	cookies  map[string]string // captured to ours
	ids      map[string]string
	packages map[string][]byte
	thinned  bool // some log-ins were left out of the capture
}

// anyCookie is the cookie of some log-in.
func (r *replay) anyCookie() (string, bool) {
	for _, ours := range r.cookies {
		return ours, true
	}
	return "", false
}

// cookieOf is the value of a Set-Cookie or Cookie header, without its quotes.
func cookieOf(header string) string {
	_, value, _ := strings.Cut(header, "=")
	value, _, _ = strings.Cut(value, ";")
	return strings.Trim(value, `"`)
}

// send replays one request.
func (r *replay) send(e *exchange) answer {
	r.t.Helper()
	for captured, ours := range r.ids {
		e.target = strings.ReplaceAll(e.target, captured, ours)
	}
	var headers []string
	for _, h := range e.header {
		switch h[0] {
		case "Host", "Content-Length", "Connection", "Accept-Encoding":
			continue
		case "Cookie":
			ours, ok := r.cookies[cookieOf(h[1])]
			if !ok && r.thinned && e.header[len(e.header)-1][0] != "Authorization" {
				ours, ok = r.anyCookie()
			}
			if ok {
				h[1] = api.CookieSession + `="` + ours + `"`
			}
		case "If-None-Match":
			h[1] = r.do("GET", e.target, nil).header.Get("Etag")
		case "Content-Type":
			if len(e.parts) > 0 {
				continue
			}
		}
		headers = append(headers, h[0], h[1])
	}
	if len(e.parts) > 0 {
		return r.node.upload(e.target, headers, r.fill(e.parts)...)
	}
	return r.do(e.method, e.target, strings.NewReader(e.body), headers...)
}

// fill makes the packages that the capture does not hold.
func (r *replay) fill(parts []part) []part {
	for i, p := range parts {
		switch {
		case p.name == api.PartPackage && strings.HasSuffix(p.fileName, ".pkg.tar.zst") && !strings.Contains(p.fileName, "/"):
			if r.packages[p.fileName] == nil {
				r.packages[p.fileName] = packageFile(r.t, p.fileName, nil)
			}
			parts[i].content = r.packages[p.fileName]
		case p.name == api.PartSignature:
			signature, err := base64.StdEncoding.DecodeString(detached)
			if err != nil {
				r.t.Fatal(err)
			}
			parts[i].content = signature
		}
	}
	return parts
}

// detached is a binary signature packet, of nothing in particular.
const detached = "iHUEABYIAB0WIQRQIzwUVLzKVZNy6tiA0oZdvwrwjQUCaSG9owAKCRCA0oZdvwrwjTUxAP9Zk0bXu5u2aFd0bq2nCpDGw8E2xk7v8X4b5zQyHqYtBgD+J0f0qkqXc8mJt8m7kqJz2g1b6r1v5mY3q8V6mYgK3Qg="

// check compares an answer with the captured one. Cookies and ids are learnt;
// times may be others.
func (r *replay) check(e *exchange, got answer, status int) {
	r.t.Helper()
	if got.status != status {
		r.t.Errorf("#%d %s %s %s: status %d, want %d: %s", e.number, e.method, e.target, e.body, got.status, status, got.body)
		return
	}
	if cookie := e.answer.Get("Set-Cookie"); cookie != "" {
		r.cookies[cookieOf(cookie)] = cookieOf(got.header.Get("Set-Cookie"))
		r.checkAttributes(e, cookie, got.header.Get("Set-Cookie"))
	}
	for _, name := range []string{"Location", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods"} {
		if got.header.Get(name) != e.answer.Get(name) {
			r.t.Errorf("#%d: %s is %q, want %q", e.number, name, got.header.Get(name), e.answer.Get(name))
		}
	}
	if status != e.status || strings.HasPrefix(e.answer.Get("Content-Type"), "text/html") {
		return
	}
	if got, want := got.header.Get("Content-Type"), e.answer.Get("Content-Type"); got != want && status != http.StatusNoContent && e.method != "HEAD" {
		r.t.Errorf("#%d: Content-Type %q, want %q", e.number, got, want)
	}
	r.checkBody(e, got.body)
}

func (r *replay) checkAttributes(e *exchange, want, got string) {
	for _, attribute := range []string{"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age="} {
		if strings.Contains(want, attribute) && !strings.Contains(got, attribute) {
			r.t.Errorf("#%d: cookie without %s: %s", e.number, attribute, got)
		}
	}
}

func (r *replay) checkBody(e *exchange, got []byte) {
	r.t.Helper()
	for captured, ours := range r.ids {
		e.content = strings.ReplaceAll(e.content, captured, ours)
	}
	var g, w any
	if json.Unmarshal([]byte(e.content), &w) != nil || json.Unmarshal(got, &g) != nil {
		if strings.TrimSpace(string(got)) != strings.TrimSpace(e.content) {
			r.t.Errorf("#%d %s: %q, want %q", e.number, e.target, got, e.content)
		}
		return
	}
	r.learn(w, g)
	// In a refusal, what we say is ours; that we say it in "error" is not.
	gotText, _ := json.Marshal(normal(g, e.status == http.StatusBadRequest))
	wantText, _ := json.Marshal(normal(w, e.status == http.StatusBadRequest))
	if diff := diffJSON(gotText, wantText); diff != "" {
		r.t.Errorf("#%d %s %s (-want +got):\n%s", e.number, e.method, e.target, diff)
	}
}

// learn remembers which id of ours stands for a captured one.
func (r *replay) learn(want, got any) {
	w, _ := want.(map[string]any)
	g, _ := got.(map[string]any)
	captured, ok := w["process_id"].(string)
	ours, also := g["process_id"].(string)
	if ok && also && len(w) == 1 {
		r.ids[captured] = ours
		w["process_id"] = ours
	}
}

// normal replaces what may differ by its type.
func normal(value any, texts bool) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = normal(v[i], texts)
		}
	case map[string]any:
		for name, inner := range v {
			switch {
			case name == "timestamp" || name == "created" || name == "logs" || name == "control" || texts && name == "error":
				v[name] = fmt.Sprintf("%T", inner)
			case name == "is_alive": // ours says more
				return map[string]any{"is_alive": inner}
			default:
				v[name] = normal(inner, texts)
			}
		}
	}
	return value
}

func (n *node) replay() *replay {
	return &replay{n, map[string]string{}, map[string]string{}, map[string][]byte{}, false}
}

// TestReplayWorker is a Python worker that builds, uploads and calls, and the
// Python master's own conversation with its endpoint.
func TestReplayWorker(t *testing.T) {
	r := start(t, nil).replay()
	r.thinned = true
	all := map[int]*exchange{}
	better := map[int]int{0: 204, 3: 204} // valid Basic credentials are accepted
	capture := readCapture(t, "testdata/mode1-aur-signed.txt")
	for _, e := range capture {
		all[e.number] = e
	}
	for _, e := range capture {
		switch e.number { // what requests that were left out of the capture had set
		case 84:
			r.post(api.Path(api.PathPackage, "aur-toy-a"), all[109].body)
		case 218:
			r.post(api.Path(api.PathPackage, "aur-toy-a"), all[244].body)
			r.post(api.PathStatus, `{"status": "building"}`)
		case 226:
			r.post(api.Path(api.PathChanges, "aur-toy-a"), all[226].content)
		}
		if e.status == http.StatusNotFound && strings.Contains(e.target, "/service/process/") {
			r.endJobs()
		}
		status := e.status
		if ours, ok := better[e.number]; ok {
			status = ours
		}
		r.check(e, r.send(e), status)
	}
}

// post sends what a capture left out.
func (r *replay) post(path, body string) {
	r.t.Helper()
	r.want(r.do("POST", path+query(), strings.NewReader(body), worker()...), http.StatusNoContent)
}

// endJobs ends all jobs that run.
func (r *replay) endJobs() {
	r.t.Helper()
	jobs, err := r.db.Jobs(r.t.Context(), -1)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, job := range jobs {
		if !job.State.Ended() {
			if err := r.db.EndJob(r.t.Context(), job.ID, store.Succeeded, store.Outcome{}, ""); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// TestReplayProbes asks all that was asked of a Python node, good and bad.
func TestReplayProbes(t *testing.T) {
	r := start(t, nil).replay()
	all := readCapture(t, "testdata/probes.txt")
	r.seed(all)
	// Where ours does better than the capture: see the reference.
	better := map[int]int{
		18: 405, 102: 405, 104: 405, // a wrong method dropped the connection
		27: 200,          // valid Basic credentials
		81: 404, 93: 404, // an unknown repository
		95: 400, 97: 400, // what is no package
	}
	asked := 0
	for _, e := range all {
		if e.number == 62 { // the archives, which are others: see TestArchives
			e.content = "[]"
		}
		if e.number == 32 { // the cookie of someone who may only read
			e.header = append(e.header, [2]string{"Authorization", as("reader", "reader")[1]})
		}
		status := e.status
		if ours, ok := better[e.number]; ok {
			status = ours
		}
		got := r.send(e)
		if status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "" {
			t.Errorf("#%d: 405 without Allow", e.number)
		}
		if e.number == 86 { // the configuration is another
			e.content = `[{"section": "web", "key": "host", "value": "127.0.0.1"}]`
		}
		r.check(e, got, status)
		asked++
	}
	if asked != 105 {
		t.Errorf("%d probes, want 105", asked)
	}
}

// seed makes the node hold what the probed one held.
func (r *replay) seed(all []*exchange) {
	r.t.Helper()
	ctx := r.t.Context()
	r.addUser("reader", "reader", store.Read)
	var entries []api.PackageEntry
	if err := json.Unmarshal([]byte(all[6].content), &entries); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if err := r.db.SetPackage(ctx, refrepo, e.Package, store.Status(e.Status.Status)); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.db.SetServiceStatus(ctx, refrepo, store.Success); err != nil {
		r.t.Fatal(err)
	}
	var records []api.LogRecord
	if err := json.Unmarshal([]byte(all[47].content), &records); err != nil {
		r.t.Fatal(err)
	}
	for _, l := range records {
		line := store.LogLine{Created: l.Created, Message: l.Message, Version: l.Version, Process: l.ProcessID}
		if err := r.db.AddLogs(ctx, refrepo, "toy-a", []store.LogLine{line}); err != nil {
			r.t.Fatal(err)
		}
	}
	var events []api.Event
	if err := json.Unmarshal([]byte(all[59].content), &events); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range events {
		event := store.Event{Event: string(e.Event), Object: e.ObjectID, Created: e.Created, Data: e.Data}
		if err := r.db.AddEvent(ctx, refrepo, event); err != nil {
			r.t.Fatal(err)
		}
	}
}
