package api

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"ahriman/core/alpm"
)

// Names of query values.
const (
	QueryArchitecture    = "architecture"
	QueryRepository      = "repository"
	QueryLimit           = "limit"
	QueryOffset          = "offset"
	QueryVersion         = "version"
	QueryProcessID       = "process_id"
	QueryHead            = "head"
	QueryFor             = "for"
	QueryKey             = "key"
	QueryServer          = "server"
	QueryKeepLastRecords = "keep_last_records"
	QueryEvent           = "event"
	QueryObjectID        = "object_id"
	QueryFromDate        = "from_date"
	QueryToDate          = "to_date"

	// QueryWait (ours, PathNodeProcess): seconds to wait for the end before
	// answering, at most MaxWait. Missing or 0: answer at once.
	QueryWait = "wait"
)

// MaxWait is the longest a server holds a long poll open. It stays under the
// time after which proxies commonly give up on a silent answer.
const MaxWait = 30 * time.Second

// RepositoryQuery returns the query that names a repository.
func RepositoryQuery(id alpm.RepositoryID) url.Values {
	return url.Values{
		QueryArchitecture: {id.Architecture},
		QueryRepository:   {id.Name},
	}
}

// Paging is a window on a list. Limit -1 means all of it; note that the zero
// value asks for nothing, as limit=0 does on the wire.
type Paging struct {
	Limit  int // -1: no limit
	Offset int // elements skipped
}

// All is the window when a request names none.
func All() Paging { return Paging{Limit: -1} }

// ParsePaging reads limit and offset; what is missing is as in All. The error
// is ErrBadRequest.
func ParsePaging(query url.Values) (Paging, error) {
	p := All()
	for name, to := range map[string]*int{QueryLimit: &p.Limit, QueryOffset: &p.Offset} {
		if !query.Has(name) {
			continue
		}
		n, err := strconv.Atoi(query.Get(name))
		if err != nil {
			return Paging{}, Errorf(ErrBadRequest, "%s must be a number, got %q", name, query.Get(name))
		}
		*to = n
	}
	if p.Limit < -1 {
		return Paging{}, Errorf(ErrBadRequest, "Limit must be -1 or non-negative, got %d", p.Limit)
	}
	if p.Offset < 0 {
		return Paging{}, Errorf(ErrBadRequest, "Offset must be non-negative, got %d", p.Offset)
	}
	return p, nil
}

// AddTo writes the window into a query; the default is left out.
func (p Paging) AddTo(query url.Values) {
	if p.Limit != -1 {
		query.Set(QueryLimit, strconv.Itoa(p.Limit))
	}
	if p.Offset != 0 {
		query.Set(QueryOffset, strconv.Itoa(p.Offset))
	}
}

// Page cuts list to the window.
func Page[T any](list []T, p Paging) []T {
	list = list[min(p.Offset, len(list)):]
	if p.Limit >= 0 {
		list = list[:min(p.Limit, len(list))]
	}
	return list
}

// ParseWait reads QueryWait, capped at MaxWait. The error is ErrBadRequest.
func ParseWait(query url.Values) (time.Duration, error) {
	text := query.Get(QueryWait)
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0) {
		return 0, Errorf(ErrBadRequest, "wait must be a number of seconds, got %q", text)
	}
	if seconds >= MaxWait.Seconds() {
		return MaxWait, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// FormatWait writes a duration as QueryWait's value.
func FormatWait(d time.Duration) string {
	return fmt.Sprintf("%g", d.Seconds())
}
