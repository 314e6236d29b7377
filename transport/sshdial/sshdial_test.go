package sshdial_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
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

func TestKeyFile(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c, err := dial(t, config(s), s.Addr)
	works(t, c, err)

	_, err = c.Run(t.Context(), "echo no such thing >&2; exit 7", nil)
	var failed *sshdial.CommandError
	if !errors.As(err, &failed) || failed.Status != 7 || failed.Stderr != "no such thing" {
		t.Errorf("a command that fails: got %v", err)
	}
}

func TestEncryptedKeyFile(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	path := filepath.Join(s.Home, ".ssh/id_ed25519")
	s.Authorize(sshtest.WriteKey(t, path, "open sesame").PublicKey())

	_, err := dial(t, config(s), s.Addr)
	var denied *sshdial.AuthError
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), "no terminal to ask on") {
		t.Errorf("without a terminal: got %v", err)
	}
	asked := 0
	conf := config(s)
	conf.Passphrase = func(_ context.Context, file string) ([]byte, error) {
		if asked++; file != path {
			t.Errorf("asked for the passphrase of %s", file)
		}
		return []byte("open sesame"), nil
	}
	c, err := dial(t, conf, s.Addr)
	works(t, c, err)
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	// It is asked for again when it is wrong, and not again for another connection.
	answers := []string{"open barley", "open sesame"}
	asked = 0
	conf.Passphrase = func(context.Context, string) ([]byte, error) {
		asked++
		return []byte(answers[asked-1]), nil
	}
	d, err := sshdial.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	var dialling sync.WaitGroup
	for range 2 {
		dialling.Go(func() {
			c, err := d.Dial(t.Context(), target(t, s.Addr))
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	dialling.Wait()
	if asked != 2 {
		t.Errorf("asked %d times for two connections", asked)
	}
	conf.Passphrase = func(context.Context, string) ([]byte, error) { return []byte("open barley"), nil }
	if _, err := dial(t, conf, s.Addr); !errors.Is(err, build.ErrUnusable) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "barley") {
		t.Errorf("with a wrong passphrase: got %v", err)
	}
	// Who types slowly is no dead host.
	s.Configure("ConnectTimeout 1\n")
	conf.Passphrase = func(ctx context.Context, _ string) ([]byte, error) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(1500 * time.Millisecond):
			return []byte("open sesame"), nil
		}
	}
	c, err = dial(t, conf, s.Addr)
	works(t, c, err)
	// Nobody is asked for what the agent has.
	key, err := ssh.ParseRawPrivateKeyWithPassphrase([]byte(read(t, path)), []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	s.Configure("IdentitiesOnly yes\nIdentityAgent " + serveAgent(t, ring) + "\n")
	c, err = dial(t, config(s), s.Addr)
	works(t, c, err)
}

// serveAgent serves as ssh-agent, and returns its socket.
func serveAgent(t *testing.T, serving agent.Agent) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(serving, conn) }()
		}
	}()
	return listener.Addr().String()
}

// startAgent serves as ssh-agent with one key that nobody else has.
func startAgent(t *testing.T) (socket string, key ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	signers, err := ring.Signers()
	if err != nil {
		t.Fatal(err)
	}
	return serveAgent(t, ring), signers[0].PublicKey()
}

func TestAgent(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	socket, key := startAgent(t)
	s.Authorize(key)
	conf := config(s)
	conf.Getenv = func(name string) string { return map[string]string{"SSH_AUTH_SOCK": socket}[name] }
	c, err := dial(t, conf, s.Addr)
	works(t, c, err)

	s.Configure("IdentitiesOnly yes\n")
	var denied *sshdial.AuthError
	if _, err := dial(t, conf, s.Addr); !errors.As(err, &denied) || denied.Hint() == "" {
		t.Errorf("with IdentitiesOnly: got %v", err)
	}
	// A public key says which of the agent's keys is meant.
	write(t, filepath.Join(s.Home, ".ssh/mine.pub"), string(ssh.MarshalAuthorizedKey(key)))
	s.Configure("IdentitiesOnly yes\nIdentityFile ~/.ssh/mine.pub\n")
	c, err = dial(t, conf, s.Addr)
	works(t, c, err)
	s.Configure("IdentityAgent " + socket + "\n")
	c, err = dial(t, config(s), s.Addr)
	works(t, c, err)
	s.Configure("IdentityAgent " + socket + "-gone\n")
	if _, err = dial(t, config(s), s.Addr); !errors.As(err, &denied) || !strings.Contains(err.Error(), "the agent does not answer") {
		t.Errorf("without the agent: got %v", err)
	}
}

