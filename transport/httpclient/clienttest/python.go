// Package clienttest has stand-ins for the nodes a client talks to, for tests.
package clienttest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ahriman/transport/api"
)

// Request is one request as a node saw it.
type Request struct {
	Method string
	Path   string // with the query
	Header http.Header
	Body   any    // of JSON
	Parts  []Part // of a form
	Length int64  // Content-Length
}

// Part is one part of an upload.
type Part struct {
	Name, FileName, ContentType string
	Size                        int64
	SHA256                      string // hex
	Text                        string // of a part that is no file
}

// PythonNode answers as ahriman 2.22 does, as far as a worker or a client of a
// master can tell: by the reference and the captures. Nothing is under /node/.
type PythonNode struct {
	Username, Password string // empty: log-in is off
	Directory          string // uploads are stored here
	NoUpload           bool   // web.enable_archive_upload = no
	Polls              int    // how often a process is alive before it is gone

	// Extended, when set, answers first; status 0 leaves it to the node. It is
	// called for those who are logged in, with the node locked.
	Extended func(*http.Request, *Request) (status int, body any)

	mu       sync.Mutex
	requests []Request
	sessions int
	polls    map[string]int
	packages map[string]api.PackageEntry
	fail     []int // statuses to answer the next requests with
}

// Requests returns what was asked so far, in order.
func (n *PythonNode) Requests() []Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Request{}, n.requests...)
}

// Fail makes the next requests be refused with these statuses.
func (n *PythonNode) Fail(statuses ...int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = append(n.fail, statuses...)
}

// EndSessions makes all cookies invalid, as a restart does.
func (n *PythonNode) EndSessions() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions++
}

