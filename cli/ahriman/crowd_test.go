package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ahriman/core/alpm"
)

// crowd is a node on which several processes work at once, its web service among
// them. All run as nobody when the test runs as root.
type crowd struct {
	t   *testing.T
	dir string
	web *exec.Cmd

	mu        sync.Mutex
	published map[string]string // version by package, as its only owner left it; empty: removed
}

func newCrowd(t *testing.T, dir string) *crowd {
	t.Helper()
	c := &crowd{t: t, dir: dir, published: map[string]string{}}
	for _, name := range []string{"files", "tmp", "home", "src/built"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.write("ahriman.ini", `[repository]
root = root
name = aur
architecture = x86_64
[alpm]
database = none
[aur]
address = http://127.0.0.1:1
[auth]
target = configuration
[build]
triggers =
builder = makepkg
include_debug_packages = no
[web]
enable_archive_upload = yes
wait_timeout = 0
`)
	c.write("src/built/PKGBUILD", "pkgname=built\npkgver=1\npkgrel=1\narch=(any)\npackage() { :; }\n")
	if os.Getuid() == 0 {
		c.must(exec.Command("chown", "-R", "65534:65534", dir).CombinedOutput())
		program, err := exec.LookPath("ahriman") // TestMain's
		if err = errors.Join(err, os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *crowd) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crowd) must(out []byte, err error) string {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// command is the program, on the node.
func (c *crowd) command(args ...string) *exec.Cmd {
	ctx, stop := context.WithTimeout(context.WithoutCancel(c.t.Context()), 5*time.Minute)
	c.t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, "ahriman", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "AHRIMAN_CONFIGURATION="+filepath.Join(c.dir, "ahriman.ini"),
		"HOME="+filepath.Join(c.dir, "home"), "TMPDIR="+filepath.Join(c.dir, "tmp"), "GORACE=atexit_sleep_ms=0")
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

// run runs the program on the node; the lock of builds is waited for.
func (c *crowd) run(args ...string) error {
	return c.runWith("", append([]string{"--wait-timeout", "240"}, args...)...)
}

func (c *crowd) runWith(stdin string, args ...string) error {
	cmd := c.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ahriman %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// is notes what a package's owner has made of it.
func (c *crowd) is(name, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.published[name] = version
}

// file makes a package file.
func (c *crowd) file(name, version string) string {
	c.t.Helper()
	var b bytes.Buffer
	info := fmt.Sprintf("pkgname = %[1]s\npkgbase = %[1]s\npkgver = %[2]s\narch = any\nsize = 1\nbuilddate = 1795355916\n", name, version)
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info))})
	if err == nil {
		_, err = io.WriteString(w, info)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		c.t.Error(err)
	}
	path := filepath.Join(c.dir, "files", name+"-"+version+"-any.pkg.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		c.t.Error(err)
	}
	return path
}

// add adds a package file.
func (c *crowd) add(name string, i int) error {
	version := fmt.Sprintf("%d-1", i+1)
	if err := c.run("package-add", "--now", c.file(name, version)); err != nil {
		return err
	}
	c.is(name, version)
	return nil
}

// come and go: what is added is gone back from, removed, and added again.
func (c *crowd) comeAndGo(i int) error {
	version := fmt.Sprintf("%d-1", i+1)
	err := c.add("goes", i)
	switch i % 3 {
	case 1:
		back := fmt.Sprintf("%d-1", i)
		err = errors.Join(err, c.run("package-rollback", "--no-hold", "goes", back), c.run("package-hold", "goes"), c.run("package-unhold", "goes"))
		if c.is("goes", back); err == nil {
			err = c.run("package-rollback", "--no-hold", "goes", version)
		}
		c.is("goes", version)
	case 2:
		err = errors.Join(err, c.run("package-remove", "goes"))
		c.is("goes", "")
	}
	return err
}

