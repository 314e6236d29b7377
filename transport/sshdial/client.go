package sshdial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Client is a connection to a target. It is safe for concurrent use.
type Client struct {
	target Target
	ssh    *ssh.Client
	conn   *watched
	via    *Client // which the connection goes through; nil: directly
	stop   chan struct{}
	once   sync.Once
	wait   sync.WaitGroup
	reason atomic.Pointer[error]
}

func newClient(t Target, made *ssh.Client, conn *watched, via *Client, interval, silence time.Duration) *Client {
	c := &Client{target: t, ssh: made, conn: conn, via: via, stop: make(chan struct{})}
	c.wait.Go(func() { c.keepAlive(interval, silence) })
	c.wait.Go(func() { // the connection may end by itself
		_ = made.Wait()
		c.end(io.EOF)
	})
	return c
}

// Target is what the client is connected to.
func (c *Client) Target() Target { return c.target }

// SSH is the connection itself, for protocols that want it.
func (c *Client) SSH() *ssh.Client { return c.ssh }

// Close ends the connection, and those that it goes through.
func (c *Client) Close() error {
	c.end(net.ErrClosed)
	c.wait.Wait()
	if c.via != nil {
		return c.via.Close()
	}
	return nil
}

// Done is closed when the connection has ended; Err says why then.
func (c *Client) Done() <-chan struct{} { return c.stop }

// Err is nil while the connection stands; afterwards ErrDead, net.ErrClosed
// after Close, or io.EOF when the other end has gone.
func (c *Client) Err() error {
	if reason := c.reason.Load(); reason != nil {
		return *reason
	}
	return nil
}

func (c *Client) end(reason error) {
	c.once.Do(func() {
		c.reason.Store(&reason)
		close(c.stop)
		c.conn.Close() // not the SSH connection: saying good-bye could block
	})
}

// keepAlive asks for signs of life. Whatever comes counts, so that an answer
// that queues behind a large transfer does no harm.
func (c *Client) keepAlive(interval, silence time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	for {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		if time.Since(c.conn.lastRead()) >= silence {
			c.end(ErrDead)
			return
		}
		select {
		case <-answered:
			c.wait.Go(func() { // asking blocks when nothing can be sent
				_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil)
				answered <- struct{}{}
			})
		default: // still waiting
		}
	}
}

// explain puts why the connection ended in the place of what came of it.
func (c *Client) explain(err error) error {
	if reason := c.Err(); reason != nil && err != nil {
		return reason
	}
	return err
}

// Output limits of Run.
const maxOutput = 1 << 20

// CommandError says that a command on the other end did not end well.
type CommandError struct {
	Target  Target
	Command string
	Status  int    // as a shell counts; -1: it did not say
	Stderr  string // what it said, shortened
}

func (e *CommandError) Error() string {
	text := fmt.Sprintf("running a command on %s: exit status %d", e.Target, e.Status)
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	return text
}

// Run runs a command through the login shell of the other end and returns its
// standard output, 1 MiB at most. The error is a *CommandError when the command
// ran and failed. When ctx ends, the command is sent SIGTERM and left alone.
func (c *Client) Run(ctx context.Context, command string, stdin io.Reader) ([]byte, error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	out, complaint := &limited{limit: maxOutput}, &limited{limit: 4 << 10}
	session.Stdin, session.Stdout, session.Stderr = stdin, out, complaint
	done := make(chan error, 1)
	go func() { done <- session.Run(command) }() // ends with the connection at the latest
	select {
	case err = <-done:
	case <-ctx.Done(): // sshd keeps the channel while the command lives
		_ = session.Signal(ssh.SIGTERM)
		return nil, context.Cause(ctx)
	}
	var status *ssh.ExitError
	var silent *ssh.ExitMissingError
	switch {
	case errors.As(err, &status):
		return out.Bytes(), &CommandError{Target: c.target, Command: command, Status: exitStatus(status), Stderr: complaint.line()}
	case errors.As(err, &silent) && c.Err() == nil:
		return out.Bytes(), &CommandError{Target: c.target, Command: command, Status: -1, Stderr: complaint.line()}
	case err != nil:
		return out.Bytes(), fmt.Errorf("running a command on %s: %w", c.target.String(), c.explain(err))
	}
	return out.Bytes(), nil
}

