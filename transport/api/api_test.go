package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ahriman/core/source"
	"ahriman/transport/api"

	"github.com/google/go-cmp/cmp"
)

// packageJSON is what a Python worker posted (capture mode1-aur-signed #109).
const packageJSON = `{"status": "success", "package": {"base": "aur-toy-a", "version": "1.0.0-1", "remote": {"source": "aur", "git_url": "http://127.0.0.1:9090/aur-toy-a.git", "web_url": "http://127.0.0.1:9090/packages/aur-toy-a", "path": ".", "branch": "master"}, "packages": {"aur-toy-a": {"architecture": "any", "archive_size": 1129, "build_date": 1795355680, "depends": [], "make_depends": [], "opt_depends": [], "check_depends": [], "description": "toy package aur-toy-a", "filename": "aur-toy-a-1.0.0-1-any.pkg.tar.zst", "groups": [], "installed_size": 27, "licenses": ["MIT"], "provides": [], "url": "https://example.org/aur-toy-a"}}, "packager": "ref <ref@localhost>"}}`

func decode(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
}

// same compares two JSON texts by type and value.
func same(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	decode(t, string(got), &g)
	decode(t, want, &w)
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("JSON differs (-want +got):\n%s", diff)
	}
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPackageKeepsItsJSON(t *testing.T) {
	var update api.PackageUpdate
	decode(t, packageJSON, &update)
	if err := update.Validate(); err != nil {
		t.Error(err)
	}
	same(t, encode(t, update), packageJSON)
}

func TestEmptyListsAreNotNull(t *testing.T) {
	got := encode(t, source.Package{Base: "a", Version: "1-1", Origin: source.Origin{Source: source.AUR},
		Packages: map[string]source.Properties{"a": {}}})
	same(t, got, `{"base":"a","version":"1-1","remote":{"source":"aur"},"packages":{"a":{"depends":[],"make_depends":[],
		"opt_depends":[],"check_depends":[],"groups":[],"licenses":[],"provides":[]}}}`)
	same(t, encode(t, api.AddRequest{Increment: true}), `{"packages":[],"patches":[],"increment":true,"refresh":false}`)
}

func TestRequestDefaults(t *testing.T) {
	var update api.UpdateRequest
	decode(t, `{"packager":null,"refresh":null,"local":false}`, &update)
	if want := (api.UpdateRequest{AUR: true, Manual: true, Increment: true}); update != want {
		t.Errorf("got %+v, want %+v", update, want)
	}
	var add api.AddRequest
	decode(t, `{"increment": false, "packager": null, "packages": ["a"], "patches": [], "refresh": true}`, &add)
	want := api.AddRequest{Packages: []string{"a"}, Patches: []source.Patch{}, Refresh: true}
	if diff := cmp.Diff(want, add); diff != "" {
		t.Error(diff)
	}
	decode(t, `{"packages":["a"]}`, &add)
	if !add.Increment || add.Refresh {
		t.Errorf("defaults of add: %+v", add)
	}
	var rollback api.RollbackRequest
	decode(t, `{"package":"a","version":"1-1"}`, &rollback)
	if !rollback.Hold {
		t.Error("hold is not the default of a rollback")
	}
}

