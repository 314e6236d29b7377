// Package build turns one package base into package files. Runner is what a
// worker is, here or elsewhere; Local is the one on this machine: makepkg in a
// sandbox of namespaces, or devtools.
//
// The sandbox is set up by this program executing itself: a program that uses
// Local calls SandboxMain before anything else.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"ahriman/core/source"
)

// ErrLost says that a worker, not the build, is gone: the job may run elsewhere.
var ErrLost = errors.New("worker lost")

// ErrCancelled is what Attach returns for a job that Cancel ended.
var ErrCancelled = errors.New("build cancelled")

// ErrUnsuitable is what Start returns, wrapped with the reason, for a job that
// this worker cannot do and another may.
var ErrUnsuitable = errors.New("not a job for this worker")

// ErrUnusable is a worker on which nothing can be built before somebody mends it,
// or what this machine knows of it: its address, its host key, a credential.
// Waiting does not help.
var ErrUnusable = errors.New("worker unusable")

// Unusable makes an error ErrUnusable, whose text stays as it is.
func Unusable(err error) error { return &unusable{err} }

type unusable struct{ error }

func (u *unusable) Unwrap() []error { return []error{u.error, ErrUnusable} }

// FeatureSources is the feature of workers that build the sources they are given,
// as all do but a Python node. A job for which Fetchable is an error needs it.
const FeatureSources = "sources"

// Fetchable returns nil when a worker that fetches sources by itself, from the
// AUR, would build what the job is, and an ErrUnsuitable otherwise.
func (j Job) Fetchable() error {
	if j.Origin.Source != source.AUR {
		return fmt.Errorf("building %s: %w: its source is not in the AUR", j.Base, ErrUnsuitable)
	}
	if slices.ContainsFunc(j.Patches, func(p source.Patch) bool { return p.Key == nil }) {
		return fmt.Errorf("building %s: %w: its source is changed by a diff", j.Base, ErrUnsuitable)
	}
	return nil
}

// ErrUnknownJob is returned by Attach and Cancel for an id never started.
var ErrUnknownJob = errors.New("unknown job")

// Failure is a build that ran and did not give packages: trying it again on the
// same input is not expected to help.
type Failure struct {
	Base   string
	Reason string // "makepkg: exit status 4", "timed out after 1h0m0s", …
	Log    string // path of the log file, where there is one
}

func (f *Failure) Error() string { return "building " + f.Base + ": " + f.Reason }

// Job is one package base to build.
type Job struct {
	ID           string   // chosen by the caller; starting an id twice is one build
	Base         string   // pkgbase
	Architecture string   // CARCH
	Source       string   // directory that holds the PKGBUILD, already patched; never written to
	Packager     string   // PACKAGER; empty: the configuration's
	Dependencies []string // package files to lay into the build's root; of two that hold one path the first wins
	SourceDate   int64    // SOURCE_DATE_EPOCH, unix seconds; 0: now

	// Origin and Patches are for a worker that fetches the source by itself:
	// where it came from, and what was done to it in Source, in that order,
	// beyond the patches that the master keeps for the base.
	Origin  source.Origin
	Patches []source.Patch

	// Lease ends the build once nobody has asked for it for so long: neither
	// Start for its id nor an Attach that is still going on. The job is then
	// lost, not failed. 0: no lease.
	Lease time.Duration

	// Progress is told what is on its way to the worker or back, several times a
	// second, and the zero value once nothing is. What takes only a moment is not
	// spoken of. It is called by other goroutines. Nil: nobody is told.
	Progress func(Progress)
}

// Progress is how far what a job needs, or gave, has come.
type Progress struct {
	What      string // "sending" to the worker, "fetching" from there
	Bytes, Of int64  // that have moved, and that are to
}

// Result is what a finished build gave.
type Result struct {
	Files    []string // absolute paths of the package files, sorted; the caller owns them
	Duration time.Duration
	Log      string // path of the log file, where there is one
	Worker   string // who built it; empty: this machine

	// Delivered says that there are no Files: the worker has handed the packages
	// in at its master by itself, where they wait or are published by now.
	Delivered bool
}

// Runner builds jobs. Implementations must be safe for concurrent use and must
// pass the suite in buildtest.
type Runner interface {
	// Start begins the job and returns; starting an id again changes nothing
	// but renews its lease. The build outlives ctx. An error that is ErrLost says
	// that the worker does not answer, or has no place; ErrUnusable, whatever else
	// it is, that it has to be mended; ErrUnsuitable, that it cannot do this job; a
	// *Failure, that nobody can; any other, that it refuses.
	Start(ctx context.Context, job Job) error
	// Attach copies the job's log to w from its beginning and returns when the
	// build has ended: a Result, a *Failure, ErrCancelled, or an error that is
	// ErrLost: then the worker was looked for until the lease ended, or says
	// itself that the job is lost. When ctx ends first it returns ctx's error and
	// the build goes on. It may be called any number of times, also after the end.
	Attach(ctx context.Context, id string, w io.Writer) (*Result, error)
	// Cancel ends the job; when it returns, no process of the build is left.
	// Cancelling a job that has ended changes nothing.
	Cancel(ctx context.Context, id string) error
}
