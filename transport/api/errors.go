package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The kinds of refusal both ends know. A server's handler returns an error that
// is one of them (Errorf makes such); a client gets the same back and decides
// with errors.Is.
var (
	ErrBadRequest       = errors.New("bad request")
	ErrUnauthorized     = errors.New("not logged in")
	ErrForbidden        = errors.New("not allowed")
	ErrNotFound         = errors.New("not found")
	ErrMethodNotAllowed = errors.New("method not allowed")
	ErrConflict         = errors.New("conflict")
	ErrTooLarge         = errors.New("too large")
	ErrTooMany          = errors.New("too many requests")
	ErrHeaders          = errors.New("too many headers")
	ErrInternal         = errors.New("internal error")
	ErrUnavailable      = errors.New("unavailable")
)

// kinds is the error table: the first row whose sentinel or status fits wins.
func kinds() []struct {
	kind   error
	status int
} {
	return []struct {
		kind   error
		status int
	}{
		{ErrBadRequest, http.StatusBadRequest},
		{ErrUnauthorized, http.StatusUnauthorized},
		{ErrForbidden, http.StatusForbidden},
		{ErrNotFound, http.StatusNotFound},
		{ErrMethodNotAllowed, http.StatusMethodNotAllowed},
		{ErrConflict, http.StatusConflict},
		{ErrTooLarge, http.StatusRequestEntityTooLarge},
		{ErrTooMany, http.StatusTooManyRequests},
		{ErrHeaders, http.StatusRequestHeaderFieldsTooLarge},
		{ErrUnavailable, http.StatusServiceUnavailable},
		{ErrUnavailable, http.StatusBadGateway},
		{ErrUnavailable, http.StatusGatewayTimeout},
		{ErrInternal, http.StatusInternalServerError},
	}
}

// Error is a refusal: one of the sentinels and what the server says about it.
// It unwraps to the sentinel.
type Error struct {
	Kind    error  // one of the sentinels above
	Message string // the server's words; empty: the sentinel's
}

// Errorf makes an Error of one of the sentinels.
func Errorf(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Kind.Error()
	}
	return e.Message
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Kind }

// Conflict says that a file name is taken by other bytes: a file name never
// changes its bytes. It is ErrConflict.
type Conflict struct {
	File     string // base name
	Stored   string // SHA-256 of what the master has, hex
	Received string // SHA-256 of what was sent, hex
}

func (e *Conflict) Error() string {
	return fmt.Sprintf("%s is known with other bytes: stored sha256 %s, received sha256 %s", e.File, e.Stored, e.Received)
}

// Unwrap returns ErrConflict.
func (e *Conflict) Unwrap() error { return ErrConflict }

// ErrorBody is the body of a refusal. The digests are there (ours) when an
// upload meets other bytes under its name.
type ErrorBody struct {
	Error    string `json:"error"`
	File     string `json:"file,omitempty"`
	Stored   string `json:"stored_sha256,omitempty"`
	Received string `json:"received_sha256,omitempty"`
}

// StatusOf returns the status code and the body for an error. What is none of
// the sentinels is ErrInternal, and its text stays with the server: it may hold
// paths and names that are not the client's business.
func StatusOf(err error) (int, ErrorBody) {
	if conflict, ok := errors.AsType[*Conflict](err); ok {
		return http.StatusConflict, ErrorBody{
			Error: conflict.Error(), File: conflict.File, Stored: conflict.Stored, Received: conflict.Received,
		}
	}
	for _, row := range kinds() {
		if errors.Is(err, row.kind) {
			return row.status, ErrorBody{Error: err.Error()}
		}
	}
	return http.StatusInternalServerError, ErrorBody{Error: ErrInternal.Error()}
}

// maxErrorText bounds what a client repeats of a server's words, in bytes.
const maxErrorText = 1000

// ErrorOf turns a refusal back into an error: an *Error or a *Conflict. Body is
// what the server answered, perhaps cut; a page of HTML is not repeated.
func ErrorOf(status int, body []byte) error {
	var parsed ErrorBody
	if json.Unmarshal(body, &parsed) != nil {
		parsed.Error = plainText(body)
	}
	if status == http.StatusConflict && parsed.Stored != "" {
		return &Conflict{File: parsed.File, Stored: parsed.Stored, Received: parsed.Received}
	}
	e := &Error{Kind: kindOf(status), Message: cut(parsed.Error)}
	if e.Message == "" {
		e.Message = strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	}
	return e
}

func kindOf(status int) error {
	for _, row := range kinds() {
		if status == row.status {
			return row.kind
		}
	}
	if status >= 500 {
		return ErrInternal
	}
	return ErrBadRequest
}

// plainText returns body when it is one line a person can read, "" otherwise.
func plainText(body []byte) string {
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") || strings.HasPrefix(text, "{") || strings.ContainsAny(text, "\n\x00\x1b") {
		return ""
	}
	return text
}

func cut(text string) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	if len(text) > maxErrorText {
		return strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	return text
}
