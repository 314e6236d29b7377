package httpserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// token adds a user with a token and returns its header.
func (n *node) token(user store.User) []string {
	n.t.Helper()
	return []string{"Authorization", "Bearer " + n.secret(user)}
}

func (n *node) secret(user store.User) string {
	n.t.Helper()
	if err := n.db.SetUser(n.t.Context(), user); err != nil {
		n.t.Fatal(err)
	}
	secret, _, err := n.db.AddToken(n.t.Context(), user.Name, time.Hour)
	if err != nil {
		n.t.Fatal(err)
	}
	return secret
}

// TestScopes asks for each endpoint as each role. What matters is whether the
// door opens: 401 to strangers, 403 to others, anything else when it does.
func TestScopes(t *testing.T) {
	n := start(t, func(c *httpserver.Config) {
		c.Auth.AllowReadOnly = false
		c.Refresh = func(context.Context, alpm.RepositoryID) error { return nil }
	})
	roles := []store.Access{"", store.Unauthorized, store.Read, store.Reporter, store.Full, store.RoleWorker, store.RoleBuilder}
	headers := map[store.Access][]string{"": nil}
	for _, role := range roles[1:] {
		headers[role] = n.token(store.User{Name: "user-" + string(role), Access: role})
	}
	all := " unauthorized read reporter full worker builder"
	read := "read reporter full worker"
	inspect := "reporter full worker"
	foo := func(pattern string) string { return api.Path(pattern, "foo") }
	file := api.Path(api.PathUploadFile, "foo", "foo")
	untested := map[string]bool{}
	for pattern, methods := range httpserver.Routes(n.handler) {
		for _, method := range methods {
			untested[method+" "+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(strings.TrimSuffix(pattern, "{$}"), "foo")] = true
		}
	}
	for _, test := range []struct {
		method, path, body string
		who                string // a leading space: strangers too
	}{
		{"GET", "/", "", all},
		{"GET", "/api-docs", "", all},
		{"GET", "/packages/foo", "", all}, // which shows what each may see
		{"GET", "/login", "", all},
		{"POST", "/login", "", all},
		{"POST", "/logout", "", all},
		{"POST", api.PathLogin, `{}`, all},
		{"GET", api.PathHealth, "", all},
		{"GET", api.PathInfo, "", all},
		{"GET", api.PathInfoV2, "", all},
		{"GET", api.PathNode, "", all},
		{"GET", api.PathMetrics, "", all},
		{"GET", api.PathStatus, "", read},
		{"GET", api.PathPackages, "", read},
		{"GET", foo(api.PathPackage), "", read},
		{"GET", api.PathRepositories, "", read},
		{"HEAD", api.PathEventStream + "?event=package-updated", "", read},
		{"HEAD", api.PathEventStream, "", "full"},
		{"GET", "/repo/refrepo/x86_64/refrepo.db", "", read},
		{"GET", foo(api.PathChanges), "", inspect},
		{"GET", foo(api.PathDependencies), "", inspect},
		{"GET", foo(api.PathArchives), "", inspect},
		{"GET", foo(api.PathPatches), "", inspect},
		{"GET", api.Path(api.PathPatch, "foo", "foo"), "", inspect},
		{"GET", api.PathPGP, "", "reporter full"},
		{"GET", foo(api.PathLogs), "", inspect},
		{"GET", foo(api.PathLogsV2), "", inspect},
		{"GET", foo(api.PathProcess), "", inspect},
		{"GET", foo(api.PathNodeProcess), "", inspect},
		{"GET", api.PathSearch + "?for=x", "", "reporter full"},
		{"POST", api.PathRequest, `{"packages":["foo"]}`, "reporter full"},
		{"POST", api.PathStatus, `{"status":"success"}`, "full worker"},
		{"POST", foo(api.PathPackage), `{"status":"success"}`, "full worker"},
		{"POST", foo(api.PathChanges), `{}`, "full worker"},
		{"POST", foo(api.PathDependencies), `{}`, "full worker"},
		{"POST", foo(api.PathLogs), `{"created":1,"message":"x","version":"1"}`, "full worker"},
		{"POST", foo(api.PathNodeLogs), `[]`, "full worker"},
		{"DELETE", foo(api.PathLogs), "", "full worker"},
		{"DELETE", api.PathRotateLogs, "", "full worker"},
		{"POST", api.PathEvents, `{"event":"package-updated","object_id":"foo"}`, "full worker"},
		{"POST", api.PathUpload, "", "full worker"},
		{"POST", api.PathUpdate, `{"aur":false,"local":false}`, "full worker"},
		{"POST", api.PathDistributed, `{"address":"http://of-ROLE","identifier":"of ROLE"}`, "full worker"},
		{"POST", api.PathUpdate, `{}`, "full"},
		{"POST", api.PathUpdate, `{"aur":false,"local":false,"manual":false}`, "full"},
		{"GET", api.PathEvents, "", "full"},
		{"GET", api.PathDistributed, "", "full"},
		{"DELETE", api.PathDistributed, "", "full"},
		{"DELETE", foo(api.PathNodeWorker), "", "full worker"},
		{"DELETE", foo(api.PathPackage), "", "full"},
		{"POST", api.PathPackages, "", "full"},
		{"POST", foo(api.PathHold), `{"is_held":true}`, "full"},
		{"POST", foo(api.PathPatches), `{"key":"a","value":"b"}`, "full"},
		{"DELETE", api.Path(api.PathPatch, "foo", "foo"), "", "full"},
		{"POST", api.PathPGP, `{}`, "full"},
		{"GET", file, "", "full worker"},
		{"PUT", file, "", "full worker"},
		{"POST", api.Path(api.PathUploadSet, "foo"), `{}`, "full worker"},
		{"DELETE", api.Path(api.PathUploadSet, "foo"), "", "full worker"},
		{"POST", api.PathAdd, `{"packages":["foo"]}`, "full"},
		{"POST", api.PathRebuild, `{"packages":["foo"]}`, "full"},
		{"POST", api.PathRemove, `{"packages":["foo"]}`, "full"},
		{"POST", api.PathRollback, `{"package":"foo","version":"1-1"}`, "full"},
		{"GET", api.PathConfig, "", "full"},
		{"POST", api.PathConfig, "", "full"},
	} {
		path, _, _ := strings.Cut(test.path, "?")
		delete(untested, strings.Replace(test.method, "HEAD", "GET", 1)+" "+strings.TrimSuffix(path, "refrepo.db"))
		for _, role := range roles {
			got := n.do(test.method, test.path, strings.NewReader(strings.ReplaceAll(test.body, "ROLE", string(role))), headers[role]...)
			open := got.status != http.StatusUnauthorized && got.status != http.StatusForbidden
			want := strings.Contains(" "+test.who+" ", " "+string(role)+" ") && (role != "" || test.who[0] == ' ')
			if open != want || !open && (got.status == http.StatusUnauthorized) != (role == "") {
				t.Errorf("%s %s %s as %q: %d %s, want it open: %v", test.method, test.path, test.body, role, got.status, got.body, want)
			}
		}
	}
	delete(untested, "POST "+api.PathLogout) // 401 to who has no session, whoever they are: see TestSessions
	for route := range untested {
		t.Errorf("%s is not in the table", route)
	}
}

