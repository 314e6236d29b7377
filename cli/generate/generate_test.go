package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/cli/app"
)

// example is a small command line with one of everything. The real one's names
// come from the same code.
func example() *commandLine {
	packages := value{kind: "packages", help: "package [base]: its name", many: true}
	add := command{
		name: "package-add", aliases: []string{"add"}, help: "add a package's sources", detail: "What\\it does.\n\nExample: one.\n\n    ahriman add 'a b'\n    .hidden",
		options: []option{
			{value: value{kind: "enum", enum: []string{"auto", "aur", "archive"}, holder: "SOURCE", help: "where from"}, long: "source", short: "s", takes: true},
			{value: value{kind: "none", help: "say more", many: true}, long: "verbose", short: "v"},
			{value: value{kind: "none", help: "changes"}, long: "changes", no: "no-changes"},
			{value: value{kind: "directories", holder: "DIR", help: "where to"}, long: "output", short: "o", takes: true, need: true},
		},
		arguments: []argument{{value: packages, name: "package", need: true}},
	}
	upload := command{
		name: "upload", help: "send files", arguments: []argument{{value: value{kind: "commands"}, name: "after", need: true}, {value: value{kind: "files+packages", many: true}, name: "file"}},
	}
	return &commandLine{
		globals: []option{
			{value: value{kind: "files", holder: "PATH", help: "configuration"}, long: "configuration", short: "c", takes: true, environ: "AHRIMAN_CONFIGURATION"},
			{value: value{kind: "repositories", holder: "NAME", help: "repository"}, long: "repository", short: "r", takes: true},
			{value: value{kind: "none", help: "less"}, long: "quiet", short: "q"},
		},
		commands: []command{add, upload},
		groups:   []group{{title: "Packages", commands: []command{add, upload}}},
	}
}

// workplace is a directory with the example's completions, a program that
// answers __complete, and a repository for it to look into.
func workplace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range completions(example()) {
		writeFile(t, filepath.Join(dir, "completions", name), string(text))
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bin", "ahriman"), "ahriman/cli/ahriman")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building ahriman: %v\n%s", err, out)
	}
	writeFile(t, filepath.Join(dir, "ahriman.ini"), "[repository]\nroot = root\n")
	writeFile(t, filepath.Join(dir, "root", "repository", "extra", "x86_64", "zlib-1.3-1-x86_64.pkg.tar.zst"), "")
	writeFile(t, filepath.Join(dir, "root", "repository", "extra", "x86_64", "extra.db"), "")
	writeFile(t, filepath.Join(dir, "root", "cache", "zstd", "PKGBUILD"), "")
	writeFile(t, filepath.Join(dir, "zfile one.txt"), "")
	writeFile(t, filepath.Join(dir, "zdir", "inside"), "")
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shell runs a script in the workplace and returns what it prints.
func shell(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], append(args[1:], script)...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CACHE_HOME="+dir, "TERM=dumb", "LC_ALL=C.UTF-8",
		"PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "AHRIMAN_CONFIGURATION="+filepath.Join(dir, "ahriman.ini"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

// cases are command lines with the cursor at the end, and what is offered.
// Words are separated by "|", since a word may be empty.
var cases = []struct{ line, want string }{
	{"a", "add"},
	{"", "add package-add upload"},
	{"-q|pack", "package-add"},
	{"-c|other.ini|up", "upload"},
	{"add|--so", "--source"},
	{"add|--no", "--no-changes"},
	{"add|--qu", "--quiet"},
	{"add|--source|a", "archive aur auto"},
	{"add|-s|au", "aur auto"},
	{"add|zl", "zlib"},
	{"add|-s|aur|x|z", "zlib zstd"},
	{"add|--output|z", "zdir"},
	{"-r|", "extra"},
	{"-c|ah", "ahriman.ini"},
	{"upload|ad", "add"},
	{"upload|add|zd", "zdir"},
	{"upload|add|zl", "zlib"},
}

// TestCompletions asks real shells.
func TestCompletions(t *testing.T) {
	dir := workplace(t)
	for name, test := range map[string]func(*testing.T, string){
		"bash": testBash, "bash, interactive": testBashInteractive, "fish": testFish, "zsh": testZsh,
	} {
		t.Run(name, func(t *testing.T) { test(t, dir) })
	}
}

