package sshtest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay passes connections on to a server, as badly as it is told to.
type Relay struct {
	Addr string // where it listens

	t      testing.TB
	server string
	wait   sync.WaitGroup

	mu      sync.Mutex
	delay   time.Duration
	rate    int64
	stalled chan struct{} // closed when it flows again; nil: it flows
	conns   map[net.Conn]struct{}
	closed  bool
	carried int64
	corrupt bool // the next bytes
}

// chunk is what a relay reads at once; it bounds how fine a throttled link
// flows.
const chunk = 64 << 10

// NewRelay starts a relay to a server, which ends with the test.
func NewRelay(t testing.TB, server string) *Relay {
	t.Helper()
	return NewRelayAt(t, "127.0.0.1:0", server)
}

// NewRelayAt is NewRelay that listens on an address.
func NewRelayAt(t testing.TB, address, server string) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Addr: listener.Addr().String(), t: t, server: server, conns: map[net.Conn]struct{}{}}
	r.wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.wait.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		r.Flow()
		r.Cut()
		r.wait.Wait()
	})
	return r
}

// Delay makes every byte take so long each way. It counts for what comes next.
func (r *Relay) Delay(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = d
}

// Throttle lets so many bytes a second through each way; 0: all.
func (r *Relay) Throttle(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rate = bytes
}

// Stall holds everything back, and nobody is told, as when a cable is pulled.
func (r *Relay) Stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stalled == nil {
		r.stalled = make(chan struct{})
	}
}

// Flow ends Stall.
func (r *Relay) Flow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stalled != nil {
		close(r.stalled)
		r.stalled = nil
	}
}

// Cut ends the connections there are; new ones are taken.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}

// Corrupt changes a bit of what comes next.
func (r *Relay) Corrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.corrupt = true
}

// Carried is how many bytes went through, both ways.
func (r *Relay) Carried() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.carried
}

func (r *Relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		client.Close()
		return
	}
	r.mu.Lock()
	r.conns[client], r.conns[server] = struct{}{}, struct{}{}
	closed := r.closed
	r.mu.Unlock()
	if closed {
		client.Close()
		server.Close()
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			r.pass(way[0], way[1])
			client.Close()
			server.Close()
		})
	}
	both.Wait()
	r.mu.Lock()
	delete(r.conns, client)
	delete(r.conns, server)
	r.mu.Unlock()
}

// piece is some bytes and when they are due.
type piece struct {
	bytes []byte
	due   time.Time
}

// pass copies one way. The queue is long enough for 64 MiB under way.
func (r *Relay) pass(from, to net.Conn) {
	queue := make(chan piece, 64<<20/chunk)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer to.Close()
		for p := range queue {
			time.Sleep(time.Until(p.due))
			if r.flows(); r.write(to, p.bytes) != nil {
				from.Close()
				for range queue { // its writer must not block
				}
				return
			}
		}
	}()
	for {
		b := make([]byte, chunk)
		n, err := from.Read(b)
		if n > 0 {
			r.mu.Lock()
			due := time.Now().Add(r.delay)
			r.mu.Unlock()
			queue <- piece{b[:n], due}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	<-done
}

// flows waits until the relay does not stall.
func (r *Relay) flows() {
	r.mu.Lock()
	stalled := r.stalled
	r.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

// write writes at the rate that is allowed.
func (r *Relay) write(to net.Conn, b []byte) error {
	r.mu.Lock()
	rate := r.rate
	r.carried += int64(len(b))
	if r.corrupt {
		b[len(b)/2] ^= 1
		r.corrupt = false
	}
	r.mu.Unlock()
	if rate > 0 {
		time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(rate))
	}
	_, err := to.Write(b)
	return err
}
