// Package sshdial connects to workers through SSH. It reads the ssh_config(5),
// the known_hosts and the keys that the OpenSSH client would, and needs no such
// client on this machine.
//
// Deliberately stricter than ssh: StrictHostKeyChecking is not asked, an unknown
// host key is always an error until it is accepted by its fingerprint; and there
// are no passwords, only keys.
package sshdial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"ahriman/core/build"

	"golang.org/x/crypto/ssh"
)

// ErrDead is why a connection ended whose other end was silent for too long. It
// is a net.Error.
var ErrDead error = deadError{}

type deadError struct{}

var _ net.Error = deadError{}

func (deadError) Error() string   { return "the connection is dead: nothing comes from the other end" }
func (deadError) Timeout() bool   { return true }
func (deadError) Temporary() bool { return true }

// maxJumps bounds a chain of ProxyJump.
const maxJumps = 8

// Config is how to connect. The zero value is what the ssh command would do.
type Config struct {
	Home         string // whose .ssh counts; empty: the user's
	LocalUser    string // empty: who runs this program
	UserConfig   string // empty: .ssh/config in Home
	SystemConfig string // empty: /etc/ssh/ssh_config
	// SystemKnownHosts are the machine's own, separated by spaces; empty: those in /etc/ssh.
	SystemKnownHosts string
	Getenv           func(string) string // nil: os.Getenv

	// Passphrase asks for that of a key file, on a terminal: one at a time, once
	// for all hosts, and again when it was wrong. nil: encrypted keys are of use
	// through the agent only.
	Passphrase func(ctx context.Context, path string) ([]byte, error)

	// Interval is how often a sign of life is asked for; 0: 5 s. A connection
	// from which nothing has come for Silence is closed; 0: 25 s.
	Interval, Silence time.Duration
}

// Dialer connects to targets. It is safe for concurrent use.
type Dialer struct {
	config Config
	opened openedKeys
}

// New returns a Dialer.
func New(config Config) (*Dialer, error) {
	if config.Getenv == nil {
		config.Getenv = os.Getenv
	}
	if config.LocalUser == "" || config.Home == "" {
		self, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("preparing to connect through SSH: %w", err)
		}
		if config.LocalUser == "" {
			config.LocalUser = self.Username
		}
		if config.Home == "" { // as ssh: $HOME does not count
			config.Home = self.HomeDir
		}
	}
	if config.UserConfig == "" {
		config.UserConfig = filepath.Join(config.Home, ".ssh/config")
	}
	if config.SystemConfig == "" {
		config.SystemConfig = "/etc/ssh/ssh_config"
	}
	if config.SystemKnownHosts == "" {
		config.SystemKnownHosts = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
	}
	if config.Interval == 0 {
		config.Interval = 5 * time.Second
	}
	if config.Silence == 0 {
		config.Silence = 25 * time.Second
	}
	return &Dialer{config: config, opened: openedKeys{turn: make(chan struct{}, 1), keys: map[string]ssh.Signer{}}}, nil
}

// Dial connects to the target, through those that its configuration names as
// ProxyJump. The error wraps a *HostKeyError or an *AuthError where that is what
// is wrong; it is build.ErrUnusable where it will be the same until somebody
// changes something. The connection outlives ctx; it must be closed. accept are fingerprints,
// SHA256:…, of host keys to add to known_hosts when a host that is not known yet
// shows them.
func (d *Dialer) Dial(ctx context.Context, t Target, accept ...string) (*Client, error) {
	h, err := d.lookUp(ctx, t)
	if err != nil {
		return nil, err
	}
	return d.route(ctx, t, h, 0, accept)
}

