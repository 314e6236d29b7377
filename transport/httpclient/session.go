package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"ahriman/transport/api"

	"github.com/google/uuid"
)

// session is the log-in. ahriman's client logs in once, before its first
// request, and ignores a refusal: a node without log-in refuses too.
type session struct {
	mu      sync.Mutex
	tried   bool
	cookie  string
	refusal error // of the last log-in, for messages
}

// cookie returns the session's cookie, logging in when that was not tried yet.
// It is empty when there is no session.
func (c *Client) cookie(ctx context.Context) (string, error) {
	if c.config.Username == "" || c.config.Token != "" {
		return "", nil
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.session.tried {
		return c.session.cookie, nil
	}
	return c.login(ctx)
}

// renew logs in again, unless another request did since the stale cookie.
func (c *Client) renew(ctx context.Context, stale string) (string, error) {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	if c.session.cookie != stale {
		return c.session.cookie, nil
	}
	return c.login(ctx)
}

// login posts the credentials; the caller holds the lock. Only a node that
// cannot be reached is an error.
func (c *Client) login(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout,
		api.Errorf(api.ErrUnavailable, "no answer to the log-in within %s", c.config.Timeout))
	defer cancel()
	request, err := c.request(ctx, call{
		method: http.MethodPost, path: api.PathLogin,
		body: api.Login{Username: c.config.Username, Password: c.config.Password},
	}, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(api.HeaderRequestID, uuid.NewString())
	c.authorize(request, "")
	response, err := c.http.Do(request)
	if err != nil {
		return "", causeOf(ctx, err)
	}
	defer response.Body.Close()
	c.session.cookie, c.session.refusal = "", nil
	for _, cookie := range response.Cookies() {
		if cookie.Name == api.CookieSession {
			c.session.cookie = cookie.Value
		}
	}
	if c.session.cookie == "" {
		c.session.refusal = errors.New("no session given")
	}
	if err := answer(response, nil); errors.Is(err, api.ErrUnavailable) {
		return "", err
	} else if err != nil && response.StatusCode >= 400 {
		c.session.refusal = err
	}
	c.session.tried = true
	return c.session.cookie, nil
}

// authorize adds what ahriman's client adds: Basic credentials, and the cookie
// with its value in double quotes.
func (c *Client) authorize(request *http.Request, cookie string) {
	switch {
	case c.config.Token != "":
		request.Header.Set("Authorization", "Bearer "+c.config.Token)
	case c.config.Username != "":
		request.SetBasicAuth(c.config.Username, c.config.Password)
	}
	if cookie != "" {
		request.Header.Set("Cookie", fmt.Sprintf("%s=%q", api.CookieSession, cookie))
	}
}

// loginRefusal returns why there is no session, nil when there is or no log-in
// was wanted.
func (c *Client) loginRefusal() error {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.refusal
}
