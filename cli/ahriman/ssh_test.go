package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ahriman/transport/sshdial/sshtest"
)

// forNobody opens the directories above a path for others, below the directory
// for temporary files.
func forNobody(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// program returns the path of the program, which everybody may execute.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("ahriman")
	if err != nil {
		t.Fatal(err)
	}
	forNobody(t, path)
	return path
}

// TestSSH runs testdata/ssh/*.txtar: pipelines to a machine that has sshd and
// makepkg. Beside what TestScript's have there are $WORKER, its address, and
// $AHRIMAN_SSH_CONFIG, which has a key and knows its host key; "ssh -F" takes it
// too.
func TestSSH(t *testing.T) { runSSH(t, "testdata/ssh", 0) }

// TestSlowSSH runs testdata/slow/*.txtar the same way; little more than what a
// test has to send gets there in a second.
func TestSlowSSH(t *testing.T) { runSSH(t, "testdata/slow", 16<<20) }

// runSSH runs scripts with a machine to which so many bytes go in a second; 0: as
// many as can.
func runSSH(t *testing.T, dir string, rate int64) {
	if testing.Short() {
		t.Skip("-short: transport/sshnode has the same, and more at once")
	}
	program(t)
	s := sshtest.Start(t, sshtest.Options{Nobody: true, Path: os.Getenv("PATH")})
	relay := sshtest.NewRelay(t, s.Addr)
	relay.Throttle(rate)
	s.Know(relay.Addr)
	config := filepath.Join(s.Home, "config")
	text := fmt.Sprintf("IdentityFile %s/.ssh/id_ed25519\nIdentityAgent none\nUserKnownHostsFile %[1]s/.ssh/known_hosts\n"+
		"Host builder\n  HostName 127.0.0.1\n  Port %s\n  User %s\n", s.Home, relay.Addr[len("127.0.0.1:"):], s.User)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("AHRIMAN_SSH_CONFIG", config)
			env.Setenv("WORKER", "ssh://"+s.User+"@"+relay.Addr)
			return setup(env)
		},
		RequireUniqueNames: true,
		Condition:          condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "waitfile": waitFile, "setenvfile": setEnvFile, "unprivileged": unprivileged, "replace": replace,
		},
	})
}
