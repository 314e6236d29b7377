package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"ahriman/core/pkgbuild"
	"ahriman/core/source"
)

// srcinfoTimeout bounds how long a PKGBUILD may take to be evaluated.
const srcinfoTimeout = time.Minute

// Srcinfo evaluates the PKGBUILD in dir by running it, in the sandbox and
// without network: the last resort for those that cannot be read otherwise, and
// only for sources that are about to be built. The error is a *Failure when the
// PKGBUILD is at fault.
func (l *Local) Srcinfo(ctx context.Context, dir, architecture string) (*pkgbuild.Srcinfo, error) {
	ctx, stop := context.WithTimeout(ctx, srcinfoTimeout)
	defer stop()
	scratch, done, err := l.layOut(ctx, dir, "srcinfo-")
	if err != nil {
		return nil, err
	}
	defer done()
	return l.evaluate(ctx, evaluation{
		dir: dir, scratch: scratch, architecture: architecture, fileSize: 64 << 20, processes: 512,
		commands: func(mode string, dirs directories) ([]command, error) {
			return []command{printSrcinfo(mode, dirs)}, nil
		},
	})
}

// printSrcinfo is the command whose standard output is the .SRCINFO.
func printSrcinfo(mode string, dirs directories) command {
	return command{Args: []string{"makepkg", "--config", dirs.conf, "--printsrcinfo"}, Offline: mode == modeIsolated}
}

// layOut copies the sources in dir to a scratch directory, which done removes.
func (l *Local) layOut(ctx context.Context, dir, prefix string) (scratch string, done func(), err error) {
	scratch, err = os.MkdirTemp(l.dir, prefix)
	if err != nil {
		return "", nil, fmt.Errorf("creating scratch directory: %w", err)
	}
	done = func() { _ = removeTree(scratch) }
	if err := makeJobDirectories(scratch, l.who); err != nil {
		done()
		return "", nil, fmt.Errorf("preparing scratch directory: %w", err)
	}
	created := func(path string) error { return own(path, l.who) }
	if err := source.Copy(ctx, dir, below(scratch).startdir, source.CopyOptions{Created: created}); err != nil {
		done()
		return "", nil, fmt.Errorf("copying sources: %w", err)
	}
	return scratch, done, nil
}

// evaluation is a run of commands of which the last prints a .SRCINFO; the
// others print to standard error.
type evaluation struct {
	dir          string // as the caller names it
	scratch      string
	architecture string
	processes    uint64
	fileSize     uint64 // bytes
	commands     func(mode string, dirs directories) ([]command, error)
}

// evaluate runs the commands in the sandbox and reads what the last one prints.
func (l *Local) evaluate(ctx context.Context, e evaluation) (*pkgbuild.Srcinfo, error) {
	output, complaint := &bounded{limit: 4 << 20}, &ending{limit: 4 << 10}
	var commands []command
	report, err := l.sandbox(ctx, func(error) {}, func(mode string, dirs directories) (*launch, error) {
		if mode == modeSupervise {
			dirs = below(e.scratch)
		}
		var err error
		if commands, err = e.commands(mode, dirs); err != nil {
			return nil, err
		}
		conf := l.config.makepkgConf(e.architecture, dirs, "")
		if err := os.WriteFile(below(e.scratch).conf, []byte(conf), 0o644); err != nil {
			return nil, err
		}
		spec := l.spec(mode, e.scratch, dirs)
		spec.Environ, spec.Commands = environ(dirs, 1), commands
		spec.Limits = limits{Processes: e.processes, FileSize: e.fileSize}
		return &launch{spec: spec, who: l.who, output: output, errors: complaint}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("evaluating %s: %w", e.dir, err)
	}
	if reason := report.describe([]string{"makepkg"}); reason != "" {
		return nil, &Failure{Base: e.dir, Reason: strings.TrimSuffix(reason+": "+complaint.String(), ": ")}
	}
	info, err := pkgbuild.ParseSrcinfo(&output.Buffer)
	if err != nil {
		return nil, &Failure{Base: e.dir, Reason: "evaluating: " + err.Error()}
	}
	return info, nil
}

// errOutput says that a program wrote more than it should.
var errOutput = errors.New("too much output")

// bounded is a buffer that takes no more than limit bytes.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errOutput
	}
	return b.Buffer.Write(p)
}

// ending keeps the last bytes written to it, limit of them.
type ending struct {
	text  []byte
	limit int
}

func (e *ending) Write(p []byte) (int, error) {
	e.text = append(e.text, p...)
	if over := len(e.text) - e.limit; over > 0 {
		e.text = append(e.text[:0], e.text[over:]...)
	}
	return len(p), nil
}

// String returns what is kept as one valid text.
func (e *ending) String() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(e.text), "\uFFFD"))
}
