package httpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ahriman/transport/api"

	"github.com/google/uuid"
)

// Bounds of what is read from a node.
const (
	maxAnswer   = 256 << 20 // bytes of JSON
	maxRefusal  = 64 << 10  // bytes of an error's body
	maxBackoff  = time.Minute
	jsonContent = "application/json"
)

// call is one request, described so that it can be sent again.
type call struct {
	what   string // for messages: "uploading foo", "asking for the status"
	method string
	path   string
	query  url.Values
	body   any         // sent as JSON; nil: no body
	into   any         // filled from the answer's JSON; nil: it is dropped
	form   *form       // sent instead of body
	file   *section    // likewise
	header http.Header // sent besides; may be nil
	// take reads an answer of success instead of into.
	take func(*http.Response) error
	// refused sees the head of an answer that is a refusal; may be nil.
	refused func(*http.Response)
	// still is how long nothing may move, in the place of Timeout; 0: the whole
	// exchange has to fit into Timeout.
	still time.Duration
	safe  bool          // sending it twice does what sending it once does
	wait  time.Duration // time the server may take beyond Timeout
}

// do sends the call until it is answered, refused, or no retry is left.
func (c *Client) do(ctx context.Context, call call) error {
	id := uuid.NewString()
	var last error
	for attempt := 0; ; attempt++ {
		err := c.attempt(ctx, call, id)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return c.cutShort(ctx, call, last)
		}
		last = err
		again, after := retryable(err, call.safe)
		if !again || attempt >= c.config.MaxRetries {
			return c.explain(call, err)
		}
		if pause(ctx, max(after, c.backoff(attempt))) != nil {
			return c.cutShort(ctx, call, last)
		}
	}
}

// cutShort is the error of a call that its context ended: that time was short
// says less than what the node did before, if anything.
func (c *Client) cutShort(ctx context.Context, call call, last error) error {
	cause := ctx.Err()
	if errors.Is(cause, context.DeadlineExceeded) {
		if last != nil {
			return c.explain(call, last)
		}
		cause = context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", call.what, cause)
}

// once sends the call and leaves it to the caller what to do about a failure.
func (c *Client) once(ctx context.Context, call call) error {
	err := c.attempt(ctx, call, uuid.NewString())
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", call.what, ctx.Err())
	}
	return c.explain(call, err)
}

// attempt sends the call once, or twice when the session turns out to be over.
func (c *Client) attempt(ctx context.Context, call call, id string) error {
	cookie, err := c.cookie(ctx)
	if err != nil {
		return err
	}
	err = c.exchange(ctx, call, id, cookie)
	if cookie == "" || !errors.Is(err, api.ErrUnauthorized) {
		return err
	}
	if cookie, err = c.renew(ctx, cookie); err != nil {
		return err
	}
	return c.exchange(ctx, call, id, cookie)
}

// exchange sends one request and reads the answer.
func (c *Client) exchange(ctx context.Context, call call, id, cookie string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := c.config.Timeout + call.wait
	silence := "no answer within %s"
	if call.form != nil {
		limit, silence = c.config.Timeout, "nothing moved for %s"
	}
	if call.still > 0 {
		limit, silence = call.still, "nothing moved for %s"
	}
	timer := time.AfterFunc(limit, func() { cancel(api.Errorf(api.ErrUnavailable, silence, limit)) })
	defer timer.Stop()

	request, err := c.request(ctx, call, timer)
	if err != nil {
		return err
	}
	request.Header.Set(api.HeaderRequestID, id)
	c.authorize(request, cookie)
	response, err := c.http.Do(request)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer response.Body.Close()
	if call.take != nil && response.StatusCode < 300 {
		response.Body = &moving{ReadCloser: response.Body, timer: timer, still: call.still}
		err = call.take(response)
	} else {
		if call.refused != nil && response.StatusCode >= 300 {
			call.refused(response)
		}
		err = answer(response, call.into)
	}
	if err != nil {
		return causeOf(ctx, err)
	}
	return nil
}

// request builds the HTTP request. A form restarts the timer as it is read.
func (c *Client) request(ctx context.Context, call call, timer *time.Timer) (*http.Request, error) {
	var body io.Reader
	if call.body != nil {
		data, err := json.Marshal(call.body)
		if err != nil {
			return nil, fmt.Errorf("encoding %T: %w", call.body, err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, call.method, c.url(call.path, call.query), body)
	if err != nil {
		return nil, err
	}
	if call.header != nil {
		request.Header = call.header.Clone()
	}
	request.Header.Set("User-Agent", c.config.UserAgent)
	request.Header.Set("Accept", "*/*")
	switch {
	case call.body != nil:
		request.Header.Set("Content-Type", jsonContent)
	case call.form != nil:
		if err := call.form.attach(request, timer, c.config.Timeout, c.config.Timeout+call.wait); err != nil {
			return nil, err
		}
	case call.file != nil:
		if err := call.file.attach(request, timer, call.still); err != nil {
			return nil, err
		}
	}
	return request, nil
}

func (c *Client) url(path string, query url.Values) string {
	u := c.base.String() + path // path is escaped already
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// answer reads a response: a refusal becomes an error, JSON goes into into.
func answer(response *http.Response, into any) error {
	if response.StatusCode >= 300 {
		return refusal(response)
	}
	if into == nil || response.StatusCode == http.StatusNoContent {
		_, err := io.Copy(io.Discard, io.LimitReader(response.Body, maxRefusal)) // so that the connection is used again
		return err
	}
	body := &io.LimitedReader{R: response.Body, N: maxAnswer}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		if body.N == 0 {
			return api.Errorf(api.ErrTooLarge, "the answer is longer than %d MiB", maxAnswer>>20)
		}
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// refused is a refusal that says when to come back.
type refused struct {
	error
	after time.Duration // 0: not said
}

func (r *refused) Unwrap() error { return r.error }

func refusal(response *http.Response) error {
	if location := response.Header.Get("Location"); response.StatusCode < 400 {
		return &moved{to: location, status: response.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err != nil {
		body = nil // the status says enough
	}
	err = api.ErrorOf(response.StatusCode, body)
	if seconds, parseErr := strconv.Atoi(response.Header.Get("Retry-After")); parseErr == nil && seconds > 0 {
		return &refused{err, min(time.Duration(seconds)*time.Second, maxBackoff)}
	}
	return err
}

// causeOf prefers why a context ended to the fact, and drops the URL, which
// callers add without its query.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// retryable reports whether a failed request may be sent again. One that may
// have been carried out is, only if that does no harm; one that never reached
// the node, or was put off by it, always is.
func retryable(err error, safe bool) (bool, time.Duration) {
	if r, ok := errors.AsType[*refused](err); ok {
		if errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrTooMany) {
			return true, r.after
		}
	}
	if errors.Is(err, api.ErrTooMany) {
		return true, 0
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true, 0
	}
	return safe && transient(err), 0
}

// transient reports whether an error is the network's or a passing state of the
// server, rather than a decision.
func transient(err error) bool {
	if errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrTooMany) {
		return true
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	// What happens to a connection of HTTP/2 has no type outside net/http.
	return strings.HasPrefix(err.Error(), "http2: ")
}

func (c *Client) backoff(attempt int) time.Duration { return backoff(c.config.Backoff, attempt) }

// backoff is how long to wait after so many failures before the last one.
func backoff(wait time.Duration, failures int) time.Duration {
	for range failures {
		if wait >= maxBackoff {
			break
		}
		wait *= 2
	}
	return min(wait, maxBackoff)
}

// pause waits, or returns why it was cut short.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
