package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"ahriman/core/store"

	"golang.org/x/crypto/bcrypt"
)

// guesser guesses at a user by a clock of the test.
type guesser struct {
	t   *testing.T
	p   *passwords
	now time.Time
	ann store.User
}

func newGuesser(t *testing.T) *guesser {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	g := &guesser{t: t, p: newPasswords(), now: time.Unix(1e9, 0), ann: store.User{Name: "ann", Password: string(hash)}}
	g.p.throttle.now = func() time.Time { return g.now }
	return g
}

// guess returns "right", "wrong", or the seconds to wait.
func (g *guesser) guess(address, password string) string {
	g.t.Helper()
	right, err := g.p.check(g.t.Context(), guess{address: address, name: "ann", password: password, user: g.ann})
	wait, soon := errors.AsType[*tooSoon](err)
	switch {
	case soon:
		return fmt.Sprint(wait.wait.Seconds())
	case err != nil:
		g.t.Fatal(err)
	case right:
		return "right"
	}
	return "wrong"
}

func (g *guesser) want(got, want string) {
	g.t.Helper()
	if got != want {
		g.t.Errorf("got %s, want %s", got, want)
	}
}

// TestThrottle: each miss doubles the wait, and nobody waits for another.
func TestThrottle(t *testing.T) {
	g := newGuesser(t)
	for i := range freeTries {
		g.want(g.guess("evil", fmt.Sprint("first", i)), "wrong")
	}
	for i, wait := range []string{"1", "2", "4", "8", "16", "32", "60", "60"} {
		g.want(g.guess("evil", "right"), wait) // not even that is looked at
		g.now = g.now.Add(time.Minute)
		g.want(g.guess("evil", fmt.Sprint("next", i)), "wrong")
	}
	g.want(g.guess("home", "right"), "right")
	g.want(g.guess("evil", "right"), "60")
	g.now = g.now.Add(forgetGuesses + time.Second)
	g.want(g.guess("evil", "right"), "right")
}

// TestThrottleCrowd: when many addresses try a user, each has one try, and the
// user, coming from anywhere, still gets in.
func TestThrottleCrowd(t *testing.T) {
	g := newGuesser(t)
	for i := range alarmAt {
		g.want(g.guess(fmt.Sprint("evil", i), "x"), "wrong")
	}
	g.want(g.guess("late", "x"), "wrong")
	g.want(g.guess("late", "y"), "1")
	g.want(g.guess("home", "right"), "right")
}

// TestThrottleAddress: an address cannot go on from user to user.
func TestThrottleAddress(t *testing.T) {
	g := newGuesser(t)
	for i := range freeAddress {
		g.p.throttle.tried(guess{name: fmt.Sprint("user", i), address: "evil"}, false)
	}
	g.want(g.guess("evil", "right"), "1")
}

// TestThrottleShared: whose password was right a moment ago goes on, whatever
// others guess from the address that they share; one that is new waits.
func TestThrottleShared(t *testing.T) {
	g := newGuesser(t)
	g.want(g.guess("proxy", "right"), "right")
	for i := range freeAddress {
		g.p.throttle.tried(guess{name: fmt.Sprint("user", i), address: "proxy"}, false)
	}
	g.want(g.guess("proxy", "wrong"), "1")
	g.want(g.guess("proxy", "right"), "right")
	hash, err := bcrypt.GenerateFromPassword([]byte("new"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	g.ann.Password = string(hash)
	g.want(g.guess("proxy", "right"), "1")
	g.want(g.guess("proxy", "new"), "1")
}

// TestThrottleMemory: a crowd of strangers takes a bounded amount.
func TestThrottleMemory(t *testing.T) {
	g := newGuesser(t)
	for i := range 5 * maxGuessRecords {
		g.p.throttle.tried(guess{name: "ann", address: fmt.Sprint(i)}, false)
	}
	if n := len(g.p.throttle.new) + len(g.p.throttle.old); n > 2*maxGuessRecords+3 {
		t.Errorf("%d records", n)
	}
	for i := range 2 * maxRemembered {
		_, ours, err := g.p.begin(fmt.Sprint(i), g.p.digest(guess{password: fmt.Sprint(i)}))
		if !ours || err != nil {
			t.Fatal(ours, err)
		}
		g.p.checked[g.p.digest(guess{password: fmt.Sprint(i)})].until = time.Now().Add(time.Hour)
	}
	if len(g.p.checked) > maxRemembered {
		t.Errorf("%d checks remembered", len(g.p.checked))
	}
}

// TestSameGuess: many requests with the same password are one check.
func TestSameGuess(t *testing.T) {
	g := newGuesser(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			right, err := g.p.check(context.Background(), guess{address: "a", name: "ann", password: "wrong", user: g.ann})
			if right || err != nil {
				t.Error(right, err)
			}
		})
	}
	all.Wait()
	if n := g.p.throttle.get(throttleKey{user: "ann"}).count; n != 1 {
		t.Errorf("%d guesses counted, want 1", n)
	}
}

// TestNobody: an unknown user takes as long as a known one.
func TestNobody(t *testing.T) {
	cost, err := bcrypt.Cost([]byte(nobody))
	hash, err2 := store.HashPassword("p", "")
	want, err3 := bcrypt.Cost([]byte(hash))
	if cost != want || err != nil || err2 != nil || err3 != nil {
		t.Errorf("cost %d, want %d: %v", cost, want, errors.Join(err, err2, err3))
	}
	if err := bcrypt.CompareHashAndPassword([]byte(nobody), []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("the hash of nobody is not compared with: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.7", "192.0.2.1"}, // only a proxy of ours is believed
		{"127.0.0.1:5", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:5", "192.0.2.9, 198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:5", "noise", "127.0.0.1"},
		{"[2001:db8:1:2:3::4]:5", "", "2001:db8:1:2::/64"},
		{"[::1]:5", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		{"[::1]:5", "", "::1"},
		{"[::ffff:192.0.2.1]:5", "", "192.0.2.1"},
		{"@", "", "@"},
	} {
		c := &call{Request: &http.Request{RemoteAddr: test.remote, Header: http.Header{}}}
		if test.forwarded != "" {
			c.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got := c.address(); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}
