// Package httpclient talks to a node over HTTP, a Python one or one of ours. It
// says on the wire what ahriman's own client says, and asks once, under
// /node/v1, whether the node can do better.
//
// A Client is a connection to a node: log-in, jobs, workers. Its Repository is
// one repository there: packages, status, logs, uploads.
package httpclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

// Config says where a node is and how to talk to it. Only Address is required.
type Config struct {
	// Address is http://…, https://… or http+unix://%2Frun%2Fahriman.sock. A path
	// in it is put before those of the API.
	Address string

	// Called is what messages call the node; empty: its address.
	Called string

	// Username and Password log in as ahriman's client does: once, for a
	// session, and as Basic credentials with each request. Empty: no log-in.
	Username, Password string

	// Token is sent as a Bearer token instead of logging in. Only nodes of ours
	// know tokens.
	Token string

	// Timeout is how long one request may take; of an upload, how long it may
	// stand still. Zero means DefaultTimeout, negative without end.
	Timeout time.Duration

	// MaxRetries is how often a request is sent again after a failure that may
	// pass, where doing it twice does no harm; Backoff is the wait before the
	// first of them, which doubles each time, up to a minute.
	MaxRetries int
	Backoff    time.Duration

	// UserAgent is sent as such; empty: "ahriman".
	UserAgent string

	// TLS is the configuration for https; nil: Go's own.
	TLS *tls.Config

	// Dial makes the connections, such as one through SSH; nil: a plain dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// HTTP2 speaks HTTP/2 without TLS, from the first byte on: all requests
	// share one connection, which pings keep an eye on.
	HTTP2 bool
}

// DefaultTimeout is ahriman's.
const DefaultTimeout = 30 * time.Second

// endless stands for no timeout.
const endless = 365 * 24 * time.Hour

// Client is a connection to a node. It is safe for concurrent use.
type Client struct {
	config  Config
	base    url.URL // without user information
	address string  // for messages
	http    *http.Client

	session session

	peerMu sync.Mutex
	peer   *api.Node // nil until asked
}

// Repository is one repository of a node.
type Repository struct {
	client *Client
	id     alpm.RepositoryID
}

// New checks the configuration. It does not talk to the node yet.
func New(config Config) (*Client, error) {
	base, socket, err := parseAddress(config.Address)
	if err != nil {
		return nil, err
	}
	if user := base.User; user != nil {
		if config.Username == "" {
			config.Username = user.Username()
			config.Password, _ = user.Password()
		}
		base.User = nil
	}
	switch {
	case config.Timeout == 0:
		config.Timeout = DefaultTimeout
	case config.Timeout < 0:
		config.Timeout = endless
	}
	if config.UserAgent == "" {
		config.UserAgent = "ahriman"
	}
	address := base.String()
	if socket != "" {
		address = "http+unix://" + socket
	}
	if config.Called != "" {
		address = config.Called
	}
	return &Client{
		config:  config,
		base:    *base,
		address: address,
		http: &http.Client{
			Transport: newTransport(config, socket),
			// A redirect means that the address is not the node's; following
			// it would take credentials where they were not meant to go.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func newTransport(config Config, socket string) *http.Transport {
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: config.Timeout, KeepAlive: 15 * time.Second}).DialContext
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		TLSClientConfig:        config.TLS,
		TLSHandshakeTimeout:    config.Timeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 1 << 20,
	}
	if config.Dial != nil {
		t.Proxy = nil
	}
	if config.HTTP2 {
		t.MaxConnsPerHost = 1
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
		t.HTTP2 = &http.HTTP2Config{
			MaxReceiveBufferPerConnection: 4<<20 - 1, MaxReceiveBufferPerStream: 4<<20 - 1, MaxReadFrameSize: 256 << 10,
			SendPingTimeout: 10 * time.Second, PingTimeout: 15 * time.Second,
		}
	}
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, "unix", socket)
		}
	}
	return t
}

// parseAddress returns the base of all URLs, and the path of the socket for
// http+unix.
func parseAddress(address string) (base *url.URL, socket string, err error) {
	if rest, ok := strings.CutPrefix(address, "http+unix://"); ok {
		host, path, _ := strings.Cut(rest, "/")
		socket, err := url.PathUnescape(host)
		if err != nil || !strings.HasPrefix(socket, "/") {
			return nil, "", fmt.Errorf("address %q: a socket is written as http+unix://%%2Fpath%%2Fto%%2Fsocket", address)
		}
		return &url.URL{Scheme: "http", Host: "localhost", Path: strings.TrimSuffix("/"+path, "/")}, socket, nil
	}
	base, err = url.Parse(address)
	if err != nil {
		// url.Parse repeats the address, and with it a password.
		return nil, "", fmt.Errorf("the address of the node is no URL")
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, "", fmt.Errorf("address %q: want http://, https:// or http+unix://", base.Redacted())
	}
	base.Path, base.RawPath = strings.TrimSuffix(base.Path, "/"), ""
	base.RawQuery, base.Fragment = "", ""
	return base, "", nil
}

// Address returns the node's address without credentials, or what it is called.
func (c *Client) Address() string { return c.address }

// Repository returns one repository of the node.
func (c *Client) Repository(id alpm.RepositoryID) *Repository {
	return &Repository{client: c, id: id}
}

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
