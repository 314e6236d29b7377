package sshdial

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"ahriman/core/build"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxKeyFile bounds what is read of a key or a certificate.
const maxKeyFile = 1 << 20

// AuthError says that a host did not let us in.
type AuthError struct {
	Target Target
	Host   string   // host:port of who refused
	User   string   // who wanted in
	Tried  []string // keys that were offered: fingerprint and where from
	Notes  []string // why others were not
}

func (e *AuthError) Error() string {
	offered := "no key"
	if len(e.Tried) > 0 {
		offered = strings.Join(e.Tried, ", ")
	}
	text := fmt.Sprintf("%s did not let %s in; offered: %s", e.Host, e.User, offered)
	if len(e.Notes) > 0 {
		text += " (" + strings.Join(e.Notes, "; ") + ")"
	}
	return text
}

// Hint says what to do about it.
func (e *AuthError) Hint() string {
	return fmt.Sprintf("add one of your public keys to ~%s/.ssh/authorized_keys there, or load it with ssh-add", e.User)
}

// keyring is what there is to log in with to one host. It is closed after the
// log-in.
type keyring struct {
	dialer *Dialer
	host   *host
	limit  *time.Timer // of the log-in; a person who types may take longer
	agent  net.Conn    // nil without one

	signers []ssh.Signer
	tried   []string
	notes   []string
}

// openKeyring gathers keys: the agent's first, then files, as ssh does; the
// configured ones come before all others.
func (d *Dialer) openKeyring(ctx context.Context, h *host, limit *time.Timer) *keyring {
	k := &keyring{dialer: d, host: h, limit: limit}
	fromAgent := k.openAgent(ctx)
	var named []ssh.Signer
	for _, path := range h.identities {
		signer, public := k.identity(ctx, path)
		if held := find(fromAgent, public); held != nil {
			signer = held
		}
		if signer != nil {
			named = append(named, signer)
			k.describe(signer, path)
		}
	}
	var others []ssh.Signer
	for _, signer := range fromAgent {
		if !h.identitiesOnly && find(named, signer.PublicKey()) == nil {
			others = append(others, signer)
			k.describe(signer, "agent")
		}
	}
	if h.named {
		k.signers = append(named, others...)
	} else {
		k.signers = append(others, named...)
	}
	k.certify()
	return k
}

func (k *keyring) close() {
	if k.agent != nil {
		k.agent.Close()
	}
}

func (k *keyring) note(format string, args ...any) {
	k.notes = append(k.notes, fmt.Sprintf(format, args...))
}

func (k *keyring) describe(signer ssh.Signer, from string) {
	k.tried = append(k.tried, ssh.FingerprintSHA256(signer.PublicKey())+" ("+from+")")
}

// openAgent returns the agent's keys.
func (k *keyring) openAgent(ctx context.Context) []ssh.Signer {
	if k.host.agent == "" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", k.host.agent)
	if err != nil {
		k.note("the agent does not answer: %s", err)
		return nil
	}
	k.agent = conn
	context.AfterFunc(ctx, func() { conn.Close() }) // it may not answer either; ctx ends with the log-in
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		k.note("the agent does not answer: %s", err)
	}
	return signers
}

// identity reads a private key. One that is encrypted is opened when a host
// wants it. The public key is returned also where the private one is not to be
// had: the agent may have it.
func (k *keyring) identity(ctx context.Context, path string) (ssh.Signer, ssh.PublicKey) {
	text, err := readSmall(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) || k.host.named {
			k.note("%s", err)
		}
		return nil, publicKey(path + ".pub")
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		return nil, public // IdentityFile may name a public key: the agent's is meant
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err == nil {
		return signer, signer.PublicKey()
	}
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		k.note("reading %s: %s", path, err)
		return nil, publicKey(path + ".pub") // of a key in hardware, the agent may have the private part
	}
	public := locked.PublicKey
	if public == nil {
		public = publicKey(path + ".pub")
	}
	switch {
	case public == nil:
		k.note("%s is encrypted, and %s.pub is not there", path, path)
		return nil, nil
	case k.dialer.config.Passphrase == nil:
		k.note("%s is encrypted, and there is no terminal to ask on", path)
		return nil, public
	}
	return &lockedKey{ctx: ctx, keyring: k, path: path, text: text, public: public}, public
}

