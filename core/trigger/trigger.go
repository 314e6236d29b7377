// Package trigger is what runs before and after an update: uploads, reports,
// git remotes, rotations, and programs of the operator's. Triggers have the
// Python ahriman's names and run in the order in which they are configured.
package trigger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/source"
)

// The names of triggers.
const (
	Upload          = config.UploadTrigger
	Report          = config.ReportTrigger
	RemotePull      = config.RemotePullTrigger
	RemotePush      = config.RemotePushTrigger
	WorkerLoader    = config.WorkerLoaderTrigger
	Worker          = config.WorkerTrigger
	LogsRotation    = config.LogsRotationTrigger
	ArchiveRotation = config.ArchiveRotationTrigger
	Archive         = config.ArchiveTrigger
	Keyring         = config.KeyringTrigger
	Mirrorlist      = config.MirrorlistTrigger

	// ExecPrefix begins the name of a program: "exec:/path".
	ExecPrefix = "exec:"
)

// Names returns the names of all triggers.
func Names() []string {
	return []string{
		RemotePull, Upload, Report, RemotePush, LogsRotation, ArchiveRotation,
		Worker, WorkerLoader, Archive, Keyring, Mirrorlist,
	}
}

// Result is what an update, or one dependency level of it, came to. Its JSON is
// what an exec: trigger reads.
type Result struct {
	Repository alpm.RepositoryID `json:"-"`
	Built      []Built           `json:"built"`
	Removed    []string          `json:"removed"` // bases
	Failed     []Failure         `json:"failed"`
}

// Built is a base that was built and its package files.
type Built struct {
	Package source.Package `json:"package"`
	Files   []string       `json:"files"` // absolute paths; a signature stands beside its file, at path + ".sig"
}

// Failure is a base that was not built.
type Failure struct {
	Base   string `json:"base"`
	Reason string `json:"reason"`
}

// OnlyFailures reports whether nothing changed because what was tried failed.
func (r Result) OnlyFailures() bool {
	return len(r.Built) == 0 && len(r.Removed) == 0 && len(r.Failed) > 0
}

// Files returns the paths of all package files built.
func (r Result) Files() []string {
	var files []string
	for _, built := range r.Built {
		files = append(files, built.Files...)
	}
	return files
}

// Options are what triggers need of the program around them. Functions for
// triggers that are not configured may be nil.
type Options struct {
	Settings *config.Settings
	Output   io.Writer    // for reports to the console
	Messages *slog.Logger // for what happens; nil: nowhere
	Environ  []string     // of programs that are run; options among it are left out

	// Uploader makes the uploader of a remote-service target.
	Uploader func(config.RemoteService) (Uploader, error)
	// Caller makes what remote-call targets call.
	Caller func() (Caller, error)
	// Sources puts the sources of a package, without patches, into an empty
	// directory, for RemotePush.
	Sources func(ctx context.Context, p source.Package, dir string) error
	// PublicKeys exports what Keyring packs.
	PublicKeys PublicKeys
	// PackagerKeys are the keys of users, for Keyring where its section names no
	// packagers. Nil: none.
	PackagerKeys func(context.Context) ([]string, error)
	// Register makes a package known whose sources Keyring or Mirrorlist has put
	// into cache/. Nil: nobody keeps track.
	Register func(context.Context, source.Package) error
	// RotateLogs removes all logs but the last keep builds' of each base.
	RotateLogs func(ctx context.Context, keep int) error
	// Registrar makes a worker known to its master. Nil in a process that does
	// not serve: nobody could hand work to it.
	Registrar Registrar
}

// trigger is one step; functions that are nil do nothing.
type trigger struct {
	name     string
	onStart  func(context.Context) error
	onResult func(context.Context, Result) error
	onStop   func(context.Context) error
}

// Chain is the triggers of one run.
type Chain struct {
	triggers []trigger
	messages *slog.Logger
}

