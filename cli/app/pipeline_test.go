package app

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipelineCase is a command that reads "-". $DIR is the node's directory.
type pipelineCase struct {
	before string // a command that makes the item what it is to be
	args   string
	good   string // an item that the command can handle
	then   string // a command that shows what became of it; empty: the command itself does
	want   string // in what that prints
	noJSON bool   // it has no --json
}

var pipelineCases = map[string]pipelineCase{
	"build":                 {args: "--dry-run -", good: `{"dir":"$DIR/source"}`, want: "source 1-1"},
	"package-add":           {args: "--now -", good: "$DIR/new-1-1-any.pkg.tar", then: "package-status new", want: "success"},
	"package-copy":          {args: "-r other aur -", good: `{"base":"foo"}`, then: "-r other package-status foo", want: "success"},
	"package-hold":          {args: "-", good: "foo", then: "package-status foo", want: "held", noJSON: true},
	"package-info":          {args: "-", good: `{"files":["$DIR/foo-1-1-any.pkg.tar"]}`, want: "foo-1-1-any.pkg.tar"},
	"package-remove":        {args: "-", good: "foo", then: "package-status", want: "^$"},
	"package-status":        {args: "-", good: `{"name":"foo"}`, want: "foo +1-1"},
	"package-status-remove": {args: "-", good: "foo", then: "package-status", want: "^$", noJSON: true},
	"package-status-update": {args: "-s failed -", good: "foo", then: "package-status foo", want: "failed", noJSON: true},
	"package-unhold":        {before: "package-hold foo", args: "-", good: "foo", then: "package-status foo", want: "success  ", noJSON: true},
	"repo-check":            {args: "-", good: "foo", want: "foo +2-1"},
	"repo-report":           {args: "--wait remote-call -", good: "foo", want: "success"},
	"repo-sign":             {args: "-", good: "$DIR/foo-1-1-any.pkg.tar", want: "foo-1-1-any.pkg.tar"},
	"repo-tree":             {args: "--from -", good: `{"path":"$DIR/source"}`, want: "source 1-1"},
	"repo-update":           {before: "package-add $DIR/new-1-1-any.pkg.tar", args: "-", good: `{"base":"new"}`, then: "package-status new", want: "success"},
	"srcinfo":               {args: "-", good: "$DIR/source", want: "pkgbase = source"},
	"upload":                {args: "-", good: `"$DIR/foo-1-1-any.pkg.tar"`, want: "foo-1-1-any.pkg.tar"},
	"vercmp":                {args: "-", good: "1 2", want: "-1"},
	"workers":               {args: "drain -", good: `{"name":"local","address":"local://","error":"away"}`, then: "workers --offline", want: "draining"},
}

// readsItems is in the help of what stands for items on standard input.
var readsItems = regexp.MustCompile(`[;,] (or )?- (for|waits).* standard input`)

// TestUpstreamFailure: a failure of an earlier command keeps no command from what
// it can do; it is named, or with --json handed on as it came, and makes the exit
// status 3.
func TestUpstreamFailure(t *testing.T) {
	model, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	node := newPipelineNode(t)
	for _, command := range model.Children {
		reads := false
		for _, positional := range command.Positional {
			reads = reads || readsItems.MatchString(positional.Help)
		}
		for _, flag := range command.Flags {
			reads = reads || readsItems.MatchString(flag.Help)
		}
		test, known := pipelineCases[command.Name]
		if known != reads && command.Name != "repo-restore" { // which reads an archive
			t.Errorf("%s: reads items: %t, is tested: %t", command.Name, reads, known)
		}
		if known {
			t.Run(command.Name, func(t *testing.T) { node.copy(t).check(t, command.Name, test) })
		}
	}
}

type pipelineNode struct{ dir, master string }

const lost = `{"base":"lost","error":"it did not build","more":[1]}`

func (n *pipelineNode) check(t *testing.T, name string, test pipelineCase) {
	if test.before != "" {
		if code, _, stderr := n.run(t, "", test.before); code != 0 {
			t.Fatalf("%s: exit status %d: %s", test.before, code, stderr)
		}
	}
	line := name + " " + test.args
	code, stdout, stderr := n.run(t, lost, line)
	if code != 3 || stdout != "" || stderr != "ahriman: error: lost: it did not build\n" {
		t.Errorf("%s: only a failure: exit status %d, want 3\n%s%s", line, code, stdout, stderr)
	}
	if !test.noJSON {
		code, stdout, stderr = n.run(t, lost, line+" --json")
		if code != 3 || stdout != lost+"\n" || stderr != "" {
			t.Errorf("%s --json: only a failure: exit status %d, want 3, and the failure handed on\n%s%s", line, code, stdout, stderr)
		}
	}
	code, stdout, stderr = n.run(t, lost+"\n"+test.good, line)
	if code != 3 || strings.Count(stderr, "ahriman: error: lost: it did not build\n") != 1 {
		t.Errorf("%s: exit status %d, want 3\n%s", line, code, stderr)
	}
	if test.then != "" {
		_, stdout, stderr = n.run(t, "", test.then)
	}
	if !regexp.MustCompile(test.want).MatchString(stdout) {
		t.Errorf("%s: the other item: got %q, want %q\n%s", line, stdout, test.want, stderr)
	}
}