func TestUpdateIsWhatAPythonWorkerSends(t *testing.T) {
	request := api.UpdateRequest{Manual: true, Increment: true}
	same(t, encode(t, request), `{"aur": false, "local": false, "manual": true}`)
	other := api.UpdateRequest{AUR: true, Refresh: true, Packager: "p"}
	var back api.UpdateRequest
	decode(t, string(encode(t, other)), &back)
	if back != other {
		t.Errorf("got %+v, want %+v", back, other)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		value interface{ Validate() error }
		want  string // part of the error; empty: none
	}{
		{api.StatusUpdate{Status: "success"}, ""},
		{api.StatusUpdate{Status: "bogus"}, "bogus"},
		{api.StatusUpdate{}, "not a status"},
		{api.PackageUpdate{Status: api.Building}, ""},
		{api.PackageUpdate{Status: api.Success, Package: &source.Package{Base: "zzz"}}, "version"},
		{api.LogRecord{Created: 1, Message: "m"}, "version"},
		{api.LogRecord{Version: "1-1"}, "created"},
		{api.LogRecord{Created: 1, Version: api.UnknownVersion}, ""},
		{api.LogBatch{Records: make([]api.LogRecord, api.MaxLogRecords+1)}, "at most 1000"},
		{api.LogBatch{Records: make([]api.LogRecord, 1)}, "created"},
		{api.Event{Event: "e"}, "object_id"},
		{api.Event{Event: "e", ObjectID: "o", Data: json.RawMessage(`{"k":1}`)}, ""},
		{api.Event{Event: "e", ObjectID: "o", Data: json.RawMessage(`[1]`)}, "object"},
		{api.Login{Username: "u"}, "password"},
		{api.AddRequest{}, "packages"},
		{api.AddRequest{Packages: []string{"a"}, Patches: []source.Patch{{Key: new("a b"), Value: "c"}}}, "neither a variable nor"},
		{api.BasesRequest{Packages: []string{""}}, "name"},
		{api.RollbackRequest{Package: "a"}, "version"},
		{api.Worker{Address: "http://127.0.0.1:1"}, "identifier"},
		{api.Worker{Address: "https://worker.example/ahriman/", Identifier: "a worker"}, ""},
		{api.Worker{Address: "http://[::1]:8080", Identifier: "::1"}, ""},
		{api.Worker{Address: "local://", Identifier: "w"}, "not http://"},
		{api.Worker{Address: "ssh://root@master", Identifier: "w"}, "not http://"},
		{api.Worker{Address: "http+unix://%2Frun%2Fahriman", Identifier: "w"}, "not http://"},
		{api.Worker{Address: "http://u:p@worker", Identifier: "w"}, "not http://"},
		{api.Worker{Address: "worker:8080", Identifier: "w"}, "not http://"},
		{api.Worker{Address: "http://a\x00", Identifier: "w"}, "control character"},
		{api.Worker{Address: "http://worker", Identifier: "w'; reboot; '"}, "quote"},
		{api.PGPRequest{Key: "k"}, "server"},
	} {
		err := test.value.Validate()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%+v: %v", test.value, err)
		case test.want != "" && (!errors.Is(err, api.ErrBadRequest) && !errors.Is(err, api.ErrTooLarge) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%+v: got %v, want an error with %q", test.value, err, test.want)
		}
	}
}

func TestErrorsSurviveTheWire(t *testing.T) {
	for _, kind := range []error{
		api.ErrBadRequest, api.ErrUnauthorized, api.ErrForbidden, api.ErrNotFound, api.ErrMethodNotAllowed,
		api.ErrConflict, api.ErrTooLarge, api.ErrTooMany, api.ErrUnavailable,
	} {
		status, body := api.StatusOf(fmt.Errorf("outside: %w", api.Errorf(kind, "Package %s is unknown", "x")))
		back := api.ErrorOf(status, encode(t, body))
		if !errors.Is(back, kind) || back.Error() != "outside: Package x is unknown" {
			t.Errorf("%v became %v", kind, back)
		}
	}
	want := &api.Conflict{File: "a-1-1-any.pkg.tar.zst", Stored: "aa", Received: "bb"}
	status, body := api.StatusOf(fmt.Errorf("storing: %w", want))
	back, ok := errors.AsType[*api.Conflict](api.ErrorOf(status, encode(t, body)))
	if !ok || *back != *want || !errors.Is(back, api.ErrConflict) {
		t.Errorf("got %v, want %v", back, want)
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	status, body := api.StatusOf(errors.New("opening /secret: no"))
	if status != http.StatusInternalServerError || strings.Contains(body.Error, "secret") {
		t.Errorf("got %d %+v", status, body)
	}
}

func TestErrorOfForeignBodies(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		kind   error
		want   string
	}{
		{401, "<!doctype html>\n<html>", api.ErrUnauthorized, "401 Unauthorized"},
		{502, "", api.ErrUnavailable, "502 Bad Gateway"},
		{504, "upstream timed out", api.ErrUnavailable, "upstream timed out"},
		{418, `{"error":"tea"}`, api.ErrBadRequest, "tea"},
		{500, strings.Repeat("x", 5000), api.ErrInternal, strings.Repeat("x", 1000) + "…"},
	} {
		err := api.ErrorOf(test.status, []byte(test.body))
		if !errors.Is(err, test.kind) || err.Error() != test.want {
			t.Errorf("%d %.20q: got %v (%v)", test.status, test.body, err, errors.Unwrap(err))
		}
	}
}

