package sshdial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"ahriman/core/build"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
)

// config is a client whose home is that of the server's test.
func config(s *sshtest.Server) sshdial.Config {
	return sshdial.Config{
		Home: s.Home, LocalUser: s.User, SystemConfig: "/dev/null", SystemKnownHosts: "/dev/null",
		Getenv: func(string) string { return "" },
	}
}

func target(t *testing.T, address string) sshdial.Target {
	t.Helper()
	target, err := sshdial.ParseTarget("ssh://" + address)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// dial connects, and closes at the end of the test.
func dial(t *testing.T, config sshdial.Config, address string, accept ...string) (*sshdial.Client, error) {
	t.Helper()
	d, err := sshdial.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Dial(t.Context(), target(t, address), accept...)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// works checks that a connection does.
func works(t *testing.T, c *sshdial.Client, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Run(t.Context(), "cat; echo out", strings.NewReader("in\n"))
	if err != nil || string(out) != "in\nout\n" {
		t.Errorf("Run: got %q, %v", out, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProxyJump(t *testing.T) {
	first := sshtest.Start(t, sshtest.Options{})
	last := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelay(t, first.Addr)
	key, err := os.ReadFile(filepath.Join(last.Home, ".ssh/id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(first.Home, ".ssh/last"), string(key))
	host, port, _ := net.SplitHostPort(last.Addr)
	_, relayPort, _ := net.SplitHostPort(relay.Addr)
	first.Configure(fmt.Sprintf(`
Host last
  HostName %s
  Port %s
  IdentityFile ~/.ssh/last
  ProxyJump one,two
Host one two
  HostName %s
  HostKeyAlias one
Host one
  Port %s
Host loop
  ProxyJump loop
`, host, port, host, relayPort) + "Host two\n  Port " + strings.Split(first.Addr, ":")[1] + "\n")
	known := knownhosts.Line([]string{"one"}, first.HostKey.PublicKey()) + "\n"
	write(t, filepath.Join(first.Home, ".ssh/known_hosts"), known)
	var problem *sshdial.HostKeyError
	if _, err := dial(t, config(first), "last"); !errors.As(err, &problem) || problem.Host != last.Addr || problem.Target.Host != "last" {
		t.Errorf("the last host is not known: got %v", err)
	}
	write(t, filepath.Join(first.Home, ".ssh/known_hosts"), known+knownhosts.Line([]string{last.Addr}, last.HostKey.PublicKey())+"\n")
	c, err := dial(t, config(first), "last")
	works(t, c, err)
	if _, err := dial(t, config(first), "loop"); err == nil || !strings.Contains(err.Error(), "hosts on the way") {
		t.Errorf("a loop: got %v", err)
	}
	relay.Cut() // the first of the way
	select {
	case <-c.Done():
	case <-time.After(time.Minute):
		t.Error("the connection stands without its first part")
	}
}

// TestNoWayThrough is about what stands between us and a host.
func TestNoWayThrough(t *testing.T) {
	gate, last := sshtest.Start(t, sshtest.Options{Config: "AllowTcpForwarding no"}), sshtest.Start(t, sshtest.Options{})
	known := knownhosts.Line([]string{gate.Addr}, gate.HostKey.PublicKey()) + "\n" + knownhosts.Line([]string{last.Addr}, last.HostKey.PublicKey()) + "\n"
	write(t, filepath.Join(gate.Home, ".ssh/known_hosts"), known)
	host, port, _ := net.SplitHostPort(last.Addr)
	conf := config(gate)
	for line, want := range map[string]struct {
		reason string
		passes bool // it may be otherwise in a moment
	}{
		"ProxyCommand nc %h %p":  {"the ProxyCommand of last is not supported: use ProxyJump", false},
		"ProxyJump " + gate.Addr: {"connecting to ssh://last: " + last.Addr + ": " + gate.Addr + " forwards nothing to it", false},
		"ProxyJump 127.0.0.1:1":  {"connecting to ssh://last: 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused", true},
		"Port " + busy(t):        {"hung up before anybody logged in", true},
		"BindAddress nowhere":    {`BindAddress "nowhere" is no address`, false},
		"Port many":              {`port "many" is none`, false},
	} {
		gate.Configure(fmt.Sprintf("Host last\n  HostName %s\n  %s\n  Port %s\n", host, line, port))
		if _, err := dial(t, conf, "last"); err == nil || !strings.Contains(err.Error(), want.reason) || errors.Is(err, build.ErrUnusable) == want.passes {
			t.Errorf("%s: got %v, unusable %t", line, err, errors.Is(err, build.ErrUnusable))
		}
	}
}

// busy returns the port of a server that has no time for anybody.
func busy(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			io.WriteString(conn, "Exceeded MaxStartups\r\n")
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

func TestDialEndsWithItsContext(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelay(t, s.Addr)
	relay.Stall()
	s.Know(relay.Addr)
	s.Configure("ConnectTimeout 1\n")
	if _, err := dial(t, config(s), relay.Addr); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("ConnectTimeout: got %v", err)
	}
	s.Configure("")
	d, err := sshdial.New(config(s))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop)
	if _, err := d.Dial(ctx, target(t, relay.Addr)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
