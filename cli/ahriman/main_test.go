package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBrokenPipe checks that a reader that went away ends the program without a
// word, and by an exit rather than a signal.
func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "ahriman", "version") // from TestMain
	cmd.Stdout, cmd.Stderr = w, &stderr
	cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != 141 {
		t.Errorf("exit status %d, want 141", got)
	}
	if stderr.Len() > 0 {
		t.Errorf("standard error: %s", &stderr)
	}
}

// buildStripped builds a program as make build does and returns its path.
func buildStripped(b *testing.B, source string) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "program")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building %s: %v\n%s", source, err, out)
	}
	return program
}

// BenchmarkVersion is the time of a whole process, for comparison with one that
// does nothing.
func BenchmarkVersion(b *testing.B) {
	dir := b.TempDir()
	nothing := filepath.Join(dir, "nothing.go")
	if err := os.WriteFile(nothing, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	for name, source := range map[string]string{"ahriman": "ahriman/cli/ahriman", "nothing": nothing} {
		program := buildStripped(b, source)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := exec.CommandContext(b.Context(), program, "--version").Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
