package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ahriman/core/alpm"

	"github.com/google/uuid"
)

// State is where a job stands.
type State string

// The states of a job. All but the first two are ends: a job in one stays there.
const (
	Queued      State = "queued"
	Running     State = "running"
	Succeeded   State = "succeeded"
	Partial     State = "partial" // some packages failed
	JobFailed   State = "failed"
	Cancelled   State = "cancelled"
	Interrupted State = "interrupted" // the process that had it is gone
)

// Ended says whether a job in s has come to its end.
func (s State) Ended() bool { return s != Queued && s != Running }

// Outcome is what came of a job, base by base. Its JSON has the names of the
// API's process answer.
type Outcome struct {
	Updated  []string  `json:"updated,omitempty"`  // bases published or removed
	Failed   []Failure `json:"failed,omitempty"`   // bases that failed
	Warnings []string  `json:"warnings,omitempty"` // for a person
}

// Failure is a base that failed.
type Failure struct {
	Base   string `json:"base"`
	Reason string `json:"reason"`
}

// Job is a piece of work that someone asked for.
type Job struct {
	ID         string // uuid; the API's process_id
	Repository alpm.RepositoryID
	Kind       string          // "update", "add", …
	Arguments  json.RawMessage // what the kind needs; a JSON object
	User       string          // who asked; empty: unknown
	State      State
	Created    time.Time
	Started    time.Time // zero while queued
	Ended      time.Time // zero until it has ended
	Outcome    Outcome   // what came of it so far
	Error      string    // why it did not succeed, for people
}