// hardware is an agent with a key in a token: what it signs, and the signature,
// have more in them than those of others.
type hardware struct {
	agent.Agent
	private ed25519.PrivateKey
	silent  bool // nobody touches it
}

func (h hardware) public() ssh.PublicKey {
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, h.private.Public().(ed25519.PublicKey), "ssh:"}))
	if err != nil {
		panic(err)
	}
	return key
}

func (h hardware) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: ssh.KeyAlgoSKED25519, Blob: h.public().Marshal()}}, nil
}

func (h hardware) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	if h.silent {
		select {}
	}
	application, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := []byte{1, 0, 0, 0, 7} // touched, for the seventh time
	signed := slices.Concat(application[:], rest, message[:])
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(h.private, signed), Rest: rest}, nil
}

func TestKeyInHardware(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := hardware{agent.NewKeyring(), private, false}
	s.Authorize(token.public())
	s.Configure("IdentityAgent " + serveAgent(t, token) + "\n")
	c, err := dial(t, config(s), s.Addr)
	works(t, c, err)

	path := filepath.Join(s.Home, ".ssh/id_ed25519_sk")
	write(t, path, "a handle that only the token can use")
	write(t, path+".pub", string(ssh.MarshalAuthorizedKey(token.public())))
	only := "IdentitiesOnly yes\nIdentityFile ~/.ssh/id_ed25519_sk\n"
	s.Configure(only + "IdentityAgent " + serveAgent(t, token) + "\n")
	c, err = dial(t, config(s), s.Addr)
	works(t, c, err)

	token.silent = true
	s.Configure(only + "ConnectTimeout 1\nIdentityAgent " + serveAgent(t, token) + "\n")
	if _, err := dial(t, config(s), s.Addr); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("an agent that does not answer: got %v", err)
	}
}

func TestCertificate(t *testing.T) {
	authority := sshtest.WriteKey(t, filepath.Join(t.TempDir(), "ca"), "")
	s := sshtest.Start(t, sshtest.Options{
		Config: "TrustedUserCAKeys DIR/ca.pub\n", Files: map[string]string{"ca.pub": string(ssh.MarshalAuthorizedKey(authority.PublicKey()))},
	})
	key := sshtest.WriteKey(t, filepath.Join(s.Home, ".ssh/id_ed25519"), "")
	if _, err := dial(t, config(s), s.Addr); err == nil {
		t.Error("a key that is not authorized was let in")
	}
	certificate := sshtest.Certify(t, authority, key.PublicKey(), ssh.UserCert, s.User)
	write(t, filepath.Join(s.Home, ".ssh/elsewhere.pub"), string(ssh.MarshalAuthorizedKey(certificate)))
	s.Configure("CertificateFile ~/.ssh/elsewhere.pub\n")
	c, err := dial(t, config(s), s.Addr)
	works(t, c, err)
	s.Configure("")
	write(t, filepath.Join(s.Home, ".ssh/id_ed25519-cert.pub"), string(ssh.MarshalAuthorizedKey(certificate)))
	c, err = dial(t, config(s), s.Addr)
	works(t, c, err)
}

