package sshdial

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/build"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// HostKeyError says that a host's key is not one to trust.
type HostKeyError struct {
	Target      Target // as it was asked for
	Host        string // whose key it is: host:port of the target or of one that leads there
	Name        string // of that host in known_hosts
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
	return e.HintTo(fmt.Sprintf("ahriman workers add --accept-host-key %s '%s'", e.Fingerprint, e.Target))
}

// HintTo is Hint where something else is to be done to accept an unknown key.
func (e *HostKeyError) HintTo(accept string) string {
	switch {
	case e.Revoked:
		return "ask whoever looks after the machine for a new host key"
	case e.Changed:
		file := e.Known[0][:strings.LastIndexByte(e.Known[0], ':')]
		return fmt.Sprintf("if the machine was set up anew, forget the old key with: ssh-keygen -f '%s' -R '%s'", file, e.Name)
	}
	kind, _, _ := strings.Cut(strings.TrimPrefix(e.Type, "ssh-"), "-")
	return fmt.Sprintf("compare it with the machine's own (ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub), then: %s", kind, accept)
}

// hostKeys checks host keys against known_hosts(5), as ssh does.
type hostKeys struct {
	target Target
	host   *host
	accept []string // fingerprints to trust from now on
	known  []knownKey
}

// knownKey is a line of known_hosts.
type knownKey struct {
	at     string // file:line
	marker string // cert-authority, revoked, or empty
	hosts  []string
	key    ssh.PublicKey
}

// openHostKeys reads the files of known keys.
func openHostKeys(target Target, h *host, accept []string) (*hostKeys, error) {
	k := &hostKeys{target: target, host: h, accept: accept}
	for _, name := range slices.Concat(h.userHosts, h.globalHosts) {
		if err := k.read(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, build.Unusable(fmt.Errorf("reading known host keys: %w", err))
		}
	}
	return k, nil
}

// read reads one file. Lines that are none, or of a type that is not known here,
// say nothing.
func (k *hostKeys) read(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() > maxConfigSize {
		return fmt.Errorf("%s is larger than %d bytes", name, maxConfigSize)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxConfigSize)
	for number := 1; lines.Scan(); number++ {
		if marker, hosts, key, _, _, err := ssh.ParseKnownHosts(lines.Bytes()); err == nil {
			k.known = append(k.known, knownKey{fmt.Sprintf("%s:%d", name, number), marker, hosts, key})
		}
	}
	return lines.Err()
}

// about returns the lines with a marker that are about a name.
func (k *hostKeys) about(marker, name string) []knownKey {
	var found []knownKey
	for _, known := range k.known {
		if known.marker == marker && known.isAbout(name) {
			found = append(found, known)
		}
	}
	return found
}

// isAbout matches a name with patterns, or with the hash that stands in their
// place.
func (known knownKey) isAbout(name string) bool {
	parts := strings.Split(known.hosts[0], "|") // |1|salt|hash
	if len(parts) != 4 || parts[1] != "1" {
		return matchList(known.hosts, name)
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	io.WriteString(mac, name)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == parts[3]
}

func (known knownKey) is(key ssh.PublicKey) bool {
	return bytes.Equal(known.key.Marshal(), key.Marshal())
}

// check is an ssh.HostKeyCallback.
func (k *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	problem := &HostKeyError{Target: k.target, Host: k.host.address(), Name: k.host.knownAs()[0]}
	shown := []ssh.PublicKey{key}
	if certificate, ok := key.(*ssh.Certificate); ok {
		key = certificate.Key
		shown = []ssh.PublicKey{key, certificate.SignatureKey}
		if k.authority(certificate) && !k.revoked(shown, problem) {
			return k.certified(certificate)
		}
		shown = shown[:1] // nobody we know signed it: the key alone counts
	}
	problem.Type, problem.Fingerprint = key.Type(), ssh.FingerprintSHA256(key)
	if problem.Revoked || k.revoked(shown, problem) {
		return problem
	}
	for i, name := range k.host.knownAs() {
		for _, known := range k.about("", name) {
			switch {
			case known.is(key):
				return nil
			case i == 0:
				problem.Known = append(problem.Known, known.at)
			}
		}
		if len(problem.Known) > 0 {
			break
		}
	}
	if problem.Changed = len(problem.Known) > 0; problem.Changed || !slices.Contains(k.accept, problem.Fingerprint) {
		return problem
	}
	return k.remember(key)
}

// revoked says whether one of the keys is never to be trusted.
func (k *hostKeys) revoked(keys []ssh.PublicKey, problem *HostKeyError) bool {
	for _, name := range k.host.knownAs() {
		for _, known := range k.about("revoked", name) {
			if slices.ContainsFunc(keys, known.is) {
				problem.Revoked, problem.Known = true, []string{known.at}
				return true
			}
		}
	}
	return false
}

// authority says whether known_hosts trusts who signed the certificate with this
// host.
func (k *hostKeys) authority(certificate *ssh.Certificate) bool {
	for _, name := range k.host.knownAs() {
		if slices.ContainsFunc(k.about("cert-authority", name), func(known knownKey) bool { return known.is(certificate.SignatureKey) }) {
			return true
		}
	}
	return false
}

// certified checks a certificate of an authority that is trusted. Its names may
// be patterns.
func (k *hostKeys) certified(certificate *ssh.Certificate) error {
	names := k.host.knownAs()
	principal := names[len(names)-1]
	for _, pattern := range certificate.ValidPrincipals {
		if matchPattern(strings.ToLower(pattern), strings.ToLower(principal)) {
			principal = pattern
			break
		}
	}
	err := new(ssh.CertChecker).CheckCert(principal, certificate)
	if certificate.CertType != ssh.HostCert {
		err = errors.New("it is not for a host")
	}
	if err != nil {
		return build.Unusable(fmt.Errorf("checking the host certificate of %s: %w", k.host.address(), err))
	}
	return nil
}

// algorithms returns the host key algorithms to offer, those first for which
// a key is known: the server then shows that one.
func (k *hostKeys) algorithms() []string {
	var first []string
	for _, name := range k.host.knownAs() {
		if len(k.about("cert-authority", name)) > 0 {
			first = append(first, ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01,
				ssh.CertAlgoECDSA521v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01)
		}
		for _, known := range k.about("", name) {
			if known.key.Type() == ssh.KeyAlgoRSA {
				first = append(first, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			} else {
				first = append(first, known.key.Type())
			}
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

// remember adds a key to the user's known_hosts.
func (k *hostKeys) remember(key ssh.PublicKey) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remembering the host key of %s: %w", k.host.address(), err)
		}
	}()
	if len(k.host.userHosts) == 0 {
		return errors.New("UserKnownHostsFile names no file")
	}
	writeTo := k.host.userHosts[0]
	name := k.host.knownAs()[0]
	if k.host.hashHosts {
		name = knownhosts.HashHostname(name)
	}
	if err := os.MkdirAll(filepath.Dir(writeTo), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(writeTo, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	line := name + " " + string(ssh.MarshalAuthorizedKey(key))
	if info, err := file.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = file.WriteString(line)
	return err
}