// TestScopeOfBases is a worker that may work on two bases only.
func TestScopeOfBases(t *testing.T) {
	n := start(t, nil)
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker, Bases: []string{"foo", "foo-lib"}})
	other := `{"status":"success","package":{"base":"bar","version":"1-1","remote":{"source":"local"},"packages":{"bar":{}}}}`
	n.want(n.do("POST", api.Path(api.PathPackage, "bar"), strings.NewReader(other), worker()...), 204)
	for _, test := range []struct {
		method, pattern, base, body string
		want                        int
	}{
		{"POST", api.PathPackage, "foo", strings.ReplaceAll(other, "bar", "foo"), 204},
		{"POST", api.PathPackage, "foo", `{"status":"building"}`, 204},
		{"POST", api.PathPackage, "bar", `{"status":"building"}`, 403},
		{"POST", api.PathPackage, "foo", other, 403}, // what counts is inside
		{"POST", api.PathPackage, "foo", strings.Replace(strings.ReplaceAll(other, "bar", "foo"), `"foo":{}`, `"bar":{}`, 1), 403},
		{"POST", api.PathChanges, "foo", `{}`, 204},
		{"POST", api.PathChanges, "bar", `{}`, 403},
		{"POST", api.PathLogs, "bar", `{"created":1,"message":"x","version":"1"}`, 403},
		{"POST", api.PathNodeLogs, "bar", `[]`, 403},
		{"DELETE", api.PathLogs, "bar", ``, 403},
		{"GET", api.PathLogs, "foo", ``, 200},
		{"GET", api.PathLogs, "bar", ``, 403},
		{"GET", api.PathPackage, "bar", ``, 200}, // as anyone
		{"POST", api.PathEvents, "", `{"event":"package-updated","object_id":"foo-lib"}`, 204},
		{"POST", api.PathEvents, "", `{"event":"package-updated","object_id":"bar"}`, 403},
	} {
		path := test.pattern
		if test.base != "" {
			path = api.Path(path, test.base)
		}
		got := n.want(n.do(test.method, path, strings.NewReader(test.body), w...), test.want)
		if test.want == 403 && !strings.Contains(readAll(got), "User w1 may not work on bar: only on foo, foo-lib") {
			t.Errorf("%s %s: %s", test.method, path, got.body)
		}
	}

	mine, its := packageFile(t, fooFile, nil), packageFile(t, "bar-1-1-any.pkg.tar.zst", nil)
	n.want(n.upload(api.PathUpload+query(), w, part{api.PartPackage, fooFile, mine}), 201)
	got := n.want(n.upload(api.PathUpload+query(), w, part{api.PartPackage, "bar-1-1-any.pkg.tar.zst", its}), 403)
	if !strings.Contains(readAll(got), "bar") {
		t.Errorf("refusal of an upload: %s", got.body)
	}
	// A package of another base does not become one of foo's by saying so.
	stolen := archive(t, "pkgname = bar\npkgbase = foo\npkgver = 2-1\narch = any\n", nil)
	got = n.want(n.upload(api.PathUpload+query(), w, part{api.PartPackage, "bar-2-1-any.pkg.tar.zst", stolen}), 403)
	if !strings.Contains(readAll(got), "bar is a package of bar") {
		t.Errorf("refusal of a stolen name: %s", got.body)
	}
	n.sameWaiting(map[string]string{fooFile: sum(mine)})

	// Nor by a name that makes the same file, and not before anybody told of it either.
	doc := archive(t, "pkgname = bar-doc\npkgbase = bar\npkgver = 1-1\narch = any\n", nil)
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, "bar-doc-1-1-any.pkg.tar", doc}), 201)
	for _, name := range []string{"bar-doc", "bar+doc"} {
		its := archive(t, "pkgname = "+name+"\npkgbase = foo\npkgver = 1-1\narch = any\n", nil)
		got = n.want(n.upload(api.PathUpload+query(), w, part{api.PartPackage, name + "-1-1-any.pkg.tar", its}), 403)
		if !strings.Contains(readAll(got), "bar-doc is a package of bar") {
			t.Errorf("refusal of %s: %s", name, got.body)
		}
	}
	n.sameWaiting(map[string]string{fooFile: sum(mine), "bar-doc-1-1-any.pkg.tar": sum(doc)})
}

