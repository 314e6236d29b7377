package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// Board is lines at the bottom of a terminal that change while work goes on:
// one for each that works, and one for the whole. It is drawn twice a second, and
// what is written through Above stays above it. A nil Board shows nothing. It is
// safe for concurrent use.
type Board struct {
	out   *Output
	limit int // lines
	mu    sync.Mutex
	rows  []boardRow // sorted by name
	begun time.Time
	done  int
	total int
	end   time.Time // when all is expected to be done; zero: unknown
	drawn int       // lines on the screen; the cursor is in the last
	split bool      // what is above has a line that has not ended
	stop  chan struct{}
	ended sync.WaitGroup
	now   func() time.Time
}

type boardRow struct {
	name, text string
	since      time.Time
}

// boardPeriod is how often a board is drawn anew: what takes a second is seen.
const boardPeriod = 500 * time.Millisecond

// Board begins one of at most so many lines, nil on anything but a terminal.
// Close it.
func (o *Output) Board(limit int) *Board {
	if !o.terminal {
		return nil
	}
	b := &Board{out: o, limit: limit, stop: make(chan struct{}), now: time.Now}
	b.ended.Go(b.tick)
	return b
}

func (b *Board) tick() {
	ticker := time.NewTicker(boardPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.redraw()
		case <-b.stop:
			return
		}
	}
}

// Set shows what the one of that name does. The time beside it runs until Clear.
func (b *Board) Set(name, text string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name = Printable(name)
	i, found := slices.BinarySearchFunc(b.rows, name, func(r boardRow, name string) int { return strings.Compare(r.name, name) })
	if !found {
		b.rows = slices.Insert(b.rows, i, boardRow{name: name, since: b.now()})
	}
	b.rows[i].text = Printable(text)
}

// Clear takes the line of that name away.
func (b *Board) Clear(name string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = slices.DeleteFunc(b.rows, func(r boardRow) bool { return r.name == Printable(name) })
}

// Total says how much is done of all there is, and when all should be; the zero
// time when that is not known. A total of 0 takes the line of the whole away.
func (b *Board) Total(done, total int, end time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total == 0 {
		b.begun = b.now()
	}
	b.done, b.total, b.end = done, total, end
}

// Above is a stream to the same terminal, whose lines go above the board.
func (b *Board) Above(w io.Writer) io.Writer { return above{w, b} }

type above struct {
	io.Writer
	board *Board
}

// Write implements io.Writer.
func (a above) Write(p []byte) (int, error) {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	n, err := a.Writer.Write(p)
	if n > 0 {
		b.split = p[n-1] != '\n'
	}
	b.draw()
	return n, err
}

// Fd is the descriptor below, for code that asks whether it is a terminal.
func (a above) Fd() uintptr {
	fd, ok := descriptor(a.Writer)
	if !ok {
		return ^uintptr(0)
	}
	return uintptr(fd)
}

// Close takes the board off the screen.
func (b *Board) Close() {
	if b == nil {
		return
	}
	close(b.stop)
	b.ended.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.rows, b.total = nil, 0
}

// redraw shows what has changed, and how time goes by.
func (b *Board) redraw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	b.draw()
}

// erase and draw leave the cursor in the board's last line: what another process
// writes then is below that, and nothing of it is erased where there is only one.
// What the terminal does not take is not worth an error.
func (b *Board) erase() {
	if b.drawn > 1 {
		fmt.Fprintf(b.out.w, "\x1b[%dA", b.drawn-1)
	}
	if b.drawn > 0 {
		fmt.Fprint(b.out.w, "\r\x1b[J")
		b.drawn = 0
	}
}

func (b *Board) draw() {
	if b.split {
		return
	}
	lines := b.lines()
	fmt.Fprint(b.out.w, strings.Join(lines, "\n"))
	b.drawn = len(lines)
}

func (b *Board) lines() []string {
	room := b.limit
	if b.total > 0 {
		room--
	}
	shown := b.rows[:min(len(b.rows), room)]
	wide := 0
	for _, r := range shown {
		wide = max(wide, twwidth.Width(r.name))
	}
	var lines []string
	for i, r := range shown {
		padding := strings.Repeat(" ", wide-twwidth.Width(r.name))
		line := fmt.Sprintf("%s%s  %s  %s", r.name, padding, clock(b.now().Sub(r.since)), r.text)
		if hidden := len(b.rows) - len(shown); hidden > 0 && i == len(shown)-1 {
			line += fmt.Sprintf(" … and %d more", hidden)
		}
		lines = append(lines, b.fit(line))
	}
	if b.total > 0 {
		lines = append(lines, b.fit(b.sum()))
	}
	return lines
}

// gauge is a bar of characters. Whatever the numbers are, it is one.
func gauge(done, of int64) string {
	const cells = 20
	full := int(cells * min(max(float64(done)/max(float64(of), 1), 0), 1))
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", cells-full) + "]"
}

// Transfer is text for a line of a Board: how many bytes of all have come.
func Transfer(what string, bytes, of int64) string {
	unit, name, digits := int64(1<<20), "MiB", 0
	if of >= 10<<30 {
		unit, name = 1<<30, "GiB"
	}
	if of < 10*unit {
		digits = 1
	}
	return fmt.Sprintf("%s %s %.*f/%.*f %s", what, gauge(bytes, of),
		digits, float64(bytes)/float64(unit), digits, float64(of)/float64(unit), name)
}

// sum is the line of the whole.
func (b *Board) sum() string {
	line := fmt.Sprintf("%s %d of %d  %s", gauge(int64(b.done), int64(b.total)), b.done, b.total, clock(b.now().Sub(b.begun)))
	if left := b.end.Sub(b.now()); !b.end.IsZero() && left > 0 {
		line += ", " + clock(left) + " to go"
	}
	return line
}

// fit cuts a line to the screen.
func (b *Board) fit(line string) string {
	if b.out.width > 0 {
		return cut(line, b.out.width-1)
	}
	return line
}

// clock is a duration as a person reads it from a clock: 1:02:03 or 2:03.
func clock(d time.Duration) string {
	s := int(max(d, 0).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
