package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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

// TestInterruptedInput checks that a signal ends a command that waits for more
// from a pipe whose writer has nothing to say.
func TestInterruptedInput(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "ahriman", "vercmp", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "1 2\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "-1\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	stop := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stop.Stop()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 143 {
		t.Errorf("%s, want exit status 143", cmd.ProcessState)
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
