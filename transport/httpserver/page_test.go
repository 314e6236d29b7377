package httpserver_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/httpserver"
)

var formField = regexp.MustCompile(`<input name="(\w+)"|<input type="hidden" name="(\w+)" value="([^"]*)"`)

// fillIn fills in the form of a page and sends it as a browser does.
func (n *node) fillIn(page answer, name, password string, headers ...string) answer {
	n.t.Helper()
	action := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindSubmatch(page.body)
	if action == nil {
		n.t.Fatalf("no form:\n%s", page.body)
	}
	values := url.Values{}
	for _, field := range formField.FindAllStringSubmatch(string(page.body), -1) {
		switch {
		case field[1] == "username":
			values.Set(field[1], name)
		case field[1] != "":
			values.Set(field[1], password)
		default:
			values.Set(field[2], html.UnescapeString(field[3]))
		}
	}
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Origin", n.server.URL}, headers...)
	return n.do("POST", string(action[1]), strings.NewReader(values.Encode()), headers...)
}

// TestLoginForm is someone with a browser without JavaScript.
func TestLoginForm(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.Auth.AllowReadOnly = false })
	n.addPackages(1)
	path := "/packages/package-0000?architecture=x86_64&repository=refrepo"
	page := n.want(n.do("GET", path, nil), 200)
	if strings.Contains(readAll(page), "1.0.0-1") {
		t.Errorf("a stranger sees the package:\n%s", page.body)
	}
	again := n.want(n.fillIn(page, `"><b>`, "wrong"), 401)
	if text := readAll(again); !strings.Contains(text, "The name or the password is wrong.") || !strings.Contains(text, `value="&#34;&gt;&lt;b&gt;"`) || again.header.Get("Set-Cookie") != "" {
		t.Errorf("%v\n%s", again.header, text)
	}
	in := n.want(n.fillIn(again, "worker-user", "very-secure-password"), 302)
	if in.header.Get("Location") != path {
		t.Errorf("goes to %s", in.header.Get("Location"))
	}
	value, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	cookie := []string{"Cookie", value}
	page = n.want(n.do("GET", path, nil, cookie...), 200)
	if text := readAll(page); !strings.Contains(text, "1.0.0-1") || !strings.Contains(text, "Logged in as worker-user") || strings.Contains(text, "password") {
		t.Errorf("logged in:\n%s", text)
	}
	for range 2 { // the second time there is no session any more
		out := n.want(n.fillIn(page, "", "", cookie...), 302)
		if out.header.Get("Location") != "/" {
			t.Errorf("goes to %s", out.header.Get("Location"))
		}
	}
	if text := readAll(n.do("GET", "/", nil, cookie...)); strings.Contains(text, "1.0.0-1") || strings.Contains(text, "Logged in") {
		t.Errorf("logged out:\n%s", text)
	}
	if text := readAll(n.do("GET", "/", nil, worker()...)); strings.Contains(text, "Log out") {
		t.Error("who has no session can end it")
	}
}

