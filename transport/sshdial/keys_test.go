package sshdial_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
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

	"ahriman/core/build"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
)

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