// ServeHTTP answers and records a request.
func (n *PythonNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	record := Request{Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Length: r.ContentLength}
	status, body := n.serve(r, &record)
	n.mu.Lock()
	n.requests = append(n.requests, record)
	cookie := fmt.Sprintf("%s=\"gAAAA_session-%d==\"; HttpOnly; Max-Age=604800; Path=/; SameSite=Lax", api.CookieSession, n.sessions)
	n.mu.Unlock()

	w.Header().Set(api.HeaderRequestID, r.Header.Get(api.HeaderRequestID))
	if r.URL.Path == api.PathLogin && status == http.StatusFound {
		w.Header().Set("Set-Cookie", cookie)
		w.Header().Set("Location", "/")
	}
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// serve reads the whole request and decides.
func (n *PythonNode) serve(r *http.Request, record *Request) (int, any) {
	form := strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data")
	if form && r.URL.Path == api.PathUpload && !n.NoUpload {
		if err := n.receive(r, record); err != nil {
			return refuse(http.StatusBadRequest, err.Error())
		}
	} else if data, _ := io.ReadAll(r.Body); len(data) > 0 && !form {
		if json.Unmarshal(data, &record.Body) != nil {
			return refuse(http.StatusBadRequest, "Expecting value: line 1 column 1 (char 0)")
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.fail) > 0 {
		status := n.fail[0]
		n.fail = n.fail[1:]
		return refuse(status, "as the test wants it")
	}
	return n.route(r, record)
}

func refuse(status int, text string) (int, any) { return status, map[string]string{"error": text} }

// route is called with the lock held.
func (n *PythonNode) route(r *http.Request, record *Request) (int, any) {
	body, _ := record.Body.(map[string]any)
	switch {
	case r.URL.Path == api.PathLogin:
		if n.Username == "" || body["username"] != n.Username || body["password"] != n.Password {
			return refuse(http.StatusUnauthorized, "Unauthorized")
		}
		return http.StatusFound, nil
	case r.URL.Path == api.PathInfo:
		return http.StatusOK, api.Info{Auth: n.Username != "", Version: "2.22.1"}
	case !n.known(r):
		return refuse(http.StatusUnauthorized, "Unauthorized")
	}
	if n.Extended != nil {
		if status, answer := n.Extended(r, record); status != 0 {
			return status, answer
		}
	}
	switch {
	case r.URL.Path == api.PathUpload && n.NoUpload:
		return refuse(http.StatusNotFound, "Not Found")
	case r.URL.Path == api.PathUpload:
		return http.StatusCreated, "201: Created"
	case r.URL.Path == api.PathUpdate, r.URL.Path == api.PathAdd:
		id := fmt.Sprintf("12658eb2-35af-42e5-b04a-%012d", len(n.polls))
		if n.polls == nil {
			n.polls = map[string]int{}
		}
		n.polls[id] = n.Polls
		return http.StatusOK, api.ProcessReply{ProcessID: id}
	case strings.HasPrefix(r.URL.Path, "/api/v1/service/process/"):
		return n.process(filepath.Base(r.URL.Path))
	case strings.HasPrefix(r.URL.Path, api.PathPackages+"/") && strings.Count(r.URL.Path, "/") == 4:
		return n.packageCall(r, record)
	case r.Method == http.MethodGet && r.URL.Path == api.PathStatus:
		return http.StatusOK, api.ServiceStatus{Status: api.Status{Status: api.Unknown}, Version: "2.22.1"}
	case r.Method == http.MethodGet && r.URL.Path == api.PathPackages:
		return http.StatusOK, slices.SortedFunc(maps.Values(n.packages), func(a, b api.PackageEntry) int {
			return strings.Compare(a.Package.Base, b.Package.Base)
		})
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/patches"):
		return http.StatusOK, []any{}
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/api/v1/"), r.Method == http.MethodDelete:
		return http.StatusNoContent, nil
	}
	return refuse(http.StatusNotFound, "Not Found")
}

// known reports whether the session is one of ours; Basic credentials count for
// nothing there.
func (n *PythonNode) known(r *http.Request) bool {
	want := fmt.Sprintf("%s=\"gAAAA_session-%d==\"", api.CookieSession, n.sessions)
	return n.Username == "" || r.Header.Get("Cookie") == want
}

func (n *PythonNode) process(id string) (int, any) {
	if n.polls[id] <= 0 {
		return refuse(http.StatusNotFound, fmt.Sprintf("No process %s found", id))
	}
	n.polls[id]--
	return http.StatusOK, map[string]bool{"is_alive": true}
}

func (n *PythonNode) packageCall(r *http.Request, record *Request) (int, any) {
	base := filepath.Base(r.URL.Path)
	if r.Method == http.MethodGet {
		entry, ok := n.packages[base]
		if !ok {
			return refuse(http.StatusNotFound, fmt.Sprintf("Package %s is unknown", base))
		}
		return http.StatusOK, []api.PackageEntry{entry}
	}
	var update api.PackageUpdate
	data, err := json.Marshal(record.Body)
	if err == nil {
		err = json.Unmarshal(data, &update)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	entry, ok := n.packages[base]
	if update.Package != nil {
		entry.Package = *update.Package
	} else if !ok {
		return refuse(http.StatusBadRequest, fmt.Sprintf("Package %s is unknown, but no package body set", base))
	}
	entry.Status.Status = update.Status
	if n.packages == nil {
		n.packages = map[string]api.PackageEntry{}
	}
	n.packages[base] = entry
	return http.StatusNoContent, nil
}

// receive stores the parts of an upload, streaming.
func (n *PythonNode) receive(r *http.Request, record *Request) error {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n.Extended != nil && part.FormName() == api.PartSHA256 {
			text, err := io.ReadAll(part)
			if err != nil {
				return err
			}
			record.Parts = append(record.Parts, Part{Name: part.FormName(), Text: string(text)})
			continue
		}
		if part.FormName() != api.PartPackage && part.FormName() != api.PartSignature {
			return errors.New("multipart field isn't package or signature")
		}
		stored, err := n.store(part)
		if err != nil {
			return err
		}
		record.Parts = append(record.Parts, stored)
	}
}

func (n *PythonNode) store(part *multipart.Part) (Part, error) {
	stored := Part{Name: part.FormName(), FileName: part.FileName(), ContentType: part.Header.Get("Content-Type")}
	to := io.Discard
	if n.Directory != "" {
		file, err := os.Create(filepath.Join(n.Directory, filepath.Base(part.FileName())))
		if err != nil {
			return stored, err
		}
		defer file.Close()
		to = file
	}
	digest := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, digest), part)
	stored.Size, stored.SHA256 = size, hex.EncodeToString(digest.Sum(nil))
	return stored, err
}
