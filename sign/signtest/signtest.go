// Package signtest makes throw-away OpenPGP keys with gpg, for tests.
package signtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Home is a directory of gpg's that lives as long as the test.
type Home struct {
	t   testing.TB
	Dir string // for GNUPGHOME
}

// New makes an empty home. gpg must be installed. The path is short, since the
// agent's socket stands in it.
func New(t testing.TB) *Home {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	h := &Home{t, dir}
	t.Cleanup(func() {
		h.command("gpgconf", "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return h
}

func (h *Home) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+h.Dir)
	return cmd
}

// GPG runs gpg and returns its output; the test fails when gpg does.
func (h *Home) GPG(args ...string) []byte {
	h.t.Helper()
	cmd := h.command("gpg", append([]string{"--batch", "--no-tty"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// Key makes a key for signing and returns its fingerprint. The algorithm is one
// of gpg's, "ed25519" or "rsa2048"; more are arguments of gpg's, such as
// --faked-system-time.
func (h *Home) Key(algorithm, expires, passphrase string, more ...string) string {
	h.t.Helper()
	args := append(more, "--pinentry-mode", "loopback", "--passphrase", passphrase, "--status-fd", "1",
		"--quick-gen-key", "Test Key <"+filepath.Base(h.Dir)+"@example.org>", algorithm, "sign", expires)
	if len(h.GPG("--list-secret-keys")) > 0 {
		args = append([]string{"--yes"}, args...) // one more of the same name
	}
	for line := range strings.Lines(string(h.GPG(args...))) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[1] == "KEY_CREATED" {
			return fields[3]
		}
	}
	h.t.Fatal("gpg made no key")
	return ""
}

// Revoke imports the revocation that gpg made along with the key.
func (h *Home) Revoke(key string) {
	h.t.Helper()
	path := filepath.Join(h.Dir, "openpgp-revocs.d", key+".rev")
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("\n:---"), []byte("\n---"), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.GPG("--import", path)
}

// Forget ends the agent, which then knows no passphrase.
func (h *Home) Forget() {
	h.t.Helper()
	if out, err := h.command("gpgconf", "--kill", "gpg-agent").CombinedOutput(); err != nil {
		h.t.Fatalf("gpgconf: %v\n%s", err, out)
	}
}

// Export writes the public keys to a file and returns its path.
func (h *Home) Export(args ...string) string {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "keyring")
	if err := os.WriteFile(path, h.GPG(append(args, "--export")...), 0o644); err != nil {
		h.t.Fatal(err)
	}
	return path
}
