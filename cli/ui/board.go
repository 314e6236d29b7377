package ui

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// Board is lines at the bottom of a terminal that change while work goes on:
// one for each that works, and one for the whole. On anything but a terminal
// there is nothing of it but what Print prints. It is drawn once a second and is
// safe for concurrent use.
type Board struct {
	out   *Output
	mu    sync.Mutex
	rows  []boardRow // sorted by name
	begun time.Time
	done  int
	total int
	end   time.Time // when all is expected to be done; zero: unknown
	drawn int       // lines on the screen
	stop  chan struct{}
	ended sync.WaitGroup
	now   func() time.Time
}

type boardRow struct {
	name, text string
	since      time.Time
}

// boardPeriod is how often a board is drawn anew.
const boardPeriod = time.Second

// Board begins one. Close it.
func (o *Output) Board() *Board {
	b := &Board{out: o, stop: make(chan struct{}), begun: time.Now(), now: time.Now}
	if o.terminal {
		b.ended.Go(b.tick)
	}
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

// Set shows what the one of that name does since a time.
func (b *Board) Set(name, text string, since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, found := slices.BinarySearchFunc(b.rows, name, func(r boardRow, name string) int { return strings.Compare(r.name, name) })
	if !found {
		b.rows = slices.Insert(b.rows, i, boardRow{})
	}
	b.rows[i] = boardRow{Printable(name), Printable(text), since}
}

// Clear takes the line of that name away.
func (b *Board) Clear(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = slices.DeleteFunc(b.rows, func(r boardRow) bool { return r.name == Printable(name) })
}

// Total says how much is done of all there is, and when all should be; the zero
// time when that is not known.
func (b *Board) Total(done, total int, end time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done, b.total, b.end = done, total, end
}

// Print writes a line above the board.
func (b *Board) Print(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	fmt.Fprintln(b.out.w, line)
	b.draw()
}

// Close takes the board off the screen.
func (b *Board) Close() {
	if b.out.terminal {
		close(b.stop)
		b.ended.Wait()
	}
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

// erase and draw write nothing but on a terminal. What it does not take is not
// worth an error.
func (b *Board) erase() {
	if b.drawn > 0 {
		fmt.Fprintf(b.out.w, "\x1b[%dA\r\x1b[J", b.drawn)
		b.drawn = 0
	}
}

func (b *Board) draw() {
	if !b.out.terminal || b.total == 0 && len(b.rows) == 0 {
		return
	}
	var text strings.Builder
	for _, line := range b.lines() {
		text.WriteString(line + "\n")
		b.drawn++
	}
	fmt.Fprint(b.out.w, text.String())
}

// maxBoard is how many lines of workers a board shows.
const maxBoard = 20

func (b *Board) lines() []string {
	wide := 0
	for _, r := range b.rows {
		wide = max(wide, twwidth.Width(r.name))
	}
	var lines []string
	for i, r := range b.rows {
		if i == maxBoard {
			lines = append(lines, fmt.Sprintf("… and %d more", len(b.rows)-i))
			break
		}
		padding := strings.Repeat(" ", wide-twwidth.Width(r.name))
		lines = append(lines, b.fit(fmt.Sprintf("%s%s  %s  %s", r.name, padding, clock(b.now().Sub(r.since)), r.text)))
	}
	if b.total == 0 {
		return lines
	}
	return append(lines, b.fit(b.sum()))
}

// sum is the line of the whole.
func (b *Board) sum() string {
	const cells = 20
	full := cells * b.done / b.total
	line := fmt.Sprintf("[%s%s] %d of %d  %s", strings.Repeat("#", full), strings.Repeat("-", cells-full), b.done, b.total,
		clock(b.now().Sub(b.begun)))
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
