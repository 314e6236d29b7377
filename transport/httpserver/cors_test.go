package httpserver_test

import (
	"slices"
	"strings"
	"testing"

	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// browser does what browsers do with a request of a page of another site, as the
// Fetch standard says: it asks first unless the request is one that a form could
// make, and shows the page what it may see.
type browser struct {
	*node
	origin string   // of the page
	cookie []string // of our site; sent only with sameSite, for SameSite=Lax
	// sameSite is a page on another host of our domain.
	sameSite bool
}

// fetch returns what the page sees; ok is false where the browser shows it
// nothing, though the request may have been sent.
func (b browser) fetch(method, path, body string, credentials bool, headers ...string) (seen answer, ok bool) {
	b.t.Helper()
	site := "cross-site"
	if b.sameSite {
		site = "same-site"
	}
	always := []string{"Origin", b.origin, "Sec-Fetch-Site", site}
	var names []string
	for i := 0; i < len(headers); i += 2 {
		names = append(names, strings.ToLower(headers[i]))
	}
	slices.Sort(names)
	if len(names) > 0 || !slices.Contains([]string{"GET", "HEAD", "POST"}, method) {
		asked := append(slices.Clone(always), "Access-Control-Request-Method", method)
		if len(names) > 0 {
			asked = append(asked, "Access-Control-Request-Headers", strings.Join(names, ","))
		}
		may := b.do("OPTIONS", path, nil, asked...)
		allowed := may.header.Get("Access-Control-Allow-Headers")
		if may.status != 200 || !b.shown(may, credentials) || allowed != strings.Join(names, ",") ||
			may.header.Get("Access-Control-Allow-Methods") != method {
			return may, false
		}
	}
	if credentials && b.sameSite {
		headers = append(headers, b.cookie...)
	}
	seen = b.do(method, path, strings.NewReader(body), append(always, headers...)...)
	return seen, b.shown(seen, credentials)
}

// shown is the CORS check.
func (b browser) shown(a answer, credentials bool) bool {
	allowed := a.header.Get("Access-Control-Allow-Origin")
	if allowed == "*" && !credentials {
		return true
	}
	return allowed == b.origin && (!credentials || a.header.Get("Access-Control-Allow-Credentials") == "true")
}

// serviceStatus is what requests of this test change.
func (n *node) serviceStatus() store.Status {
	n.t.Helper()
	status, _, err := n.db.ServiceStatus(n.t.Context(), refrepo)
	if err != nil {
		n.t.Fatal(err)
	}
	return status
}

// TestOtherSites: by default pages of any site may read what anyone may, and
// act as who they have the credentials of, never as who uses the browser.
func TestOtherSites(t *testing.T) {
	n := start(t, nil)
	n.addPackages(1)
	evil := browser{node: n, origin: "https://evil.example", cookie: n.login("worker-user", "very-secure-password")}
	if a, ok := evil.fetch("GET", api.PathPackages, "", false); !ok || a.status != 200 || a.header.Get("Access-Control-Expose-Headers") != "*" {
		t.Errorf("reading: %d %v", a.status, a.header)
	}
	if a, ok := evil.fetch("GET", api.PathEvents, "", false); !ok || a.status != 401 {
		t.Errorf("a refusal is not shown: %d %v", a.status, a.header)
	}
	if a, ok := evil.fetch("POST", api.PathStatus, `{"status":"failed"}`, false, append(worker(), "Content-Type", "application/json")...); !ok || a.status != 204 {
		t.Errorf("with credentials of its own: %d %s", a.status, a.body)
	}
	if got := n.serviceStatus(); got != store.Failed {
		t.Fatalf("status %s", got)
	}
	for _, sameSite := range []bool{false, true} {
		evil.sameSite = sameSite
		for _, headers := range [][]string{nil, {"Content-Type", "application/json"}, as("worker-user", "wrong"), {"Authorization", "Bearer x"}, {"X-Request-ID", "x"}} {
			for _, credentials := range []bool{false, true} {
				evil.fetch("POST", api.PathStatus, `{"status":"building"}`, credentials, headers...)
				if a, ok := evil.fetch("GET", api.PathEvents, "", credentials, headers...); ok && a.status == 200 {
					t.Errorf("read as the user: %s", a.body)
				}
			}
		}
	}
	// Whatever a browser lets through: the cookie is not the page's.
	n.want(n.do("POST", api.PathStatus, strings.NewReader(`{"status":"building"}`), slices.Concat(evil.cookie, as("worker-user", "wrong"), []string{"Origin", evil.origin})...), 403)
	if got := n.serviceStatus(); got != store.Failed {
		t.Errorf("acted as the user: status %s", got)
	}
	n.want(n.do("POST", api.PathStatus, strings.NewReader(`{"status":"building"}`), append(evil.cookie, "Origin", n.server.URL)...), 204)
}

// TestNamedSite: that a site is named is no reason to act as the user either. Our
// own pages may be known by another name than is asked for, behind a proxy.
func TestNamedSite(t *testing.T) {
	n := start(t, func(c *httpserver.Config) {
		c.Origin = "https://repo.example"
		c.CORS.Origins = []string{"https://friend.repo.example"}
	})
	cookie := n.login("worker-user", "very-secure-password")
	post := func(origin string) int {
		return n.do("POST", api.PathStatus, strings.NewReader(`{"status":"building"}`), append(cookie, "Origin", origin)...).status
	}
	if got := post("https://friend.repo.example"); got != 403 {
		t.Errorf("as the user: %d", got)
	}
	if got := post("https://repo.example"); got != 204 {
		t.Errorf("our own page: %d", got)
	}
}

// TestOtherSitesWithoutLogIn: what anyone may do, pages of other sites may not,
// whatever they send along, unless the site is named.
func TestOtherSitesWithoutLogIn(t *testing.T) {
	n := start(t, func(c *httpserver.Config) {
		c.Auth = httpserver.Auth{}
		c.CORS.Origins = []string{"*", "https://friend.example"}
	})
	body := `{"status":"building"}`
	for _, headers := range [][]string{nil, {"Content-Type", "application/json"}, as("nobody", "x"), {"Authorization", "Bearer x"}} {
		if a, _ := (browser{node: n, origin: "https://evil.example"}).fetch("POST", api.PathStatus, body, false, headers...); a.status != 403 {
			t.Errorf("%v: %d", headers, a.status)
		}
	}
	n.want(n.do("POST", api.PathStatus, strings.NewReader(body), "Sec-Fetch-Site", "cross-site"), 403)
	if got := n.serviceStatus(); got == store.Building {
		t.Fatal("a page of another site did it")
	}
	if a, ok := (browser{node: n, origin: "https://friend.example"}).fetch("POST", api.PathStatus, body, false, "Content-Type", "application/json"); !ok || a.status != 204 {
		t.Errorf("a friend: %d %s", a.status, a.body)
	}
	for _, ours := range [][]string{nil, {"Sec-Fetch-Site", "same-origin"}, {"Origin", n.server.URL}} {
		n.want(n.do("POST", api.PathStatus, strings.NewReader(body), ours...), 204)
	}
}

// TestCORS is each of the settings.
func TestCORS(t *testing.T) {
	n := start(t, func(c *httpserver.Config) {
		c.CORS = httpserver.CORS{
			Origins: []string{"https://friend.example"}, Methods: []string{"GET", "POST"},
			Headers: []string{"Authorization", "Content-Type"}, Expose: []string{"Etag", "X-Request-ID"},
		}
	})
	friend, evil := browser{node: n, origin: "https://friend.example"}, browser{node: n, origin: "https://evil.example"}
	for _, test := range []struct {
		by      browser
		method  string
		path    string
		headers []string
		want    bool
	}{
		{friend, "GET", api.PathInfo, nil, true},
		{friend, "HEAD", api.PathInfo, nil, true},
		{evil, "GET", api.PathInfo, nil, false},
		{friend, "GET", api.PathPackages, worker(), true},
		{evil, "GET", api.PathPackages, worker(), false},
		{friend, "GET", api.PathPackages, []string{"X-Request-ID", "x"}, false},                                     // not among the headers
		{friend, "DELETE", api.PathDistributed, worker(), false},                                                    // not among the methods
		{friend, "DELETE", api.PathPackages, worker(), false},                                                       // does not exist
		{friend, "POST", api.PathDistributed, append(worker(), "content-type", "application/json"), true},           // 400, which is shown
		{friend, "POST", api.PathUpload, append(worker(), "Content-Type", "multipart/form-data; boundary=x"), true}, // so is this
		{friend, "GET", "/nowhere", nil, true},
	} {
		if a, ok := test.by.fetch(test.method, test.path, "", false, test.headers...); ok != test.want {
			t.Errorf("%s: %s %s %v: %d %v %s", test.by.origin, test.method, test.path, test.headers, a.status, a.header, a.body)
		}
	}
	a, _ := friend.fetch("GET", api.PathInfo, "", false)
	if got := a.header.Get("Access-Control-Expose-Headers"); got != "Etag, X-Request-ID" || a.header.Get("Vary") != "Origin" {
		t.Errorf("%v", a.header)
	}
	a, ok := friend.fetch("GET", api.PathInfo, "", false, "Authorization", "x")
	if etag := a.header.Get("Etag"); !ok || etag == "" {
		t.Errorf("%v", a.header)
	}
	for _, origin := range []string{"friend.example", "https://friend.example/path", "null"} {
		if _, err := httpserver.New(httpserver.Config{Store: n.db, Version: "1", CORS: httpserver.CORS{Origins: []string{origin}}}); err == nil || !strings.Contains(err.Error(), "cors_allow_origins") {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
