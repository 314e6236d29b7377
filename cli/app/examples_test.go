package app

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamples holds the examples of the help, which are the manual pages', and
// of README.md and the recipes to the command line and the configuration that
// there are.
func TestExamples(t *testing.T) {
	texts := map[string]string{}
	for name, node := range commands(t) {
		texts[name] = node.Detail
	}
	pages, err := filepath.Glob("../../recipes/*/README.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no recipes: %v", err)
	}
	for _, path := range append(pages, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	checked := 0
	for name, text := range texts {
		t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name), func(t *testing.T) {
			for _, block := range literals(text) {
				if strings.HasPrefix(block, "[") {
					checkConfiguration(t, block)
					continue
				}
				checkShell(t, block)
				for _, args := range invocations(block) {
					checked++
					checkInvocation(t, args)
				}
			}
		})
	}
	if checked < 150 {
		t.Errorf("only %d command lines were found", checked)
	}
}

// literals returns the blocks of a text that are indented by four; those with
// nothing between them are one.
func literals(text string) []string {
	var blocks []string
	joins := false
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		paragraph = "\n" + strings.Trim(paragraph, "\n")
		block := strings.ReplaceAll(paragraph, "\n    ", "\n")
		literal := strings.Count(paragraph, "\n    ") == strings.Count(paragraph, "\n")
		switch {
		case literal && joins:
			blocks[len(blocks)-1] += "\n" + block
		case literal:
			blocks = append(blocks, block[1:])
		}
		joins = literal
	}
	return blocks
}

func checkShell(t *testing.T, block string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-n")
	cmd.Stdin = strings.NewReader(block)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", block, out)
	}
}

// word is a word of a shell command with its quotes, or what ends a command.
var word = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\|&;<>()])+|[|&;<>()]+`)

// invocations are the command lines of ahriman in a shell text, word by word.
func invocations(block string) [][]string {
	var found [][]string
	for line := range strings.Lines(block) {
		begins, within := true, false // a command; one of ahriman
		line, _, _ = strings.Cut(line, " # ")
		words := word.FindAllString(line, -1)
		for i, w := range words {
			switch {
			case strings.ContainsAny(w[:1], "|&;<>()"):
				begins, within = true, false
			case within:
				found[len(found)-1] = append(found[len(found)-1], w)
			case begins && w == "ahriman" && (i == 0 || words[i-1] != "-u"):
				found, within = append(found, nil), true
			default: // the command of sudo follows its flags
				begins = w == "sudo" || w == "exec" || begins && i > 0 && (w[0] == '-' || words[i-1] == "-u")
			}
		}
	}
	return found
}

func checkInvocation(t *testing.T, args []string) {
	t.Helper()
	plain := make([]string, len(args))
	for i, arg := range args {
		if strings.ContainsAny(arg[:1], `'"`) {
			arg = arg[1 : len(arg)-1]
		} else if strings.Contains(arg, "://") && strings.ContainsAny(arg, "?*") {
			t.Errorf("ahriman %s: %s is a pattern to zsh and has to be quoted", strings.Join(args, " "), arg)
		}
		if arg == "$@" {
			return // what it is stands elsewhere
		}
		plain[i] = arg
	}
	exited := false
	parser, err := newParser(&Env{Stdout: io.Discard, Stderr: io.Discard}, &Grammar{}, func(int) { exited = true })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(joinNegative(plain)); err != nil && !exited {
		t.Errorf("ahriman %s: %s", strings.Join(args, " "), err)
	}
}

// checkConfiguration validates an ahriman.ini; pacman's configuration has a
// Server.
func checkConfiguration(t *testing.T, block string) {
	t.Helper()
	if strings.Contains(block, "Server = ") {
		return
	}
	dir := t.TempDir()
	trusted := filepath.Join(dir, "trusted")
	block = strings.NewReplacer("0x…", "0123456789ABCDEF", "/etc/ahriman.trusted", trusted, "/srv/ahriman", dir).Replace(block)
	for path, text := range map[string]string{trusted: "", filepath.Join(dir, "ahriman.ini"): block} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	env := Env{Args: []string{"-c", filepath.Join(dir, "ahriman.ini"), "service-config-validate", "-e"}, Stdout: &out, Stderr: &out}
	if code := Main(t.Context(), env); code != 0 {
		t.Errorf("%s\n%s", block, &out)
	}
}
