package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"ahriman/core/repository"
)

// DefaultTimeout is how long gpg may take for one signature.
const DefaultTimeout = 10 * time.Minute

// Config says how to sign.
type Config struct {
	Key     string        // fingerprint, key ID, or whatever gpg --local-user takes
	Home    string        // gpg's directory; empty: $GNUPGHOME, or ~/.gnupg
	Program string        // empty: gpg, from PATH
	Timeout time.Duration // for one signature; 0: DefaultTimeout
}

// GPG signs through gpg and its agent. It is safe for concurrent use.
type GPG struct {
	config Config

	mu     sync.Mutex
	public *Keyring // the key's public half, once it was needed
}

var _ repository.Signer = (*GPG)(nil)

// NewGPG returns a signer. It does not look whether the key is there: see Check.
func NewGPG(config Config) *GPG {
	if config.Program == "" {
		config.Program = "gpg"
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	return &GPG{config: config}
}

// Key returns the configured key.
func (g *GPG) Key() string { return g.config.Key }

// Sign returns the detached binary signature of the file at path, which gpg
// streams through. The error is a *KeyError when the key is at fault.
func (g *GPG) Sign(ctx context.Context, path string) ([]byte, error) {
	if g.config.Key == "" {
		return nil, errors.New("no key to sign with: set sign.key")
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", path, err)
	}
	info, err := os.Stat(absolute)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("signing %s: not a regular file", path)
	}
	signature, err := g.run(ctx, nil, MaxSignature, "--no-armor", "--local-user="+g.config.Key, "--output=-", "--detach-sign", "--", absolute)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", path, g.explain(ctx, err))
	}
	if len(signature) == 0 || len(signature) > MaxSignature {
		return nil, fmt.Errorf("signing %s: a signature of %d bytes, pacman reads 1 to %d", path, len(signature), MaxSignature)
	}
	return signature, nil
}

// SignFile writes the signature of the file at path to path+".sig". A good one
// by the same key that is there already is left as it is: signed then is false.
func (g *GPG) SignFile(ctx context.Context, path string) (signed bool, err error) {
	public, err := g.publicKey(ctx)
	if err != nil {
		return false, fmt.Errorf("signing %s: %w", path, err)
	}
	if _, err := public.VerifyFile(ctx, path); err == nil {
		return false, nil
	}
	signature, err := g.Sign(ctx, path)
	if err != nil {
		return false, err
	}
	if err := writeFile(path+".sig", signature); err != nil {
		return false, fmt.Errorf("signing %s: %w", path, err)
	}
	return true, nil
}

// Check reports, without signing, whether the key is there and neither expired
// nor revoked. It cannot tell whether it is locked.
func (g *GPG) Check(ctx context.Context) error {
	if g.config.Key == "" {
		return errors.New("no key to sign with: set sign.key")
	}
	list, err := g.run(ctx, nil, maxListing, "--with-colons", "--list-secret-keys", "--", g.config.Key)
	var failed *gpgError
	if errors.As(err, &failed) {
		return &KeyError{g.config.Key, ErrNoKey}
	}
	if err != nil {
		return err
	}
	return g.judge(string(list))
}

// judge reads a listing (see DETAILS in gpg's documentation): the key can sign
// when a primary key or subkey in it can.
func (g *GPG) judge(list string) error {
	verdict := ErrNoKey
	for line := range strings.Lines(list) {
		fields := strings.Split(line, ":")
		if len(fields) < 12 || fields[0] != "sec" && fields[0] != "ssb" {
			continue
		}
		switch {
		case fields[1] == "r":
			verdict = ErrKeyRevoked
		case fields[1] == "e":
			verdict = ErrKeyExpired
		case strings.Contains(fields[11], "s"):
			return nil
		}
	}
	return &KeyError{g.config.Key, verdict}
}

