package api

import (
	"encoding/hex"
	"strings"
	"time"
)

// Builds of a worker of ours. The master sends objects (a bundle of sources,
// package files) by their digest, begins a build, follows its log, fetches the
// package files and lets it be forgotten; it decides everything, and the worker
// needs nothing from it but these requests. All need ScopeBuild.
const (
	// PathBuilds answers GET with Builds: what the worker can and does. With
	// QueryCheck it looks first for what builds need.
	PathBuilds = "/node/v1/builds"
	// PathBuild takes PUT of BuildRequest and answers with Build: the build has
	// begun, or had, or misses objects, which are named, and has not. One id is
	// one build. A worker whose slots are all taken answers 503.
	//
	// GET answers with Build; QueryWait makes it a long poll for the end.
	//
	// DELETE ends the build, returns when no process of it is left, and forgets
	// it with its result; with QueryKeep, nothing is forgotten. 204.
	PathBuild = "/node/v1/builds/{id}"
	// PathBuildLog answers GET with the log as text from the byte QueryOffset on:
	// what there is and what comes, until the build ends or QueryWait (at most
	// MaxWait, which is the default) is over.
	PathBuildLog = "/node/v1/builds/{id}/log"
	// PathBuildFile answers GET, with Range, with one file of the result.
	PathBuildFile = "/node/v1/builds/{id}/files/{name}"
	// PathObject takes PUT of an object's bytes. QuerySize is how many it has;
	// QueryOffset, how many of them the server has already, which HEAD tells:
	// 200 when the object is whole, 404 with HeaderOffset otherwise. A body that
	// ends early is kept, so that another PUT can go on; bytes that turn out to be
	// others than the digest says are dropped (400). 204; 409 when the offset is
	// beyond what is there.
	PathObject = "/node/v1/objects/{sha256}"
)

// Names of query values and headers of builds.
const (
	QuerySize = "size"
	QueryKeep = "keep"
	// QueryCheck may take seconds: a sandbox is tried.
	QueryCheck = "check"

	// HeaderOffset tells how many bytes of an object are there.
	HeaderOffset = "X-Object-Offset"
)

// Bounds of builds.
const (
	MaxObject       = 16 << 30       // bytes
	MaxDependencies = 10_000         // of one build
	MaxLease        = 24 * time.Hour // longer ones are cut to it
	DefaultLease    = 10 * time.Minute
)

// Builds answers GET PathBuilds.
type Builds struct {
	Version       string   `json:"version"`
	Architectures []string `json:"architectures"`
	Slots         int      `json:"slots"` // builds at once; 0: this node does not build
	Speed         float64  `json:"speed"` // relative to others
	Features      []string `json:"features"`
	Running       []string `json:"running"`          // ids of builds that take a slot
	Free          int64    `json:"free_bytes"`       // of disk
	Time          int64    `json:"time"`             // its clock, unix seconds
	Reason        string   `json:"reason,omitempty"` // why it does not build
	Lacks         []Lack   `json:"lacks,omitempty"`  // with QueryCheck: what builds need and it has not
}

// Lack is something that builds need and a worker has not.
type Lack struct {
	What  string `json:"what"`            // a program, "disk", "sandbox"
	Why   string `json:"why"`             // what is wrong with it, as what follows its name
	Fatal bool   `json:"fatal,omitempty"` // nothing can be built without it
	Hint  string `json:"hint,omitempty"`  // what to do about it
}

// Object names bytes by what they are.
type Object struct {
	Name   string `json:"name,omitempty"` // of a package file
	SHA256 string `json:"sha256"`         // hex
	Size   int64  `json:"size"`           // bytes
	Have   int64  `json:"have,omitempty"` // bytes of it that are there, in Build.Missing
}

// BuildRequest is the body of PUT PathBuild.
type BuildRequest struct {
	Base         string   `json:"base"`
	Architecture string   `json:"architecture"`
	Bundle       Object   `json:"bundle"`       // of sources, as core/source packs them
	Dependencies []Object `json:"dependencies"` // package files, with their names; of two that hold one path the first wins
	Packager     string   `json:"packager,omitempty"`
	SourceDate   int64    `json:"source_date,omitempty"` // unix seconds; 0: now
	// Lease is how long, in seconds, the build goes on, and its result is kept,
	// while nobody asks for it; 0: DefaultLease.
	Lease float64 `json:"lease_seconds,omitempty"`
}

// Validate checks all that can be without the objects.
func (r BuildRequest) Validate() error {
	if err := required("base", r.Base, "architecture", r.Architecture); err != nil {
		return err
	}
	if len(r.Dependencies) > MaxDependencies {
		return Errorf(ErrBadRequest, "%d dependencies, at most %d", len(r.Dependencies), MaxDependencies)
	}
	if err := r.Bundle.Validate(); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, d := range r.Dependencies {
		if !SoundName(d.Name) || names[d.Name] {
			return Errorf(ErrBadRequest, "dependency %q: not a file name, or there twice", d.Name)
		}
		names[d.Name] = true
		if err := d.Validate(); err != nil {
			return err
		}
	}
	if !(r.Lease >= 0) {
		return Errorf(ErrBadRequest, "lease_seconds must not be negative")
	}
	return nil
}

// Validate checks digest and size.
func (o Object) Validate() error {
	if !SoundDigest(o.SHA256) {
		return Errorf(ErrBadRequest, "%q is no SHA-256 in lower-case hex", o.SHA256)
	}
	if o.Size < 0 || o.Size > MaxObject {
		return Errorf(ErrTooLarge, "an object of %d bytes, at most %d", o.Size, int64(MaxObject))
	}
	return nil
}

// SoundDigest reports whether text is a SHA-256 in lower-case hex.
func SoundDigest(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == 32 && strings.ToLower(text) == text
}

// SoundName reports whether text may be a build's id or the name of one of its
// files: one visible name in a directory.
func SoundName(text string) bool {
	return text != "" && len(text) <= 250 && text[0] != '.' && text[0] != '-' && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == '/' || r == '\\' || r == '\uFFFD'
	})
}

// BuildState says where a build stands.
type BuildState string

// The states. The last four are final.
const (
	BuildMissing   BuildState = "missing" // objects; it has not begun
	BuildRunning   BuildState = "running"
	BuildSuccess   BuildState = "success"
	BuildFailed    BuildState = "failed"    // the package does not build
	BuildCancelled BuildState = "cancelled" // as it was asked to be
	BuildLost      BuildState = "lost"      // the worker's fault or the lease's end: try elsewhere
)

// Ended reports whether the state is final.
func (s BuildState) Ended() bool { return s != BuildRunning && s != BuildMissing }

// Build answers PUT and GET of PathBuild.
type Build struct {
	ID           string     `json:"id"`
	Base         string     `json:"base"`
	Architecture string     `json:"architecture"`
	State        BuildState `json:"state"`
	Reason       string     `json:"reason,omitempty"`  // of failed and lost
	Missing      []Object   `json:"missing,omitempty"` // what to send before it can begin
	Files        []Object   `json:"files,omitempty"`   // of success
	Seconds      float64    `json:"seconds,omitempty"` // of success: how long it took
	LogSize      int64      `json:"log_size"`          // bytes by now
	Lease        float64    `json:"lease_seconds"`
}

// LeaseDuration is a lease in seconds as a duration within the bounds.
func LeaseDuration(seconds float64) time.Duration {
	switch {
	case !(seconds > 0):
		return DefaultLease
	case seconds >= MaxLease.Seconds():
		return MaxLease
	}
	return time.Duration(seconds * float64(time.Second))
}
