package httpserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// login returns the header of a new session's cookie.
func (n *node) login(name, password string) []string {
	n.t.Helper()
	a := n.want(n.do("POST", api.PathLogin, strings.NewReader(`{"username":"`+name+`","password":"`+password+`"}`)), http.StatusFound)
	value, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return []string{"Cookie", value}
}

func TestAccessLevels(t *testing.T) {
	n := start(t, nil)
	n.addUser("reader", "p", store.Read)
	n.addUser("reporter", "p", store.Reporter)
	if err := n.db.SetUser(t.Context(), store.User{Name: "nologin", Access: store.Full}); err != nil {
		t.Fatal(err)
	}
	logs := api.Path(api.PathLogs, "foo") // reporter
	for _, test := range []struct {
		name    string
		headers []string
		want    [3]int // of reading, of logs, of the events
	}{
		{"stranger", nil, [3]int{200, 401, 401}},
		{"wrong password", as("worker-user", "x"), [3]int{200, 401, 401}},
		{"unknown user", as("nobody", "x"), [3]int{200, 401, 401}},
		{"no password", as("nologin", ""), [3]int{200, 401, 401}},
		{"broken cookie", []string{"Cookie", "AHRIMAN=AAAA"}, [3]int{200, 401, 401}},
		{"reader", as("reader", "p"), [3]int{200, 403, 403}},
		{"reporter", as("reporter", "p"), [3]int{200, 404, 403}},
		{"full", worker(), [3]int{200, 404, 200}},
		{"broken cookie and Basic", append(worker(), "Cookie", "AHRIMAN=AAAA"), [3]int{200, 404, 200}},
	} {
		for i, path := range []string{api.PathPackages, logs, api.PathEvents} {
			if got := n.do("GET", path, nil, test.headers...); got.status != test.want[i] {
				t.Errorf("%s: GET %s: %d, want %d", test.name, path, got.status, test.want[i])
			}
		}
	}
}

func TestWithoutReadOnly(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.Auth.AllowReadOnly = false })
	n.want(n.do("GET", api.PathPackages, nil), 401)
	n.want(n.do("GET", api.PathInfo, nil), 200)
	n.want(n.do("GET", "/repo/refrepo/x86_64/refrepo.db", nil), 401)
	if page := n.want(n.do("GET", "/", nil), 200); !strings.Contains(readAll(page), "Log in") {
		t.Errorf("page for strangers: %s", page.body)
	}
	n.want(n.do("GET", api.PathPackages, nil, worker()...), 200)
}

func TestLogInOff(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.Auth = httpserver.Auth{} })
	n.want(n.do("GET", api.PathEvents, nil), 200)
	n.want(n.do("GET", "/nope", nil), 404)
	n.want(n.do("POST", api.PathLogin, strings.NewReader(`{"username":"a","password":"b"}`)), 302)
}

func TestSessions(t *testing.T) {
	n := start(t, nil)
	first := n.login("worker-user", "very-secure-password")
	second := n.login("worker-user", "very-secure-password")
	n.want(n.do("GET", api.PathEvents, nil, first...), 200)
	info := n.do("GET", api.PathInfoV2, nil, first...)
	if !strings.Contains(readAll(info), `"username":"worker-user"`) {
		t.Errorf("who asks is not said: %s", info.body)
	}

	n.want(n.do("POST", api.PathLogout, nil, first...), 302)
	n.want(n.do("GET", api.PathEvents, nil, first...), 401)
	n.want(n.do("POST", api.PathLogout, nil, first...), 401)
	n.want(n.do("GET", api.PathEvents, nil, second...), 200)

	n.addUser("worker-user", "another", store.Full)
	n.want(n.do("GET", api.PathEvents, nil, second...), 401) // a new password ends sessions
	n.want(n.do("GET", api.PathEvents, nil, worker()...), 401)
	third := n.login("worker-user", "another")
	if err := n.db.RemoveUser(t.Context(), "worker-user"); err != nil {
		t.Fatal(err)
	}
	n.want(n.do("GET", api.PathEvents, nil, third...), 401)
	n.want(n.do("GET", api.PathEvents, nil, as("worker-user", "another")...), 401)
}

// TestSessionsAfterRestart: with a key of the configuration's, who is logged in
// stays so, and who has logged out too.
func TestSessionsAfterRestart(t *testing.T) {
	var config httpserver.Config
	n := start(t, func(c *httpserver.Config) {
		c.Auth.Key = []byte("a key of 32 bytes, as it is fine")
		config = *c
	})
	ended, stays := n.login("worker-user", "very-secure-password"), n.login("worker-user", "very-secure-password")
	n.want(n.do("POST", api.PathLogout, nil, ended...), 302)
	again, err := httpserver.New(config)
	if err != nil {
		t.Fatal(err)
	}
	n.server.Close()
	n.server = httptest.NewServer(again)
	n.want(n.do("GET", api.PathEvents, nil, stays...), 200)
	n.want(n.do("GET", api.PathEvents, nil, ended...), 401)
}

// TestForgedSession changes each byte of a cookie.
func TestForgedSession(t *testing.T) {
	n := start(t, nil)
	name, value, _ := strings.Cut(n.login("worker-user", "very-secure-password")[1], `"`)
	value = strings.Trim(value, `"`)
	for i := range value {
		forged := []byte(value)
		if forged[i]++; forged[i] == value[i] || !strings.ContainsAny(string(forged[i]), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			continue
		}
		if i == len(value)-1 {
			continue // its last bits may be padding
		}
		if got := n.do("GET", api.PathEvents, nil, "Cookie", name+string(forged)); got.status != 401 {
			t.Fatalf("byte %d changed: %d", i, got.status)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.Auth.MaxAge = time.Nanosecond })
	n.want(n.do("GET", api.PathEvents, nil, n.login("worker-user", "very-secure-password")...), 401)
}

// TestLoginSlowed is what a client sees of it; TestThrottle has the rules.
func TestLoginSlowed(t *testing.T) {
	n := start(t, nil)
	try := func(from, password string) answer {
		body := `{"username":"worker-user","password":"` + password + `"}`
		return n.do("POST", api.PathLogin, strings.NewReader(body), "X-Forwarded-For", from)
	}
	for _, password := range []string{"a", "b", "c", "d", "e"} {
		n.want(try("192.0.2.1", password), 401)
	}
	slowed := n.want(try("192.0.2.1", "very-secure-password"), 429)
	if slowed.header.Get("Retry-After") == "" || !strings.Contains(readAll(slowed), `{"error":"Too many log-ins failed`) {
		t.Errorf("%v %s", slowed.header, slowed.body)
	}
	n.want(n.do("GET", api.PathEvents, nil, append(worker(), "X-Forwarded-For", "192.0.2.1")...), 429)
	n.want(try("192.0.2.2", "very-secure-password"), 302)
}
