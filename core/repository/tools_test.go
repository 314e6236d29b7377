package repository_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/repository"
	"ahriman/sign"
	"ahriman/sign/signtest"
)

// run runs a tool that must be installed and must succeed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := command(t, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s: %v", name, err)
	}
	return exec.CommandContext(t.Context(), path, args...)
}

// signer makes a key and a signer that uses it.
func signer(t testing.TB) (*signtest.Home, *sign.GPG) {
	home := signtest.New(t)
	key := home.Key("ed25519", "never", "")
	return home, sign.NewGPG(sign.Config{Key: key, Home: home.Dir})
}

// client is a pacman with a root of its own.
type client struct {
	t      testing.TB
	dir    string
	config string
}

// newClient sets pacman up for a repository at server. gpgdir may be empty:
// signatures are not looked at then.
func newClient(t testing.TB, server, gpgdir string) *client {
	t.Helper()
	c := &client{t: t, dir: t.TempDir()}
	level := "Never"
	if gpgdir == "" {
		gpgdir = c.dir
	} else {
		level = "Required"
	}
	for _, dir := range []string{"root", "db", "cache", "hooks"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.config = filepath.Join(c.dir, "pacman.conf")
	text := fmt.Sprintf(`[options]
RootDir = %[1]s/root
DBPath = %[1]s/db
CacheDir = %[1]s/cache
HookDir = %[1]s/hooks
LogFile = %[1]s/log
GPGDir = %[2]s
Architecture = x86_64
SigLevel = %[3]s
[%[4]s]
Server = %[5]s
`, c.dir, gpgdir, level, id.Name, server)
	if err := os.WriteFile(c.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

// try runs pacman and returns what it printed. Without root it runs below
// fakeroot: pacman looks at its user before anything else.
func (c *client) try(args ...string) (string, error) {
	c.t.Helper()
	args = append([]string{"--config", c.config, "--noconfirm", "--color", "never"}, args...)
	name := "pacman"
	if os.Geteuid() != 0 {
		args = append([]string{"--", name}, args...)
		name = "fakeroot"
	}
	cmd := command(c.t, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pacman runs pacman, which must succeed.
func (c *client) pacman(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("pacman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// list refreshes and returns "name version" of what pacman sees.
func (c *client) list() []string {
	c.t.Helper()
	c.pacman("-Sy")
	var list []string
	out, err := c.try("-Sl", id.Name)
	if err != nil && strings.Contains(out, "error") {
		c.t.Fatalf("pacman -Sl: %v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == id.Name {
			list = append(list, fields[1]+" "+fields[2])
		}
	}
	return list
}

// signedPackage writes a package and its signature.
func signedPackage(t testing.TB, g *sign.GPG, p testPackage, dir string) string {
	t.Helper()
	path := p.write(t, dir)
	if _, err := g.SignFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func fileServer(r *repository.Repository) string { return "file://" + r.Published() }
