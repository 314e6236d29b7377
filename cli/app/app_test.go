package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStatus(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx  context.Context
		err  error
		want int
	}{
		"done":                      {err: nil, want: 0},
		"failed":                    {err: errors.New("x"), want: 1},
		"usage":                     {err: fmt.Errorf("y: %w", Usagef("x")), want: 2},
		"partly":                    {err: &Partial{Failed: []string{"a"}}, want: 3},
		"nothing":                   {err: ErrNothing, want: 4},
		"interrupted":               {ctx: canceled, err: fmt.Errorf("x: %w", context.Canceled), want: 130},
		"canceled by itself":        {err: context.Canceled, want: 1},
		"failed though interrupted": {ctx: canceled, err: errors.New("x"), want: 1},
		"done though interrupted":   {ctx: canceled, want: 0},
		"broken pipe":               {err: fmt.Errorf("x: %w", &outputError{syscall.EPIPE}), want: 141},
		"broken pipe elsewhere":     {err: fmt.Errorf("x: %w", syscall.EPIPE), want: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.ctx == nil {
				test.ctx = t.Context()
			}
			if got := status(test.ctx, test.err); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestStatusOfSignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		ctx, stop := signal.NotifyContext(t.Context(), s)
		defer stop()
		if err := syscall.Kill(syscall.Getpid(), s); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if got, want := status(ctx, ctx.Err()), 128+int(s); got != want {
			t.Errorf("%s: got %d, want %d", s, got, want)
		}
	}
}

