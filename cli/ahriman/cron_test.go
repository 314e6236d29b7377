package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ahriman/cli/app"
)

// cronCall is how a command is called from cron, and what comes of it.
type cronCall struct {
	args   string
	status int
	prints bool // it is there to print
	serves bool // it goes on until it is told to end
}

// cronCalls has the commands that want arguments, print, serve, or have nothing
// that they could do here; others are called as they are and are to succeed
// without a word.
var cronCalls = map[string]cronCall{
	"aur-search":              {args: "foo", status: 1},
	"build":                   {args: "--dry-run source", prints: true},
	"help":                    {prints: true},
	"help-commands-unsafe":    {prints: true},
	"help-version":            {prints: true},
	"package-add":             {args: "--now new-1-1-any.pkg.tar"},
	"package-archives":        {args: "foo", prints: true},
	"package-changes":         {args: "foo"},
	"package-changes-remove":  {args: "foo"},
	"package-copy":            {args: "other foo", status: 1},
	"package-hold":            {args: "foo"},
	"package-info":            {args: "foo-1-1-any.pkg.tar", prints: true},
	"package-logs":            {args: "foo"},
	"package-pkgbuild":        {args: "foo"},
	"package-pkgbuild-remove": {args: "foo"},
	"package-remove":          {args: "foo"},
	"package-rollback":        {args: "foo 1-1"},
	"package-status":          {prints: true},
	"package-status-remove":   {args: "foo"},
	"package-unhold":          {args: "foo"},
	"patch-add":               {args: "foo pkgrel"},
	"patch-list":              {args: "foo"},
	"patch-remove":            {args: "foo"},
	"patch-set-add":           {args: "source", status: 1},
	"repo-backup":             {args: "backup"},
	"repo-create-keyring":     {status: 1},
	"repo-create-mirrorlist":  {status: 1},
	"repo-daemon":             {serves: true},
	"repo-export":             {args: "exported"},
	"repo-import":             {args: "imported", status: 1},
	"repo-restore":            {args: "backup", status: 1},
	"repo-rollback":           {status: 1},
	"repo-sign":               {status: 1},
	"repo-tree":               {prints: true},
	"service-clean":           {args: "--packages"},
	"service-config":          {prints: true},
	"service-key-import":      {args: "--key-server http://127.0.0.1:1 0123456789ABCDEF", status: 1},
	"service-repositories":    {prints: true},
	"service-run":             {args: "repo-update package-status", prints: true},
	"service-setup":           {args: "--packager Me"},
	"srcinfo":                 {args: "source", prints: true},
	"upload":                  {args: "foo-1-1-any.pkg.tar", status: 1},
	"user-add":                {args: "--token ann", prints: true},
	"user-remove":             {args: "ann", status: 1},
	"vercmp":                  {args: "1 2", prints: true},
	"web":                     {args: "--address 127.0.0.1:0", serves: true},
	"web-reload":              {status: 1},
	"workers":                 {prints: true},
}

// wrong is what may be said of what is wrong.
var wrong = regexp.MustCompile(`^ahriman: error: .*\n(ahriman: (error|hint): .*\n)*$`)

// TestCron calls each command of the grammar as cron would: no terminal, nothing
// in the environment but PATH, with and without a home, and while another process
// holds the lock of builds. It is to end, and to say nothing unless something is
// wrong.
func TestCron(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	model, err := app.Model()
	if err != nil {
		t.Fatal(err)
	}
	c := newCron(t)
	for _, command := range model.Children {
		if command.Hidden {
			continue
		}
		call := cronCalls[command.Name]
		call.args = strings.TrimSpace(command.Name + " " + call.args)
		t.Run(command.Name, func(t *testing.T) {
			t.Parallel()
			for _, place := range []string{"home", "homeless", "locked"} {
				c.copy(t, place).check(t, call, place)
			}
		})
	}
}

// cron is a node that commands are called on.
type cron struct{ program, node string }

func newCron(t *testing.T) *cron {
	c := &cron{program: program(t), node: filepath.Join(t.TempDir(), "node")}
	forNobody(t, c.node)
	script := `mkdir -p "$1/root" "$1/home" "$1/source" && cd "$1"
		printf '[repository]\nroot = root\nname = aur\narchitecture = x86_64\n[aur]\naddress = http://127.0.0.1:1\n' >ahriman.ini
		printf 'pkgname=source\npkgver=1\npkgrel=1\narch=(any)\npackage() { :; }\n' >source/PKGBUILD
		for name in foo new; do
			printf 'pkgname = %s\npkgbase = %s\npkgver = 1-1\nbuilddate = 1700000000\nsize = 0\narch = any\n' $name $name >.PKGINFO
			bsdtar -cf $name-1-1-any.pkg.tar .PKGINFO
		done
		test "$(id -u)" != 0 || chown -R 65534 .`
	if out, err := exec.Command("sh", "-ec", script, "sh", c.node).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.check(t, cronCall{args: "package-add --now foo-1-1-any.pkg.tar"}, "home")
	return c
}

// copy returns a node that is as this one.
func (c *cron) copy(t *testing.T, place string) *cron {
	other := &cron{program: c.program, node: filepath.Join(t.TempDir(), place)}
	forNobody(t, other.node)
	if out, err := exec.Command("cp", "-a", c.node, other.node).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return other
}

// lock makes another process build.
func (c *cron) lock(t *testing.T) {
	path := filepath.Join(c.node, "root", ".build-aur-x86_64.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if err := errors.Join(file.Chmod(0o666), syscall.Flock(int(file.Fd()), syscall.LOCK_EX)); err != nil {
		t.Fatal(err)
	}
}

// check calls a command and looks at what it says and how it ends.
func (c *cron) check(t *testing.T, call cronCall, place string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.program, slices.Concat([]string{"-q", "-c", "ahriman.ini"}, strings.Fields(call.args))...)
	command.Dir, command.Env = c.node, []string{"PATH=/usr/bin:/bin", "GORACE=atexit_sleep_ms=0"}
	if place != "homeless" {
		command.Env = append(command.Env, "HOME="+filepath.Join(c.node, "home"))
	}
	if place == "locked" {
		c.lock(t)
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // away from the terminal, where there is one
	if os.Getuid() == 0 {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if call.serves { // whenever it comes, a signal is nothing to talk about
		time.AfterFunc(300*time.Millisecond, func() { _ = command.Process.Signal(syscall.SIGTERM) })
	}
	_ = command.Wait()
	status := command.ProcessState.ExitCode()
	if call.serves && command.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM || status == 143 {
		status = 0
	}
	locked := place == "locked" && status == 1 && strings.Contains(stderr.String(), "lock")
	switch {
	case status != call.status && !locked:
		t.Errorf("%s, %s: exit status %d, want %d", call.args, place, status, call.status)
	case status == 0 && stderr.Len() > 0, status != 0 && !wrong.Match(stderr.Bytes()):
		t.Errorf("%s, %s: exit status %d, and on standard error", call.args, place, status)
	case (stdout.Len() > 0) != (call.prints && !locked):
		t.Errorf("%s, %s: exit status %d, and on standard output", call.args, place, status)
	default:
		return
	}
	t.Logf("stdout: %s\nstderr: %s", &stdout, &stderr)
}