// run calls a command line in this process.
func (n *pipelineNode) run(t testing.TB, stdin, line string) (code int, stdout, stderr string) {
	return n.runUntil(t.Context(), stdin, line)
}

func (n *pipelineNode) runUntil(ctx context.Context, stdin, line string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := Env{Stdin: strings.NewReader(strings.ReplaceAll(stdin, "$DIR", n.dir)), Stdout: &out, Stderr: &errs}
	env.Environ = append(os.Environ(), "AHRIMAN_CONFIGURATION="+filepath.Join(n.dir, "ahriman.ini"), "AHRIMAN_REPOSITORY=aur")
	env.Args = append(strings.Fields(strings.ReplaceAll(line, "$DIR", n.dir)), "--quiet")
	code = Main(ctx, env)
	return code, out.String(), errs.String()
}

// newPipelineNode is a node with a package, a newer source of it, a key, and a
// master that is served by this process.
func newPipelineNode(t testing.TB) *pipelineNode {
	n := &pipelineNode{dir: t.TempDir()}
	t.Setenv("GNUPGHOME", filepath.Join(n.dir, "gnupg"))
	for _, name := range []string{"aur", "other"} {
		n.write(t, "root/repository/"+name+"/x86_64/.keep", "")
	}
	n.write(t, "source/PKGBUILD", "pkgname=source\npkgver=1\npkgrel=1\narch=(any)\npackage() { :; }\n")
	n.write(t, "root/cache/foo/PKGBUILD", "pkgname=foo\npkgver=2\npkgrel=1\narch=(any)\npackage() { :; }\n")
	n.pack(t, "foo")
	n.pack(t, "new")
	if err := os.Mkdir(os.Getenv("GNUPGHOME"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--kill", "all").Run() })
	if out, err := exec.Command("gpg", "--batch", "--passphrase", "", "--quick-gen-key", "me@example.org", "ed25519", "sign", "never").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n.serve(t)
	n.write(t, "ahriman.ini", "[repository]\nroot = root\narchitecture = x86_64\n[aur]\naddress = http://127.0.0.1:1\n"+
		"[sign]\nkey = me@example.org\n[status]\naddress = http://"+n.master+"\n[upload]\ntarget = remote-service\n[remote-service]\n[build]\ntriggers =\n")
	if code, _, stderr := n.run(t, "", "--no-report package-add --now $DIR/foo-1-1-any.pkg.tar"); code != 0 {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	return n
}

// copy returns a node that is as this one, with the same master.
func (n *pipelineNode) copy(t *testing.T) *pipelineNode {
	other := &pipelineNode{dir: filepath.Join(t.TempDir(), "node"), master: n.master}
	if out, err := exec.Command("cp", "-a", n.dir, other.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return other
}

func (n *pipelineNode) write(t testing.TB, path, text string) {
	path = filepath.Join(n.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pack makes a package file with nothing in it.
func (n *pipelineNode) pack(t testing.TB, name string) {
	info := fmt.Sprintf("pkgname = %[1]s\npkgbase = %[1]s\npkgver = 1-1\npkgdesc = %[1]s\nbuilddate = 1700000000\nsize = 0\narch = any\n", name)
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	header := &tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info)), Typeflag: tar.TypeReg}
	if err := w.WriteHeader(header); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(info)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n.write(t, name+"-1-1-any.pkg.tar", file.String())
}

// serve runs a master until the test ends.
func (n *pipelineNode) serve(t testing.TB) {
	n.write(t, "master.ini", "[repository]\nroot = master\nname = aur\narchitecture = x86_64\n[web]\nenable_archive_upload = yes\n[build]\ntriggers =\n")
	n.write(t, "master/.keep", "")
	addressFile := filepath.Join(n.dir, "address")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var stderr bytes.Buffer
	go func() {
		defer close(ended)
		Main(ctx, Env{Args: []string{"-c", filepath.Join(n.dir, "master.ini"), "web", "--address", "127.0.0.1:0", "--addr-file", addressFile},
			Stdin: strings.NewReader(""), Stdout: &stderr, Stderr: &stderr})
	}()
	t.Cleanup(func() { stop(); <-ended })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if address, err := os.ReadFile(addressFile); err == nil {
			n.master = strings.TrimSpace(string(address))
			return
		}
		select {
		case <-ended:
			t.Fatalf("the master ended: %s", &stderr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the master does not serve")
		}
	}
}

// writeError is standard output that cannot be written.
type writeError struct{ error }

func (w writeError) Write([]byte) (int, error) { return 0, w.error }

// TestUnwritable: that nobody reads, or that there is no room, ends a command
// also when items of it failed.
func TestUnwritable(t *testing.T) {
	for err, want := range map[syscall.Errno]int{syscall.EPIPE: 141, syscall.ENOSPC: 1} {
		var stderr bytes.Buffer
		env := Env{Args: []string{"vercmp", "--json", "-"}, Stdin: strings.NewReader("1"), Stdout: writeError{err}, Stderr: &stderr}
		code := Main(t.Context(), env)
		said := strings.Contains(stderr.String(), "ahriman: error: writing to standard output: no space left on device")
		if code != want || said != (err == syscall.ENOSPC) {
			t.Errorf("%v: exit status %d, want %d\n%s", err, code, want, &stderr)
		}
	}
}

// TestInterruptedItems: an interrupt is no failure of the items that are left.
func TestInterruptedItems(t *testing.T) {
	node := newPipelineNode(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, line := range []string{"package-hold foo foo", "package-add foo foo", "package-info $DIR/foo-1-1-any.pkg.tar", "repo-sign $DIR/foo-1-1-any.pkg.tar"} {
		if code, stdout, stderr := node.runUntil(ctx, "", line); code != 130 || stdout+stderr != "" {
			t.Errorf("%s: exit status %d, want 130\n%s%s", line, code, stdout, stderr)
		}
	}
}

// BenchmarkItems holds a package again and again: the store is opened once.
func BenchmarkItems(b *testing.B) {
	node := newPipelineNode(b)
	for b.Loop() {
		if code, _, stderr := node.run(b, strings.Repeat("foo\n", 1000), "package-hold -"); code != 0 {
			b.Fatalf("exit status %d: %s", code, stderr)
		}
	}
}

// TestOwnFailure: what a command cannot do with an item keeps it from no other,
// in whichever of several repositories that is; what stops all of it is said.
func TestOwnFailure(t *testing.T) {
	node := newPipelineNode(t)
	unknown := "^ahriman: error: %s nothing: %s\nahriman: hint: .*\n$"
	tests := map[string]struct {
		before, line string
		status       int
		stderr       string // expression
		then, want   string
	}{
		"remove": {
			line: "package-remove foo nothing", status: 3, stderr: fmt.Sprintf(unknown, "removing", "unknown package"),
			then: "package-status", want: "^$",
		},
		"remove from two": {
			before: "-r other package-add --now $DIR/new-1-1-any.pkg.tar", line: "--repository= package-remove foo new",
			then: "--repository= package-status", want: "^$",
		},
		"sign": {
			line: "sign foo nothing", status: 3, stderr: fmt.Sprintf(unknown, "signing", "no such package base is published"),
			then: "--repository= sign foo", want: "^$",
		},
		"sign in two": {
			before: "-r other package-add --now $DIR/new-1-1-any.pkg.tar", line: "--repository= sign foo new",
			then: "--repository= sign", want: "^$",
		},
		"workers": {
			line: "workers drain nothing local", status: 3, stderr: "^ahriman: error: there is no worker nothing\nahriman: hint: .*\n$",
			then: "workers --offline", want: "draining",
		},
		"build elsewhere": {
			line: "build --dry-run nothing", status: 1, // the AUR is not there
			stderr: "^ahriman: error: resolving nothing: asking the AUR .*\nahriman: hint: the AUR is asked for names that are no directory .*\n$",
		},
		"status": {line: "package-status foo nothing", status: 3, stderr: "^ahriman: error: reading package nothing: unknown package\n$"},
		"what is added cannot be built": { // by root, or without the lock
			line: "package-add --now --lock $DIR/source/PKGBUILD/lock $DIR/source $DIR/none", status: 1,
			stderr: "^ahriman: error: .*none: not found\nahriman: hint: .*\nahriman: error: ",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := node.copy(t)
			if test.before != "" {
				if code, _, stderr := n.run(t, "", test.before); code != 0 {
					t.Fatalf("%s: exit status %d: %s", test.before, code, stderr)
				}
			}
			code, stdout, stderr := n.run(t, "", test.line)
			if code != test.status || !regexp.MustCompile(test.stderr).MatchString(stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("%s: exit status %d, want %d\n%s%s", test.line, code, test.status, stdout, stderr)
			}
			if test.then == "" {
				return
			}
			if _, stdout, stderr = n.run(t, "", test.then); !regexp.MustCompile(test.want).MatchString(stdout) {
				t.Errorf("%s: %s: got %q, want %q\n%s", test.line, test.then, stdout, test.want, stderr)
			}
		})
	}
}
