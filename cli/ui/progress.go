package ui

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows how far something is, on a terminal and only when it takes
// longer than a second. It is safe for concurrent use.
type Progress struct {
	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	timer *time.Timer
	shown bool
	done  bool
	at    int64
}

// patience is how long something may take before a bar is shown for it.
const patience = time.Second

// Progress begins one with a label and a total, -1 when it is not known. Call
// Done at the end, which clears the line.
func (o *Output) Progress(label string, total int64, unit Unit) *Progress {
	p := &Progress{}
	if !o.terminal {
		return p
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(o.w),
		progressbar.OptionSetDescription(Printable(label)),
		progressbar.OptionShowBytes(unit == Bytes),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(max(10, min(40, o.width/3))),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(false),
	)
	p.timer = time.AfterFunc(patience, p.show)
	return p
}

// Unit is what a Progress counts.
type Unit int

// The units.
const (
	Items Unit = iota
	Bytes
)

func (p *Progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return
	}
	progressbar.OptionSetVisibility(true)(p.bar)
	p.shown = true
	p.set()
}

// set draws the bar. What a terminal does not take is not worth an error.
func (p *Progress) set() { _ = p.bar.Set64(p.at) }

// Add counts n more.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at += n
	if p.shown && !p.done {
		p.set()
	}
}

// Write counts bytes, so that a Progress can stand in an io.MultiWriter.
func (p *Progress) Write(b []byte) (int, error) {
	p.Add(int64(len(b)))
	return len(b), nil
}

// Done ends the progress and clears its line.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.shown {
		_ = p.bar.Clear()
	}
}

var _ io.Writer = (*Progress)(nil)
