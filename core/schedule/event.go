package schedule

import "time"

// Event is something that happened in a run.
type Event interface{ isEvent() }

// Started says that a worker was given a task.
type Started struct {
	Attempt
	Expected time.Duration // how long it should take there; an estimate
}

// Ended says how an attempt ended.
type Ended struct {
	Attempt
	Took time.Duration
	Err  error // nil: it gave packages that were accepted
	// Again says that the task is tried once more: its build failed and may do
	// better elsewhere, or its worker was lost.
	Again bool
}

// Published says that a task is done: what needs it may begin.
type Published struct {
	Task   Task
	Worker string
}

// Failed says that a task was given up.
type Failed struct {
	Task   Task
	Worker string // that had it last; empty: none had
	Err    error
}

// Skipped says that a task is not tried because others failed that it needs,
// directly or through others.
type Skipped struct {
	Task  Task
	Needs []string // the bases that failed, sorted
}

// Joined says that a worker was found that was not there before; Gone, that one
// is not there any more.
type (
	Joined struct{ Worker Worker }
	Gone   struct{ Worker string }
)

// Away says that a worker is set aside: it does not answer, or what fails there
// is built elsewhere.
type Away struct {
	Worker string
	Until  time.Time // when it is tried again at the earliest; zero: not by the run
	Err    error
}

// Back says that a worker that was set aside answers again.
type Back struct{ Worker string }

func (Started) isEvent()   {}
func (Ended) isEvent()     {}
func (Published) isEvent() {}
func (Failed) isEvent()    {}
func (Skipped) isEvent()   {}
func (Joined) isEvent()    {}
func (Gone) isEvent()      {}
func (Away) isEvent()      {}
func (Back) isEvent()      {}
