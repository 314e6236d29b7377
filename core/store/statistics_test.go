package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"ahriman/core/store"

	"github.com/google/go-cmp/cmp"
)

func TestStatistics(t *testing.T) {
	var events []store.Event
	for _, data := range []string{`{"took":4}`, `{"took":1.5}`, `{"took":2}`, `{"took":10}`, ``, `{"took":"long"}`, `{"took":-1}`, `[]`, `{}`} {
		events = append(events, store.Event{Object: "b", Data: json.RawMessage(data)})
	}
	events = append(events, store.Event{Object: "a"}, store.Event{Object: "c", Data: json.RawMessage(`{"took":3}`)})
	got := store.Statistics(events)
	want := []store.Statistic{
		{Object: "a", Count: 1},
		{Object: "b", Count: 9, Times: []time.Duration{4 * time.Second, 1500 * time.Millisecond, 2 * time.Second, 10 * time.Second}},
		{Object: "c", Count: 1, Times: []time.Duration{3 * time.Second}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("statistics (-want +got)\n%s", diff)
	}
	for i, want := range []store.Spread{
		{},
		{Min: 1500 * time.Millisecond, Median: 3 * time.Second, Mean: 4375 * time.Millisecond, Max: 10 * time.Second},
		{Min: 3 * time.Second, Median: 3 * time.Second, Mean: 3 * time.Second, Max: 3 * time.Second},
	} {
		if diff := cmp.Diff(want, got[i].Spread()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", got[i].Object, diff)
		}
	}
}
