package alpm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestDescValue judges what becomes of a value by the shell that repo-add is
// written in, with the reading that repo-add does.
func TestDescValue(t *testing.T) {
	const script = `shopt -s extglob
while read -r line; do
	IFS=' =' read -r var val < <(printf '%s\n' "$line")
	printf '%s\n' "${val//+([[:space:]])/ }"
done <in`
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "=", "=", " ", "  ", "\t", `\`, "%", "é", "\v", "\f"}
	var values []string
	var in strings.Builder
	for range 1500 {
		var b strings.Builder
		for range r.IntN(7) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		value := strings.TrimSpace(b.String()) // as ParsePkginfo does
		values = append(values, value)
		fmt.Fprintf(&in, "key = %s\n", value)
	}
	dir := t.TempDir()
	writeFile(t, dir, "in", in.String())
	got := strings.Split(runIn(t, dir, "bash", "-c", script), "\n")
	for i, value := range values {
		if ours := descValue(value); ours != got[i] {
			t.Errorf("descValue(%q) = %q, repo-add's shell makes it %q", value, ours, got[i])
		}
	}
}

func TestEscapePath(t *testing.T) {
	for path, want := range map[string]string{
		"usr/bin/a b":                          "usr/bin/a b",
		`a\x2d`:                                `a\\x2d`,
		"a\tb\nc":                              `a\tb\nc`,
		"naïve/日本":                             "naïve/日本",
		"bad\xffbyte":                          `bad\377byte`,
		"\x01\x1b":                             `\001\033`,
		"a\u00a0b\u200b\ue000\u3000\U0001f600": "a\u00a0b\u200b\ue000\u3000\U0001f600",
		"\u2028\u0085\U0010ffff":               `\342\200\250\302\205\364\217\277\277`,
	} {
		if got := escapePath(path); got != want {
			t.Errorf("escapePath(%q) = %q, want %q", path, got, want)
		}
	}
}
