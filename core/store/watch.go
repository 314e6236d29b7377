package store

import (
	"encoding/json"
	"strings"
	"sync"

	"ahriman/core/alpm"
)

// EventJobChanged is what watchers see when a job is created, starts or ends;
// Object is its id. It is never stored.
const EventJobChanged = "job-changed"

// Notice is an event as a watcher sees it.
type Notice struct {
	Repository alpm.RepositoryID // zero for EventJobChanged
	Event
}

// watchers are those who follow what this process does to the store.
type watchers struct {
	mu     sync.Mutex
	all    map[chan Notice]struct{}
	closed bool
}

// Watch returns a channel of what this process stores from now on: events, log
// lines, status changes and jobs; not what other processes store. A watcher
// that lags by more than buffer notices finds its channel closed, as does every
// watcher when the store closes. The caller must call stop once.
func (db *DB) Watch(buffer int) (notices <-chan Notice, stop func()) {
	w := &db.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := make(chan Notice, buffer)
	if w.closed {
		close(ch)
		return ch, func() {}
	}
	if w.all == nil {
		w.all = map[chan Notice]struct{}{}
	}
	w.all[ch] = struct{}{}
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.remove(ch)
	}
}

// remove forgets and closes ch, once. The caller holds mu.
func (w *watchers) remove(ch chan Notice) {
	if _, ok := w.all[ch]; ok {
		delete(w.all, ch)
		close(ch)
	}
}

func (w *watchers) send(n Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.all {
		select {
		case ch <- n:
		default:
			w.remove(ch)
		}
	}
}

func (w *watchers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.all {
		w.remove(ch)
	}
	w.closed = true
}

func (db *DB) announce(id alpm.RepositoryID, e Event) {
	db.watchers.send(Notice{Repository: id, Event: e})
}

func (db *DB) announceStatus(id alpm.RepositoryID, base string, status Status) {
	db.announce(id, Event{Event: EventPackageStatusChanged, Object: base, Created: db.seconds(), Data: statusData(status)})
}

func (db *DB) announceJob(id string) {
	db.announce(alpm.RepositoryID{}, Event{Event: EventJobChanged, Object: id, Created: db.seconds()})
}

func statusData(status Status) json.RawMessage {
	return json.RawMessage(`{"status":"` + string(status) + `"}`)
}

func logData(line LogLine) json.RawMessage {
	b, err := json.Marshal(map[string]any{"created": line.Created, "version": line.Version, "process_id": line.Process})
	if err != nil { // an infinite Created; the line is stored all the same
		return nil
	}
	return b
}

// repositoryID is the inverse of key.
func repositoryID(text string) alpm.RepositoryID {
	name, architecture, _ := strings.Cut(text, "/")
	return alpm.RepositoryID{Name: name, Architecture: architecture}
}
