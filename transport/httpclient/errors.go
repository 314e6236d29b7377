package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"ahriman/core/build"
	"ahriman/transport/api"
)

// Error is a call that did not succeed. It unwraps to what the node said (an
// *api.Error or *api.Conflict) or to the network's error. It never holds
// credentials.
type Error struct {
	What    string // what was being done
	Address string // of the node
	Err     error
	hint    string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.What, e.Address, e.Err) }

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it; it may be empty.
func (e *Error) Hint() string { return e.hint }

// moved is a redirect, which is not followed.
type moved struct {
	to     string
	status int
}

func (m *moved) Error() string {
	return fmt.Sprintf("%d %s to %s", m.status, http.StatusText(m.status), m.to)
}

// explain makes the error a person reads.
func (c *Client) explain(call call, err error) error {
	e := &Error{What: call.what, Address: c.address, Err: err}
	if r, ok := errors.AsType[*refused](err); ok {
		e.Err = r.error
	}
	e.hint = c.hint(call, err)
	return e
}

func (c *Client) hint(call call, err error) string {
	var unknownCA x509.UnknownAuthorityError
	op, isOp := errors.AsType[*net.OpError](err)
	_, isMoved := errors.AsType[*moved](err)
	own, hasOwn := errors.AsType[interface {
		error
		Hint() string
	}](err)
	switch {
	case hasOwn: // of whoever dials
		return own.Hint()
	case errors.Is(err, errStranger):
		return "is the address right?"
	case isMoved:
		return "put the address it redirects to into the configuration"
	case errors.Is(err, api.ErrUnauthorized):
		return c.loginHint()
	case errors.Is(err, api.ErrForbidden) && call.form != nil:
		return "the master takes what a key of its sign.verify has signed (ahriman sign), by a user with access: ahriman user-list there"
	case errors.Is(err, api.ErrForbidden) && c.config.Token != "":
		return "ahriman user-list there shows what the user of the token may do"
	case errors.Is(err, api.ErrForbidden):
		return fmt.Sprintf("the user %s there needs more access; see ahriman user-add --help", c.config.Username)
	case errors.Is(err, api.ErrConflict):
		return "a file name never changes its bytes: raise pkgrel and build again"
	case call.form != nil && errors.Is(err, api.ErrNotFound):
		return "the node takes uploads only with web.enable_archive_upload = yes"
	case isOp && op.Op == "dial" && c.config.Dial == nil:
		return "is ahriman web running there, and is the address right?"
	case errors.As(err, &unknownCA):
		return "add the certificate's authority to this machine's trusted ones"
	}
	return ""
}

// mending makes an error build.ErrUnusable that the worker, its address or the
// credential for it gives until somebody changes them.
func mending(err error) error {
	_, elsewhere := errors.AsType[*moved](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, notTLS := errors.AsType[tls.RecordHeaderError](err)
	_, noJSON := errors.AsType[*json.SyntaxError](err)
	noHTTP := strings.Contains(err.Error(), "malformed HTTP ") // which has no type
	if elsewhere || untrusted || notTLS || noJSON || noHTTP || errors.Is(err, errStranger) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.Is(err, api.ErrUnauthorized) || errors.Is(err, api.ErrForbidden) {
		return build.Unusable(err)
	}
	return err
}

func (c *Client) loginHint() string {
	switch {
	case c.config.Token != "":
		return "the node does not know this token, or it has expired: put a new one of ahriman user-add --token into status.token"
	case c.config.Username == "":
		return "set status.username and status.password"
	}
	if refusal := c.loginRefusal(); refusal != nil {
		return fmt.Sprintf("the log-in of %s was refused (%s): check status.username and status.password", c.config.Username, refusal)
	}
	return fmt.Sprintf("the node does not accept the session of %s", c.config.Username)
}
