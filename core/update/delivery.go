package update

import (
	"sync"

	"ahriman/core/trigger"
)

// delivery gives results to the triggers, one after the other, while builds go
// on: what comes while they run is given at once.
type delivery struct {
	deliver func(trigger.Result)

	mu      sync.Mutex
	waiting trigger.Result
	busy    bool
	running sync.WaitGroup
}

// add hands over a result, of which Built and Failed count.
func (d *delivery) add(result trigger.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting.Built = append(d.waiting.Built, result.Built...)
	d.waiting.Failed = append(d.waiting.Failed, result.Failed...)
	// Failures alone wait for what is published next, or for the end.
	if !d.busy && len(d.waiting.Built) > 0 {
		d.busy = true
		d.running.Go(d.work)
	}
}

func (d *delivery) work() {
	for {
		result, ok := d.take()
		if !ok {
			return
		}
		d.deliver(result)
	}
}

// take returns what waits; false: nothing that is published does.
func (d *delivery) take() (result trigger.Result, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting.Built) == 0 {
		d.busy = false
		return result, false
	}
	result, d.waiting = d.waiting, trigger.Result{}
	return result, true
}

// wait gives the rest to the triggers and returns when they are done with all.
func (d *delivery) wait() {
	d.running.Wait()
	if len(d.waiting.Failed) > 0 {
		d.deliver(d.waiting)
	}
}