// TestJobsOfBases: who may work on one base only gets no others built, removed
// or told about by asking for a job, or for events.
func TestJobsOfBases(t *testing.T) {
	n := start(t, nil)
	user := func(name string, access store.Access, bases ...string) []string {
		return n.token(store.User{Name: name, Access: access, Bases: bases})
	}
	full, reporter, worker := user("u1", store.Full, "foo"), user("u2", store.Reporter, "foo"), user("u3", store.RoleWorker, "foo")
	for _, test := range []struct {
		who                string
		as                 []string
		method, path, body string
		want               int
	}{
		{"reporter", reporter, "POST", api.PathRequest, `{"packages":["foo"]}`, 200},
		{"reporter", reporter, "POST", api.PathRequest, `{"packages":["foo","bar"]}`, 403},
		{"full", full, "POST", api.PathAdd, `{"packages":["foo"]}`, 200},
		{"full", full, "POST", api.PathAdd, `{"packages":["bar"]}`, 403},
		{"full", full, "POST", api.PathRemove, `{"packages":["foo"]}`, 200},
		{"full", full, "POST", api.PathRemove, `{"packages":["bar"]}`, 403},
		{"full", full, "POST", api.PathRollback, `{"package":"foo","version":"1-1"}`, 200},
		{"full", full, "POST", api.PathRollback, `{"package":"bar","version":"1-1"}`, 403},
		{"full", full, "POST", api.PathRebuild, `{"packages":["foo"]}`, 403}, // of those that need foo
		{"full", full, "POST", api.PathUpdate, `{}`, 403},
		{"full", full, "POST", api.PathUpdate, `{"aur":false,"local":false}`, 200},
		{"worker", worker, "POST", api.PathUpdate, `{"aur":false,"local":false}`, 200},
		{"full", full, "GET", api.PathEvents, "", 403},
		{"full", full, "GET", api.PathEvents + "?object_id=bar", "", 403},
		{"full", full, "GET", api.PathEvents + "?object_id=foo", "", 200},
		{"full", full, "HEAD", api.PathEventStream + "?event=build-log", "", 403},
		{"full", full, "HEAD", api.PathEventStream + "?event=build-log&object_id=foo", "", 200},
		{"full", full, "HEAD", api.PathEventStream + "?event=package-updated", "", 200}, // as anyone
	} {
		if got := n.do(test.method, test.path, strings.NewReader(test.body), test.as...); got.status != test.want {
			t.Errorf("%s: %s %s %s: %d %s, want %d", test.who, test.method, test.path, test.body, got.status, got.body, test.want)
		}
	}
}

