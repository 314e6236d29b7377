package update

import (
	"fmt"
	"strings"
	"time"

	"ahriman/core/source"
	"ahriman/core/store"
)

// Request says what an update is to look at.
type Request struct {
	// Bases restricts the update to these package bases; empty: all that are due.
	Bases []string `json:"packages,omitempty"`
	// Manual publishes the package files that wait and builds the bases that
	// were asked for.
	Manual bool `json:"manual"`
	// Local builds what is newer in cache/ than in the repository.
	Local bool `json:"local"`
	// AUR builds what is newer in the AUR than in the repository.
	AUR bool `json:"aur"`
	// VCS looks upstream for what Local and AUR look at, where it is a VCS
	// package: one whose version pkgver() tells.
	VCS bool `json:"vcs,omitempty"`
	// Changes finds out what the sources of a base that is due have become since
	// it was built last.
	Changes bool `json:"changes,omitempty"`
	// Refresh fetches the distribution's databases first; when that fails the
	// run goes on with those that are there.
	Refresh bool `json:"refresh,omitempty"`
	// CheckFiles builds again what needs a file that no package has any more: a
	// library, or the version of an interpreter.
	CheckFiles bool `json:"check_files,omitempty"`
	// Dependencies builds, too, what is needed, is in the AUR, and in no
	// repository that is known.
	Dependencies bool `json:"dependencies,omitempty"`
	// Increment gives a base that is published already the next pkgrel;
	// otherwise it is left as it is.
	Increment bool `json:"increment"`
	// Packager overrides the configuration's.
	Packager string `json:"packager,omitempty"`
	// NoWait leaves building to a run that is at it already, and only publishes
	// then: what a worker asks for while that run waits for the worker.
	NoWait bool `json:"no_wait,omitempty"`
	// Deliver gives what is published already to the triggers once more where
	// it was asked for without Increment: a worker's master may lack it.
	Deliver bool `json:"deliver,omitempty"`
	// Rebuild builds again what is published; nil: nothing.
	Rebuild *Rebuild `json:"rebuild,omitempty"`
	// Resumed is how often the update was taken up after its process had died.
	Resumed int `json:"resumed,omitempty"`
}

// Rebuild says what is built again. Held bases are left alone.
type Rebuild struct {
	// DependsOn restricts it to what needs one of these packages, or names that
	// packages provide: to build, to check, or to run, directly or through what
	// packages of the repository need to run. Empty: all.
	DependsOn []string `json:"depends_on,omitempty"`
	// FromStore takes the bases that the store knows, published or not, instead
	// of those that are published.
	FromStore bool `json:"from_store,omitempty"`
	// Status restricts FromStore to bases of this status; empty: any.
	Status store.Status `json:"status,omitempty"`
}

// Failure is a base that could not be built or published.
type Failure struct {
	Base    string `json:"base"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason"`
	Log     string `json:"log,omitempty"` // path of the build's log on the worker
}

// Refusal is a file that was handed in and not published.
type Refusal struct {
	Base   string `json:"base,omitempty"`
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Omission is a base that was left alone, with the reason.
type Omission struct {
	Base    string `json:"base"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason"`
}

// Outcome is what came of a run. Its JSON is what a job keeps and what
// /node/v1/jobs answers.
type Outcome struct {
	Published []source.Package `json:"published"`
	Removed   []string         `json:"removed,omitempty"`
	Failed    []Failure        `json:"failed,omitempty"`
	Skipped   []Omission       `json:"skipped,omitempty"` // not tried: they need what failed
	Refused   []Refusal        `json:"refused,omitempty"`
	Unchanged []Omission       `json:"unchanged,omitempty"` // published already, or incomplete yet
	Triggers  []string         `json:"triggers,omitempty"`  // triggers that failed, with the reason
	Warnings  []string         `json:"warnings,omitempty"`  // what happened before the run and concerns it
	// Unavailable are sources that could not be asked what they have, with the
	// reason: an AUR or an upstream that does not answer.
	Unavailable []string      `json:"unavailable,omitempty"`
	Took        time.Duration `json:"took_ns"`
}

// Empty says whether the run found nothing to do.
func (o *Outcome) Empty() bool {
	return len(o.Published) == 0 && len(o.Removed) == 0 && len(o.Failed) == 0 &&
		len(o.Skipped) == 0 && len(o.Refused) == 0 && len(o.Unavailable) == 0
}

// OutcomeError is a run that did not do all it was asked for. What failed has
// been told to the observers, one by one.
type OutcomeError struct {
	Outcome *Outcome
}

// Error counts; the names are in the outcome.
func (e *OutcomeError) Error() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{len(e.Outcome.Failed), "failed"},
		{len(e.Outcome.Skipped), "not tried"},
		{len(e.Outcome.Refused), "refused"},
		{len(e.Outcome.Triggers), "failing triggers"},
		{len(e.Outcome.Unavailable), "not available"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// Partial says whether something was done all the same.
func (e *OutcomeError) Partial() bool {
	return len(e.Outcome.Published) > 0 || len(e.Outcome.Removed) > 0
}

// Err returns an *OutcomeError when something failed, else nil.
func (o *Outcome) Err() error {
	if len(o.Failed) == 0 && len(o.Skipped) == 0 && len(o.Refused) == 0 && len(o.Triggers) == 0 && len(o.Unavailable) == 0 {
		return nil
	}
	return &OutcomeError{Outcome: o}
}
