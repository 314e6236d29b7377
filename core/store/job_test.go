package store

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"ahriman/core/source"
)

func TestQueue(t *testing.T) {
	db, ctx := open(t), t.Context()
	add := func(base string, increment bool) int64 {
		t.Helper()
		n, err := db.Enqueue(ctx, aur, Request{Package: source.Package{Base: base}, Increment: increment, Patches: []source.Patch{{Key: new("a"), Value: "b"}}})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := add("a", true)
	add("b", true)
	again := add("a", false)
	check(t, "dequeue of what was replaced", nil, nil, db.Dequeue(ctx, first))
	got, err := db.Queue(ctx, aur)
	if err != nil || len(got) != 2 || got[0].Package.Base != "b" || got[1].ID != again || got[1].Increment || !got[1].Requested.Equal(db.now()) {
		t.Errorf("queue = %+v, %v", got, err)
	}
	check(t, "patches", got[1].Patches, []source.Patch{{Key: new("a"), Value: "b"}}, nil)
	check(t, "dequeue", nil, nil, db.Dequeue(ctx, again))
	if got, err := db.Queue(ctx, aur); err != nil || len(got) != 1 {
		t.Errorf("queue = %+v, %v", got, err)
	}
	if got, err := db.Queue(ctx, other); err != nil || len(got) != 0 {
		t.Errorf("queue of the other = %+v, %v", got, err)
	}
	check(t, "clear", nil, nil, db.ClearQueue(ctx, aur))
	if got, err := db.Queue(ctx, aur); err != nil || len(got) != 0 {
		t.Errorf("cleared queue = %+v, %v", got, err)
	}
}

func TestJobs(t *testing.T) {
	db, ctx := open(t), t.Context()
	job, err := db.CreateJob(ctx, Job{Repository: aur, Kind: "update", Arguments: json.RawMessage(`{"aur":true}`), User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "start", nil, nil, db.StartJob(ctx, job.ID))
	if err := db.StartJob(ctx, job.ID); !errors.Is(err, ErrUnknownJob) {
		t.Errorf("started twice: %v", err)
	}
	check(t, "end", nil, nil, db.EndJob(ctx, job.ID, Partial, Outcome{Updated: []string{"a"}, Failed: []Failure{{"b", "makepkg: exit status 4"}}}, "1 package failed"))
	if err := db.EndJob(ctx, job.ID, Succeeded, Outcome{}, ""); !errors.Is(err, ErrUnknownJob) {
		t.Errorf("ended twice: %v", err)
	}
	got, err := db.Job(ctx, job.ID)
	want := job
	want.State, want.Started, want.Ended = Partial, db.now(), db.now()
	want.Outcome, want.Error = Outcome{Updated: []string{"a"}, Failed: []Failure{{"b", "makepkg: exit status 4"}}}, "1 package failed"
	check(t, "job", got, want, err)
	if _, err := db.Job(ctx, "xyz"); !errors.Is(err, ErrUnknownJob) {
		t.Errorf("unknown job: %v", err)
	}
	db.now = func() time.Time { return time.Unix(1795305700, 0) }
	if _, err := db.CreateJob(ctx, Job{Repository: other, Kind: "add"}); err != nil {
		t.Fatal(err)
	}
	check(t, "trim", nil, nil, db.TrimJobs(ctx, 0))
	jobs, err := db.Jobs(ctx, 10)
	if err != nil || len(jobs) != 1 || jobs[0].State != Queued || jobs[0].Repository != other {
		t.Errorf("after trimming: %+v, %v", jobs, err)
	}
}
