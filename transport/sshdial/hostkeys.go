package sshdial

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// HostKeyError says that a host's key is not one to trust.
type HostKeyError struct {
	Target      Target // as it was asked for
	Host        string // whose key it is: host:port of the target or of one that leads there
	Type        string // ssh-ed25519, …
	Fingerprint string // SHA256:…
	// Changed says that known_hosts has another key for the host; Known is
	// where, file:line. Revoked that it says never to trust this one.
	Changed, Revoked bool
	Known            []string
}

func (e *HostKeyError) Error() string {
	switch {
	case e.Revoked:
		return fmt.Sprintf("THE HOST KEY OF %s IS REVOKED: %s %s (%s)", e.Host, e.Type, e.Fingerprint, strings.Join(e.Known, ", "))
	case e.Changed:
		return fmt.Sprintf("THE HOST KEY OF %s HAS CHANGED: it shows %s %s, and another one is known (%s); somebody may be listening in", e.Host, e.Type, e.Fingerprint, strings.Join(e.Known, ", "))
	}
	return fmt.Sprintf("the host key of %s is not known: %s %s", e.Host, e.Type, e.Fingerprint)
}

// Hint says what to do about it.
func (e *HostKeyError) Hint() string {
	switch {
	case e.Revoked:
		return "ask whoever looks after the machine for a new host key"
	case e.Changed:
		host, port, _ := net.SplitHostPort(e.Host)
		if port != "22" {
			host = "[" + host + "]:" + port
		}
		return fmt.Sprintf("if the machine was set up anew, forget the old key with: ssh-keygen -R '%s'", host)
	}
	return fmt.Sprintf("compare it with the machine's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: ahriman workers add --accept-host-key %s '%s'", e.Fingerprint, e.Target)
}

// hostKeys checks host keys against known_hosts(5).
type hostKeys struct {
	target  Target
	host    *host
	accept  []string // fingerprints to trust from now on
	known   ssh.HostKeyCallback
	writeTo string
}

// openHostKeys reads the files of known keys.
func openHostKeys(target Target, h *host, accept []string) (*hostKeys, error) {
	k := &hostKeys{target: target, host: h, accept: accept}
	if len(h.userHosts) > 0 {
		k.writeTo = h.userHosts[0]
	}
	var files []string
	for _, name := range slices.Concat(h.userHosts, h.globalHosts) {
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("reading known host keys: %w", err)
		case info.Size() > maxConfigSize:
			return nil, fmt.Errorf("reading known host keys: %s is larger than %d bytes", name, maxConfigSize)
		}
		files = append(files, name)
	}
	var err error
	if k.known, err = knownhosts.New(files...); err != nil {
		return nil, fmt.Errorf("reading known host keys: %w", err)
	}
	return k, nil
}

// check is an ssh.HostKeyCallback.
func (k *hostKeys) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	err := k.known(k.host.knownAs(), remote, key)
	if err == nil {
		return nil
	}
	problem := &HostKeyError{Target: k.target, Host: k.host.address(), Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key)}
	var revoked *knownhosts.RevokedError
	var mismatch *knownhosts.KeyError
	switch {
	case errors.As(err, &revoked):
		problem.Revoked = true
		problem.Known = []string{fmt.Sprintf("%s:%d", revoked.Revoked.Filename, revoked.Revoked.Line)}
		return problem
	case errors.As(err, &mismatch):
		for _, known := range plainKeys(mismatch.Want) {
			problem.Known = append(problem.Known, fmt.Sprintf("%s:%d", known.Filename, known.Line))
		}
	default: // a certificate of nobody we know, or one that is not valid
		if certificate, ok := key.(*ssh.Certificate); ok && k.unknownAuthority(certificate) {
			return k.check("", remote, certificate.Key) // as ssh does, by the key alone
		}
		return fmt.Errorf("connecting to %s: checking the host key of %s: %w", k.target.String(), k.host.address(), err)
	}
	if problem.Changed = len(problem.Known) > 0; problem.Changed || !slices.Contains(k.accept, problem.Fingerprint) {
		return problem
	}
	return k.remember(key)
}

// unknownAuthority says that known_hosts has nothing about who signed the
// certificate.
func (k *hostKeys) unknownAuthority(certificate *ssh.Certificate) bool {
	for _, known := range k.wanted() {
		if authority(known) && bytes.Equal(known.Key.Marshal(), certificate.SignatureKey.Marshal()) {
			return false
		}
	}
	return true
}

// wanted returns all that is known about the host.
func (k *hostKeys) wanted() []knownhosts.KnownKey {
	// A key nobody has tells what the host should have had.
	nobody, err := ssh.NewPublicKey(make(ed25519.PublicKey, ed25519.PublicKeySize))
	if err != nil {
		return nil
	}
	var mismatch *knownhosts.KeyError
	if errors.As(k.known(k.host.knownAs(), &net.TCPAddr{IP: net.IPv4zero}, nobody), &mismatch) {
		return mismatch.Want
	}
	return nil
}

// algorithms returns the host key algorithms to offer, those first for which
// a key is known: the server then shows that one.
func (k *hostKeys) algorithms() []string {
	var first []string
	for _, known := range k.wanted() {
		if authority(known) {
			first = append(first, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01,
				ssh.CertAlgoECDSA521v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01)
		}
	}
	for _, known := range plainKeys(k.wanted()) {
		if known.Key.Type() == ssh.KeyAlgoRSA {
			first = append(first, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			first = append(first, known.Key.Type())
		}
	}
	var all []string
	for _, algorithm := range append(first, ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256) {
		if !slices.Contains(all, algorithm) {
			all = append(all, algorithm)
		}
	}
	return all
}

// plainKeys leaves out the keys of authorities.
func plainKeys(known []knownhosts.KnownKey) []knownhosts.KnownKey {
	return slices.DeleteFunc(slices.Clone(known), authority)
}

// authority says whether a line of known_hosts is about an authority, which
// knownhosts does not tell.
func authority(known knownhosts.KnownKey) bool {
	file, err := os.Open(known.Filename)
	if err != nil {
		return false
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, maxConfigSize))
	for number := 1; lines.Scan(); number++ {
		if number == known.Line {
			return strings.HasPrefix(strings.TrimSpace(lines.Text()), "@cert-authority")
		}
	}
	return false
}

// remember adds a key to the user's known_hosts.
func (k *hostKeys) remember(key ssh.PublicKey) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remembering the host key of %s: %w", k.host.address(), err)
		}
	}()
	if k.writeTo == "" {
		return errors.New("UserKnownHostsFile names no file")
	}
	name := knownhosts.Normalize(k.host.knownAs())
	if k.host.hashHosts {
		name = knownhosts.HashHostname(name)
	}
	if err := os.MkdirAll(filepath.Dir(k.writeTo), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(k.writeTo, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	line := knownhosts.Line([]string{name}, key) + "\n"
	if info, err := file.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = file.WriteString(line)
	return err
}
