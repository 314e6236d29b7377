package api

import "slices"

// Names of the parts of an upload.
const (
	PartPackage   = "package"   // the package file; required, first
	PartSignature = "signature" // its detached signature; optional, after it

	// PartSHA256 (ours; only to a node with FeatureUploadDigest) is last and
	// holds, for each file of the request in order, a line as sha256sum(1)
	// prints it. It comes last so that a client reads each file once. With it,
	// a server answers UploadReply instead of ahriman's text, and Conflict
	// (409) where a Python client would be told 201.
	PartSHA256 = "sha256"
)

// UploadReply answers an upload that carried PartSHA256.
type UploadReply struct {
	File   string `json:"file"`   // the name it was stored under
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex, of what the server wrote
}

// DigestLine returns a file's line of PartSHA256.
func DigestLine(sha256, fileName string) string { return sha256 + "  " + fileName + "\n" }

// InfoRepository is a repository in Info and InfoV2.
type InfoRepository struct {
	ID           string `json:"id"` // architecture-repository
	Architecture string `json:"architecture"`
	Repository   string `json:"repository"`
}

// InfoRepositoryOf names a repository as PathInfo does.
func InfoRepositoryOf(r Repository) InfoRepository {
	return InfoRepository{ID: r.Architecture + "-" + r.Repository, Architecture: r.Architecture, Repository: r.Repository}
}

// Info answers GET PathInfo.
type Info struct {
	Auth         bool             `json:"auth"` // log-in is on
	Repositories []InfoRepository `json:"repositories"`
	Version      string           `json:"version"`
}

// InfoAuth is the log-in part of InfoV2.
type InfoAuth struct {
	Control  string `json:"control"` // HTML of the log-in button
	Enabled  bool   `json:"enabled"`
	External bool   `json:"external"`
	Username string `json:"username,omitempty"` // who asks
}

// AutorefreshInterval is a choice the web page offers.
type AutorefreshInterval struct {
	Interval int    `json:"interval"` // milliseconds
	IsActive bool   `json:"is_active"`
	Text     string `json:"text"`
}

// InfoV2 answers GET PathInfoV2.
type InfoV2 struct {
	Auth                 InfoAuth              `json:"auth"`
	AutorefreshIntervals []AutorefreshInterval `json:"autorefresh_intervals"`
	DocsEnabled          bool                  `json:"docs_enabled"`
	IndexURL             string                `json:"index_url,omitempty"`
	Repositories         []InfoRepository      `json:"repositories"`
	Version              string                `json:"version"`
}

// Feature names an extension a node offers, so that nodes of different
// versions can meet.
type Feature string

// The extensions.
const (
	FeatureProcessOutcome Feature = "process-outcome" // PathNodeProcess
	FeatureLogBatch       Feature = "log-batch"       // PathNodeLogs
	FeatureUploadDigest   Feature = "upload-digest"   // PartSHA256
	FeatureWorkers        Feature = "workers"         // PathNodeWorker
	FeatureUploadSets     Feature = "upload-sets"     // PathUploadSet
)

// Node answers GET PathNode.
type Node struct {
	Version  string    `json:"version"`
	Features []Feature `json:"features"`
}

// Has reports whether the node offers an extension.
func (n Node) Has(f Feature) bool { return slices.Contains(n.Features, f) }

// Outcome is how a job ended.
type Outcome string

// The outcomes.
const (
	OutcomeSuccess   Outcome = "success"
	OutcomePartial   Outcome = "partial" // some packages failed; they are in Failed
	OutcomeFailed    Outcome = "failed"
	OutcomeCancelled Outcome = "cancelled"
)

// Process is a job. PathProcess answers with it while the job waits or runs,
// and 404 afterwards, as Python clients expect; PathNodeProcess afterwards too.
type Process struct {
	ID       string           `json:"process_id,omitempty"`
	IsAlive  bool             `json:"is_alive"`           // waits or runs
	Kind     string           `json:"kind,omitempty"`     // add, update, remove, …
	Outcome  Outcome          `json:"outcome,omitempty"`  // empty while alive
	Message  string           `json:"message,omitempty"`  // what went wrong, for a person
	Updated  []string         `json:"updated,omitempty"`  // bases published or removed
	Failed   []ProcessFailure `json:"failed,omitempty"`   // bases that failed
	Warnings []string         `json:"warnings,omitempty"` // an upload kept out because its name was taken, …
	Created  int64            `json:"created,omitempty"`  // unix seconds
	Started  int64            `json:"started,omitempty"`
	Finished int64            `json:"finished,omitempty"`
}

// ProcessFailure is a base that failed.
type ProcessFailure struct {
	Base   string `json:"base"`
	Reason string `json:"reason"`
}
