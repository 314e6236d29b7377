package httpserver_test

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func (n *node) addPackages(count int) {
	n.t.Helper()
	var updates []store.Update
	for i := range count {
		base := fmt.Sprintf("package-%04d", i)
		updates = append(updates, store.Update{Status: store.Success, Package: source.Package{
			Base: base, Version: "1.0.0-1", Origin: source.Origin{Source: source.AUR, WebURL: "https://aur.archlinux.org/packages/" + base},
			Packages: map[string]source.Properties{base: {
				Architecture: "any", ArchiveSize: 10, InstalledSize: 20, Description: "package " + base,
				Depends: []string{"glibc", "bash"}, FileName: base + "-1.0.0-1-any.pkg.tar.zst", Licenses: []string{"MIT"},
			}},
		}})
	}
	if err := n.db.SetPackages(n.t.Context(), refrepo, updates); err != nil {
		n.t.Fatal(err)
	}
}

func TestConditionalRequests(t *testing.T) {
	n := start(t, nil)
	n.addPackages(3)
	first := n.want(n.do("GET", api.PathPackages, nil), 200)
	etag := first.header.Get("Etag")
	if same := n.do("GET", api.PathPackages, nil, "If-None-Match", etag); same.status != 304 || len(same.body) != 0 || same.header.Get("Etag") != etag {
		t.Errorf("unchanged: %d %s", same.status, same.body)
	}
	n.want(n.do("GET", api.PathPackages, nil, "If-None-Match", `"x", W/`+etag), 304)
	head := n.want(n.do("HEAD", api.PathPackages, nil), 200)
	if len(head.body) != 0 || head.header.Get("Etag") != etag || head.header.Get("Content-Length") != fmt.Sprint(len(first.body)) {
		t.Errorf("HEAD: %v", head.header)
	}
	if err := n.db.SetStatus(t.Context(), refrepo, "package-0001", store.Failed); err != nil {
		t.Fatal(err)
	}
	changed := n.want(n.do("GET", api.PathPackages, nil, "If-None-Match", etag), 200)
	if !strings.Contains(string(changed.body), `"failed"`) {
		t.Errorf("old list after a change: %s", changed.body)
	}
	status := n.want(n.do("GET", api.PathStatus, nil), 200)
	if !strings.Contains(string(status.body), `"failed":1,"success":2}`) {
		t.Errorf("status: %s", status.body)
	}
}

func TestRequestIDs(t *testing.T) {
	n := start(t, nil)
	if got := n.do("GET", api.PathInfo, nil, "X-Request-ID", "abc-1").header.Get("X-Request-ID"); got != "abc-1" {
		t.Errorf("id came back as %q", got)
	}
	for _, id := range []string{"", strings.Repeat("x", 200), "a b"} {
		if got := n.do("GET", api.PathInfo, nil, "X-Request-ID", id).header.Get("X-Request-ID"); len(got) != 36 {
			t.Errorf("id %q gave %q, want a new one", id, got)
		}
	}
}

func TestMethods(t *testing.T) {
	n := start(t, nil)
	for path, want := range map[string]string{
		api.PathPackages: "GET, HEAD, OPTIONS",
		api.PathUpload:   "OPTIONS, POST",
		api.PathEvents:   "GET, HEAD, OPTIONS, POST",
	} {
		a := n.want(n.do("PUT", path, nil), http.StatusMethodNotAllowed)
		if got := a.header.Get("Allow"); got != want {
			t.Errorf("%s: Allow: %s, want %s", path, got, want)
		}
	}
}

func TestBodies(t *testing.T) {
	n := start(t, nil)
	path := api.Path(api.PathChanges, "foo")
	n.want(n.do("POST", path, strings.NewReader(`{"changes":"`+strings.Repeat("x", 1<<20)+`"}`), worker()...), 204)
	n.want(n.do("POST", path, strings.NewReader(`{"changes":"`+strings.Repeat("x", 17<<20)+`"}`), worker()...), 413)
	n.want(n.do("POST", path, strings.NewReader(`{"changes":`), worker()...), 400)
	n.want(n.do("POST", path, strings.NewReader(`[]`), worker()...), 400)
}

func TestEscapedPaths(t *testing.T) {
	n := start(t, nil)
	path := api.Path(api.PathPackage, "a%2F+b")
	body := `{"status":"success","package":{"base":"a%2F+b","version":"1-1","remote":{"source":"local"},"packages":{}}}`
	n.want(n.do("POST", path, strings.NewReader(body), worker()...), 204)
	n.want(n.do("GET", path, nil), 200)
	n.want(n.do("GET", path+"/", nil), 308)
	n.want(n.do("GET", "/api/v1/packages/a/b", nil, worker()...), 404)
}

func TestServiceOnly(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.ServiceOnly = true })
	for _, path := range []string{api.PathPackages, api.PathStatus, api.Path(api.PathLogs, "a"), api.Path(api.PathLogsV2, "a")} {
		n.want(n.do("GET", path, nil, worker()...), 404)
	}
	for _, path := range []string{api.PathInfo, api.PathEvents, api.PathDistributed, "/"} {
		n.want(n.do("GET", path, nil, worker()...), 200)
	}
	n.want(n.do("POST", api.PathUpdate, strings.NewReader("{}"), worker()...), 200)
	n.want(n.do("DELETE", api.PathRotateLogs, nil, worker()...), 204)
}

func TestUploadsOff(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.Uploads = false })
	n.want(n.do("POST", api.PathUpload, nil, worker()...), 404)
}

