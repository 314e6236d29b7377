package ui

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fill(t *Table) *Table {
	t.Row("linux", 12, Cell{"success", Good})
	t.Row("python-a-very-long-name-indeed", 7, Cell{"failed", Bad}, "dropped")
	t.Row("ünïcode-日本", 100)
	return t
}

func TestTable(t *testing.T) {
	tests := map[string]struct {
		out  Output
		want string
	}{
		"pipe": {Output{}, `
name                            size  status
linux                             12  success
python-a-very-long-name-indeed     7  failed
ünïcode-日本                     100
`},
		"narrow terminal": {Output{terminal: true, width: 30}, `
name             size  status
linux              12  success
python-a-very-…     7  failed
ünïcode-日本      100
`},
		"colour": {Output{terminal: true, width: 80, colour: true}, `
<1mname<0m                            <0m<1msize<0m  <1mstatus<0m
linux                             12  <32msuccess<0m
python-a-very-long-name-indeed     7  <31mfailed<0m
ünïcode-日本                     100
`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			test.out.w = &b
			if err := fill(test.out.Table("name", "#size", "status")).Flush(); err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(b.String(), "\x1b[", "<")
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	got := Printable("a\tb\nc\x1b[31md\u202ee")
	if want := "a b c\ufffd[31md\ufffde"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEmptyTable(t *testing.T) {
	var b bytes.Buffer
	if err := New(&b, func(string) string { return "" }).Table("a").Flush(); err != nil || b.Len() > 0 {
		t.Errorf("got %q, %v", &b, err)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	out := New(&b, func(string) string { return "" })
	if err := out.JSON(map[string]string{"depends": "a>=1&b"}); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "{\"depends\":\"a>=1&b\"}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBoard(t *testing.T) {
	var b bytes.Buffer
	start := time.Unix(1e9, 0)
	now := start
	out := &Output{w: &b, terminal: true, width: 40}
	board := &Board{out: out, limit: 4, stop: make(chan struct{}), now: func() time.Time { return now }}
	above := board.Above(&b)
	board.Set("big", "gcc")
	board.Set("gone", "glibc")
	board.Total(0, 4, time.Time{})
	now = start.Add(time.Hour)
	board.Set("laptop", "not yet")
	board.Clear("gone")
	now = start.Add(time.Hour + 900*time.Millisecond)
	board.Set("laptop", "linux-with-a-name-beyond-the-screen")
	now = start.Add(time.Hour + time.Second)
	board.Total(1, 4, start.Add(3660*time.Second))
	board.redraw()
	io.WriteString(above, "half a line")
	board.redraw()
	io.WriteString(above, ", built a\n")
	board.Close()
	screen := `big     1:00:01  gcc
laptop  0:01  linux-with-a-name-beyond…
[#####---------------] 1 of 4  1:00:01…`
	want := screen + "<2A\r<Jhalf a line, built a\n" + screen + "<2A\r<J"
	if diff := cmp.Diff(want, strings.ReplaceAll(b.String(), "\x1b[", "<")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestBoardOfOneLine is what is left of a board where other processes write to
// the terminal too.
func TestBoardOfOneLine(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1e9, 0)
	board := &Board{out: &Output{w: &b, terminal: true}, limit: 1, stop: make(chan struct{}), now: func() time.Time { return now }}
	board.Set("a", "does one thing")
	board.Set("b", "does another")
	now = now.Add(2 * time.Second)
	board.redraw()
	board.Total(3, 4, time.Time{})
	board.redraw()
	board.Close()
	want := "a  0:02  does one thing … and 1 more\r<J[###############-----] 3 of 4  0:00\r<J"
	if diff := cmp.Diff(want, strings.ReplaceAll(b.String(), "\x1b[", "<")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNoBoardWithoutTerminal(t *testing.T) {
	var b bytes.Buffer
	board := (&Output{w: &b}).Board(4)
	board.Set("a", "b")
	board.Total(1, 2, time.Time{})
	board.Clear("a")
	board.Close()
	if board != nil || b.Len() > 0 {
		t.Errorf("in a pipe: %v, %q", board, &b)
	}
}

func TestTransfer(t *testing.T) {
	for want, at := range map[string][2]int64{
		"fetching [--------------------] 0.0/0.5 MiB":   {0, 500_000},
		"fetching [#####---------------] 2.4/9.5 MiB":   {2_500_000, 10_000_000},
		"fetching [####----------------] 120/512 MiB":   {120 << 20, 512 << 20},
		"fetching [#####---------------] 3/12 GiB":      {3 << 30, 12 << 30},
		"fetching [####################] 12/12 GiB":     {12 << 30, 12 << 30},
		"fetching [--------------------] -1.0/-2.0 MiB": {-1 << 20, -2 << 20},
	} {
		if got := Transfer("fetching", at[0], at[1]); got != want {
			t.Errorf("%d: got %q, want %q", at, got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	out := &Output{w: &b, terminal: true, width: 80}
	p := out.Progress("uploading", 10, Bytes)
	p.Add(3)
	if b.Len() > 0 {
		t.Errorf("drawn at once: %q", &b)
	}
	p.show() // what the timer does after a second
	p.Add(3)
	p.Done()
	if got := b.String(); !strings.Contains(got, "uploading") || !strings.Contains(got, "%") {
		t.Errorf("no bar: %q", got)
	}
	b.Reset()
	p.show()
	p.Add(1)
	if b.Len() > 0 {
		t.Errorf("drawn after the end: %q", &b)
	}
	quiet := (&Output{w: &b}).Progress("piped", 10, Items)
	quiet.Add(1)
	quiet.Done()
	if b.Len() > 0 {
		t.Errorf("drawn without a terminal: %q", &b)
	}
}

// TestChart checks that a picture is well-formed whatever it is of.
func TestChart(t *testing.T) {
	var picture strings.Builder
	bars := []Bar{{Label: "<&\x00", Value: 0}, {Label: strings.Repeat("x", 100), Value: 2, Text: "2s"}}
	for _, bars := range [][]Bar{nil, bars[:1], bars} {
		picture.Reset()
		if err := Chart(&picture, "\"heading'", bars); err != nil {
			t.Fatal(err)
		}
		decoder := xml.NewDecoder(strings.NewReader(picture.String()))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, &picture)
			}
		}
	}
}
