package trigger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Bounds of an exec: trigger.
const (
	execTime     = 15 * time.Minute
	execPatience = 5 * time.Second // for its output after it has ended
	maxMessage   = 4 << 10         // bytes of one line of its output
)

// newExec runs a program after each result.
func newExec(path string, options Options) (trigger, error) {
	if !filepath.IsAbs(path) {
		return trigger{}, &NameError{Name: "trigger " + ExecPrefix + path, Problem: "has no absolute path", Advice: "write exec:/path/to/program"}
	}
	info, err := os.Stat(path)
	if err != nil {
		return trigger{}, fmt.Errorf("trigger %s%s: %w", ExecPrefix, path, err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return trigger{}, &NameError{Name: "trigger " + ExecPrefix + path, Problem: "is no program", Advice: "chmod +x " + path}
	}
	return trigger{onResult: func(ctx context.Context, result Result) error {
		return runProgram(ctx, path, result, options)
	}}, nil
}

// runProgram gives the program the result as one JSON object. Each line it
// prints becomes a message. When its time is over, or the run is cancelled, its
// whole process group is killed.
func runProgram(ctx context.Context, path string, result Result, options Options) error {
	input, err := encodeResult(result)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, execTime, fmt.Errorf("still running after %s", execTime))
	defer cancel()
	output := &lines{messages: options.Messages, name: filepath.Base(path)}
	command := exec.CommandContext(ctx, path)
	command.Stdin = bytes.NewReader(input)
	command.Stdout, command.Stderr = output, output
	command.Env = environ(options.Environ)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = execPatience
	err = command.Run()
	output.flush()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		_ = command.Cancel()
		return errors.New("it ended and left a process that holds its output")
	case err != nil && output.last != "":
		return fmt.Errorf("%w: %s", err, output.last)
	}
	return err
}

// encodeResult adds the repository, and writes lists that are empty as such.
func encodeResult(result Result) ([]byte, error) {
	type repository struct {
		Name         string `json:"name"`
		Architecture string `json:"architecture"`
	}
	result.Built = append([]Built{}, result.Built...)
	result.Removed = append([]string{}, result.Removed...)
	result.Failed = append([]Failure{}, result.Failed...)
	return json.Marshal(struct {
		Repository repository `json:"repository"`
		Result
	}{repository{result.Repository.Name, result.Repository.Architecture}, result})
}

// environ leaves out options of the configuration ("status:password"), which
// are not the program's business.
func environ(all []string) []string {
	kept := []string{}
	for _, variable := range all {
		if name, _, _ := strings.Cut(variable, "="); !strings.Contains(name, ":") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// lines makes messages of a program's output.
type lines struct {
	messages *slog.Logger
	name     string
	partial  []byte
	last     string // line that is not empty
}

func (l *lines) Write(p []byte) (int, error) {
	rest := p
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		line = line[:min(len(line), max(0, maxMessage-len(l.partial)))]
		l.partial = append(l.partial, line...)
		if !found {
			return len(p), nil
		}
		l.flush()
		rest = after
	}
}

func (l *lines) flush() {
	text := strings.TrimSpace(string(l.partial))
	l.partial = l.partial[:0]
	if text == "" {
		return
	}
	l.last = text
	l.messages.Info(text, "program", l.name)
}
