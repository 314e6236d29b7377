package sshdial_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"ahriman/core/build"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
)

// TestKnownHostsAreReadAsSSHDoes compares with the real client: both take the
// host's key, or both refuse it.
func TestKnownHostsAreReadAsSSHDoes(t *testing.T) {
	authority := sshtest.WriteKey(t, filepath.Join(t.TempDir(), "ca"), "")
	plain, certified := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{HostAuthority: authority})
	wrong := sshtest.WriteKey(t, filepath.Join(t.TempDir(), "key"), "").PublicKey()
	line := func(prefix string, key ssh.PublicKey) string {
		return prefix + " " + string(ssh.MarshalAuthorizedKey(key))
	}
	for name, test := range map[string]struct {
		server *sshtest.Server // plain when nil
		config string
		// known returns known_hosts, where the server is [127.0.0.1]:port.
		known func(name string, key ssh.PublicKey) string
	}{
		"plain":        {known: line},
		"hashed":       {known: func(name string, key ssh.PublicKey) string { return line(knownhosts.HashHostname(name), key) }},
		"hashed other": {known: func(_ string, key ssh.PublicKey) string { return line(knownhosts.HashHostname("other"), key) }},
		"patterns":     {known: func(_ string, key ssh.PublicKey) string { return line("other,[127.0.?.1]:*", key) }},
		"negated":      {known: func(name string, key ssh.PublicKey) string { return line("*,!"+name, key) }},
		"star":         {known: func(_ string, key ssh.PublicKey) string { return line("*", key) }},
		"any port":     {known: func(_ string, key ssh.PublicKey) string { return line("127.0.0.1", key) }},
		"any port, and another here": {known: func(name string, key ssh.PublicKey) string {
			return line("127.0.0.1", key) + line(name, wrong)
		}},
		"here, and another for any port": {known: func(name string, key ssh.PublicKey) string {
			return line("127.0.0.1", wrong) + line(name, key)
		}},
		"another port": {known: func(_ string, key ssh.PublicKey) string { return line("[127.0.0.1]:1", key) }},
		"changed":      {known: func(name string, _ ssh.PublicKey) string { return line(name, wrong) }},
		"one of two":   {known: func(name string, key ssh.PublicKey) string { return line(name, wrong) + line(name, key) }},
		"nothing":      {known: func(string, ssh.PublicKey) string { return "" }},
		"lines that are none": {known: func(name string, key ssh.PublicKey) string {
			return "# a comment\n\nnonsense\nold 1024 35 1234567890\n[broken ssh-ed25519 AAAA\nx future-key AAAAC2Z1dHVyZQ==\n" + line(name, key)
		}},
		"less liked key": {known: func(name string, _ ssh.PublicKey) string { return line(name, plain.ECDSA.PublicKey()) }},
		"alias":          {config: "HostKeyAlias Build\n", known: func(_ string, key ssh.PublicKey) string { return line("build", key) }},
		"alias with a port": {config: "HostKeyAlias [build]:7\n", known: func(_ string, key ssh.PublicKey) string {
			return line("[build]:7", key)
		}},
		"revoked": {known: func(name string, key ssh.PublicKey) string { return line(name, key) + line("@revoked *", key) }},
		"revoked elsewhere": {known: func(name string, key ssh.PublicKey) string {
			return line(name, key) + line("@revoked other", key)
		}},
		"authority": {server: certified, known: func(name string, _ ssh.PublicKey) string {
			return line("@cert-authority "+name, authority.PublicKey())
		}},
		"authority of all": {server: certified, known: func(string, ssh.PublicKey) string {
			return line("@cert-authority *", authority.PublicKey())
		}},
		"authority of any port": {server: certified, known: func(string, ssh.PublicKey) string {
			return line("@cert-authority 127.0.0.*", authority.PublicKey())
		}},
		"authority of others": {server: certified, known: func(string, ssh.PublicKey) string {
			return line("@cert-authority *.example.org", authority.PublicKey())
		}},
		"certificate of an unknown authority": {server: certified, known: line},
		"another authority": {server: certified, known: func(name string, _ ssh.PublicKey) string {
			return line("@cert-authority "+name, wrong)
		}},
		"authority revoked": {server: certified, known: func(name string, key ssh.PublicKey) string {
			return line("@cert-authority "+name, authority.PublicKey()) + line("@revoked *", authority.PublicKey())
		}},
		"certificate for another name": {server: certified, config: "HostKeyAlias build\n", known: func(string, ssh.PublicKey) string {
			return line("@cert-authority build", authority.PublicKey())
		}},
		"no certificate": {known: func(name string, _ ssh.PublicKey) string {
			return line("@cert-authority "+name, authority.PublicKey())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := test.server
			if s == nil {
				s = plain
			}
			host, port, err := net.SplitHostPort(s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "known_hosts"), test.known("["+host+"]:"+port, s.HostKey.PublicKey()))
			conf := config(s)
			conf.UserConfig = filepath.Join(dir, "config")
			write(t, conf.UserConfig, fmt.Sprintf("IdentityFile %s/.ssh/id_ed25519\nIdentityAgent none\nUserKnownHostsFile %s/known_hosts\n%s",
				s.Home, dir, test.config))
			ssh := exec.CommandContext(t.Context(), "ssh", "-F", conf.UserConfig, "-o", "StrictHostKeyChecking=yes",
				"-o", "GlobalKnownHostsFile=none", "-o", "BatchMode=yes", "-p", port, s.User+"@"+host, "true")
			said, want := ssh.CombinedOutput()
			_, got := dial(t, conf, s.Addr)
			if (got == nil) != (want == nil) {
				t.Errorf("ssh: %v, we: %v\n%s", want, got, said)
			}
			var key *sshdial.HostKeyError
			if got != nil && errors.As(got, &key) {
				if changed := strings.Contains(string(said), "HAS CHANGED"); changed != key.Changed {
					t.Errorf("changed: ssh says %t, we %t\n%s", changed, key.Changed, said)
				}
			}
		})
	}
}

func TestHostKeyOfIPv6IsRemembered(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelayAt(t, "[::1]:0", s.Addr)
	known := filepath.Join(s.Home, ".ssh/known_hosts")
	write(t, known, "")
	var unknown *sshdial.HostKeyError
	if _, err := dial(t, config(s), relay.Addr); !errors.As(err, &unknown) || !strings.Contains(unknown.Hint(), "'ssh://"+relay.Addr+"'") {
		t.Fatalf("got %v", err)
	}
	c, err := dial(t, config(s), relay.Addr, unknown.Fingerprint)
	works(t, c, err)
	c, err = dial(t, config(s), relay.Addr)
	works(t, c, err)
	if text, err := os.ReadFile(known); err != nil || !strings.HasPrefix(string(text), relay.Addr+" ssh-ed25519 ") {
		t.Errorf("known_hosts: %s, %v", text, err)
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
