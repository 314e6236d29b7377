package httpserver

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"ahriman/transport/api"
)

// listener makes what net/http refuses by itself, before any handler sees it, a
// refusal like all others. net/http has no hook for that: it writes a text of its
// own to the connection when a request is none (a line that is no request line,
// no Host, a header that is too long, plain HTTP where TLS is spoken). What it
// says inside of TLS stays its own: it would not see that TLS is spoken, nor
// HTTP/2, by a connection that is not a *tls.Conn.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if _, encrypted := c.(*tls.Conn); encrypted || err != nil {
		return c, err
	}
	return &conn{Conn: c}, nil
}

// conn is a connection that has a request handled, or waits for one. It keeps
// what net/http looks for in a *net.TCPConn.
type conn struct {
	net.Conn
	handled atomic.Bool // what is written is a handler's, and nothing to look at
}

// connOf is the key of a request's conn in its context.
type connOf struct{}

func (c *conn) Write(p []byte) (int, error) {
	if c.handled.Load() || !bytes.HasPrefix(p, []byte("HTTP/1.")) { // TLS begins otherwise
		return c.Conn.Write(p)
	}
	refusal, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p)), nil)
	if err != nil || refusal.StatusCode < http.StatusBadRequest {
		return c.Conn.Write(p)
	}
	defer refusal.Body.Close()
	why, err := io.ReadAll(refusal.Body)
	if err != nil {
		return c.Conn.Write(p)
	}
	body, err := json.Marshal(api.ErrorBody{Error: cmp.Or(strings.TrimSpace(string(why)), refusal.Status)})
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(c.Conn, "HTTP/1.1 %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", refusal.Status, len(body), body)
	return len(p), err
}

// ReadFrom lets the kernel copy files.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets the other side read a refusal before the connection is gone.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
