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
	scratch, err := os.MkdirTemp(l.dir, "srcinfo-")
	if err != nil {
		return nil, fmt.Errorf("creating scratch directory: %w", err)
	}
	defer func() { _ = removeTree(scratch, l.who) }()
	if err := makeJobDirectories(scratch, l.who); err != nil {
		return nil, fmt.Errorf("preparing scratch directory: %w", err)
	}
	created := func(path string) error { return own(path, l.who) }
	if err := source.Copy(ctx, dir, below(scratch).startdir, source.CopyOptions{Created: created}); err != nil {
		return nil, fmt.Errorf("copying sources: %w", err)
	}
	output, complaint := &bounded{limit: 4 << 20}, &bounded{limit: 64 << 10}
	var args []string
	report, err := l.sandbox(ctx, func(error) {}, func(mode string, dirs directories) (*launch, error) {
		if mode == modeSupervise {
			dirs = below(scratch)
		}
		conf := l.config.makepkgConf(architecture, dirs, "")
		if err := os.WriteFile(below(scratch).conf, []byte(conf), 0o644); err != nil {
			return nil, err
		}
		args = []string{"makepkg", "--config", dirs.conf, "--printsrcinfo"}
		spec := l.spec(mode, scratch, dirs)
		spec.Environ, spec.Commands = environ(dirs, 1), []command{{Args: args, Offline: mode == modeIsolated}}
		spec.Limits = limits{Processes: 512, FileSize: 64 << 20}
		return &launch{spec: spec, who: l.who, output: output, errors: complaint}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("evaluating %s: %w", dir, err)
	}
	if reason := report.describe(args); reason != "" {
		return nil, &Failure{Base: dir, Reason: reason + ": " + strings.TrimSpace(complaint.String())}
	}
	info, err := pkgbuild.ParseSrcinfo(&output.Buffer)
	if err != nil {
		return nil, &Failure{Base: dir, Reason: "evaluating: " + err.Error()}
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
