package main

import (
	"bytes"
	"os"
	"os/exec"
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
