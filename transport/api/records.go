package api

import "encoding/json"

// UnknownVersion is what a log record of no package in particular holds as its
// version.
const UnknownVersion = "<unknown>"

// LogRecord is one line of a build log: an element of PathLogsV2's answer and
// the body of POST PathLogs.
type LogRecord struct {
	Created   float64 `json:"created"` // unix seconds
	Message   string  `json:"message"` // may be empty, may hold several lines
	ProcessID string  `json:"process_id,omitempty"`
	Version   string  `json:"version"` // of the package; or UnknownVersion
}

// Validate checks that version and time are there.
func (r LogRecord) Validate() error {
	if r.Created == 0 {
		return Errorf(ErrBadRequest, "created is missing or 0")
	}
	return required("version", r.Version)
}

// Bounds of LogBatch; a server refuses more with ErrTooLarge.
const (
	MaxLogRecords = 1000
	MaxLogBytes   = 1 << 20 // of the JSON
)

// LogBatch (ours) is the body of POST PathNodeLogs.
type LogBatch struct {
	Records []LogRecord `json:"records"`
}

// Validate checks number and versions.
func (b LogBatch) Validate() error {
	if len(b.Records) > MaxLogRecords {
		return Errorf(ErrTooLarge, "%d log records in one request, at most %d", len(b.Records), MaxLogRecords)
	}
	for _, record := range b.Records {
		if err := record.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Logs is the answer of GET PathLogs: lines "[2006-01-02 15:04:05] text".
type Logs struct {
	PackageBase string `json:"package_base"`
	Status      Status `json:"status"`
	Logs        string `json:"logs"`
}

// EventKind names an event. Others than the constants are allowed.
type EventKind string

// ahriman's events.
const (
	EventBuildLog             EventKind = "build-log"
	EventPackageHeld          EventKind = "package-held"
	EventPackageOutdated      EventKind = "package-outdated"
	EventPackageRemoved       EventKind = "package-removed"
	EventPackageStatusChanged EventKind = "package-status-changed"
	EventPackageUpdateFailed  EventKind = "package-update-failed"
	EventPackageUpdated       EventKind = "package-updated"
	EventServiceStatusChanged EventKind = "service-status-changed"
)

// Event is something that happened.
type Event struct {
	Event    EventKind       `json:"event"`
	ObjectID string          `json:"object_id"`         // mostly a package base
	Created  int64           `json:"created,omitempty"` // unix seconds; a server fills in its clock
	Message  string          `json:"message,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"` // an object
}

// Validate checks what is required.
func (e Event) Validate() error {
	if err := required("event", string(e.Event), "object_id", e.ObjectID); err != nil {
		return err
	}
	var data map[string]any
	if len(e.Data) > 0 && json.Unmarshal(e.Data, &data) != nil {
		return Errorf(ErrBadRequest, "data must be an object")
	}
	return nil
}