func TestPath(t *testing.T) {
	if got, want := api.Path(api.PathPatch, "a/b", "build()"), "/api/v1/packages/a%2Fb/patches/build%28%29"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := api.Path(api.PathUpdate); got != api.PathUpdate {
		t.Errorf("got %s", got)
	}
}

func TestPaging(t *testing.T) {
	list := []int{1, 2, 3}
	for query, want := range map[string][]int{
		"":                  {1, 2, 3},
		"limit=-1":          {1, 2, 3},
		"limit=1&offset=1":  {2},
		"limit=0":           {},
		"offset=9":          {},
		"limit=99&offset=2": {3},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		p, err := api.ParsePaging(values)
		if err != nil {
			t.Errorf("%q: %v", query, err)
		}
		if diff := cmp.Diff(want, api.Page(list, p)); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
		again := url.Values{}
		p.AddTo(again)
		if back, err := api.ParsePaging(again); err != nil || back != p {
			t.Errorf("%q: %+v came back as %+v, %v", query, p, back, err)
		}
	}
	for _, query := range []string{"limit=-2", "offset=-1", "limit=x"} {
		values, _ := url.ParseQuery(query)
		if _, err := api.ParsePaging(values); !errors.Is(err, api.ErrBadRequest) {
			t.Errorf("%q: %v", query, err)
		}
	}
}

func TestWait(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"2.5":                            2500 * time.Millisecond,
		"1e9":                            api.MaxWait,
		api.FormatWait(10 * time.Second): 10 * time.Second,
	} {
		got, err := api.ParseWait(url.Values{api.QueryWait: {text}})
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "NaN", "x"} {
		if _, err := api.ParseWait(url.Values{api.QueryWait: {text}}); !errors.Is(err, api.ErrBadRequest) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAccess: each level has what those before it have; roles have what they are for.
func TestAccess(t *testing.T) {
	levels := api.AccessLevels()
	for i, level := range levels[1:] {
		if before := levels[i].Scopes(); !level.Scopes().Has(before) || level.Scopes() == before {
			t.Errorf("%s has %b, %s before it %b", level, level.Scopes(), levels[i], before)
		}
	}
	for access, want := range map[api.Access]struct{ may, mayNot api.Scope }{
		api.AccessRead:     {api.ScopeRead, api.ScopeInspect | api.ScopeReport},
		api.AccessReporter: {api.ScopeRequest | api.ScopeInspect, api.ScopeReport | api.ScopeUpload},
		api.AccessWorker:   {api.ScopeUpload | api.ScopePublish | api.ScopeRegister, api.ScopeManage | api.ScopeBuild | api.ScopeRequest},
		api.AccessBuilder:  {api.ScopeBuild, api.ScopeRead | api.ScopeManage},
		"root":             {0, api.ScopePublic | api.ScopeManage},
	} {
		for scope := api.ScopePublic; scope <= api.ScopeManage; scope <<= 1 {
			if want.may&scope != 0 && !access.Allows(scope) || want.mayNot&scope != 0 && access.Allows(scope) {
				t.Errorf("%s allows %b: %v", access, scope, access.Allows(scope))
			}
			if !api.AccessFull.Allows(scope) {
				t.Errorf("full has not %b", scope)
			}
		}
	}
	if api.AccessFull.Allows(0) || api.ScopeUpload.Level() != api.AccessFull || api.ScopeInspect.Level() != api.AccessReporter {
		t.Error("nothing is allowed, or a level is wrong")
	}
}
