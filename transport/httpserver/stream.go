package httpserver

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"ahriman/core/store"
	"ahriman/transport/api"
)

// keepAlive is how often a stream without events says that it is there.
const keepAlive = 20 * time.Second

// trusting is how long a stream goes on without looking whether its reader may
// still have it.
const trusting = time.Second

// statusEvents are the events that those who may read may follow.
func statusEvents() []string {
	return []string{
		store.EventPackageHeld, store.EventPackageOutdated, store.EventPackageRemoved, store.EventPackageStatusChanged,
		store.EventPackageUpdateFailed, store.EventPackageUpdated, store.EventServiceStatusChanged,
	}
}

// eventStream sends what happens in a repository from now on as Server-Sent
// Events: the event's name, and an object with object_id and what is known.
func (s *Server) eventStream(c *call) error {
	kinds, object := c.query[api.QueryEvent], c.query.Get(api.QueryObjectID)
	if err := s.authorizeStream(c, kinds); err != nil { // who it is comes before whose the repository is
		return err
	}
	repository, err := s.repository(c)
	if err != nil {
		return err
	}
	notices, stop := s.config.Store.Watch(s.config.EventBuffer)
	defer stop()
	c.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.w.Header().Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	allowed := time.Now()
	return s.follow(c, notices, func(n store.Notice) bool {
		return n.Repository == repository.ID && (len(kinds) == 0 || slices.Contains(kinds, n.Event.Event)) &&
			(object == "" || object == n.Object)
	}, func() bool {
		if time.Since(allowed) < trusting {
			return true
		}
		allowed = time.Now()
		return s.authorize(c, api.ScopeRead) == nil && s.authorizeStream(c, kinds) == nil
	})
}

// follow sends the notices that are wanted until the reader goes away, falls too
// far behind, or may not have them any more, or the server stops.
func (s *Server) follow(c *call, notices <-chan store.Notice, wanted func(store.Notice) bool, may func() bool) error {
	flush := http.NewResponseController(c.w)
	silence := time.NewTicker(keepAlive)
	defer silence.Stop()
	for {
		flush.SetWriteDeadline(time.Now().Add(bodyTimeout))
		if err := flush.Flush(); err != nil {
			return aborted(err)
		}
		var err error
		select {
		case n, open := <-notices:
			switch {
			case !open:
				return nil
			case !wanted(n):
			case !may():
				return nil
			default:
				err = sendEvent(c.w, n.Event)
			}
		case <-silence.C:
			if !may() {
				return nil
			}
			_, err = io.WriteString(c.w, ":\n\n")
		case <-c.Context().Done():
			return nil
		case <-s.stopping:
			return nil
		}
		if err != nil {
			return aborted(err)
		}
	}
}

// authorizeStream asks for full access unless only events are wanted that say
// no more than what anyone who reads can see.
func (s *Server) authorizeStream(c *call, kinds []string) error {
	open := statusEvents()
	private := func(kind string) bool { return !slices.Contains(open, kind) }
	if len(kinds) > 0 && !slices.ContainsFunc(kinds, private) {
		return nil
	}
	if err := s.authorize(c, api.ScopeManage); err != nil {
		return err
	}
	return c.who.aboutObject(c)
}

// aboutObject refuses events of all bases to those who may work on some only.
func (who identity) aboutObject(c *call) error {
	return who.about(cmp.Or(c.query.Get(api.QueryObjectID), "every base"))
}

func sendEvent(w io.Writer, e store.Event) error {
	data := map[string]any{}
	if len(e.Data) > 0 {
		if err := json.Unmarshal(e.Data, &data); err != nil {
			data = map[string]any{}
		}
	}
	data["object_id"] = e.Object
	if e.Message != "" {
		data["message"] = e.Message
	}
	if _, ok := data["created"]; !ok {
		data["created"] = e.Created
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", bytes.Map(oneLine, []byte(e.Event)), text)
	return err
}

// oneLine keeps an event's name, which a client chose, from ending its line.
func oneLine(r rune) rune {
	if r < ' ' {
		return -1
	}
	return r
}
