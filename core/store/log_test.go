package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

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