// TestScopeOfRepository is a worker of another repository.
func TestScopeOfRepository(t *testing.T) {
	n := start(t, nil)
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker, Repository: alpm.RepositoryID{Name: "other", Architecture: "x86_64"}})
	n.want(n.do("POST", api.PathStatus+query(), strings.NewReader(`{"status":"success"}`), w...), 403)
	n.want(n.upload(api.PathUpload+query(), w, part{api.PartPackage, fooFile, packageFile(t, fooFile, nil)}), 403)
	n.sameWaiting(map[string]string{})

	// Logs are not followed from elsewhere either, also where anyone may read.
	manager := n.token(store.User{Name: "m1", Access: store.Full, Repository: alpm.RepositoryID{Name: "other", Architecture: "x86_64"}})
	n.want(n.do("HEAD", api.PathEventStream+query()+"&event=build-log", nil, manager...), 403)
}

// TestFilesOfRepository: where not everybody may read, a worker of another
// repository does not.
func TestFilesOfRepository(t *testing.T) {
	n := start(t, func(c *httpserver.Config) { c.Auth.AllowReadOnly = false })
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker, Repository: alpm.RepositoryID{Name: "other", Architecture: "x86_64"}})
	n.want(n.do("GET", "/repo/refrepo/x86_64/refrepo.db", nil, w...), 403)
	own := n.token(store.User{Name: "w2", Access: store.RoleWorker, Repository: refrepo})
	n.want(n.do("GET", "/repo/refrepo/x86_64/refrepo.db", nil, own...), 404) // nothing is published
}

// TestWorkersOfUsers: nobody takes another's place in the list.
func TestWorkersOfUsers(t *testing.T) {
	n := start(t, nil)
	one := n.token(store.User{Name: "w1", Access: store.RoleWorker})
	two := n.token(store.User{Name: "w2", Access: store.RoleWorker})
	register := func(address string, as []string, want int) {
		t.Helper()
		body, _ := json.Marshal(api.Worker{Address: address, Identifier: "box"})
		n.want(n.do("POST", api.PathDistributed, strings.NewReader(string(body)), as...), want)
	}
	place := api.Path(api.PathNodeWorker, "box")
	register("http://one", one, 204)
	register("http://two", two, 403)
	n.want(n.do("DELETE", place, nil, two...), 403)
	n.sameJSON(n.want(n.do("GET", api.PathDistributed, nil, worker()...), 200).body, `[{"address":"http://one","identifier":"box"}]`)
	register("http://new", one, 204)
	n.want(n.do("DELETE", place, nil, one...), 204)
	register("http://two", two, 204)
	n.want(n.do("DELETE", place, nil, worker()...), 204) // who may do all may do that
}

// TestTokens: in the header, and where a Python node has its password.
func TestTokens(t *testing.T) {
	n := start(t, nil)
	secret := n.secret(store.User{Name: "w1", Access: store.RoleWorker})
	status := func() *strings.Reader { return strings.NewReader(`{"status":"success"}`) }
	post := func(want int, headers ...string) {
		t.Helper()
		n.want(n.do("POST", api.PathStatus, status(), headers...), want)
	}
	post(204, "Authorization", "Bearer "+secret)
	post(204, "Authorization", "bearer  "+secret)
	post(204, as("w1", secret)...)
	cookie := n.login("w1", secret)
	post(204, cookie...)
	post(401, "Authorization", "Bearer "+secret[:len(secret)-1])
	post(401, "Authorization", "Bearer ")
	post(401, as("worker-user", secret)...)
	post(401, as("w1", "")...)

	tokens, err := n.db.Tokens(t.Context())
	if err != nil || len(tokens) != 1 {
		t.Fatal(tokens, err)
	}
	if err := n.db.RemoveToken(t.Context(), "w1", tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	post(401, cookie...)
	post(401, "Authorization", "Bearer "+secret)
	n.want(n.do("POST", api.PathLogout, nil, cookie...), 401)
}

// TestOriginOfElsewhere: what a worker says of its own files and keys is nothing
// for this node to look at.
func TestOriginOfElsewhere(t *testing.T) {
	n := start(t, nil)
	for address, want := range map[string]string{
		"file:///srv/private.git": "", "ssh://git@example.org/private": "", "https://example.org/foo.git": "https://example.org/foo.git",
		"https://me:secret@example.org/foo.git": "",
	} {
		body := `{"status":"success","package":{"base":"foo","version":"1-1","remote":{"source":"local","git_url":"` + address + `"},"packages":{"foo":{}}}}`
		n.want(n.do("POST", api.Path(api.PathPackage, "foo"), strings.NewReader(body), worker()...), 204)
		record, err := n.db.Package(t.Context(), refrepo, "foo")
		if err != nil || record.Package.Origin.GitURL != want || record.Package.Origin.Source != "local" {
			t.Errorf("%s: stored as %+v, %v", address, record.Package.Origin, err)
		}
	}
}
