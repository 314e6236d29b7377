package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"ahriman/core/build"
)

// follower runs one job after the other and shows what it prints.
type follower struct {
	local  *build.Local
	env    *Env
	output string // logs of failed builds are kept there
	shown  bool   // builds' output goes to standard error
}

// build runs a job to its end. An interrupt cancels it.
func (f *follower) build(ctx context.Context, job build.Job) ([]string, error) {
	if err := f.local.Start(ctx, job); err != nil {
		return nil, err
	}
	log := io.Discard
	if f.shown {
		log = f.env.Stderr
	}
	result, err := f.local.Attach(ctx, job.ID, log)
	if err == nil {
		// The log of an earlier failure is about other packages now.
		_ = os.Remove(f.logPath(job.Base))
		return result.Files, nil
	}
	if ctx.Err() != nil {
		// The build may not outlive us; Close waits for it too.
		_ = f.local.Cancel(context.WithoutCancel(ctx), job.ID)
		return nil, ctx.Err()
	}
	var failure *build.Failure
	if errors.As(err, &failure) && failure.Log != "" {
		if kept := f.logPath(job.Base); os.Rename(failure.Log, kept) == nil {
			failure.Log = kept
		}
	}
	return nil, err
}

// logPath is where the log of a failed build is kept.
func (f *follower) logPath(base string) string { return filepath.Join(f.output, base+".log") }

// logOf returns the path of the log of a failed build, "" where there is none.
func (f *follower) logOf(err error) string {
	var failure *build.Failure
	if errors.As(err, &failure) {
		return failure.Log
	}
	return ""
}

// What of a log is shown when a build fails.
const (
	tailLines = 15
	tailBytes = 8 << 10
)

// printTail prints the last lines of a log, indented.
func printTail(w io.Writer, path string) {
	file, err := os.Open(path)
	if err != nil {
		return // the error that follows names the log
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = file.Seek(-tailBytes, io.SeekEnd)
	}
	data, err := io.ReadAll(io.LimitReader(file, tailBytes))
	if err != nil {
		return
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for _, line := range lines[max(0, len(lines)-tailLines):] {
		fmt.Fprintf(w, "    %s\n", line)
	}
}