// build has makepkg build a package, and again with a raised pkgrel.
func (c *crowd) build(i int) error {
	err := errors.Join(c.run("package-add", filepath.Join(c.dir, "src", "built")), c.run("repo-update", "--no-aur"))
	version := "1-1"
	if i > 0 {
		version = fmt.Sprintf("1-1.%d", i)
	}
	c.is("built", version)
	return err
}

// upload hands a package in over HTTP and has the web service publish it.
func (c *crowd) upload(i int) error {
	version := fmt.Sprintf("%d-1", i+1)
	if err := errors.Join(c.run("-c", "worker.ini", "upload", c.file("uploaded", version)), c.run("-c", "worker.ini", "repo-report", "remote-call", "--wait")); err != nil {
		return err
	}
	c.is("uploaded", version)
	return nil
}

// note changes what is no package, and reads.
func (c *crowd) note(i int) error {
	user := fmt.Sprint("user", i)
	err := errors.Join(
		c.run("package-status-update", "-s", "failed", "a"), c.run("user-add", "--token", user), c.run("repo-check", "--no-vcs"),
		c.runWith(fmt.Sprint(i), "patch-add", "a", fmt.Sprint("_v", i)), c.run("package-archives", "a"), c.run("package-status", "--json"))
	if i%2 == 1 {
		err = errors.Join(err, c.run("user-remove", user), c.run("patch-remove", "a"))
	}
	return err
}

// serve starts the web service, for which worker.ini has a token.
func (c *crowd) serve() {
	c.t.Helper()
	token := c.must(c.command("user-add", "--token", "-R", "full", "worker").Output())
	c.web = c.command("--wait-timeout", "240", "web", "--address", "127.0.0.1:0", "--addr-file", "addr")
	log, err := os.Create(filepath.Join(c.dir, "web.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.web.Stdout, c.web.Stderr = log, log
	if err := c.web.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if c.web.ProcessState == nil {
			c.web.Process.Kill()
			c.web.Wait()
		}
	})
	address := awaitAddress(c.t, filepath.Join(c.dir, "addr"))
	c.write("worker.ini", fmt.Sprintf(`[repository]
root = worker
name = aur
architecture = x86_64
[status]
address = http://%s
token = %s
[upload]
target = remote-service
[remote-service]
[report]
target = remote-call
[remote-call]
manual = yes
`, address, token))
}

// awaitAddress waits for what a web service writes for --addr-file.
func awaitAddress(t testing.TB, file string) string {
	t.Helper()
	for over := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if address := strings.TrimSpace(string(text)); address != "" {
			return address
		}
		if time.Now().After(over) {
			t.Fatalf("the web service does not serve: %v", err)
		}
	}
}

// stop ends the web service as an operator does.
func (c *crowd) stop() {
	c.t.Helper()
	if err := errors.Join(c.web.Process.Signal(syscall.SIGINT), c.web.Wait()); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "web.log"))
		c.t.Errorf("the web service ends with %v\n%s", err, log)
	}
}

// check looks at all that the processes have left.
func (c *crowd) check() {
	c.t.Helper()
	c.checkDatabase()
	c.checkPacman()
	c.checkStore()
	c.checkFiles()
}

// repository is a path below the published directory.
func (c *crowd) repository(name string) string {
	return filepath.Join(c.dir, "root", "repository", "aur", "x86_64", name)
}

