package store

import (
	"encoding/json"
	"testing"
)

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
