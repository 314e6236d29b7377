package clienttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ahriman/core/source"
	"ahriman/transport/api"
)

// PythonWorker is a Python node in the documented set-up of a worker: asked for
// bases, it builds them, uploads what it built to its master, calls the master,
// and waits for that process to end before its own does (remote-call.wait_timeout
// = 0). What it says on the way is what was captured. It runs one process at a
// time: a second one fails on its lock.
type PythonWorker struct {
	PythonNode
	Master                         string // address
	MasterUsername, MasterPassword string
	Architecture, RepositoryName   string
	// Build makes a base's package files, by name, and says what they are. An
	// error is a build that fails.
	Build func(base string, patches []source.Patch) (map[string][]byte, source.Package, error)
	Poll  time.Duration // between questions to the master; Python's is 10 s

	mu        sync.Mutex
	serial    int
	alive     map[string]bool
	busy      bool
	collided  int // processes that failed on the lock
	restarted int
	running   sync.WaitGroup
	problems  []error
}

// ServeHTTP answers what a worker is asked.
func (w *PythonWorker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.Extended = w.extend
	w.PythonNode.ServeHTTP(rw, r)
}

// Wait returns once no process runs, with what went wrong in the conversation
// with the master and how many processes failed on the lock.
func (w *PythonWorker) Wait() (collided int, err error) {
	w.running.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.collided, errors.Join(w.problems...)
}

// Restart forgets all processes, as a restart does, and their packages never
// come.
func (w *PythonWorker) Restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive, w.restarted = nil, w.restarted+1
}

func (w *PythonWorker) extend(r *http.Request, record *Request) (int, any) {
	id, isProcess := strings.CutPrefix(r.URL.Path, "/api/v1/service/process/")
	switch {
	case r.URL.Path == api.PathAdd:
		return w.add(record)
	case isProcess:
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.alive[id] {
			return http.StatusOK, map[string]bool{"is_alive": true}
		}
		return refuse(http.StatusNotFound, fmt.Sprintf("No process %s found", id))
	}
	return 0, nil
}

// add begins a process.
func (w *PythonWorker) add(record *Request) (int, any) {
	var asked struct {
		Packages []string       `json:"packages"`
		Patches  []source.Patch `json:"patches"`
	}
	data, err := json.Marshal(record.Body)
	if err == nil {
		err = json.Unmarshal(data, &asked)
	}
	if err != nil || len(asked.Packages) == 0 {
		return refuse(http.StatusBadRequest, "'Key packages is missing or empty'")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	id := fmt.Sprintf("c34e052f-c48d-4830-8d49-%012d", w.serial)
	if w.busy {
		w.collided++ // it is over before anybody asks
		return http.StatusOK, api.ProcessReply{ProcessID: id}
	}
	if w.alive == nil {
		w.alive = map[string]bool{}
	}
	w.alive[id], w.busy = true, true
	life := w.restarted
	w.running.Go(func() {
		err := w.process(asked.Packages, asked.Patches, life)
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.alive, id)
		w.busy = false
		if err != nil {
			w.problems = append(w.problems, err)
		}
	})
	return http.StatusOK, api.ProcessReply{ProcessID: id}
}

// process is what a worker does for one request.
func (w *PythonWorker) process(bases []string, patches []source.Patch, life int) error {
	m := &visitor{worker: w, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	m.post(api.PathLogin, map[string]string{"username": w.MasterUsername, "password": w.MasterPassword})
	m.get(api.PathStatus)
	m.post(api.PathStatus, map[string]string{"status": "building"})
	var uploads []map[string][]byte
	for _, base := range bases {
		if files := m.build(base, patches); files != nil {
			uploads = append(uploads, files)
		}
	}
	w.mu.Lock()
	gone := w.restarted != life
	w.mu.Unlock()
	if gone {
		return nil
	}
	status := "failed"
	if len(uploads) > 0 {
		status = "success"
		for _, files := range uploads {
			m.upload(files)
		}
		m.call()
	}
	m.post(api.PathStatus, map[string]string{"status": status})
	return m.err
}

// visitor is a worker's session with its master; after an error it is silent.
type visitor struct {
	worker *PythonWorker
	client *http.Client
	cookie string
	err    error
}

// build builds a base and tells of it; nil: it failed.
func (m *visitor) build(base string, patches []source.Patch) map[string][]byte {
	path := api.Path(api.PathPackage, base)
	m.get(api.PathPackages)
	m.get(path)
	m.post(api.PathEvents, map[string]any{"event": "package-outdated", "object_id": base, "message": "Manual update is requested"})
	m.get(path + "/changes")
	m.post(path, map[string]string{"status": "building"})
	m.get(path + "/patches")
	m.post(path+"/logs", map[string]any{"created": 1795355380.5, "message": "==> Making package: " + base, "version": "1-1", "process_id": "ecbe380d"})
	files, p, err := m.worker.Build(base, patches)
	if err != nil {
		m.post(path, map[string]string{"status": "failed"})
		m.post(api.PathEvents, map[string]any{"event": "package-update-failed", "object_id": base})
		return nil
	}
	m.post(path+"/changes", map[string]string{"last_commit_sha": "335790e0b2add5d2a957935707b598a4c48d7886"})
	m.post(path+"/dependencies", map[string]any{"paths": map[string]any{}})
	m.post(path, map[string]any{"status": "success", "package": p})
	return files
}

// upload sends package files, one a request.
func (m *visitor) upload(files map[string][]byte) {
	for name, content := range files {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile(api.PartPackage, name)
		if err == nil {
			_, err = part.Write(content)
		}
		if err = errors.Join(err, form.Close()); err != nil {
			m.err = errors.Join(m.err, err)
			return
		}
		m.send(http.MethodPost, api.PathUpload, form.FormDataContentType(), &body)
	}
}

// call asks the master to update, and waits for the end of that.
func (m *visitor) call() {
	answer := m.post(api.PathUpdate, map[string]bool{"aur": false, "local": false, "manual": true})
	var reply api.ProcessReply
	if m.err == nil {
		m.err = json.Unmarshal(answer, &reply)
	}
	for m.err == nil {
		if answer := m.get(api.Path(api.PathProcess, reply.ProcessID)); answer == nil {
			return
		}
		time.Sleep(m.worker.Poll)
	}
}

func (m *visitor) get(path string) []byte { return m.send(http.MethodGet, path, "", nil) }

func (m *visitor) post(path string, body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		m.err = errors.Join(m.err, err)
	}
	return m.send(http.MethodPost, path, "application/json", bytes.NewReader(text))
}

// send returns the answer's body; nil where the master answers 404, which a
// Python worker takes for "there is none".
func (m *visitor) send(method, path, content string, body io.Reader) []byte {
	if m.err != nil {
		return nil
	}
	address := fmt.Sprintf("%s%s?architecture=%s&repository=%s", m.worker.Master, path, m.worker.Architecture, m.worker.RepositoryName)
	request, err := http.NewRequest(method, address, body)
	if err != nil {
		m.err = err
		return nil
	}
	request.Header.Set("Content-Type", content)
	if m.cookie != "" {
		request.Header.Set("Cookie", m.cookie)
	}
	response, err := m.client.Do(request)
	if err != nil {
		m.err = err
		return nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	for _, cookie := range response.Cookies() {
		m.cookie = fmt.Sprintf("%s=\"%s\"", cookie.Name, cookie.Value)
	}
	switch {
	case err != nil:
		m.err = err
	case response.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return nil
	case response.StatusCode >= 400:
		m.err = fmt.Errorf("%s %s: %s: %s", method, filepath.Clean(path), response.Status, answer)
	}
	return answer
}