// checkDatabase compares what is published with what the owners of the packages
// left, and each file with its digest.
func (c *crowd) checkDatabase() {
	c.t.Helper()
	f, err := os.Open(c.repository("aur.db"))
	if err != nil {
		c.t.Error(err)
		return
	}
	defer f.Close()
	packages, err := alpm.ReadDatabase(f)
	if err != nil {
		c.t.Error(err)
	}
	got := map[string]string{}
	for _, p := range packages {
		got[p.Name] = p.Version
		text, err := os.ReadFile(c.repository(p.FileName))
		sum := sha256.Sum256(text)
		if err != nil || hex.EncodeToString(sum[:]) != p.SHA256 || int64(len(text)) != p.CompressedSize {
			c.t.Errorf("%s: %d bytes, want %d, or another digest: %v", p.FileName, len(text), p.CompressedSize, err)
		}
	}
	for name, version := range c.published {
		if got[name] != version {
			c.t.Errorf("%s: %s is published at %q, want %q", c.dir, name, got[name], version)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		c.t.Errorf("nobody added %v", got)
	}
}

// checkPacman has pacman read the database and fetch what is in it.
func (c *crowd) checkPacman() {
	c.t.Helper()
	dir := c.t.TempDir()
	for _, name := range []string{"root", "db", "cache", "hooks"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	text := fmt.Sprintf("[options]\nRootDir = %[1]s/root\nDBPath = %[1]s/db\nCacheDir = %[1]s/cache\nHookDir = %[1]s/hooks\nLogFile = %[1]s/log\n"+
		"GPGDir = %[1]s\nArchitecture = x86_64\nSigLevel = Never\n[aur]\nServer = file://%[2]s\n", dir, c.repository(""))
	if err := os.WriteFile(filepath.Join(dir, "pacman.conf"), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	pacman := func(args ...string) string {
		c.t.Helper()
		args = append([]string{"--", "pacman", "--config", filepath.Join(dir, "pacman.conf"), "--noconfirm"}, args...)
		return c.must(exec.Command("fakeroot", args...).CombinedOutput())
	}
	pacman("-Sy")
	var want []string
	for name, version := range c.published {
		if version != "" {
			want = append(want, "aur "+name+" "+version)
			pacman("-Sw", name) // compares digests
		}
	}
	slices.Sort(want)
	if got := pacman("-Sl", "aur"); got != strings.Join(want, "\n") {
		c.t.Errorf("pacman sees\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// checkStore looks at SQLite's file, and for work that nobody does.
func (c *crowd) checkStore() {
	c.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(c.dir, "root", "ahriman.sqlite"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	for query, want := range map[string]string{
		"PRAGMA integrity_check": "ok", "SELECT count(*) FROM pragma_foreign_key_check": "0",
		"SELECT count(*) FROM assignments": "0", "SELECT count(*) FROM queue": "0",
		"SELECT count(*) FROM jobs WHERE ended_us IS NULL": "0", "SELECT count(*) FROM jobs WHERE state <> 'succeeded'": "0",
		"SELECT count(*) FROM packages WHERE status IN ('building', 'pending')": "0",
	} {
		var got string
		if err := db.QueryRow(query).Scan(&got); err != nil || got != want {
			c.t.Errorf("%s: %s, want %s: %v", query, got, want, err)
		}
	}
	out := c.must(c.command("package-status", "--json").Output())
	for scanner := bufio.NewScanner(strings.NewReader(out)); scanner.Scan(); {
		var line struct{ Base, Version string }
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil || c.published[line.Base] != line.Version {
			c.t.Errorf("the store has %s %s, want %s: %v", line.Base, line.Version, c.published[line.Base], err)
		}
	}
}

// checkFiles looks for what somebody has not tidied up: hidden names that are
// none of the few that stay, and files where nothing waits.
func (c *crowd) checkFiles() {
	c.t.Helper()
	root := filepath.Join(c.dir, "root")
	stays := []string{".spare", ".scratch", ".worker", ".incoming", ".lock", ".index", ".build-aur-x86_64.lock"}
	empty := []string{filepath.Join(c.dir, "tmp"), filepath.Join(root, ".scratch"), filepath.Join(root, ".worker"),
		filepath.Join(root, "packages"), filepath.Join(root, "archive", "packages", ".incoming")}
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		inside := func(dir string) bool { return !d.IsDir() && strings.HasPrefix(path, dir+"/") }
		switch {
		case err != nil:
			return err
		case path == filepath.Join(c.dir, "home"):
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), ".") && !slices.Contains(stays, d.Name()), slices.ContainsFunc(empty, inside):
			c.t.Errorf("left behind: %s", path)
		}
		return nil
	})
	if err != nil {
		c.t.Error(err)
	}
}

// world is a directory that nobody may go into.
func world(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ahriman-crowd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