// certify puts before each key the certificates for it.
func (k *keyring) certify() {
	var certificates []*ssh.Certificate
	for _, path := range k.host.certificates {
		if certificate, ok := publicKey(path).(*ssh.Certificate); ok {
			certificates = append(certificates, certificate)
		} else {
			k.note("%s holds no certificate", path)
		}
	}
	for _, path := range k.host.identities {
		if certificate, ok := publicKey(path + "-cert.pub").(*ssh.Certificate); ok {
			certificates = append(certificates, certificate)
		}
	}
	var all []ssh.Signer
	for _, signer := range k.signers {
		for _, certificate := range certificates {
			if !bytes.Equal(certificate.Key.Marshal(), signer.PublicKey().Marshal()) {
				continue
			}
			if certified, err := ssh.NewCertSigner(certificate, signer); err == nil {
				all = append(all, certified)
			}
		}
	}
	k.signers = append(all, k.signers...)
}

// find returns the signer with a public key.
func find(signers []ssh.Signer, public ssh.PublicKey) ssh.Signer {
	if public == nil {
		return nil
	}
	for _, signer := range signers {
		if bytes.Equal(signer.PublicKey().Marshal(), public.Marshal()) {
			return signer
		}
	}
	return nil
}

// publicKey reads a file as ssh-keygen writes them beside private keys; nil
// when there is none.
func publicKey(path string) ssh.PublicKey {
	text, err := readSmall(path)
	if err != nil {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil
	}
	return key
}

func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = fmt.Errorf("%s is too large for a key", path)
	}
	return text, err
}

// openedKeys are the private keys whose passphrase somebody has given.
type openedKeys struct {
	turn chan struct{}         // holds one: who asks, or looks here
	keys map[string]ssh.Signer // by path and public key
}

// passphraseTries is how often a passphrase is asked for.
const passphraseTries = 3

// lockedKey is a private key whose passphrase is asked for when it has to sign.
type lockedKey struct {
	ctx     context.Context // of the log-in that it is made for
	keyring *keyring
	path    string
	text    []byte
	public  ssh.PublicKey
}

var _ ssh.MultiAlgorithmSigner = (*lockedKey)(nil)

// PublicKey implements ssh.Signer.
func (l *lockedKey) PublicKey() ssh.PublicKey { return l.public }

// Algorithms implements ssh.MultiAlgorithmSigner.
func (l *lockedKey) Algorithms() []string {
	if l.public.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
	}
	return []string{l.public.Type()}
}

// Sign implements ssh.Signer.
func (l *lockedKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, "")
}

// SignWithAlgorithm implements ssh.AlgorithmSigner.
func (l *lockedKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	signer, err := l.open()
	if err != nil {
		return nil, err
	}
	if signer, ok := signer.(ssh.AlgorithmSigner); ok {
		return signer.SignWithAlgorithm(rand, data, algorithm)
	}
	return signer.Sign(rand, data)
}

// open returns the key, after asking for its passphrase when nobody has yet.
func (l *lockedKey) open() (ssh.Signer, error) {
	l.keyring.limit.Stop()
	defer l.keyring.limit.Reset(l.keyring.host.timeout)
	opened := &l.keyring.dialer.opened
	select {
	case opened.turn <- struct{}{}:
		defer func() { <-opened.turn }()
	case <-l.ctx.Done():
		return nil, context.Cause(l.ctx)
	}
	name := l.path + string(l.public.Marshal())
	if signer := opened.keys[name]; signer != nil {
		return signer, nil
	}
	for range passphraseTries {
		passphrase, err := l.keyring.dialer.config.Passphrase(l.ctx, l.path)
		if err != nil {
			return nil, fmt.Errorf("asking for the passphrase of %s: %w", l.path, err)
		}
		signer, err := ssh.ParsePrivateKeyWithPassphrase(l.text, passphrase)
		clear(passphrase)
		switch {
		case err == nil:
			opened.keys[name] = signer
			return signer, nil
		case !errors.Is(err, x509.IncorrectPasswordError):
			return nil, build.Unusable(fmt.Errorf("opening %s: %w", l.path, err))
		}
	}
	return nil, build.Unusable(fmt.Errorf("opening %s: the passphrase is wrong", l.path))
}
