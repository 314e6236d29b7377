package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/source"

	"github.com/google/go-cmp/cmp"
)

func TestPackages(t *testing.T) {
	db, ctx := open(t), t.Context()
	revision := func() int64 {
		t.Helper()
		n, err := db.Revision(ctx, aur)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if records, err := db.Packages(ctx, aur); err != nil || records == nil || len(records) != 0 {
		t.Errorf("empty: %v, %v", records, err)
	}
	before := revision()
	if err := db.SetPackages(ctx, aur, []Update{{pkg("b", "1-1"), Unknown}, {pkg("a", "1-1"), Success}}); err != nil {
		t.Fatal(err)
	}
	if revision() == before {
		t.Error("revision did not change")
	}
	if err := db.SetHeld(ctx, aur, "a", true); err != nil {
		t.Fatal(err)
	}
	before = revision()
	if err := db.SetStatus(ctx, aur, "a", Failed); err != nil {
		t.Fatal(err)
	}
	if revision() == before {
		t.Error("revision did not change with the status")
	}
	before = revision()
	if err := db.SetPackage(ctx, other, pkg("a", "7-1"), Unknown); err != nil {
		t.Fatal(err)
	}
	if revision() != before {
		t.Error("revision changed with another repository")
	}
	if err := db.SetPackage(ctx, aur, pkg("a", "2-1"), Pending); err != nil {
		t.Fatal(err)
	}
	got, err := db.Packages(ctx, aur)
	check(t, "packages", got, []Record{
		{stored(pkg("a", "2-1")), Pending, 1795305600, true},
		{stored(pkg("b", "1-1")), Unknown, 1795305600, false},
	}, err)
	one, err := db.Package(ctx, aur, "a")
	check(t, "package", one, got[0], err)
	if u, err := db.Upstream(ctx, aur, "a"); err != nil || u != (Upstream{}) {
		t.Errorf("an upstream that nobody looked at: %+v, %v", u, err)
	}
	if err := errors.Join(db.SetUpstream(ctx, aur, "a", "2-1"), db.SetUpstream(ctx, aur, "a", "3-1")); err != nil {
		t.Error(err)
	}
	if u, err := db.Upstream(ctx, aur, "a"); err != nil || u.Version != "3-1" || !u.Looked.Equal(db.now()) {
		t.Errorf("upstream: %+v, %v", u, err)
	}
	if err := errors.Join(db.RemovePackage(ctx, aur, "a"), db.RemovePackage(ctx, aur, "a")); err != nil {
		t.Error(err)
	}
	if u, err := db.Upstream(ctx, aur, "a"); err != nil || u != (Upstream{}) {
		t.Errorf("the upstream of a removed one: %+v, %v", u, err)
	}
	for what, err := range map[string]error{
		"SetStatus": db.SetStatus(ctx, aur, "a", Success),
		"SetHeld":   db.SetHeld(ctx, aur, "a", true),
		"Package":   func() error { _, err := db.Package(ctx, aur, "a"); return err }(),
	} {
		if !errors.Is(err, ErrUnknownPackage) {
			t.Errorf("%s of a removed one: %v", what, err)
		}
	}
	if _, err := db.Package(ctx, other, "a"); err != nil {
		t.Errorf("the other repository's: %v", err)
	}
	if err := db.SetPackages(ctx, aur, []Update{{pkg("c", "1-1"), Success}, {pkg("d", "1-1"), "bogus"}}); err == nil {
		t.Error("bogus status: no error")
	}
	if _, err := db.Package(ctx, aur, "c"); !errors.Is(err, ErrUnknownPackage) {
		t.Errorf("half of a failed update is there: %v", err)
	}
}

func TestService(t *testing.T) {
	db, ctx := open(t), t.Context()
	status, changed, err := db.ServiceStatus(ctx, aur)
	check(t, "never said", []any{status, changed}, []any{Unknown, int64(0)}, err)
	err = db.SetServiceStatus(ctx, aur, Building)
	check(t, "set", nil, nil, err)
	status, changed, err = db.ServiceStatus(ctx, aur)
	check(t, "said", []any{status, changed}, []any{Building, int64(1795305600)}, err)

	for _, want := range []Changes{{}, {LastCommit: "a"}, {"b", "c", "d"}, {}} {
		check(t, "set changes", nil, nil, db.SetChanges(ctx, aur, "x", want))
		got, err := db.Changes(ctx, aur, "x")
		check(t, "changes", got, want, err)
	}
	for _, want := range []map[string][]string{{}, {"/a": {"b", "c"}}} {
		check(t, "set dependencies", nil, nil, db.SetDependencies(ctx, aur, "x", want))
		got, err := db.Dependencies(ctx, aur, "x")
		check(t, "dependencies", got, want, err)
	}
}

func TestPatches(t *testing.T) {
	db, ctx := open(t), t.Context()
	for _, p := range []source.Patch{
		{Key: new("k"), Value: "v"}, {Value: "diff 1"}, {Key: new("k"), Value: []string{"x", "y"}}, {Value: "diff 2"},
	} {
		if err := db.SetPatch(ctx, "foo", p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Patches(ctx, "foo")
	check(t, "patches", got, []source.Patch{{Key: new("k"), Value: []any{"x", "y"}}, {Value: "diff 2"}}, err)
	one, err := db.Patch(ctx, "foo", "")
	check(t, "diff", one, source.Patch{Value: "diff 2"}, err)
	check(t, "remove", nil, nil, db.RemovePatch(ctx, "foo", "k"))
	if _, err := db.Patch(ctx, "foo", "k"); !errors.Is(err, ErrUnknownPatch) {
		t.Errorf("removed patch: %v", err)
	}
	check(t, "remove all", nil, nil, db.RemovePatches(ctx, "foo"))
	got, err = db.Patches(ctx, "foo")
	check(t, "none", got, []source.Patch{}, err)
}

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

func TestWarnings(t *testing.T) {
	db, ctx := open(t), t.Context()
	for _, message := range []string{"b", "a", "b"} {
		check(t, "add", nil, nil, db.AddWarning(ctx, aur, message))
	}
	check(t, "add", nil, nil, db.AddWarning(ctx, other, "c"))
	for _, want := range [][]string{{"b", "a"}, {}} {
		got, err := db.TakeWarnings(ctx, aur)
		check(t, "take", got, want, err)
	}
}

func TestLogs(t *testing.T) {
	db, ctx := open(t), t.Context()
	for i, process := range []string{"p1", "p2", "p3"} {
		lines := []LogLine{}
		for j := range 3 {
			lines = append(lines, LogLine{Created: float64(10*i+j) + 0.5, Message: fmt.Sprint(process, j), Version: fmt.Sprint(i/2, "-1"), Process: process})
		}
		check(t, "add", nil, nil, db.AddLogs(ctx, aur, "foo", lines))
	}
	long := strings.Repeat("ä", maxLogMessage)
	check(t, "add long", nil, nil, db.AddLogs(ctx, aur, "bar", []LogLine{{Message: "x" + long, Process: "p1"}}))
	messages := func(base string, q LogQuery) string {
		t.Helper()
		lines, err := db.Logs(ctx, aur, base, q)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range lines {
			all = append(all, l.Message)
		}
		return strings.Join(all, " ")
	}
	for _, test := range []struct {
		query LogQuery
		want  string
	}{
		{LogQuery{}, "p10 p11 p12 p20 p21 p22 p30 p31 p32"},
		{LogQuery{Version: "0-1"}, "p10 p11 p12 p20 p21 p22"},
		{LogQuery{Process: "p2"}, "p20 p21 p22"},
		{LogQuery{Limit: 2}, "p31 p32"},
		{LogQuery{Limit: 2, Offset: 2}, "p22 p30"},
		{LogQuery{Head: true}, "p30 p20 p10"},
	} {
		if got := messages("foo", test.query); got != test.want {
			t.Errorf("%+v: %q, want %q", test.query, got, test.want)
		}
	}
	if got := messages("bar", LogQuery{}); len(got) > maxLogMessage || !strings.HasPrefix("x"+long, got) {
		t.Errorf("long line: %d bytes", len(got))
	}
	check(t, "rotate", nil, nil, db.RotateLogs(ctx, aur, 2))
	if got, want := messages("foo", LogQuery{}), "p20 p21 p22 p30 p31 p32"; got != want {
		t.Errorf("rotated: %q, want %q", got, want)
	}
	if messages("bar", LogQuery{}) == "" {
		t.Error("rotation counts over bases")
	}
	check(t, "remove", nil, nil, db.RemoveLogs(ctx, aur, "foo", "1-1"))
	if got, want := messages("foo", LogQuery{}), "p20 p21 p22"; got != want {
		t.Errorf("removed a version: %q, want %q", got, want)
	}
	check(t, "rotate all", nil, nil, db.RotateLogs(ctx, aur, 0))
	if got := messages("foo", LogQuery{}); got != "" {
		t.Errorf("rotated to nothing: %q", got)
	}
}

func TestEvents(t *testing.T) {
	db, ctx := open(t), t.Context()
	all := []Event{
		{EventPackageUpdated, "a", 10, "", json.RawMessage(`{"took":1}`)},
		{EventPackageOutdated, "a", 20, "m", nil},
		{EventPackageUpdated, "b", 30, "", nil},
	}
	for _, e := range all {
		check(t, "add", nil, nil, db.AddEvent(ctx, aur, e))
	}
	for _, test := range []struct {
		query EventQuery
		want  []Event
	}{
		{EventQuery{}, all},
		{EventQuery{Limit: 2}, all[1:]},
		{EventQuery{Limit: 1, Offset: 1}, all[1:2]},
		{EventQuery{Object: "a"}, all[:2]},
		{EventQuery{Event: EventPackageUpdated, Object: "b"}, all[2:]},
		{EventQuery{From: 20, To: 20}, all[1:2]},
		{EventQuery{From: 31}, []Event{}},
	} {
		got, err := db.Events(ctx, aur, test.query)
		check(t, fmt.Sprintf("%+v", test.query), got, test.want, err)
	}
}

func TestUsers(t *testing.T) {
	db, ctx := open(t), t.Context()
	ann := User{"ann", "$2b$hash", RoleWorker, "Ann", "ABCD", aur, []string{"foo", "bar"}}
	check(t, "set", nil, nil, db.SetUser(ctx, User{Name: "ann", Access: Read}))
	check(t, "set again", nil, nil, db.SetUser(ctx, ann))
	got, err := db.User(ctx, "ann")
	check(t, "user", got, ann, err)
	users, err := db.Users(ctx)
	check(t, "users", users, []User{ann}, err)
	check(t, "remove", nil, nil, db.RemoveUser(ctx, "ann"))
	if err := db.RemoveUser(ctx, "ann"); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := db.User(ctx, "ann"); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("removed user: %v", err)
	}
}

func TestTokens(t *testing.T) {
	db, ctx := open(t), t.Context()
	ann, bob := User{Name: "ann", Access: RoleWorker, Bases: []string{"foo"}}, User{Name: "bob", Access: Full}
	check(t, "set", nil, nil, errors.Join(db.SetUser(ctx, ann), db.SetUser(ctx, bob)))
	secret, first, err := db.AddToken(ctx, "ann", time.Hour)
	if err != nil || len(secret) != 56 || !IsToken(secret) || !strings.HasPrefix(secret, first.ID) || len(first.ID) != 12 {
		t.Fatalf("token %q %+v: %v", secret, first, err)
	}
	other, second, err := db.AddToken(ctx, "ann", 0)
	if err != nil || other == secret || !second.Expires.IsZero() {
		t.Fatalf("second token: %+v, %v", second, err)
	}
	user, token, err := db.TokenUser(ctx, secret)
	check(t, "user", user, ann, err)
	check(t, "token", token.ID, first.ID, nil)
	user, _, err = db.TokenByID(ctx, second.ID)
	check(t, "by id", user, ann, err)
	tokens, err := db.Tokens(ctx)
	check(t, "tokens", len(tokens), 2, err)
	if text, err := os.ReadFile(db.Path()); err != nil || bytes.Contains(text, []byte(secret[tokenID:])) {
		t.Errorf("the secret is in the file, or %v", err)
	}

	gone := func(what, secret string) {
		t.Helper()
		if user, _, err := db.TokenUser(ctx, secret); !errors.Is(err, ErrUnknownToken) {
			t.Errorf("%s: good for %q, %v", what, user.Name, err)
		}
	}
	gone("nothing", "")
	gone("its beginning", secret[:len(secret)-1])
	gone("its hash", token.Hash)
	if err := db.RemoveToken(ctx, "bob", second.ID); !errors.Is(err, ErrUnknownToken) {
		t.Errorf("another's token removed: %v", err)
	}
	start := db.now()
	db.now = func() time.Time { return start.Add(time.Hour) }
	gone("expired", secret)
	check(t, "remove", nil, nil, db.RemoveToken(ctx, "ann", second.ID))
	gone("removed", other)
	third, _, err := db.AddToken(ctx, "ann", 0)
	check(t, "add", nil, nil, err)
	check(t, "remove user", nil, nil, db.RemoveUser(ctx, "ann"))
	gone("of a user who is gone", third)
	if _, _, err := db.AddToken(ctx, "ann", 0); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("a token for nobody: %v", err)
	}
}

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

func TestWatch(t *testing.T) {
	db, ctx := open(t), t.Context()
	notices, stop := db.Watch(10)
	slow, stopSlow := db.Watch(1)
	defer stopSlow()
	check(t, "package", nil, nil, db.SetPackage(ctx, aur, pkg("a", "1-1"), Building))
	check(t, "log", nil, nil, db.AddLogs(ctx, aur, "a", []LogLine{{1.5, "m", "1-1", "p"}}))
	check(t, "service", nil, nil, db.SetServiceStatus(ctx, aur, Success))
	var got []Notice
	for range 3 {
		got = append(got, <-notices)
	}
	check(t, "notices", got, []Notice{
		{aur, Event{EventPackageStatusChanged, "a", 1795305600, "", json.RawMessage(`{"status":"building"}`)}},
		{aur, Event{EventBuildLog, "a", 1, "m", json.RawMessage(`{"created":1.5,"process_id":"p","version":"1-1"}`)}},
		{aur, Event{EventServiceStatusChanged, "", 1795305600, "", json.RawMessage(`{"status":"success"}`)}},
	}, nil)
	if _, open := <-slow; !open {
		t.Error("the slow watcher lost its first notice")
	}
	if _, open := <-slow; open {
		t.Error("the slow watcher was kept")
	}
	stop()
	if _, open := <-notices; open {
		t.Error("a stopped watcher got more")
	}
	last, _ := db.Watch(1)
	db.Close()
	if _, open := <-last; open {
		t.Error("a watcher outlived the store")
	}
}

func TestPasswords(t *testing.T) {
	hash, err := HashPassword("secret", "salt")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []User{
		{Password: hash},
		// "secretsalt", as crypt(3) of libxcrypt hashes it.
		{Password: "$2b$04$abcdefghijklmnopqrstuu9vw6gnRRfKvJN1rE6aS/UbrKbsAD1Yy"},
		{Password: "$2y$04$abcdefghijklmnopqrstuu9vw6gnRRfKvJN1rE6aS/UbrKbsAD1Yy"},
	} {
		if !user.CheckPassword("secret", "salt") {
			t.Errorf("%s refused", user.Password)
		}
	}
	if (User{Password: hash}).CheckPassword("secret", "") || (User{}).CheckPassword("", "") {
		t.Error("accepted a wrong password")
	}
	for _, password := range []string{"", strings.Repeat("x", 70), "ahr_secret-enough"} {
		if _, err := HashPassword(password, "salt"); err == nil {
			t.Errorf("hashed %q", password)
		}
	}
}

func TestEndedSessions(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "node.db"))
	ended := func(id string, want bool) {
		t.Helper()
		if got, err := db.SessionEnded(t.Context(), id); err != nil || got != want {
			t.Errorf("%s: ended is %t, want %t: %v", id, got, want, err)
		}
	}
	ended("a", false)
	if err := errors.Join(db.EndSession(t.Context(), "a", db.now().Add(-time.Second)), db.EndSession(t.Context(), "b", db.now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	ended("b", true)
	ended("a", false) // it would have expired, and takes no room
}
