package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"ahriman/core/source"
)

// job is one build of a Local.
type job struct {
	local  *Local
	spec   Job
	dir    string // scratch
	output string // of the package files and the log
	log    *Log
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	holders int // Attaches in progress
	lease   *time.Timer

	done   chan struct{} // closed once result and err are final
	result *Result
	err    error
}

// errLease is the cause of a build's end by its lease.
var errLease = errors.New("the lease has ended")

// timeoutError is the cause of a build's end by build.timeout, limitError of
// one by another limit.
type (
	timeoutError struct{ after time.Duration }
	limitError   struct{ reason string }
)

func (e timeoutError) Error() string { return "timed out after " + e.after.String() }
func (e limitError) Error() string   { return e.reason }

// unsafeName matches what a job's id may not bring into a file name.
var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]|^\.`)

// newJob prepares a job's log; run does the rest.
func newJob(l *Local, spec Job) (*job, error) {
	output := filepath.Join(l.config.Output, unsafeName.ReplaceAllString(spec.ID, "_"))
	if err := os.MkdirAll(output, 0o755); err != nil {
		return nil, fmt.Errorf("creating directory of packages: %w", err)
	}
	path := filepath.Join(output, unsafeName.ReplaceAllString(spec.Base, "_")+".log")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing log: %w", err)
	}
	log, err := CreateLog(path, l.config.LogLimit)
	if err != nil {
		return nil, err
	}
	// The build outlives the request that started it.
	ctx, cancel := context.WithCancelCause(context.Background())
	j := &job{local: l, spec: spec, output: output, log: log, ctx: ctx, cancel: cancel, done: make(chan struct{})}
	if spec.Lease > 0 {
		j.lease = time.AfterFunc(spec.Lease, func() { cancel(errLease) })
	}
	return j, nil
}

// renew begins the lease anew.
func (j *job) renew() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lease != nil && j.holders == 0 {
		j.lease.Reset(j.spec.Lease)
	}
}

// hold keeps the lease from ending until the function it returns is called.
func (j *job) hold() func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.holders++
	if j.lease != nil {
		j.lease.Stop()
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.holders--; j.holders == 0 && j.lease != nil {
			j.lease.Reset(j.spec.Lease)
		}
	}
}

// run builds and says how it ended.
func (j *job) run() {
	defer close(j.done)
	begin := time.Now()
	ctx, stop := j.ctx, func() {}
	if limit := j.local.config.Timeout; limit > 0 {
		ctx, stop = context.WithTimeoutCause(ctx, limit, timeoutError{limit})
	}
	files, err := j.build(ctx)
	cause := context.Cause(ctx)
	stop()
	j.cancel(nil)
	j.mu.Lock()
	if j.lease != nil {
		j.lease.Stop()
	}
	j.mu.Unlock()
	path := j.log.Path()
	if err == nil {
		j.result = &Result{Files: files, Duration: time.Since(begin), Log: path}
	} else {
		j.err = j.explain(err, cause)
		fmt.Fprintf(j.log, "==> ERROR: %v\n", j.err)
	}
	j.log.Finish()
	if _, failed := errors.AsType[*Failure](j.err); j.err != nil && !failed {
		_ = os.RemoveAll(j.output) // nobody is told of it; Attach has the log open
	}
}

// explain turns the error of a build into what Attach returns.
func (j *job) explain(err, cause error) error {
	var timeout timeoutError
	var limit limitError
	var failure *Failure
	switch {
	case errors.Is(cause, ErrCancelled):
		return fmt.Errorf("building %s: %w", j.spec.Base, ErrCancelled)
	case errors.Is(cause, errLease):
		return fmt.Errorf("building %s: %w: %w", j.spec.Base, errLease, ErrLost)
	case errors.As(cause, &timeout), errors.As(cause, &limit):
		return &Failure{Base: j.spec.Base, Reason: cause.Error(), Log: j.log.Path()}
	case errors.As(err, &failure):
		return err
	}
	// Not the package's fault: the disk is full, the sandbox cannot be set up.
	return fmt.Errorf("building %s: %w: %w", j.spec.Base, err, ErrLost)
}

// failed returns a failure of this build.
func (j *job) failed(format string, args ...any) error {
	return &Failure{Base: j.spec.Base, Reason: fmt.Sprintf(format, args...), Log: j.log.Path()}
}

// build runs the build in a scratch directory of its own and returns the
// package files.
func (j *job) build(ctx context.Context) (files []string, err error) {
	l := j.local
	sweep(l.config.Scratch)
	j.dir, err = os.MkdirTemp(l.dir, "job-")
	if err != nil {
		return nil, fmt.Errorf("creating scratch directory: %w", err)
	}
	defer func() {
		if removeErr := removeTree(j.dir); removeErr != nil && err == nil {
			err = removeErr
		}
	}()
	if err := makeJobDirectories(j.dir, l.who); err != nil {
		return nil, fmt.Errorf("preparing scratch directory: %w", err)
	}
	created := func(path string) error { return own(path, l.who) }
	if err := source.Copy(ctx, j.spec.Source, below(j.dir).startdir, source.CopyOptions{Created: created}); err != nil {
		return nil, j.failed("copying sources: %v", err)
	}
	limit, err := diskLimit(j.dir, l.config.DiskLimit)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchDisk(ctx, j.dir, limit, func(reason string) { j.cancel(limitError{reason}) })
	}()
	defer func() {
		stop(nil)
		<-watched
	}()
	if l.config.Builder == Devtools {
		err = j.devtools(ctx)
	} else {
		err = j.makepkg(ctx, uint64(limit))
	}
	if err != nil {
		return nil, err
	}
	return j.collect()
}

// makepkg runs makepkg in the sandbox.
func (j *job) makepkg(ctx context.Context, fileSize uint64) error {
	l := j.local
	var commands []command
	warn := func(reason error) { fmt.Fprintf(j.log, "==> WARNING: building without isolation: %v\n", reason) }
	report, err := l.sandbox(ctx, warn, func(mode string, dirs directories) (*launch, error) {
		if mode == modeSupervise {
			if l.config.Network == Sources {
				return nil, j.failed("build.network = sources needs namespaces, which are not available")
			}
			dirs = below(j.dir)
		}
		conf := l.config.makepkgConf(j.spec.Architecture, dirs, cmp.Or(j.spec.Packager, l.config.Packager))
		if err := os.WriteFile(below(j.dir).conf, []byte(conf), 0o644); err != nil {
			return nil, err
		}
		commands = j.commands(dirs)
		spec := l.spec(mode, j.dir, dirs)
		spec.Environ, spec.Commands = environ(dirs, j.spec.SourceDate), commands
		spec.Limits = limits{Processes: uint64(l.config.ProcessLimit), FileSize: fileSize}
		return &launch{spec: spec, who: l.who, files: j.spec.Dependencies, output: j.log}, nil
	})
	if errors.Is(err, errKilled) {
		return j.failed("%v", err)
	}
	if err != nil {
		return err
	}
	if reason := report.describe(commands[report.Phase].Args); reason != "" {
		return j.failed("%s", reason)
	}
	return nil
}

// commands returns the phases of the build.
func (j *job) commands(dirs directories) []command {
	config := j.local.config
	args := []string{"makepkg", "--config", dirs.conf, "--noconfirm"}
	if !hasInstalled(config.PacmanDB) {
		args = append(args, "--nodeps")
	}
	args = append(args, config.MakepkgFlags...)
	var commands []command
	// Keys that sources are signed with travel beside the PKGBUILD, as
	// devtools has it.
	if keys, _ := filepath.Glob(below(j.dir).startdir + "/keys/pgp/*.asc"); len(keys) > 0 {
		script := `gpg --batch --quiet --import keys/pgp/*.asc`
		commands = append(commands, command{Args: []string{"/bin/sh", "-c", script}})
	}
	if config.Network == Sources {
		fetch := append(append([]string{}, args...), "--verifysource")
		return append(commands, command{Args: fetch}, command{Args: append(args, "--holdver"), Offline: true})
	}
	return append(commands, command{Args: args})
}

// hasInstalled reports whether pacman's database has installed packages, so
// that makepkg can check dependencies against it.
func hasInstalled(database string) bool {
	found, err := filepath.Glob(filepath.Join(database, "local", "*", "desc"))
	return err == nil && len(found) > 0
}

// buildPath is the PATH of a build.
func buildPath() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/bin/site_perl:/usr/bin/vendor_perl:/usr/bin/core_perl"}
}

// environ returns the whole environment of a build; date is SOURCE_DATE_EPOCH.
func environ(dirs directories, date int64) []string {
	if date == 0 {
		date = time.Now().Unix()
	}
	return append(buildPath(),
		"HOME="+dirs.home, "USER=builduser", "LOGNAME=builduser", "SHELL=/bin/bash", "TERM=dumb", "LANG=C.UTF-8",
		"TMPDIR="+dirs.tmp, "GIT_TERMINAL_PROMPT=0", "SOURCE_DATE_EPOCH="+strconv.FormatInt(date, 10),
	)
}

// makeJobDirectories makes the directories of one build below its scratch
// directory.
func makeJobDirectories(dir string, who identity) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := own(dir, who); err != nil {
		return err
	}
	d := below(dir)
	for _, path := range []string{dir + "/root", d.startdir, d.build, d.pkgdest, d.srcdest} {
		if err := makeDir(path, 0o755, who); err != nil {
			return err
		}
	}
	for _, path := range []string{d.tmp, dir + "/vartmp", dir + "/shm"} {
		if err := makeDir(path, 0o777|os.ModeSticky, who); err != nil {
			return err
		}
	}
	return nil
}
