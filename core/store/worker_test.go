package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBuilds(t *testing.T) {
	db, ctx := open(t), t.Context()
	for i, seconds := range []int{1000, 10, 30, 20, 50, 40} {
		b := Build{
			Base: "a", Version: fmt.Sprint(i), Input: "same", Started: db.now(), Duration: time.Duration(seconds) * time.Second,
			Success: true, Outputs: []Output{{fmt.Sprint("f", i), "aa", 1}, {fmt.Sprint("g", i), "bb", 2}},
		}
		check(t, "add", nil, nil, db.AddBuild(ctx, aur, b))
	}
	failed := Build{Base: "a", Version: "9", Input: "same", Speed: 1, Started: db.now(), Duration: time.Second}
	check(t, "add failed", nil, nil, db.AddBuild(ctx, aur, failed))
	check(t, "add failed", nil, nil, db.AddBuild(ctx, aur, Build{Base: "b", Input: "other", Started: db.now()}))
	got, err := db.BuildOf(ctx, aur, "same")
	if err != nil || got.Version != "5" || len(got.Outputs) != 2 || got.Outputs[1].File != "g5" {
		t.Errorf("BuildOf = %+v, %v", got, err)
	}
	if _, err := db.BuildOf(ctx, aur, "other"); !errors.Is(err, ErrUnknownBuild) {
		t.Errorf("a failed build was found: %v", err)
	}
	builds, err := db.Builds(ctx, aur, "a", 2)
	if err != nil || len(builds) != 2 || !cmp.Equal(builds[0], failed) || builds[1].Version != "5" {
		t.Errorf("Builds = %+v, %v", builds, err)
	}
	seconds, err := db.BuildSeconds(ctx, aur)
	check(t, "median of the last five", seconds, map[string]float64{"a": 30}, err)
	fast := Build{Base: "c", Speed: 4, Started: db.now(), Duration: 5 * time.Second, Success: true}
	check(t, "add fast", nil, nil, db.AddBuild(ctx, aur, fast))
	seconds, err = db.BuildSeconds(ctx, aur)
	check(t, "on a worker of speed 1", seconds, map[string]float64{"a": 30, "c": 20}, err)
}

func TestAssignments(t *testing.T) {
	db, ctx := open(t), t.Context()
	now := db.now().Truncate(time.Second)
	a := Assignment{Base: "a", ID: "j1", Version: "1-1", Input: "d1", Worker: "w1", Started: now}
	check(t, "assign", nil, nil, db.Assign(ctx, aur, a))
	a.ID, a.Worker, a.Packages = "j2", "w2", []string{"a", "a-docs"}
	check(t, "assign again", nil, nil, db.Assign(ctx, aur, a))
	check(t, "assign old", nil, nil, db.Assign(ctx, aur, Assignment{Base: "old", ID: "j3", Started: now.Add(-8 * 24 * time.Hour)}))
	check(t, "assign b", nil, nil, db.Assign(ctx, aur, Assignment{Base: "b", ID: "j4", Started: now}))
	check(t, "unassign b", nil, nil, db.Unassign(ctx, aur, "b"))
	for range 2 {
		got, err := db.Assignments(ctx, aur)
		check(t, "assignments", got, map[string]Assignment{"a": a}, err)
	}
}

func TestWorkers(t *testing.T) {
	db, ctx := open(t), t.Context()
	for _, name := range []string{"w2", "w1"} {
		check(t, "register", nil, nil, db.RegisterWorker(ctx, Worker{Identifier: name, Address: "http://" + name}, time.Minute))
	}
	names := func() (all string) {
		t.Helper()
		workers, err := db.Workers(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range workers {
			all += w.Identifier + "=" + w.Address + " "
		}
		return all
	}
	if got := names(); got != "w1=http://w1 w2=http://w2 " {
		t.Error(got)
	}
	start := db.now()
	db.now = func() time.Time { return start.Add(59 * time.Second) }
	check(t, "renew", nil, nil, db.RegisterWorker(ctx, Worker{Identifier: "w2", Address: "http://new", User: "ann"}, time.Minute))
	db.now = func() time.Time { return start.Add(60 * time.Second) }
	if got := names(); got != "w2=http://new " {
		t.Error(got)
	}
	if err := db.RegisterWorker(ctx, Worker{Identifier: "w2", Address: "http://bad", User: "bob"}, time.Minute); !errors.Is(err, ErrTaken) {
		t.Errorf("another's worker registered: %v", err)
	}
	if err := db.RegisterWorker(ctx, Worker{Identifier: "w3", Address: "http://new/", User: "bob"}, time.Minute); !errors.Is(err, ErrTaken) {
		t.Errorf("another's address registered: %v", err)
	}
	check(t, "renew", nil, nil, db.RegisterWorker(ctx, Worker{Identifier: "w2", Address: "http://new", User: "ann"}, time.Minute))
	if err := db.RemoveWorker(ctx, "w2", "bob"); !errors.Is(err, ErrTaken) {
		t.Errorf("another's worker removed: %v", err)
	}
	check(t, "remove", nil, nil, db.RemoveWorker(ctx, "w2", "ann"))
	check(t, "remove nothing", nil, nil, db.RemoveWorker(ctx, "w2", "ann"))
	if got := names(); got != "" {
		t.Error(got)
	}
	check(t, "remove all", nil, nil, db.RemoveWorkers(ctx))
}

func TestFleet(t *testing.T) {
	db, ctx := open(t), t.Context()
	added := Member{Address: "https://b", Name: "b", Added: true, Slots: 2, Speed: 1.5, Features: []string{"big"}, Token: "secret"}
	check(t, "add", nil, nil, db.AddMember(ctx, added))
	check(t, "seen", nil, nil, db.MemberSeen(ctx, "http://a", "a"))
	check(t, "failed", nil, nil, db.MemberFailed(ctx, "https://b", "b", "no route to host"))
	check(t, "drain", nil, nil, db.DrainMember(ctx, "http://a", "a", true))

	members, err := db.Members(ctx)
	if err != nil || len(members) != 2 || members[0].Seen.IsZero() || members[1].Failed.IsZero() {
		t.Fatalf("members: %+v, %v", members, err)
	}
	members[0].Seen, members[1].Failed = time.Time{}, time.Time{}
	added.Reason = "no route to host"
	check(t, "members", members, []Member{{Address: "http://a", Name: "a", Draining: true}, added}, nil)

	check(t, "back", nil, nil, db.MemberSeen(ctx, "https://b", "b"))
	members, err = db.Members(ctx)
	if err != nil || !members[1].Failed.IsZero() || members[1].Reason != "" || members[1].Slots != 2 {
		t.Errorf("after it came back: %+v, %v", members, err)
	}
	if err := db.AddMember(ctx, Member{Address: "https://c", Name: "b"}); err == nil {
		t.Error("two workers have one name")
	}
	check(t, "remove", nil, nil, db.RemoveMember(ctx, "https://b"))
	if err := db.RemoveMember(ctx, "https://b"); !errors.Is(err, ErrUnknownWorker) {
		t.Errorf("removing twice: %v", err)
	}
}