// CreateJob stores a new job in state Queued, owned by this process, and
// returns it with ID and Created. Of job it reads Repository, Kind, Arguments
// and User.
func (db *DB) CreateJob(ctx context.Context, job Job) (Job, error) {
	if len(job.Arguments) == 0 {
		job.Arguments = json.RawMessage("{}")
	}
	job.ID, job.State, job.Created = uuid.NewString(), Queued, db.now()
	owner, err := db.ownerID(ctx)
	if err == nil {
		_, err = db.exec(ctx, `INSERT INTO jobs (id, repository, kind, arguments, user, owner, state, created_us)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, job.ID, key(job.Repository), job.Kind, string(job.Arguments), job.User,
			owner, job.State, microseconds(job.Created))
	}
	if err != nil {
		return Job{}, fmt.Errorf("creating job %s for %s: %w", job.Kind, job.Repository, err)
	}
	db.announceJob(job.ID)
	return job, nil
}

// StartJob says that a queued job runs now. A job that has ended already
// (interrupted, say) is ErrUnknownJob.
func (db *DB) StartJob(ctx context.Context, id string) error {
	return db.moveJob(ctx, id, "starting", "UPDATE jobs SET state = ?, started_us = ? WHERE id = ? AND state = 'queued'",
		Running, microseconds(db.now()), id)
}

// EndJob says how a job ended: state must be an end, failure is the text for
// people, empty without one. The first end of a job counts; a second is
// ErrUnknownJob.
func (db *DB) EndJob(ctx context.Context, id string, state State, outcome Outcome, failure string) error {
	text, err := json.Marshal(outcome)
	if err != nil {
		return fmt.Errorf("ending job %s: %w", id, err)
	}
	return db.moveJob(ctx, id, "ending", "UPDATE jobs SET state = ?, ended_us = ?, outcome = ?, error = ? WHERE id = ? AND state IN ('queued', 'running')",
		state, microseconds(db.now()), string(text), failure, id)
}

func (db *DB) moveJob(ctx context.Context, id, doing, statement string, args ...any) error {
	n, err := db.exec(ctx, statement, args...)
	if err == nil && n == 0 {
		err = ErrUnknownJob
	}
	if err != nil {
		return fmt.Errorf("%s job %s: %w", doing, id, err)
	}
	db.announceJob(id)
	return nil
}

const jobColumns = "id, repository, kind, arguments, user, state, created_us, started_us, ended_us, outcome, error, owner"

func scanJob(scan func(...any) error) (job Job, owner int64, err error) {
	var repository, arguments, outcome string
	var created, started, ended sql.NullInt64
	err = scan(&job.ID, &repository, &job.Kind, &arguments, &job.User, &job.State, &created, &started, &ended, &outcome, &job.Error, &owner)
	if err != nil {
		return job, owner, err
	}
	job.Repository = repositoryID(repository)
	job.Arguments = json.RawMessage(arguments)
	job.Created, job.Started, job.Ended = fromMicroseconds(created), fromMicroseconds(started), fromMicroseconds(ended)
	err = json.Unmarshal([]byte(outcome), &job.Outcome)
	return job, owner, err
}

// Job returns a job, or ErrUnknownJob.
func (db *DB) Job(ctx context.Context, id string) (Job, error) {
	job, _, err := scanJob(db.sql.QueryRowContext(ctx, "SELECT "+jobColumns+" FROM jobs WHERE id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknownJob
	}
	if err != nil {
		return Job{}, fmt.Errorf("reading job %s: %w", id, err)
	}
	return job, nil
}

// Jobs returns the newest jobs of all repositories, newest first, at most limit
// (negative: all).
func (db *DB) Jobs(ctx context.Context, limit int) ([]Job, error) {
	jobs := []Job{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		job, _, err := scanJob(rows.Scan)
		jobs = append(jobs, job)
		return err
	}, "SELECT "+jobColumns+" FROM jobs ORDER BY created_us DESC, id LIMIT ?", limit)
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	return jobs, nil
}

// RecoverJobs marks the jobs of processes that are gone as Interrupted and
// returns them, oldest first, for the caller to ask for again or not.
func (db *DB) RecoverJobs(ctx context.Context) ([]Job, error) {
	lost := []Job{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		job, owner, err := scanJob(rows.Scan)
		if err != nil {
			return err
		}
		alive, err := db.alive(owner)
		if !alive && err == nil {
			lost = append(lost, job)
		}
		return err
	}, "SELECT "+jobColumns+" FROM jobs WHERE state IN ('queued', 'running') ORDER BY created_us, id")
	recovered := []Job{}
	for _, job := range lost {
		if err != nil {
			break
		}
		var n int64
		n, err = db.exec(ctx, "UPDATE jobs SET state = ?, ended_us = ?, error = ? WHERE id = ? AND state IN ('queued', 'running')",
			Interrupted, microseconds(db.now()), "the process that had this job is gone", job.ID)
		if err == nil && n == 1 { // else another process was faster
			job, err = db.Job(ctx, job.ID)
			recovered = append(recovered, job)
			db.announceJob(job.ID)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("looking for interrupted jobs: %w", err)
	}
	return recovered, nil
}

// TrimJobs forgets ended jobs beyond the newest keep.
func (db *DB) TrimJobs(ctx context.Context, keep int) error {
	_, err := db.exec(ctx, `DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND id NOT IN
		(SELECT id FROM jobs ORDER BY created_us DESC LIMIT ?)`, keep)
	if err != nil {
		return fmt.Errorf("trimming jobs: %w", err)
	}
	return nil
}

// AddWarning leaves a message for the outcome of the repository's next update,
// such as an upload that was left out. The same message stands once.
func (db *DB) AddWarning(ctx context.Context, id alpm.RepositoryID, message string) error {
	if _, err := db.exec(ctx, "INSERT OR IGNORE INTO warnings (repository, message) VALUES (?, ?)", key(id), message); err != nil {
		return fmt.Errorf("storing warning of %s: %w", id, err)
	}
	return nil
}

// TakeWarnings returns the messages that wait, oldest first, and removes them.
func (db *DB) TakeWarnings(ctx context.Context, id alpm.RepositoryID) ([]string, error) {
	messages := []string{}
	err := db.update(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT message FROM warnings WHERE repository = ? ORDER BY id", key(id))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var message string
			if err := rows.Scan(&message); err != nil {
				return err
			}
			messages = append(messages, message)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM warnings WHERE repository = ?", key(id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("taking warnings of %s: %w", id, err)
	}
	return messages, nil
}