func TestComplain(t *testing.T) {
	plain := errors.New("reading x: no such file")
	tests := map[string]struct {
		err  error
		code int
		want string
	}{
		"plain":    {plain, 1, "ahriman: error: reading x: no such file\n"},
		"hinted":   {fmt.Errorf("y: %w", Hinted(plain, "make one")), 1, "ahriman: error: y: reading x: no such file\nahriman: hint: make one\n"},
		"reported": {&Reported{plain}, 1, ""},
		"partial":  {&Partial{}, 3, ""},
		"signal":   {context.Canceled, 130, ""},
		"usage":    {&UsageError{Message: "no", Usage: "ahriman x"}, 2, "usage: ahriman x\nahriman: error: no\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			complain(&b, test.err, test.code)
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestItems(t *testing.T) {
	input := "plain one\n\n{\"path\":\"/a\",\"size\":1}\n{\"base\":\"bad\",\"error\":\"did not build\"}\n{\"base\":\"only\"}\n{\"event\":\"planned\",\"bases\":2}\n{\"base\":\"two\",\"files\":[\"/b\",\"/c\"]}\n\"/d \\u00e9\"\r\n\"open\n  in \x00 it"
	env := &Env{Stdin: strings.NewReader(input)}
	var got []string
	for item, err := range Items(env, []string{"first", "-", "last"}, "path", "base") {
		got = append(got, fmt.Sprintf("%s|%s|%v", item.Text, item.Line, err))
	}
	want := []string{
		"first||<nil>",
		"plain one||<nil>",
		`/a|{"path":"/a","size":1}|<nil>`,
		"||bad: did not build",
		`only|{"base":"only"}|<nil>`,
		`/b|{"base":"two","files":["/b","/c"]}|<nil>`,
		`/c|{"base":"two","files":["/b","/c"]}|<nil>`,
		"/d é||<nil>",
		`"open||<nil>`,
		"in \x00 it||<nil>",
		"last||<nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestItemsNUL reads names as find -print0 and sort -z write them, to the byte.
func TestItemsNUL(t *testing.T) {
	env := &Env{Stdin: strings.NewReader("a\x00 b\nc \x00\x00{}\x00d")}
	var got []string
	for item, err := range Items(env, []string{"-"}, "path") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, item.Text)
	}
	if diff := cmp.Diff([]string{"a", " b\nc ", "{}", "d"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestItemsCut: the beginning of a line is no item when reading the rest fails.
func TestItemsCut(t *testing.T) {
	env := &Env{Stdin: io.MultiReader(strings.NewReader("whole\nhal"), iotest.ErrReader(context.Canceled))}
	var got []string
	for item, err := range Items(env, []string{"-"}, "path") {
		got = append(got, fmt.Sprintf("%s|%v", item.Text, err))
	}
	if diff := cmp.Diff([]string{"whole|<nil>", "|reading standard input: line 2: context canceled"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestItemsErrors(t *testing.T) {
	tests := map[string]struct{ input, want string }{
		"no JSON":     {"ok\n{nonsense\n", "line 2: not a JSON object"},
		"no field":    {`{"name":1}`, `line 1: a JSON object without "path"`},
		"too long":    {strings.Repeat("x", maxItemBytes+1), "line 1: longer than 1048576 bytes"},
		"too many":    {strings.Repeat("x\n", maxItems+1), "more than 1048576 lines"},
		"empty field": {"{\"path\":\"\"}", "without"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var last error
			for _, err := range Items(&Env{Stdin: strings.NewReader(test.input)}, []string{"-", "never"}, "path") {
				last = err
			}
			if last == nil || !strings.Contains(last.Error(), test.want) {
				t.Errorf("got %v, want %q", last, test.want)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	first := errors.New("building a: no")
	tests := map[string]struct {
		done           int
		fail, ran      []error
		want           int
		stdout, stderr string
	}{
		"all done":             {done: 2},
		"all failed":           {fail: []error{first}, want: 1, stdout: `{"name":"n","error":"building a: no"}` + "\n", stderr: "ahriman: error: building a: no\n"},
		"some failed":          {done: 1, fail: []error{first}, want: 3, stdout: `{"name":"n","error":"building a: no"}` + "\n", stderr: "ahriman: error: building a: no\n"},
		"run":                  {ran: []error{nil}},
		"run, all failed":      {ran: []error{&Reported{first}}, want: 1},
		"run, some failed":     {ran: []error{&Partial{Failed: []string{"n"}}}, want: 3},
		"two runs, one failed": {ran: []error{nil, &Reported{first}}, want: 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			outcome := NewOutcome(&Env{Stdout: &out, Stderr: &errs}, true)
			for range test.done {
				outcome.Done()
			}
			for _, err := range test.fail {
				outcome.Fail("n", err)
			}
			for _, err := range test.ran {
				if err := outcome.Ran(err); err != nil {
					t.Error(err)
				}
			}
			if got := outcome.Ran(first); got != first {
				t.Errorf("an error of no item: %v", got)
			}
			if got := status(t.Context(), outcome.Err()); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
			if diff := cmp.Diff([]string{test.stdout, test.stderr}, []string{out.String(), errs.String()}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestEnviron(t *testing.T) {
	grammar := &Grammar{}
	env := &Env{Stdout: io.Discard, Stderr: io.Discard, Environ: []string{"AHRIMAN_REPOSITORY=extra", "AHRIMAN_CONFIGURATION=", "AHRIMAN_ARCHITECTURE=armv7h", "AHRIMAN_ARCHITECTURE=aarch64"}}
	parser, err := newParser(env, grammar, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"version", "-r", "mine"}); err != nil {
		t.Fatal(err)
	}
	got := []string{grammar.Repository, grammar.Architecture, grammar.Configuration}
	if diff := cmp.Diff([]string{"mine", "aarch64", "/etc/ahriman.ini"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMilliseconds: a program that reads JSON is shown no more digits than there are.
func TestMilliseconds(t *testing.T) {
	if got, want := fmt.Sprint(milliseconds(3631*time.Millisecond+400*time.Microsecond)), "3.631"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSimilar(t *testing.T) {
	model, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string][]string{
		"vresion": {"version"}, "help-vers": {"help-version"}, "hlep": nil, "x": nil, "zzzzzzzzz": nil,
	} {
		if diff := cmp.Diff(want, similar(word, model)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", word, diff)
		}
	}
}

func TestJoinNegative(t *testing.T) {
	got := joinNegative(strings.Fields("--wait-timeout -1 x -5 --flag=1 -2 -- --a -3"))
	if diff := cmp.Diff(strings.Fields("--wait-timeout=-1 x -5 --flag=1 -2 -- --a -3"), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPublicationTimeout(t *testing.T) {
	for seconds, want := range map[int]time.Duration{-1: time.Minute, 0: 0, 30: time.Minute, 120: 2 * time.Minute} {
		if got := (&Globals{WaitTimeout: seconds}).publicationTimeout(); got != want {
			t.Errorf("--wait-timeout %d: got %s, want %s", seconds, got, want)
		}
	}
}

// BenchmarkGrammar is what building the command line costs at every start.
func BenchmarkGrammar(b *testing.B) {
	for b.Loop() {
		if _, err := Model(); err != nil {
			b.Fatal(err)
		}
	}
}
