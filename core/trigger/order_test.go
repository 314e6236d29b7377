package trigger

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	var did []string
	c := &Chain{messages: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"a", "b", "c"} {
		note := func(when string) func(context.Context) error {
			return func(context.Context) error { did = append(did, when+" "+name); return nil }
		}
		result := note("result")
		c.triggers = append(c.triggers, trigger{
			name: name, onStart: note("start"), onStop: note("stop"),
			onResult: func(ctx context.Context, _ Result) error { return result(ctx) },
		})
	}
	for _, err := range []error{c.Start(t.Context()), c.Result(t.Context(), Result{}), c.Stop(t.Context())} {
		if err != nil {
			t.Error(err)
		}
	}
	want := "start a, start b, start c, result a, result b, result c, stop c, stop b, stop a"
	if got := strings.Join(did, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
