package httpclient

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"ahriman/transport/api"
)

// How a Log batches. A Python node takes one record a request, so there the
// lines of a batch are joined into one.
const (
	logInterval = time.Second
	maxLogQueue = 4 << 20   // bytes that wait; more are dropped
	maxLogBatch = 256 << 10 // bytes of text sent at once to a node of ours
	maxLogLine  = 16 << 10  // bytes of one line; longer ones are cut
	maxJoined   = 64 << 10  // bytes of one record sent to a Python node
	maxPython   = 16 << 20  // bytes of one log a Python node is sent in all
)

// Log sends the lines written to it as log records of one build. Writes never
// wait for the node: when it cannot keep up, lines are dropped and their number
// becomes a line of the log.
type Log struct {
	repository *Repository
	base       string
	template   api.LogRecord
	sent       int64 // bytes

	mu      sync.Mutex
	partial []byte
	queue   []api.LogRecord
	queued  int // bytes
	dropped int // lines

	wake chan struct{}
	stop chan struct{}
	done chan error
}

// Log begins a log of a base. Version may be empty while it is not known;
// process is the id of the job, or empty. The context is for sending; Close
// must be called also when it is done.
func (r *Repository) Log(ctx context.Context, base, version, process string) *Log {
	if version == "" {
		version = api.UnknownVersion
	}
	l := &Log{
		repository: r, base: base,
		template: api.LogRecord{Version: version, ProcessID: process},
		wake:     make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan error, 1),
	}
	go func() { l.done <- l.run(ctx) }()
	return l
}

// Write takes text; each line becomes a record. It never returns an error.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := p
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if room := maxLogLine - len(l.partial); len(line) > room {
			line = line[:max(room, 0)]
		}
		l.partial = append(l.partial, line...)
		if !found {
			break
		}
		l.add()
		rest = after
	}
	return len(p), nil
}

// add queues the line that is complete; the caller holds the lock.
func (l *Log) add() {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(l.partial), "\r"), "\uFFFD")
	l.partial = l.partial[:0]
	if l.queued+len(text) > maxLogQueue {
		l.dropped++
		return
	}
	if l.dropped > 0 {
		l.push(fmt.Sprintf("(%d lines are missing here: they came faster than they could be sent)", l.dropped))
		l.dropped = 0
	}
	l.push(text)
	if l.queued >= maxLogBatch {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *Log) push(text string) {
	record := l.template
	record.Created = float64(time.Now().UnixMicro()) / 1e6
	record.Message = text
	l.queue = append(l.queue, record)
	l.queued += len(text) + 1
}

// Close sends what is left and returns the first error that lost lines. A build
// need not fail for it.
func (l *Log) Close() error {
	l.mu.Lock()
	if len(l.partial) > 0 {
		l.add()
	}
	l.mu.Unlock()
	close(l.stop)
	return <-l.done
}

// run sends batches until Close. What could not be sent stays in the queue
// while the node may come back, and is given up at the end.
func (l *Log) run(ctx context.Context) error {
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	var first error
	for open := true; open; {
		select {
		case <-tick.C:
		case <-l.wake:
		case <-l.stop:
			open = false
		}
		if err := l.flush(ctx, open); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// flush sends the queue. With again, a batch that met a passing error is put
// back for the next time; otherwise it is lost.
func (l *Log) flush(ctx context.Context, again bool) error {
	for {
		batch := l.take()
		if len(batch) == 0 {
			return nil
		}
		err := l.send(ctx, batch)
		if err == nil {
			continue
		}
		if again && transient(err) {
			l.putBack(batch)
			return nil
		}
		return err
	}
}

func (l *Log) putBack(batch []api.LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, record := range batch {
		l.queued += len(record.Message) + 1
	}
	l.queue = append(batch, l.queue...)
}

// take removes a batch from the queue.
func (l *Log) take() []api.LogRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && n < api.MaxLogRecords && size < maxLogBatch {
		size += len(l.queue[n].Message) + 1
		n++
	}
	batch := l.queue[:n:n]
	l.queue = l.queue[n:]
	l.queued -= size
	return batch
}

func (l *Log) send(ctx context.Context, batch []api.LogRecord) error {
	node, err := l.repository.client.Node(ctx)
	if err != nil {
		return err
	}
	what := "sending the log of " + l.base
	if node.Has(api.FeatureLogBatch) {
		return l.repository.add(ctx, what, api.Path(api.PathNodeLogs, l.base), api.LogBatch{Records: batch}, nil)
	}
	for _, record := range join(batch) {
		if l.sent > maxPython {
			return nil
		}
		l.sent += int64(len(record.Message))
		if l.sent > maxPython {
			record.Message = "(the log goes on, but is too long for this node)"
		}
		if err := l.repository.add(ctx, what, api.Path(api.PathLogs, l.base), record, nil); err != nil {
			return err
		}
	}
	return nil
}

// join makes few records of many: the lines of one are separated by newlines,
// and it has the time of the first.
func join(batch []api.LogRecord) []api.LogRecord {
	var joined []api.LogRecord
	for len(batch) > 0 {
		record, n := batch[0], 1
		var text strings.Builder
		text.WriteString(record.Message)
		for n < len(batch) && text.Len()+len(batch[n].Message) < maxJoined {
			text.WriteString("\n" + batch[n].Message)
			n++
		}
		record.Message = text.String()
		joined = append(joined, record)
		batch = batch[n:]
	}
	return joined
}
