package httpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"

	"golang.org/x/crypto/bcrypt"
)

var refrepo = alpm.RepositoryID{Name: "refrepo", Architecture: "x86_64"}

const salt = "salt"

// node is a server with all that is behind it. Jobs it is given wait until the
// test ends them.
type node struct {
	t       testing.TB
	db      *store.DB
	repo    *repository.Repository
	server  *httptest.Server
	handler *httpserver.Server
	client  *http.Client // follows no redirect
}

// jobs is a Submitter that only stores jobs.
type jobs struct{ db *store.DB }

func (jobs) Kinds() []string {
	return []string{
		httpserver.JobAdd, httpserver.JobRequest, httpserver.JobUpdate, httpserver.JobRebuild,
		httpserver.JobRemove, httpserver.JobRollback, httpserver.JobKey,
	}
}

func (j jobs) Submit(ctx context.Context, id alpm.RepositoryID, kind string, arguments any, user string) (string, error) {
	text, err := json.Marshal(arguments)
	if err != nil {
		return "", err
	}
	job, err := j.db.CreateJob(ctx, store.Job{Repository: id, Kind: kind, Arguments: text, User: user})
	return job.ID, err
}

// start runs a master with log-in on; change may be nil.
func start(t testing.TB, change func(*httpserver.Config)) *node {
	t.Helper()
	root := t.TempDir()
	db, err := store.Open(t.Context(), filepath.Join(root, "node.db"))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := repository.Open(repository.Options{Root: root, ID: refrepo})
	if err != nil {
		t.Fatal(err)
	}
	config := httpserver.Config{
		Store: db, Version: "2.22.1", Uploads: true, Submitter: jobs{db}, Intervals: []int{5, 1, 10, 30, 60},
		Repositories: []httpserver.Repository{{ID: refrepo, Shelf: repo, Files: repo.Handler()}},
		Auth:         httpserver.Auth{Enabled: true, AllowReadOnly: true, Salt: salt},
		Settings: func() ([]api.ConfigEntry, error) {
			return []api.ConfigEntry{{Section: "web", Key: "host", Value: "127.0.0.1"}}, nil
		},
		Reload: func(context.Context) error { return nil },
		Key: func(_ context.Context, key, server string) (string, error) {
			if key != "8BE91E5A773FB48A" {
				return "", api.Errorf(api.ErrNotFound, "the server has no such key")
			}
			return "a key of " + server, nil
		},
		Search: func(_ context.Context, terms []string) ([]api.SearchResult, error) {
			return map[string][]api.SearchResult{"aur-toy": {
				{Package: "aur-toy-a", Description: "toy package aur-toy-a"}, {Package: "aur-toy-b", Description: "toy package aur-toy-b"},
				{Package: "aur-toy-down", Description: "toy package aur-toy-down"},
			}}[terms[0]], nil
		},
	}
	if change != nil {
		change(&config)
	}
	server, err := httpserver.New(config)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, db: db, repo: repo, handler: server, server: httptest.NewServer(server), client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(func() { n.server.Close(); db.Close() })
	n.addUser("worker-user", "very-secure-password", store.Full)
	return n
}

func (n *node) addUser(name, password string, access store.Access) {
	n.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password+salt), bcrypt.MinCost)
	if err == nil {
		err = n.db.SetUser(n.t.Context(), store.User{Name: name, Password: string(hash), Access: access})
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// answer is what a request gave.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request; headers are pairs of name and value.
func (n *node) do(method, target string, body io.Reader, headers ...string) answer {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), method, n.server.URL+target, body)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := n.client.Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text}
}

// as returns the header of Basic credentials.
func as(name, password string) []string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// worker is the header of the user who may do all.
func worker() []string { return as("worker-user", "very-secure-password") }

// want fails the test unless the answer has the status.
func (n *node) want(a answer, status int) answer {
	n.t.Helper()
	if a.status != status {
		n.t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// sameJSON fails the test unless two texts are the same JSON.
func (n *node) sameJSON(got []byte, want string) {
	n.t.Helper()
	if diff := diffJSON(got, []byte(want)); diff != "" {
		n.t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

// query names the repository.
func query() string {
	return "?" + url.Values{"architecture": {refrepo.Architecture}, "repository": {refrepo.Name}}.Encode()
}

// part is one part of an upload.
type part struct {
	name, fileName string
	content        []byte
}

// form encodes parts as a client does.
func form(t testing.TB, parts ...part) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, p := range parts {
		header := textproto.MIMEHeader{}
		disposition := `form-data; name="` + p.name + `"`
		if p.fileName != "" {
			disposition += `; filename="` + p.fileName + `"`
		}
		header.Set("Content-Disposition", disposition)
		header.Set("Content-Type", "application/octet-stream")
		to, err := w.CreatePart(header)
		if err == nil {
			_, err = to.Write(p.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func (n *node) upload(target string, headers []string, parts ...part) answer {
	n.t.Helper()
	body, contentType := form(n.t, parts...)
	return n.do("POST", target, body, append([]string{"Content-Type", contentType}, headers...)...)
}

func readAll(a answer) string { return strings.TrimSpace(string(a.body)) }
