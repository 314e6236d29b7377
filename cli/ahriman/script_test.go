package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary serve as the program: scripts find it as
// "ahriman" in their PATH.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ahriman": main, "standin": standin, "aurstandin": aurStandin, "pythonworker": pythonWorker})
}

// TestScript runs testdata/script/*.txtar, which specify the command line. They
// have these commands beside testscript's own:
//
//	status N command args…   run a command that must exit with status N
//	waitfile PATH            wait until the file is there and not empty
//	setenvfile NAME PATH     set a variable to a file's content, less its last newline
//	unprivileged command …   run a command as nobody when the test runs as root
//	replace FILE OLD NEW     replace text in a file, environment variables expanded
//	likepython CAPTURE …     compare requests with those of a Python node
//
// and the condition [root]. With -short only those are run in which there is
// more at once.
func TestScript(t *testing.T) {
	names := []string{"*"}
	if testing.Short() {
		names = []string{"web*", "*workers", "upload", "daemon", "double-node"}
	}
	var files []string
	for _, name := range names {
		found, err := filepath.Glob("testdata/script/" + name + ".txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("no script is called %s: %v", name, err)
		}
		files = append(files, found...)
	}
	update := flag.Lookup("update")
	testscript.Run(t, testscript.Params{
		Files:              files,
		Setup:              setup,
		RequireUniqueNames: true,
		Condition:          condition,
		UpdateScripts:      update != nil && update.Value.String() == "true",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":       status,
			"waitfile":     waitFile,
			"setenvfile":   setEnvFile,
			"unprivileged": unprivileged,
			"replace":      replace,
			"likepython":   likePython,
		},
	})
}

// condition knows [root]: the test runs as root.
func condition(name string) (bool, error) {
	if name == "root" {
		return os.Getuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// setup gives each script a home of its own and nothing of the machine's
// configuration. The temporary directory is opened for the unprivileged.
func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("GNUPGHOME", filepath.Join(home, ".gnupg"))
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	env.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	env.Setenv("XDG_RUNTIME_DIR", env.Getenv("TMPDIR"))
	env.Setenv("AHRIMAN_CONFIGURATION", filepath.Join(env.WorkDir, "ahriman.ini"))
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	captures, err := filepath.Abs("../../transport/httpserver/testdata")
	if err != nil {
		return err
	}
	env.Setenv("CAPTURES", captures)
	env.Setenv("NO_COLOR", "1")
	env.Setenv("LC_ALL", "C.UTF-8")
	env.Setenv("TZ", "UTC")
	// The race detector sleeps for a second at exit otherwise.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return errors.Join(os.Chmod(filepath.Dir(env.WorkDir), 0o755), os.Chmod(env.WorkDir, 0o755))
}

// status checks a command's exit status; standard output and error can be
// looked at as after exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			got = 128 + int(ws.Signal())
		}
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s: exit status %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// waitFile waits for what another process is to write, such as an --addr-file.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile PATH")
	}
	path := ts.MkAbs(args[0])
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: not there after 30s", args[0])
		}
	}
}

func setEnvFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenvfile NAME PATH")
	}
	ts.Setenv(args[0], strings.TrimSuffix(ts.ReadFile(args[1]), "\n"))
}

// unprivileged runs a command as uid 65534 when the test runs as root, and as
// it is otherwise. The script's directory must be writable where it writes.
func unprivileged(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: unprivileged command [args…]")
	}
	if os.Getuid() == 0 {
		args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"}, args...)
	}
	err := ts.Exec(args[0], args[1:]...)
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s: no %q in it", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}
