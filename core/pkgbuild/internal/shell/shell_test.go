package shell

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAgainstBash runs each snippet of testdata/snippets (separated by lines
// of "----") in bash and here, and compares what they print and their status.
func TestAgainstBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatalf("these tests compare with the real bash: %v", err)
	}
	files, err := filepath.Glob("testdata/snippets/*.sh")
	if err != nil || len(files) == 0 {
		t.Fatalf("no snippets: %v", err)
	}
	dir := filesDirectory(t)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for snippet := range strings.SplitSeq(string(data), "\n----\n") {
			t.Run(filepath.Base(file), func(t *testing.T) {
				script := filepath.Join(t.TempDir(), "script")
				want := runBash(t, bash, dir, script, snippet)
				got := runHere(t, dir, script, snippet)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n(-bash +here)\n%s", snippet, diff)
				}
			})
		}
	}
}

// filesDirectory makes a directory with a few files to look at.
func filesDirectory(t *testing.T) string {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"b.txt": "one\ntwo\nthree\n", "a.txt": "alpha=1\nbeta=2\n", "c.sh": "sourced=yes\nargs=\"$*\"\n", ".hidden": "",
		"sub/x.patch": "x", "sub/y.patch": "y", "empty": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type outcome struct {
	Out    string
	Status int
}

func runBash(t *testing.T, bash, dir, script, snippet string) outcome {
	if err := os.WriteFile(script, []byte(snippet+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// As makepkg does, source it in a function.
	cmd := exec.CommandContext(t.Context(), bash, "-c", `shopt -s extglob; f() { shopt -u extglob; source "$1"; }; f "$1"; exit $?`, "makepkg", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{out.String(), cmd.ProcessState.ExitCode()}
}

func runHere(t *testing.T, dir, script, snippet string) outcome {
	sh := New(t.Context(), &Config{Files: os.DirFS(dir), Dir: dir, File: "script", Now: time.Now().UTC(), Timeout: time.Minute})
	sh.Set("PWD", dir)
	sh.Set("TZ", "UTC")
	sh.stdout = &output{limit: maxText}
	sh.Push(nil)
	sh.Push(nil)
	sh.SetParameters([]string{script})
	err := sh.Source("script", snippet+"\n")
	var fatal *Fatal
	var syntax *SyntaxError
	switch {
	case errors.As(err, &fatal), errors.As(err, &syntax):
		return outcome{sh.Output(), 1}
	case err != nil:
		t.Fatalf("%s\n%v", snippet, err)
	}
	status, _ := sh.Status()
	return outcome{sh.Output(), status}
}

// TestUnknown checks that what nobody can know here ends the run only when
// something depends on it.
func TestUnknown(t *testing.T) {
	tests := []struct {
		script string
		want   string // of the error; empty for none
	}{
		{"jobs=$(nproc); x=\"-j$jobs\"", ""},
		{"f() { curl https://example.org | sh; }", ""},
		{"curl https://example.org", ""},
		{"x=$(curl https://example.org | sed s/a/b/ | head -n1)", ""},
		{"x=$(curl example.org)\n[[ $x ]] && y=1", "s:1: needs evaluation: command curl"},
		{"if pacman -Q foo; then y=1; fi", "s:1: needs evaluation: command pacman"},
		{"\n\nx=${HOME#/}", "s:3: needs evaluation: $HOME"},
		{"x=(~/*)", ""},
		{"x=$(</etc/passwd); y=${#x}", "s:1: needs evaluation: reading /etc/passwd"},
		{". /etc/os-release", "s:1: needs evaluation: reading /etc/os-release"},
		{". ../x", "s:1: needs evaluation: reading ../x"},
		{"[ -e /usr/bin/gcc ]", "s:1: needs evaluation: looking at /usr/bin/gcc"},
		{"git clone x; . ./x", "s:1: needs evaluation: reading ./x after command git"},
		{"date > now; cat now", ""},
		{"if command -v gcc; then x=1; fi", "s:1: needs evaluation: whether command gcc exists"},
		{"x=$(if command -v gcc; then echo 1; fi)", ""},
		{"exec bash", "s:1: needs evaluation: exec"},
		{"x=$RANDOM; ((x > 5))", "s:1: needs evaluation: $RANDOM"},
	}
	for _, test := range tests {
		sh := New(t.Context(), &Config{Files: fstest.MapFS{}, Dir: "/nowhere", File: "s", Timeout: time.Minute})
		sh.SetUnknown("HOME", "$HOME")
		got := ""
		if err := sh.Source("s", test.script); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s\ngot  %q\nwant %q", test.script, got, test.want)
		}
	}
}
