package httpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ahriman/core/alpm"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// startWhole runs a master with log-in for everything, and all that a server can
// have.
func startWhole(t *testing.T) *node {
	t.Helper()
	builds := newHand(t, httpserver.BuildsConfig{}).builds
	n := start(t, func(c *httpserver.Config) {
		c.Auth.AllowReadOnly = false
		c.Builds = builds
		c.Refresh = func(context.Context, alpm.RepositoryID) error { return nil }
	})
	n.addPackages(30)
	return n
}

// filled is a path of the table with values that exist where some do.
func filled(path string) string {
	for _, value := range []struct{ name, text string }{
		{"{$}", ""}, {"{base}", "package-0001"}, {"{id}", "00000000-0000-4000-8000-000000000001"}, {"{key}", "k"},
		{"{identifier}", "w"}, {"{name}", fooFile}, {"{sha256}", sum(nil)},
	} {
		path = strings.ReplaceAll(path, value.name, value.text)
	}
	return path
}

// isError says whether an answer is a refusal as every one is to be.
func isError(a answer) bool {
	var body api.ErrorBody
	return a.status >= 400 && json.Unmarshal(a.body, &body) == nil && body.Error != "" &&
		a.header.Get("Content-Type") == "application/json; charset=utf-8" && a.header.Get("X-Request-ID") != ""
}

// TestMethodsOfAllRoutes asks every route what it does with HEAD, OPTIONS, a
// method that it has not, and with a path below it that does not exist.
func TestMethodsOfAllRoutes(t *testing.T) {
	n := startWhole(t)
	routes := httpserver.Routes(n.handler)
	if len(routes) < 45 {
		t.Fatalf("%d routes", len(routes))
	}
	for pattern, methods := range routes {
		t.Run(pattern, func(t *testing.T) {
			path := filled(pattern)
			for _, method := range []string{"PATCH", "BREW", "TRACE"} {
				a := n.do(method, path, nil, worker()...)
				allow := strings.Split(a.header.Get("Allow"), ", ")
				if a.status != http.StatusMethodNotAllowed || !isError(a) || !slices.Contains(allow, "OPTIONS") {
					t.Errorf("%s: %d, Allow %s: %s", method, a.status, allow, a.body)
				}
				for _, exists := range methods {
					if !slices.Contains(allow, exists) {
						t.Errorf("%s: Allow is without %s: %s", method, exists, allow)
					}
				}
				if slices.Contains(allow, "GET") && !slices.Contains(allow, "HEAD") {
					t.Errorf("%s: Allow is without HEAD: %s", method, allow)
				}
			}
			n.head(t, path, methods)
			n.options(t, path, methods)
			if pattern == api.PathLogin || strings.HasPrefix(pattern, "/repo/") {
				return
			}
			if a := n.do("GET", strings.TrimSuffix(path, "/")+"/no/such/path", nil, worker()...); a.status != 404 || !isError(a) {
				t.Errorf("a path below: %d %s", a.status, a.body)
			}
			if a := n.do("GET", strings.TrimSuffix(path, "/")+"/no/such/path", nil); a.status != 401 || !isError(a) {
				t.Errorf("a path below, for strangers: %d %s", a.status, a.body)
			}
		})
	}
}

// head compares HEAD with GET.
func (n *node) head(t *testing.T, path string, methods []string) {
	t.Helper()
	head := n.do("HEAD", path, nil, worker()...)
	if len(head.body) != 0 {
		t.Errorf("HEAD has a body: %s", head.body)
	}
	if !slices.Contains(methods, "GET") {
		if (head.status == http.StatusMethodNotAllowed) == slices.Contains(methods, "HEAD") {
			t.Errorf("HEAD: %d", head.status)
		}
		return
	}
	get := n.headersOfGet(t, path)
	if head.status != get.StatusCode {
		t.Errorf("HEAD: %d, GET %d", head.status, get.StatusCode)
	}
	for _, h := range []http.Header{head.header, get.Header} {
		for _, name := range []string{"Date", "X-Request-Id"} { // of each answer its own
			if h.Get(name) == "" {
				t.Errorf("no %s", name)
			}
			h.Del(name)
		}
		if path == api.PathMetrics || path == api.PathBuilds { // of which one counts these very requests, the other free bytes of the disk
			h["Etag"], h["Content-Length"] = []string{"x"}, nil
		}
	}
	if fmt.Sprint(head.header) != fmt.Sprint(get.Header) {
		t.Errorf("HEAD: %v\n GET: %v", head.header, get.Header)
	}
	if get.StatusCode == 200 && head.header.Get("Content-Length") != "" && head.header.Get("Etag") == "" {
		t.Errorf("no Etag: %v", head.header)
	}
}

// headersOfGet leaves the body, which may have no end.
func (n *node) headersOfGet(t *testing.T, path string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", n.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", worker()[1])
	response, err := n.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	// Go's client takes it out of the header when the body follows in pieces.
	if response.ContentLength > 0 {
		response.Header.Set("Content-Length", fmt.Sprint(response.ContentLength))
	}
	return response
}

// options asks what pages of other sites may do, properly and not.
func (n *node) options(t *testing.T, path string, methods []string) {
	t.Helper()
	for _, headers := range [][]string{
		nil, {"Origin", "https://a.example"}, {"Access-Control-Request-Method", methods[0]},
		{"Origin", "https://a.example", "Access-Control-Request-Method", "PATCH"},
	} {
		if a := n.do("OPTIONS", path, nil, headers...); a.status != 403 || !isError(a) {
			t.Errorf("OPTIONS with %v: %d %s", headers, a.status, a.body)
		}
	}
	for _, method := range methods {
		a := n.do("OPTIONS", path, nil, "Origin", "https://a.example", "Access-Control-Request-Method", method)
		if a.status != 200 || len(a.body) != 0 || a.header.Get("Access-Control-Allow-Methods") != method || a.header.Get("Access-Control-Allow-Origin") != "https://a.example" {
			t.Errorf("OPTIONS for %s: %d %v %s", method, a.status, a.header, a.body)
		}
	}
}
