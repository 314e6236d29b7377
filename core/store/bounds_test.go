package store

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"
)

// TestPlans sees to it that what is asked all day finds its rows by an index:
// there are millions of log lines and hundreds of thousands of events.
func TestPlans(t *testing.T) {
	db := open(t)
	for _, test := range []struct{ what, query, index string }{
		{"log", LogQuery{}.statement(), "l USING INDEX log_lines_by_run"},
		{"first lines of logs", LogQuery{Head: true}.statement(), "log_lines USING COVERING INDEX log_lines_by_run"},
		{"events", EventQuery{}.statement(), "events USING INDEX events_by_time"},
		{"events of an object", EventQuery{Object: "a"}.statement(), "events USING INDEX events_by_object (repository=? AND object=?)"},
		{"build times", buildSecondsQuery, "builds USING INDEX builds_by_base (repository=? AND base=?)"},
	} {
		plan := planOf(t, db, test.query)
		if !strings.Contains(plan, "SEARCH "+test.index) {
			t.Errorf("%s: no search by %s:\n%s", test.what, test.index, plan)
		}
		for _, table := range []string{"l", "log_lines", "r", "log_runs", "events", "b", "builds"} {
			if strings.Contains(plan, "SCAN "+table+"\n") || strings.Contains(plan, "SCAN "+table+" ") {
				t.Errorf("%s goes through all of %s:\n%s", test.what, table, plan)
			}
		}
	}
}

func planOf(t *testing.T, db *DB, query string) string {
	t.Helper()
	var plan strings.Builder
	err := db.rows(t.Context(), func(rows *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := rows.Scan(&id, &parent, &unused, &detail)
		fmt.Fprintln(&plan, detail)
		return err
	}, "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// TestBounds adds to a log, and to a base's builds, that are full.
func TestBounds(t *testing.T) {
	db, ctx := open(t), t.Context()
	for _, base := range []string{"gone", "shortened"} {
		check(t, "add", nil, nil, db.AddLogs(ctx, aur, base, []LogLine{{Version: "1", Process: "p", Message: "first"}}))
	}
	if _, err := db.exec(ctx, "INSERT INTO log_lines SELECT ?, run, created, 'last' FROM log_lines WHERE id = 2", maxLogLines+1); err != nil {
		t.Fatal(err)
	}
	check(t, "add", nil, nil, db.AddLogs(ctx, aur, "new", []LogLine{{Version: "1", Process: "p", Message: "new"}}))
	messages := func(base string) (list []string) {
		lines, err := db.Logs(ctx, aur, base, LogQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			list = append(list, line.Message)
		}
		return list
	}
	check(t, "log of the oldest", messages("gone"), []string(nil), nil)
	check(t, "log of another", messages("shortened"), []string{"last"}, nil)
	check(t, "newest log", messages("new"), []string{"new"}, nil)
	var runs int
	check(t, "count", nil, nil, db.row(ctx, nil, []any{&runs}, "SELECT count(*) FROM log_runs"))
	check(t, "runs", runs, 2, nil)

	for i := range maxBuilds + 2 {
		check(t, "add", nil, nil, db.AddBuild(ctx, aur, Build{Base: "a", Version: fmt.Sprint(i), Started: db.now(), Outputs: []Output{{"f", "aa", 1}}}))
		check(t, "add", nil, nil, db.AddBuild(ctx, alpm.RepositoryID{Name: "other"}, Build{Base: "a", Started: db.now(), Duration: time.Second}))
	}
	builds, err := db.Builds(ctx, aur, "a", -1)
	if err != nil || len(builds) != maxBuilds || builds[0].Version != fmt.Sprint(maxBuilds+1) || builds[maxBuilds-1].Version != "2" || len(builds[0].Outputs) != 1 {
		t.Errorf("%d builds, %v", len(builds), err)
	}
}