func TestWrongKey(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	key := sshtest.WriteKey(t, filepath.Join(s.Home, ".ssh/id_ed25519"), "")
	_, err := dial(t, config(s), s.Addr)
	var denied *sshdial.AuthError
	if !errors.As(err, &denied) || !errors.Is(err, build.ErrUnusable) || len(denied.Tried) != 1 || !strings.Contains(err.Error(), ssh.FingerprintSHA256(key.PublicKey())) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownHostKey(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	known := filepath.Join(s.Home, ".ssh/known_hosts")
	write(t, known, "# without a newline at its end")
	_, err := dial(t, config(s), s.Addr)
	var problem *sshdial.HostKeyError
	fingerprint := ssh.FingerprintSHA256(s.HostKey.PublicKey())
	if !errors.As(err, &problem) || !errors.Is(err, build.ErrUnusable) || problem.Changed || problem.Fingerprint != fingerprint || !strings.Contains(err.Error(), fingerprint) {
		t.Fatalf("got %v", err)
	}
	if want := "ahriman workers add --accept-host-key " + fingerprint + " 'ssh://" + s.Addr + "'"; !strings.Contains(problem.Hint(), want) {
		t.Errorf("the hint %q has no %q", problem.Hint(), want)
	}
	if _, err = dial(t, config(s), s.Addr, "SHA256:another"); !errors.As(err, &problem) {
		t.Errorf("accepting another key: got %v", err)
	}
	s.Configure("HashKnownHosts yes\n")
	c, err := dial(t, config(s), s.Addr, fingerprint)
	works(t, c, err)
	if text, err := os.ReadFile(known); err != nil || !strings.Contains(string(text), "\n|1|") || strings.Contains(string(text), "127.0.0.1") {
		t.Errorf("known_hosts: %s, %v", text, err)
	}
	c, err = dial(t, config(s), s.Addr)
	works(t, c, err)
}

func TestChangedHostKey(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	other := sshtest.WriteKey(t, filepath.Join(t.TempDir(), "key"), "")
	write(t, filepath.Join(s.Home, ".ssh/known_hosts"), knownhosts.Line([]string{s.Addr}, other.PublicKey())+"\n")
	_, err := dial(t, config(s), s.Addr, ssh.FingerprintSHA256(s.HostKey.PublicKey()))
	var problem *sshdial.HostKeyError
	if !errors.As(err, &problem) || !problem.Changed || !strings.Contains(err.Error(), "HAS CHANGED") || !strings.Contains(err.Error(), "known_hosts:1") {
		t.Errorf("got %v", err)
	}
}

func TestRevokedHostKey(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	line := knownhosts.Line([]string{s.Addr}, s.HostKey.PublicKey()) + "\n"
	write(t, filepath.Join(s.Home, ".ssh/known_hosts"), line+"@revoked * "+strings.SplitN(line, " ", 2)[1])
	_, err := dial(t, config(s), s.Addr)
	var problem *sshdial.HostKeyError
	if !errors.As(err, &problem) || !problem.Revoked {
		t.Errorf("got %v", err)
	}
}

func TestHostCertificate(t *testing.T) {
	authority := sshtest.WriteKey(t, filepath.Join(t.TempDir(), "ca"), "")
	s := sshtest.Start(t, sshtest.Options{HostAuthority: authority})
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(s.Home, ".ssh/known_hosts")
	key := string(ssh.MarshalAuthorizedKey(authority.PublicKey()))
	write(t, known, "@cert-authority [127.0.0.1]:"+port+" "+key)
	c, err := dial(t, config(s), s.Addr)
	works(t, c, err)

	write(t, known, "@cert-authority *.example.org "+key)
	var problem *sshdial.HostKeyError
	if _, err = dial(t, config(s), s.Addr); !errors.As(err, &problem) || problem.Changed {
		t.Errorf("an authority for others: got %v", err)
	}
	// A plain key from a host that should have a certificate is unknown, not changed.
	other := sshtest.Start(t, sshtest.Options{})
	write(t, filepath.Join(other.Home, ".ssh/known_hosts"), "@cert-authority [127.0.0.1]:* "+key)
	if _, err = dial(t, config(other), other.Addr); !errors.As(err, &problem) || problem.Changed {
		t.Errorf("a host without a certificate: got %v", err)
	}
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

func TestDeadPeerIsFound(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelay(t, s.Addr)
	s.Know(relay.Addr)
	conf := config(s)
	conf.Interval, conf.Silence = 50*time.Millisecond, 2*time.Second
	c, err := dial(t, conf, relay.Addr)
	works(t, c, err)
	pipe, err := c.Pipe(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	relay.Stall()
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, sshdial.ErrDead) {
		t.Errorf("Read: got %v, want %v", err, sshdial.ErrDead)
	}
	if _, err := c.Run(t.Context(), "true", nil); !errors.Is(err, sshdial.ErrDead) {
		t.Errorf("Run: got %v, want %v", err, sshdial.ErrDead)
	}
}

func TestCutConnection(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelay(t, s.Addr)
	s.Know(relay.Addr)
	c, err := dial(t, config(s), relay.Addr)
	works(t, c, err)
	pipe, err := c.Pipe(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	relay.Cut()
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("Read: got %v, want %v", err, io.EOF)
	}
	<-c.Done()
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

func TestPipe(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c, err := dial(t, config(s), s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := c.Pipe(t.Context(), "read line; echo got $line; echo complaint >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Write([]byte("text\n")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(pipe)
	var failed *sshdial.CommandError
	if string(got) != "got text\n" || !errors.As(err, &failed) || failed.Status != 3 || failed.Stderr != "complaint" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := pipe.Close(); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop)
	if _, err := c.Run(ctx, "sleep 1000", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: got %v, want %v", err, context.Canceled)
	}
}