// route connects to a host through its jumps. As with ssh, the first of them may
// have jumps of its own in the configuration; those of the others do not count.
func (d *Dialer) route(ctx context.Context, t Target, h *host, depth int, accept []string) (*Client, error) {
	if depth+len(h.jumps) > maxJumps {
		return nil, build.Unusable(fmt.Errorf("connecting to %s: more than %d hosts on the way", t, maxJumps))
	}
	if h.proxyCommand != "" {
		return nil, build.Unusable(fmt.Errorf("connecting to %s: the ProxyCommand of %s is not supported: use ProxyJump", t, h.asked))
	}
	var via *Client
	for i, jump := range h.jumps {
		next, err := d.lookUp(ctx, jump)
		switch {
		case err != nil && via != nil:
			via.Close()
		case err == nil && i == 0:
			via, err = d.route(ctx, t, next, depth+len(h.jumps), accept)
		case err == nil:
			via, err = d.connect(ctx, t, next, via, accept)
		}
		if err != nil {
			return nil, err
		}
	}
	return d.connect(ctx, t, h, via, accept)
}

// connect makes one connection, through via unless that is nil. It owns via.
func (d *Dialer) connect(ctx context.Context, t Target, h *host, via *Client, accept []string) (client *Client, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	limit := time.AfterFunc(h.timeout, func() { stop(fmt.Errorf("no answer within %s", h.timeout)) })
	defer limit.Stop()
	defer func() {
		if err != nil && via != nil {
			via.Close()
		}
	}()
	checked, err := openHostKeys(t, h, accept)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if via != nil {
		conn, err = via.ssh.DialContext(ctx, "tcp", h.address())
		if refused, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
			err = fmt.Errorf("%s forwards nothing to it: %w", via.ssh.RemoteAddr(), err)
			if refused.Reason == ssh.Prohibited {
				err = build.Unusable(err)
			}
		}
	} else {
		conn, err = d.tcp(ctx, h)
	}
	if err != nil {
		return nil, d.failure(ctx, t, h, err)
	}
	watched := newWatched(conn)
	hurry := context.AfterFunc(ctx, func() { watched.Close() })
	defer hurry()
	keys := d.openKeyring(ctx, h, limit)
	defer keys.close()
	made, channels, requests, err := ssh.NewClientConn(watched, h.address(), &ssh.ClientConfig{
		User: h.user, HostKeyCallback: checked.check, HostKeyAlgorithms: checked.algorithms(),
		Auth:          []ssh.AuthMethod{ssh.PublicKeys(keys.signers...)},
		ClientVersion: "SSH-2.0-ahriman",
	})
	if err != nil {
		watched.Close()
		if denied(err) {
			refused := &AuthError{Target: t, Host: h.address(), User: h.user, Tried: keys.tried, Notes: keys.notes}
			return nil, fmt.Errorf("connecting to %s: %w", t, build.Unusable(refused))
		}
		return nil, d.failure(ctx, t, h, err)
	}
	return newClient(t, ssh.NewClient(made, channels, requests), watched, via, d.config.Interval, d.config.Silence), nil
}

// tcp connects to a host directly.
func (d *Dialer) tcp(ctx context.Context, h *host) (net.Conn, error) {
	dialer := &net.Dialer{}
	if h.sourceAddress != "" {
		ip := net.ParseIP(h.sourceAddress)
		if ip == nil {
			return nil, build.Unusable(fmt.Errorf("BindAddress %q is no address", h.sourceAddress))
		}
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return dialer.DialContext(ctx, h.network, h.address())
}

// failure words an error of connecting.
func (d *Dialer) failure(ctx context.Context, t Target, h *host, err error) error {
	var key *HostKeyError
	if errors.As(err, &key) {
		return fmt.Errorf("connecting to %s: %w", t, build.Unusable(key))
	}
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: it hung up before anybody logged in (MaxStartups, a ban, or no sshd)", err)
	}
	return fmt.Errorf("connecting to %s: %s: %w", t, h.address(), err)
}

// denied says whether the log-in, and nothing before it, went wrong. There is
// no type for it when no method is left.
func denied(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "unable to authenticate") || strings.Contains(text, "too many authentication failures")
}