func TestPageEscapes(t *testing.T) {
	n := start(t, nil)
	p := source.Package{Base: "<script>", Version: "1-1", Origin: source.Origin{Source: source.AUR, WebURL: "javascript:alert(1)"}}
	if err := n.db.SetPackage(t.Context(), refrepo, p, store.Success); err != nil {
		t.Fatal(err)
	}
	page := string(n.want(n.do("GET", "/", nil), 200).body)
	if strings.Contains(page, "<script>") || strings.Contains(page, "javascript:") {
		t.Errorf("page runs what a package says:\n%s", page)
	}
	if !strings.Contains(page, "&lt;script&gt;") || !strings.Contains(page, ">1-1</td>") {
		t.Errorf("page without the package:\n%s", page)
	}
}

func TestPackagePage(t *testing.T) {
	n := start(t, nil)
	n.addPackages(1)
	lines := []store.LogLine{
		{Created: 1, Version: "1-1", Process: "old", Message: "an older build"},
		{Created: 2, Version: "1-2", Process: "new", Message: "<b>making</b> it"},
		{Created: 3, Version: "1-2", Process: "new", Message: "done"},
	}
	if err := n.db.AddLogs(t.Context(), refrepo, "package-0000", lines); err != nil {
		t.Fatal(err)
	}
	list := string(n.want(n.do("GET", "/", nil), 200).body)
	link := regexp.MustCompile(`href="(/packages/package-0000[^"]*)"`).FindStringSubmatch(list)
	if link == nil {
		t.Fatalf("no link to the package:\n%s", list)
	}
	path := html.UnescapeString(link[1])
	if page := string(n.want(n.do("GET", path, nil), 200).body); !strings.Contains(page, "package-0000") || strings.Contains(page, "making") {
		t.Errorf("page for strangers:\n%s", page)
	}
	page := string(n.want(n.do("GET", path, nil, worker()...), 200).body)
	if !strings.Contains(page, "&lt;b&gt;making&lt;/b&gt; it\ndone\n") || strings.Contains(page, "an older build") {
		t.Errorf("page without the last log:\n%s", page)
	}
	n.want(n.do("GET", "/packages/nothing", nil), 404)
}

func TestMetrics(t *testing.T) {
	n := start(t, nil)
	n.addPackages(3)
	n.do("GET", "/nope", nil)
	n.do("BREW", "/api/v1/packages/foo", nil)
	a := n.want(n.do("GET", api.PathMetrics, nil), 200)
	for _, line := range []string{
		`ahriman_packages{architecture="x86_64",repository="refrepo",status="success"} 3`,
		`ahriman_http_requests_total{method="GET",status="401"} 1`,
		`ahriman_http_requests_total{method="other",status="405"} 1`,
		`ahriman_http_request_duration_seconds_count{path="/api/v1/packages/{base}"} 1`,
		`ahriman_http_request_duration_seconds_count{path="none"} 1`,
	} {
		if !strings.Contains(string(a.body), line+"\n") {
			t.Errorf("no line %s in\n%s", line, a.body)
		}
	}
	// As Prometheus reads it.
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(a.body))
	if err != nil || expfmt.ResponseFormat(a.header).FormatType() != expfmt.TypeTextPlain {
		t.Errorf("%v: %v", a.header, err)
	}
	for _, name := range []string{"process_resident_memory_bytes", "process_open_fds", "go_goroutines"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestLogsAndEvents(t *testing.T) {
	n := start(t, nil)
	n.addPackages(1)
	base := "package-0000"
	batch := `{"records":[{"created":1,"message":"a","version":"1-1","process_id":"p"},{"created":2,"message":"b","version":"1-1","process_id":"p"}]}`
	n.want(n.do("POST", api.Path(api.PathNodeLogs, base), strings.NewReader(batch), worker()...), 204)
	n.want(n.do("POST", api.Path(api.PathLogs, base), strings.NewReader(`{"created":3,"message":"c","version":"2-1","process_id":"q"}`), worker()...), 204)
	for query, want := range map[string]string{
		"?limit=0":                      `[]`,
		"?process_id=q":                 `[{"created":3,"message":"c","version":"2-1","process_id":"q"}]`,
		"?head=true":                    `[{"created":3,"message":"c","version":"2-1","process_id":"q"},{"created":1,"message":"a","version":"1-1","process_id":"p"}]`,
		"?version=1-1&offset=1&limit=1": `[{"created":1,"message":"a","version":"1-1","process_id":"p"}]`,
	} {
		n.sameJSON(n.want(n.do("GET", api.Path(api.PathLogsV2, base)+query, nil, worker()...), 200).body, want)
	}
	n.want(n.do("DELETE", api.Path(api.PathLogs, base)+"?version=1-1", nil, worker()...), 204)
	got := n.want(n.do("GET", api.Path(api.PathLogs, base), nil, worker()...), 200)
	if !strings.Contains(string(got.body), `"logs":"[1970-01-01 00:00:03] c"`) {
		t.Errorf("logs: %s", got.body)
	}
	n.want(n.do("DELETE", api.PathRotateLogs+"?keep_last_records=-1", nil, worker()...), 400)

	n.want(n.do("POST", api.PathEvents, strings.NewReader(`{"event":"e","object_id":"o","created":5,"data":{"k":1}}`), worker()...), 204)
	n.want(n.do("POST", api.PathEvents, strings.NewReader(`{"event":"e","object_id":"p","created":6,"data":null}`), worker()...), 204)
	n.sameJSON(n.do("GET", api.PathEvents+"?from_date=4.5&to_date=5", nil, worker()...).body, `[{"event":"e","object_id":"o","created":5,"data":{"k":1}}]`)
	n.sameJSON(n.do("GET", api.PathEvents+"?object_id=p&event=e", nil, worker()...).body, `[{"event":"e","object_id":"p","created":6}]`)
	n.want(n.do("GET", api.PathEvents+"?from_date=x", nil, worker()...), 400)
}
