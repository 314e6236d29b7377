package httpserver

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// How wrong guesses slow down the next. Each address has its own tries at a
// user, whatever others do to that user: nobody can lock another out.
const (
	freeTries       = 5  // of an address at one user
	freeTriesAlarm  = 1  // … while many addresses try the user
	alarmAt         = 50 // wrong guesses at a user from anywhere
	freeAddress     = 20 // of an address at all users
	longestWait     = time.Minute
	forgetGuesses   = 15 * time.Minute
	maxGuessRecords = 10_000 // of each of two generations
)

// tooSoon refuses a guess before it was looked at.
type tooSoon struct{ wait time.Duration }

func (t *tooSoon) Error() string { return fmt.Sprintf("too many log-ins failed: wait %s", t.wait) }

// throttle counts wrong guesses: by user, by address, and by both.
type throttle struct {
	now      func() time.Time
	mu       sync.Mutex
	new, old map[throttleKey]misses // when new is full it becomes old, and old is forgotten
}

type throttleKey struct{ user, address string }

type misses struct {
	count int
	last  time.Time
}

func newThrottle() *throttle {
	return &throttle{now: time.Now, new: map[throttleKey]misses{}}
}

func (t *throttle) get(key throttleKey) misses {
	m, ok := t.new[key]
	if !ok {
		m = t.old[key]
	}
	if t.now().Sub(m.last) > forgetGuesses {
		return misses{}
	}
	return m
}

// wait returns how long a guess has to wait until it is looked at, 0 for now.
func (t *throttle) wait(g guess) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	free := freeTries
	if t.get(throttleKey{user: g.name}).count >= alarmAt {
		free = freeTriesAlarm
	}
	return max(
		t.get(throttleKey{g.name, g.address}).wait(free, t.now()),
		t.get(throttleKey{address: g.address}).wait(freeAddress, t.now()),
	)
}

// wait doubles from a second for each miss beyond those that are free.
func (m misses) wait(free int, now time.Time) time.Duration {
	if m.count < free {
		return 0
	}
	pause := longestWait
	if beyond := m.count - free; beyond < 6 {
		pause = time.Second << beyond
	}
	return max(0, pause-now.Sub(m.last))
}

// tried counts a guess that was looked at. A right one makes its address's tries
// at the user free again.
func (t *throttle) tried(g guess, right bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pair := throttleKey{g.name, g.address}
	if right {
		delete(t.new, pair)
		delete(t.old, pair)
		return
	}
	for _, key := range []throttleKey{pair, {user: g.name}, {address: g.address}} {
		m := t.get(key)
		if len(t.new) >= maxGuessRecords {
			t.new, t.old = map[throttleKey]misses{}, t.new
		}
		t.new[key] = misses{m.count + 1, t.now()}
	}
}

// address is where a request comes from, as log-ins are counted: an IPv4
// address, or the first half of an IPv6 one, which is what a customer gets. A
// proxy on this machine says where its requests come from.
func (c *call) address() string {
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		return c.RemoteAddr // a unix socket
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip.IsLoopback() {
		all := strings.Split(strings.Join(c.Header.Values("X-Forwarded-For"), ","), ",")
		if forwarded, err := netip.ParseAddr(strings.TrimSpace(all[len(all)-1])); err == nil {
			ip = forwarded
		}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if prefix, err := ip.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return ip.String()
}
