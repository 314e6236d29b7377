package httpserver

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"ahriman/core/store"
)

// Bounds of what is remembered of passwords.
const (
	rememberChecked = 10 * time.Minute
	rememberWrong   = 30 * time.Second
	maxRemembered   = 10_000
	maxHashing      = 2 // bcrypt at once: more would let strangers take all cores
	maxGuesses      = 8 // different passwords of one address that wait for it
)

// nobody is the hash of no password: who is unknown, or has none, is refused
// after the same time as one whose password is wrong.
const nobody = "$2b$12$......................0000000000000000000000000000000"

// guess is a name and a password, and where they come from.
type guess struct {
	address, name, password, salt string
	user                          store.User // of that name; the zero value for none
}

// passwords checks them. That takes bcrypt a quarter of a second, and Python
// clients send theirs with each request, so that answers are remembered, by
// digests with a key that ends with the process.
type passwords struct {
	key      []byte
	hashing  chan struct{}
	throttle *throttle

	mu      sync.Mutex
	checked map[[sha256.Size]byte]*checking
	waiting map[string]int // guesses by address
}

// checking is a check that goes on, or its answer.
type checking struct {
	done  chan struct{} // closed when there is an answer
	right bool
	until time.Time // when it is forgotten; zero while it goes on
}

func newPasswords() *passwords {
	p := &passwords{
		key: make([]byte, sha256.Size), hashing: make(chan struct{}, maxHashing), throttle: newThrottle(),
		checked: map[[sha256.Size]byte]*checking{}, waiting: map[string]int{},
	}
	rand.Read(p.key)
	return p
}

func (p *passwords) digest(g guess) [sha256.Size]byte {
	mac := hmac.New(sha256.New, p.key)
	for _, part := range []string{g.address, g.name, g.user.Password, g.password, g.salt} {
		binary.Write(mac, binary.BigEndian, uint64(len(part)))
		mac.Write([]byte(part))
	}
	return [sha256.Size]byte(mac.Sum(nil))
}

// check says whether the password is right. *tooSoon is the error for one who
// has guessed wrong too often to be answered now.
func (p *passwords) check(ctx context.Context, g guess) (bool, error) {
	digest := p.digest(g)
	if p.wasRight(digest) {
		return true, nil
	}
	if wait := p.throttle.wait(g); wait > 0 {
		return false, &tooSoon{wait}
	}
	c, ours, err := p.begin(g.address, digest)
	if err != nil {
		return false, err
	}
	if ours {
		go p.finish(g, c) // to its end even if the client goes away, so that the others have an answer
	}
	select {
	case <-c.done:
		return c.right, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// wasRight says that the password is remembered to be right, and remembers it
// longer: who logs in with each request is not kept out by a stranger who guesses
// from the same address, as all do behind a proxy elsewhere.
func (p *passwords) wasRight(digest [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.checked[digest]
	if c == nil || !c.right || time.Now().After(c.until) {
		return false
	}
	c.until = time.Now().Add(rememberChecked)
	return true
}

// begin returns the check of a guess: the one that is there, or a new one, which
// is ours to finish.
func (p *passwords) begin(address string, digest [sha256.Size]byte) (c *checking, ours bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if c := p.checked[digest]; c != nil && (c.until.IsZero() || now.Before(c.until)) {
		return c, false, nil
	}
	if p.waiting[address] >= maxGuesses {
		return nil, false, &tooSoon{time.Second}
	}
	if len(p.checked) >= maxRemembered {
		for key, other := range p.checked {
			if !other.until.IsZero() {
				delete(p.checked, key)
			}
		}
	}
	c = &checking{done: make(chan struct{})}
	p.checked[digest] = c
	p.waiting[address]++
	return c, true, nil
}

// finish does the work, when its turn comes, and says what came of it.
func (p *passwords) finish(g guess, c *checking) {
	p.hashing <- struct{}{}
	tried := g.user
	if tried.Password == "" {
		tried.Password = nobody
	}
	right := tried.CheckPassword(g.password, g.salt) && g.user.Password != ""
	<-p.hashing
	p.throttle.tried(g, right)

	p.mu.Lock()
	defer p.mu.Unlock()
	c.right, c.until = right, time.Now().Add(rememberWrong)
	if right {
		c.until = time.Now().Add(rememberChecked)
	}
	if p.waiting[g.address]--; p.waiting[g.address] == 0 {
		delete(p.waiting, g.address)
	}
	close(c.done)
}