// New makes the triggers of these names; nil means those that are configured. A
// name or a target that cannot be run here is an error now, not after the
// build. All such errors are joined.
func New(names []string, options Options) (*Chain, error) {
	if names == nil {
		names = options.Settings.Build.Triggers
	}
	if options.Messages == nil {
		options.Messages = slog.New(slog.DiscardHandler)
	}
	c := &Chain{messages: options.Messages}
	var errs []error
	for _, name := range names {
		t, err := build(name, options)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t.name = name
		c.triggers = append(c.triggers, t)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

func build(name string, options Options) (trigger, error) {
	switch name {
	case Upload:
		return newUpload(options)
	case Report:
		return newReport(options)
	case RemotePull:
		return newPull(options)
	case RemotePush:
		return newPush(options)
	case LogsRotation:
		return newLogsRotation(options)
	case Worker:
		return newWorker(options)
	case ArchiveRotation, WorkerLoader:
		// The repository prunes its pool as it publishes, and a master reads
		// its workers from the store: whoever opens those asks Chain.Has.
		return trigger{}, nil
	case Keyring:
		return newKeyring(options)
	case Mirrorlist:
		return newMirrorlist(options)
	case Archive:
		return trigger{}, &NameError{Name: "trigger " + name, Problem: "is not supported yet", Advice: "remove it from build.triggers"}
	}
	if path, ok := strings.CutPrefix(name, ExecPrefix); ok {
		return newExec(path, options)
	}
	return trigger{}, unknown(name)
}

// NameError is a trigger, or a target of one, that cannot be run.
type NameError struct {
	Name    string // "trigger ahriman.core.archive.ArchiveTrigger", "upload.target s3"
	Problem string
	Advice  string
}

func (e *NameError) Error() string { return e.Name + " " + e.Problem }

// Hint says what to do about it.
func (e *NameError) Hint() string { return e.Advice }

func unknown(name string) error {
	if filepath.IsAbs(name) {
		return &NameError{
			Name: "trigger " + name, Problem: "is a Python plugin, which only the Python ahriman can load",
			Advice: fmt.Sprintf("a program that reads the result as JSON from its standard input can take its place: %s%s", ExecPrefix, name),
		}
	}
	err := &NameError{Name: "trigger " + name, Problem: "is unknown", Advice: "known are " + strings.Join(Names(), ", ") + " and exec:/path"}
	if guess := similar(name); guess != "" {
		err.Advice = "did you mean " + guess + "? " + err.Advice
	}
	return err
}

// similar returns the known name with the same last word, but for case and the
// word Trigger; or the one that holds it.
func similar(name string) string {
	last := func(name string) string {
		word := strings.ToLower(name[strings.LastIndex(name, ".")+1:])
		return strings.TrimSuffix(word, "trigger")
	}
	word := strings.Trim(last(name), "-_ ")
	for _, fits := range []func(string) bool{
		func(known string) bool { return known == word },
		func(known string) bool { return len(word) > 2 && strings.Contains(known, word) },
		func(known string) bool { return len(known) > 2 && strings.Contains(word, known) },
		func(known string) bool { return len(word) > 3 && len(known) > 3 && known[:4] == word[:4] },
	} {
		for _, known := range Names() {
			if fits(last(known)) {
				return known
			}
		}
	}
	return ""
}

// Names returns the names of the chain's triggers, in order.
func (c *Chain) Names() []string {
	var names []string
	for _, t := range c.triggers {
		names = append(names, t.name)
	}
	return names
}

// Has reports whether a trigger is in the chain.
func (c *Chain) Has(name string) bool { return slices.Contains(c.Names(), name) }

// Start runs what comes before an update.
func (c *Chain) Start(ctx context.Context) error {
	return c.run(ctx, c.triggers, "on_start", func(t trigger) func(context.Context) error { return t.onStart })
}

// Result runs what comes after a result, once for each dependency level.
func (c *Chain) Result(ctx context.Context, result Result) error {
	return c.run(ctx, c.triggers, "on_result", func(t trigger) func(context.Context) error {
		if t.onResult == nil {
			return nil
		}
		return func(ctx context.Context) error { return t.onResult(ctx, result) }
	})
}

// stopTime is what Stop has when the context is done already.
const stopTime = 10 * time.Second

// Stop runs what comes at the end, in reverse order. It runs also when the
// context is done: what was started has to be ended.
func (c *Chain) Stop(ctx context.Context) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
	}
	backwards := slices.Clone(c.triggers)
	slices.Reverse(backwards)
	return c.run(ctx, backwards, "on_stop", func(t trigger) func(context.Context) error { return t.onStop })
}

// run goes through triggers. One that fails does not stop the next; all errors
// are joined.
func (c *Chain) run(ctx context.Context, triggers []trigger, when string, step func(trigger) func(context.Context) error) error {
	var errs []error
	for _, t := range triggers {
		do := step(t)
		if do == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		c.messages.Debug("running trigger", "name", t.name, "when", when)
		if err := do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("trigger %s: %w", t.name, err))
		}
	}
	return errors.Join(errs...)
}
