package httpserver

import (
	"math"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/transport/api"
)

func lineOf(r api.LogRecord) store.LogLine {
	return store.LogLine{Created: r.Created, Message: r.Message, Version: r.Version, Process: r.ProcessID}
}

func (s *Server) postLog(c *call, id alpm.RepositoryID, in api.LogRecord) (nothing, error) {
	return nothing{}, s.config.Store.AddLogs(c.Context(), id, c.base(), []store.LogLine{lineOf(in)})
}

func (s *Server) postLogs(c *call, id alpm.RepositoryID, in api.LogBatch) (nothing, error) {
	lines := make([]store.LogLine, len(in.Records))
	for i, r := range in.Records {
		lines[i] = lineOf(r)
	}
	return nothing{}, s.config.Store.AddLogs(c.Context(), id, c.base(), lines)
}

// getLogs answers with all that is kept of a base as one text.
func (s *Server) getLogs(c *call, id alpm.RepositoryID, _ nothing) (api.Logs, error) {
	record, err := s.known(c, id)
	if err != nil {
		return api.Logs{}, err
	}
	lines, err := s.config.Store.Logs(c.Context(), id, c.base(), store.LogQuery{})
	if err != nil {
		return api.Logs{}, err
	}
	var text strings.Builder
	for i, line := range lines {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(time.Unix(int64(line.Created), 0).UTC().Format("[2006-01-02 15:04:05] "))
		text.WriteString(line.Message)
	}
	return api.Logs{PackageBase: c.base(), Status: entryOf(id, record).Status, Logs: text.String()}, nil
}

func (s *Server) getLogsV2(c *call, id alpm.RepositoryID, _ nothing) ([]api.LogRecord, error) {
	paging, err := api.ParsePaging(c.query)
	if err != nil {
		return nil, err
	}
	head, err := boolean(c, api.QueryHead)
	if err != nil {
		return nil, err
	}
	if _, err := s.known(c, id); err != nil {
		return nil, err
	}
	records := []api.LogRecord{}
	if paging.Limit == 0 {
		return records, nil
	}
	lines, err := s.config.Store.Logs(c.Context(), id, c.base(), store.LogQuery{
		Version: c.query.Get(api.QueryVersion), Process: c.query.Get(api.QueryProcessID), Head: head,
		Limit: paging.Limit, Offset: paging.Offset,
	})
	for _, l := range lines {
		records = append(records, api.LogRecord{Created: l.Created, Message: l.Message, ProcessID: l.Process, Version: l.Version})
	}
	return records, err
}

func (s *Server) deleteLogs(c *call, id alpm.RepositoryID, _ nothing) (nothing, error) {
	return nothing{}, s.config.Store.RemoveLogs(c.Context(), id, c.base(), c.query.Get(api.QueryVersion))
}

func (s *Server) rotateLogs(c *call, id alpm.RepositoryID, _ nothing) (nothing, error) {
	keep, err := number(c, api.QueryKeepLastRecords)
	if err == nil && keep < 0 {
		err = api.Errorf(api.ErrBadRequest, "%s must be non-negative, got %d", api.QueryKeepLastRecords, keep)
	}
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, s.config.Store.RotateLogs(c.Context(), id, int(keep), c.who.bases...)
}

func (s *Server) getEvents(c *call, id alpm.RepositoryID, _ nothing) ([]api.Event, error) {
	paging, err := api.ParsePaging(c.query)
	if err != nil {
		return nil, err
	}
	from, err := number(c, api.QueryFromDate)
	if err != nil {
		return nil, err
	}
	to, err := number(c, api.QueryToDate)
	if err != nil {
		return nil, err
	}
	list := []api.Event{}
	if paging.Limit == 0 {
		return list, nil
	}
	if err := c.who.aboutObject(c); err != nil {
		return nil, err
	}
	events, err := s.config.Store.Events(c.Context(), id, store.EventQuery{
		Event: c.query.Get(api.QueryEvent), Object: c.query.Get(api.QueryObjectID), From: from, To: to,
		Limit: paging.Limit, Offset: paging.Offset,
	})
	for _, e := range events {
		list = append(list, eventOf(e))
	}
	return list, err
}

func eventOf(e store.Event) api.Event {
	return api.Event{Event: api.EventKind(e.Event), ObjectID: e.Object, Created: e.Created, Message: e.Message, Data: e.Data}
}

func (s *Server) postEvent(c *call, id alpm.RepositoryID, in api.Event) (nothing, error) {
	if err := c.who.about(in.ObjectID); err != nil {
		return nothing{}, err
	}
	if string(in.Data) == "null" { // as if it were not there
		in.Data = nil
	}
	return nothing{}, s.config.Store.AddEvent(c.Context(), id, store.Event{
		Event: string(in.Event), Object: in.ObjectID, Created: in.Created, Message: in.Message, Data: in.Data,
	})
}

// number reads a query's value as a whole number, perhaps written as a
// fraction; 0 when it is missing.
func number(c *call, name string) (int64, error) {
	text := c.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > 1<<53 {
		return 0, api.Errorf(api.ErrBadRequest, "%s must be a number, got %q", name, text)
	}
	return int64(n), nil
}

// boolean reads a query's value as yes or no; missing is no.
func boolean(c *call, name string) (bool, error) {
	switch text := strings.ToLower(c.query.Get(name)); text {
	case "", "false", "0", "no", "off", "f", "n":
		return false, nil
	case "true", "1", "yes", "on", "t", "y":
		return true, nil
	default:
		return false, api.Errorf(api.ErrBadRequest, "%s must be true or false, got %q", name, text)
	}
}