// TestLoginFormMisused: nobody logs a visitor in from elsewhere, sends them away,
// or guesses faster than through the API.
func TestLoginFormMisused(t *testing.T) {
	n := start(t, nil)
	send := func(values url.Values, headers ...string) answer {
		return n.do("POST", "/login", strings.NewReader(values.Encode()), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	right := url.Values{"username": {"worker-user"}, "password": {"very-secure-password"}}
	for _, elsewhere := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "same-site"}} {
		if a := n.want(send(right, elsewhere...), 403); a.header.Get("Set-Cookie") != "" {
			t.Errorf("%v: logged in", elsewhere)
		}
		n.want(n.do("POST", "/logout", nil, append(n.login("worker-user", "very-secure-password"), elsewhere...)...), 403)
	}
	for page, want := range map[string]string{
		"/packages/a%2Fb?x=y": "/packages/a%2Fb?x=y", "https://evil.example/": "/", "//evil.example": "/", "///evil.example": "/",
		`/\evil.example`: "/%5Cevil.example", "javascript:x": "/", "evil": "/", "": "/", "/login": "/", "/%0d%0aX: y": "/%0D%0AX:%20y",
	} {
		right.Set("page", page)
		if got := n.want(send(right), 302).header.Get("Location"); got != want {
			t.Errorf("%q goes to %q, want %q", page, got, want)
		}
	}
	for _, bad := range []url.Values{{}, {"username": {"x"}}, {"password": {"x"}}} {
		if a := n.want(send(bad), 400); !isError(a) {
			t.Errorf("%v: %s", bad, a.body)
		}
	}
	n.want(n.do("POST", "/login", strings.NewReader("%zz")), 400)
	n.want(n.do("GET", "/logout", nil), http.StatusMethodNotAllowed)

	for i := range 5 {
		wrong := url.Values{"username": {"worker-user"}, "password": {fmt.Sprint(i)}}
		n.want(send(wrong, "X-Forwarded-For", "192.0.2.1"), 401)
	}
	slowed := n.want(send(right, "X-Forwarded-For", "192.0.2.1"), 429)
	if slowed.header.Get("Retry-After") == "" || slowed.header.Get("Set-Cookie") != "" || !strings.Contains(readAll(slowed), "Too many log-ins failed; wait") {
		t.Errorf("%v\n%s", slowed.header, slowed.body)
	}
}

// TestPageOfScopedUser: who may work on one repository only sees that.
func TestPageOfScopedUser(t *testing.T) {
	other := alpm.RepositoryID{Name: "other", Architecture: "x86_64"}
	n := start(t, func(c *httpserver.Config) {
		c.Auth.AllowReadOnly = false
		c.Repositories = append(c.Repositories, httpserver.Repository{ID: other})
	})
	p := source.Package{Base: "secret", Version: "1-1", Origin: source.Origin{Source: source.Local}}
	if err := n.db.SetPackage(t.Context(), other, p, store.Success); err != nil {
		t.Fatal(err)
	}
	token := n.token(store.User{Name: "w1", Access: store.RoleWorker, Repository: refrepo})
	page := readAll(n.want(n.do("GET", "/", nil, token...), 200))
	if !strings.Contains(page, "<h2>refrepo") || strings.Contains(page, "other") {
		t.Errorf("%s", page)
	}
	n.want(n.do("GET", "/packages/secret?architecture=x86_64&repository=other", nil, token...), 403)
	if page := readAll(n.do("GET", "/", nil, worker()...)); !strings.Contains(page, "secret") {
		t.Errorf("%s", page)
	}
}

// TestPageOfLongLog: the end of a log, without what is for terminals.
func TestPageOfLongLog(t *testing.T) {
	n := start(t, nil)
	n.addPackages(2)
	var lines []store.LogLine
	for i := range 6000 {
		lines = append(lines, store.LogLine{Created: float64(i), Version: "1-1", Process: "p", Message: fmt.Sprintf("\x1b[1;31mline %d\x1b[m\a\r", i)})
	}
	var long []store.LogLine
	for i := range 50 {
		long = append(long, store.LogLine{Created: float64(i), Version: "1-1", Process: "p", Message: fmt.Sprint(i) + strings.Repeat("x", 60<<10)})
	}
	for base, log := range map[string][]store.LogLine{"package-0000": lines, "package-0001": long} {
		if err := n.db.AddLogs(t.Context(), refrepo, base, log); err != nil {
			t.Fatal(err)
		}
	}
	page := readAll(n.want(n.do("GET", "/packages/package-0000", nil, worker()...), 200))
	if !strings.Contains(page, "The last 5000 lines") || !strings.Contains(page, ">line 1000\nline 1001\n") || !strings.Contains(page, "line 5999\n</pre>") || strings.ContainsAny(page, "\x1b\a\r") {
		t.Errorf("%.3000s", page)
	}
	page = readAll(n.want(n.do("GET", "/packages/package-0001", nil, worker()...), 200))
	if !strings.Contains(page, "The last 17 lines") || !strings.Contains(page, ">33xx") || !strings.Contains(page, "x\n</pre>") || len(page) > 2<<20 {
		t.Errorf("%d bytes: %.3000s", len(page), page)
	}
}