func testBash(t *testing.T, dir string) {
	all := append(cases[:len(cases):len(cases)], []struct{ line, want string }{
		{"add|--source|=|ar", "archive"}, // as readline cuts --source=ar
		{"add|--source|=", "archive aur auto"},
		{"add|--|--so", ""},
		{"upload|add|zf", "zfile one.txt"},
		{"nonsense|x", ""},
	}...)
	for _, test := range all {
		t.Run(test.line, func(t *testing.T) {
			words := strings.Split(test.line, "|")
			for i, word := range words {
				words[i] = "'" + word + "'"
			}
			script := "source completions/ahriman.bash\n" +
				"COMP_WORDS=(ahriman " + strings.Join(words, " ") + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n" +
				`_ahriman; printf '%s\n' "${COMPREPLY[@]}" | sort`
			got := strings.Fields(shell(t, dir, script, "bash", "--norc", "-c"))
			if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// testBashInteractive presses the key, with bash-completion finding the file.
func testBashInteractive(t *testing.T, dir string) {
	data := t.TempDir()
	writeFile(t, filepath.Join(data, "bash-completion", "completions", "ahriman"), string(bashCompletion(example())))
	const loader = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(loader); err != nil {
		t.Fatalf("bash-completion is needed (make setup): %v", err)
	}
	keys := "export XDG_DATA_HOME=" + data + "; source " + loader + "; PS1=; bind 'set enable-bracketed-paste off'\nahriman --repo\text\t version >out 2>&1; echo $? >status\nexit\n"
	keys = "cd " + data + "\n" + keys
	writeFile(t, filepath.Join(data, "keys"), keys)
	shell(t, dir, `script -qec "bash --norc -i" /dev/null <`+data+`/keys >`+data+`/screen`, "bash", "-c")
	if got := shell(t, data, "cat status screen", "bash", "-c"); !strings.HasPrefix(got, "0\n") || !strings.Contains(got, "--repository extra") {
		t.Errorf("the line was not completed:\n%s", got)
	}
}

func testFish(t *testing.T, dir string) {
	for _, test := range cases {
		t.Run(test.line, func(t *testing.T) {
			line := "ahriman " + strings.ReplaceAll(test.line, "|", " ")
			script := "source completions/ahriman.fish\ncomplete -C '" + line + "' | string split -f1 \\t | string trim -r -c / | sort"
			got := strings.Fields(shell(t, dir, script, "fish", "--no-config", "-c"))
			if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// testZsh presses the key in a shell on a pseudo-terminal and waits for the
// whole line, or for the list that is shown.
func testZsh(t *testing.T, dir string) {
	script := `
zmodload zsh/zpty
zpty z zsh -f -i
say() { zpty -w -n z "$1"; }
expect() {
	local seen
	zpty -r -m z seen "$2" && print -r -- "ok $1"
}
say $'PS1=; unset zle_bracketed_paste; LISTMAX=1000; stty cols 200; fpath=(completions $fpath); autoload -U compinit; compinit -u; print rea""dy\n'
expect ready '*ready*'
try() { say $'\x15'"ahriman $1"$'\t'; expect "$1" "$2"; }
try pack '*package-add *'
try 'add --so' '*--source*'
try 'add --source=ar' '*--source=archive *'
try 'add -s arch' '*archive *'
try 'add zl' '*zlib *'
try 'add --no-' '*--no-changes *'
try 'add --qu' '*--quiet *'
try '-r ex' '*extra *'
try '-c ahr' '*ahriman.ini *'
try 'add --output zd' '*zdir/*'
try 'upload pack' '*upload package-add *'
try 'upload add zdi' '*zdir/*'
try 'upload add zl' '*zlib *'
try 'add z' '*zlib*zstd*'
zpty -d z
`
	want := []string{"ready", "pack", "add --so", "add --source=ar", "add -s arch", "add zl", "add --no-", "add --qu", "-r ex", "-c ahr", "add --output zd", "upload pack", "upload add zdi", "upload add zl", "add z"}
	got := strings.Split(strings.TrimSpace(shell(t, dir, script, "zsh", "-f", "-c")), "\n")
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], "ok ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRealCompletions loads the ones of the real command line.
func TestRealCompletions(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	model, err := app.Model()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range completions(newCommandLine(model)) {
		writeFile(t, filepath.Join(dir, name), string(text))
	}
	shell(t, dir, "shellcheck -s bash ahriman.bash && source ./ahriman.bash", "bash", "-c")
	shell(t, dir, "zsh -n _ahriman", "bash", "-c")
	// The empty value of an option, which stands for none, is not offered.
	pressed := "source ./ahriman.bash; COMP_WORDS=(ahriman status --status ''); COMP_CWORD=3; _ahriman; printf '<%s>' \"${COMPREPLY[@]}\""
	if got := shell(t, dir, pressed, "bash", "-c"); got != "<unknown><pending><building><failed><success>" {
		t.Errorf("bash offers %s", got)
	}
	got := shell(t, dir, "source ahriman.fish; complete -C 'ahriman vers'", "fish", "--no-config", "-c")
	if !strings.Contains(got, "version\t") {
		t.Errorf("fish offers %q", got)
	}
}

// TestManPages has mandoc look for mistakes in the pages of the real command line
// and of the example.
func TestManPages(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	model, err := app.Model()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, line := range []*commandLine{newCommandLine(model), example()} {
		for name, text := range manPages(line) {
			writeFile(t, filepath.Join(dir, string(rune('a'+i)), name), string(text))
		}
	}
	// What is not installed cannot be found.
	lint := "mandoc -Tlint */*.1 2>/dev/null | grep -v 'referenced manual not found' || true"
	if got := shell(t, dir, lint, "bash", "-c"); got != "" {
		t.Errorf("mandoc finds:\n%s", got)
	}
	text := shell(t, dir, "mandoc -Tascii b/ahriman-package-add.1 | col -bx", "bash", "-c")
	for _, want := range []string{"ahriman 'a b'", "What\\it does.", "           .hidden\n", "[--[no-]changes]", "-s, --source=SOURCE", "One of auto, aur, archive."} {
		want = strings.ReplaceAll(want, "ahriman 'a b'", "ahriman add 'a b'")
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestStale is what make check relies on.
func TestStale(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]byte{"a": []byte("one"), "b": []byte("two")}
	writeFile(t, filepath.Join(dir, "a"), "old")
	writeFile(t, filepath.Join(dir, "gone"), "x")
	err := bring(dir, files, true)
	for _, want := range []string{"/a is stale", "/b is stale", "/gone is not generated"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if err := bring(dir, files, false); err != nil {
		t.Fatal(err)
	}
	if err := bring(dir, files, true); err != nil {
		t.Errorf("stale after it was written: %v", err)
	}
}