// publicKey is what signatures by the key verify with.
func (g *GPG) publicKey(ctx context.Context) (*Keyring, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.public != nil {
		return g.public, nil
	}
	if err := g.Check(ctx); err != nil {
		return nil, err
	}
	exported, err := g.run(ctx, nil, maxKeyring, "--no-armor", "--export", "--", g.config.Key)
	if err != nil {
		return nil, fmt.Errorf("exporting key %s: %w", g.config.Key, err)
	}
	if g.public, err = ReadKeyring(bytes.NewReader(exported)); err != nil {
		return nil, fmt.Errorf("exporting key %s: %w", g.config.Key, err)
	}
	return g.public, nil
}

// Import adds public keys to gpg's keyring, for builds that verify the sources
// they fetch.
func (g *GPG) Import(ctx context.Context, armored []byte) error {
	if _, err := g.run(ctx, bytes.NewReader(armored), maxListing, "--import"); err != nil {
		return fmt.Errorf("importing a key: %w", err)
	}
	return nil
}

// gpgError is an invocation that gpg itself ended with a complaint.
type gpgError struct {
	status string // lines for programs, see DETAILS in gpg's documentation
	text   string // lines for people
	exit   error
}

func (e *gpgError) Error() string {
	text := strings.TrimSpace(e.text)
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	if text = strings.TrimPrefix(text, "gpg: "); text == "" {
		return "gpg: " + e.exit.Error()
	}
	return "gpg: " + text
}

func (e *gpgError) Unwrap() error { return e.exit }

// Limits of what is read from gpg, in bytes.
const (
	maxListing  = 1 << 20
	maxMessages = 64 << 10
)

// waitDelay is how long after gpg's end its children may keep the pipes open.
const waitDelay = 5 * time.Second

// run starts gpg and returns its output, limit+1 bytes at most.
func (g *GPG) run(ctx context.Context, input io.Reader, limit int, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, g.config.Timeout)
	defer cancel()
	args = append([]string{"--batch", "--no-tty", "--status-fd=2", "--no-auto-check-trustdb"}, args...)
	cmd := exec.CommandContext(ctx, g.config.Program, args...)
	if g.config.Home != "" {
		cmd.Env = append(os.Environ(), "GNUPGHOME="+g.config.Home)
	}
	output, messages := &limited{limit: limit + 1}, &limited{limit: maxMessages}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, output, messages
	cmd.WaitDelay = waitDelay
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("gpg: %w", context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, text := splitStatus(messages.String())
		return nil, &gpgError{status, text, err}
	}
	return output.Bytes(), err
}

// splitStatus parts the lines for programs from those for people.
func splitStatus(messages string) (status, text string) {
	for line := range strings.Lines(messages) {
		if rest, ok := strings.CutPrefix(line, "[GNUPG:] "); ok {
			status += rest
		} else {
			text += line
		}
	}
	return status, text
}

// limited keeps the first bytes written to it and lets the others go.
type limited struct {
	bytes.Buffer
	limit int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.limit - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

var _ io.Writer = (*limited)(nil)

// Error codes of gpg that mean the agent could not have the passphrase.
const (
	codeBadPassphrase = 11
	codeTimeout       = 62
	codeNoPinentry    = 86
	codeCanceled      = 99
	codeFullyCanceled = 198
	sourcePinentry    = 5
)

// explain finds out what is wrong with the key when signing has failed.
func (g *GPG) explain(ctx context.Context, err error) error {
	var failed *gpgError
	if !errors.As(err, &failed) {
		return err
	}
	if failed.locked() {
		return &KeyError{g.config.Key, ErrKeyLocked}
	}
	if strings.Contains(failed.status, "INV_SGNR") {
		if reason := g.Check(ctx); reason != nil {
			return reason
		}
	}
	return err
}

// locked reads the FAILURE line: the code's upper byte says who had the error.
func (e *gpgError) locked() bool {
	for line := range strings.Lines(e.status) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "FAILURE" || fields[1] != "sign" {
			continue
		}
		code, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			continue
		}
		switch code & 0xffff {
		case codeBadPassphrase, codeTimeout, codeNoPinentry, codeCanceled, codeFullyCanceled:
			return true
		}
		return code>>24&0x7f == sourcePinentry
	}
	return false
}

// writeFile puts a file in place whole, in one step.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
