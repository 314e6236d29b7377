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
	board := &Board{out: &Output{w: &b, terminal: true, width: 40}, begun: start, stop: make(chan struct{}), now: func() time.Time { return start.Add(3700 * time.Second) }}
	board.Set("laptop", "linux-with-a-name-beyond-the-screen", start.Add(time.Hour))
	board.Set("big", "gcc", start)
	board.Set("gone", "glibc", start)
	board.Clear("gone")
	board.Total(1, 4, start.Add(3760*time.Second))
	board.redraw()
	board.Print("built a")
	board.Close()
	screen := `big     1:01:40  gcc
laptop  1:40  linux-with-a-name-beyond…
[#####---------------] 1 of 4  1:01:40…
`
	want := screen + "<3A\r<Jbuilt a\n" + screen + "<3A\r<J"
	if diff := cmp.Diff(want, strings.ReplaceAll(b.String(), "\x1b[", "<")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	b.Reset()
	piped := (&Output{w: &b}).Board()
	piped.Set("a", "b", start)
	piped.redraw()
	piped.Print("built a")
	piped.Close()
	if got := b.String(); got != "built a\n" {
		t.Errorf("in a pipe: %q", got)
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