func exitStatus(e *ssh.ExitError) int {
	if e.Signal() != "" {
		return 128
	}
	return e.ExitStatus()
}

// Where sshd allows few sessions (MaxSessions), one that has ended counts for a
// moment longer.
const (
	sessionTries = 10
	sessionPause = 100 * time.Millisecond
)

// Session opens a channel for a command or a subsystem.
func (c *Client) Session(ctx context.Context) (*ssh.Session, error) {
	type opened struct {
		session *ssh.Session
		err     error
	}
	done := make(chan opened, 1)
	go func() {
		var o opened
		for try := 1; ; try++ {
			o.session, o.err = c.ssh.NewSession()
			var refused *ssh.OpenChannelError
			if try == sessionTries || !errors.As(o.err, &refused) {
				break
			}
			select {
			case <-time.After(sessionPause):
				continue
			case <-ctx.Done():
			}
			break
		}
		done <- o
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, fmt.Errorf("opening a session on %s: %w", c.target.String(), c.explain(o.err))
		}
		return o.session, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.session != nil {
				o.session.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// Pipe starts a command on the other end and returns its standard input and
// output as a connection, whose deadlines cannot be set. Closing it closes the
// command's input and the channel. What the command says on standard error is
// part of the error that reading ends with.
func (c *Client) Pipe(ctx context.Context, command string) (net.Conn, error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, err
	}
	p := &pipe{client: c, session: session, complaint: &limited{limit: 4 << 10}}
	p.ended = sync.OnceValue(p.end)
	session.Stderr = p.complaint
	if p.in, err = session.StdinPipe(); err == nil {
		p.out, err = session.StdoutPipe()
	}
	if err == nil {
		defer context.AfterFunc(ctx, func() { session.Close() })()
		err = session.Start(command)
	}
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("running a command on %s: %w", c.target.String(), c.explain(err))
	}
	return p, nil
}

// pipe is a command as a connection.
type pipe struct {
	client    *Client
	session   *ssh.Session
	in        io.Writer
	out       io.Reader
	complaint *limited
	ended     func() error // how the command ended; may be called again
}

// end waits for the command.
func (p *pipe) end() error {
	var status *ssh.ExitError
	if errors.As(p.session.Wait(), &status) && status.ExitStatus() != 0 {
		return &CommandError{Target: p.client.target, Status: exitStatus(status), Stderr: p.complaint.line()}
	}
	return io.EOF
}

// Read implements net.Conn.
func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if err == nil {
		return n, nil
	}
	if reason := p.client.Err(); reason != nil {
		return n, reason
	}
	if errors.Is(err, io.EOF) {
		return n, p.ended()
	}
	return n, err
}

// Write implements net.Conn.
func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.in.Write(b)
	return n, p.client.explain(err)
}

// Close implements net.Conn. The end of the channel is that of the command's
// input, which is not ended by itself: that may not be done beside a Write.
func (p *pipe) Close() error {
	if err := p.session.Close(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (p *pipe) LocalAddr() net.Addr              { return p.client.ssh.LocalAddr() }
func (p *pipe) RemoteAddr() net.Addr             { return p.client.ssh.RemoteAddr() }
func (p *pipe) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (p *pipe) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (p *pipe) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// limited keeps the beginning of what is written to it.
type limited struct {
	limit int

	mu sync.Mutex
	b  bytes.Buffer
}

func (l *limited) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(b[:min(len(b), l.limit-l.b.Len())])
	return len(b), nil
}

// Bytes returns what was kept.
func (l *limited) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// line is what was kept, as part of a message.
func (l *limited) line() string {
	return string(bytes.ReplaceAll(bytes.TrimSpace(l.Bytes()), []byte("\n"), []byte("; ")))
}

// watched is a connection that knows when something came last.
type watched struct {
	net.Conn
	last atomic.Int64 // unix nanoseconds
}

func newWatched(conn net.Conn) *watched {
	w := &watched{Conn: conn}
	w.last.Store(time.Now().UnixNano())
	return w
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.last.Store(time.Now().UnixNano())
	}
	return n, err
}

func (w *watched) lastRead() time.Time { return time.Unix(0, w.last.Load()) }
