package update

import (
	"context"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
)

// Event is something that happened in a run. The flow says it once; observers
// keep it, print it, or send it on to a master.
type Event interface{ isEvent() }

// RunStarted is the first event of a run.
type RunStarted struct{}

// Due says that a base will be built, and why.
type Due struct {
	Package source.Package
	Reason  string
}

// Changed says what the source of a base that is due has become since it was
// built last. A plan tells nothing else.
type Changed struct {
	Base     string
	Commit   string // of the last build
	Changes  string // from there to what is due, as git diff shows it
	PKGBUILD string // of the last build
}

// Planned says what is to be built with the workers there are, before it begins.
type Planned struct {
	Bases   int
	Took    time.Duration // from now to the last end, by earlier builds
	Guessed bool          // there were none of any of them
}

// BuildStarted says that a worker was given a base to build. It may be given to
// another one later, after BuildAgain.
type BuildStarted struct {
	Package  source.Package
	Worker   string
	Expected time.Duration // how long it should take; an estimate
}

// BuildAgain says that a worker did not bring a build to its end, or that it
// failed there, and that it is tried once more.
type BuildAgain struct {
	Package source.Package
	Worker  string
	Err     error
}

// Transferring says what is on its way to the worker of a build, or back, several
// times a second; at last, with the zero Progress, that nothing is any more.
type Transferring struct {
	Package  source.Package
	Worker   string
	Progress build.Progress
}

// LogLines are lines of a build's output, in order, without line ends.
type LogLines struct {
	Base    string
	Version string
	Time    time.Time // when the last of them was read
	Lines   []string
}

// BuildEnded says how a build ended. Package is what it built, with the
// properties of the package files; after a failure, what was asked for.
type BuildEnded struct {
	Package  source.Package
	Worker   string // empty when none had it
	Took     time.Duration
	Commit   string // of the sources; empty where they are not git's
	Changes  string // from the sources of the build before, as git diff shows it; empty where that is not known
	PKGBUILD string // what was built, patches applied
	Err      error  // nil: built
}

// Rests says on which files of other packages those of a base that was built
// rest: the packages that have it, by path.
type Rests struct {
	Base  string
	Paths map[string][]string
}

// Skipped says that a base was not tried because it needs bases that failed.
type Skipped struct {
	Package source.Package
	Needs   []string
}

// Published says that a base is in the repository now.
type Published struct {
	Package source.Package
}

// Undelivered says that a trigger failed with bases that were published here,
// an upload to the master for instance.
type Undelivered struct {
	Packages []source.Package
	Err      error
}

// Refused says that a file handed in was not published.
type Refused struct {
	Base   string // empty where the file does not tell
	File   string
	Reason string
}

// Left says that a base was left as it is, and why.
type Left struct {
	Base    string
	Version string // that was looked at
	Reason  string
}

// Unavailable says that a source could not be asked what it has: the AUR or an
// upstream does not answer.
type Unavailable struct {
	Err error
}

// Removed says that a base left the repository.
type Removed struct {
	Base string
}

// RunEnded is the last event of a run.
type RunEnded struct {
	Outcome *Outcome
	Err     error // why the run ended early; nil: it did not
}

func (RunStarted) isEvent()   {}
func (Due) isEvent()          {}
func (Changed) isEvent()      {}
func (Planned) isEvent()      {}
func (BuildStarted) isEvent() {}
func (BuildAgain) isEvent()   {}
func (Transferring) isEvent() {}
func (LogLines) isEvent()     {}
func (BuildEnded) isEvent()   {}
func (Rests) isEvent()        {}
func (Skipped) isEvent()      {}
func (Published) isEvent()    {}
func (Undelivered) isEvent()  {}
func (Refused) isEvent()      {}
func (Left) isEvent()         {}
func (Unavailable) isEvent()  {}
func (Removed) isEvent()      {}
func (RunEnded) isEvent()     {}

// Observer is told of every event in the order in which they happen. It must
// not keep the flow waiting longer than its own deadlines; an error is logged
// and changes nothing in the run.
type Observer interface {
	Observe(ctx context.Context, e Event) error
}
