package httpserver

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"time"

	"ahriman/core/store"
	"ahriman/transport/api"
)

// identity is who asks.
type identity struct {
	name     string // of the user; empty for strangers, and when nobody needs one
	access   api.Access
	stranger bool // log-in is on, and they have not
}

// authorize identifies who asks as far as need asks for it, and refuses those
// who may not.
func (s *Server) authorize(c *call, need api.Access) error {
	if s.config.Auth.Enabled && s.strangers().Allows(need) {
		c.who = identity{access: s.strangers(), stranger: true}
		return nil
	}
	who, err := s.identify(c)
	switch {
	case err != nil:
		return err
	case who.access.Allows(need):
		c.who = who
		return nil
	case who.stranger:
		return api.Errorf(api.ErrUnauthorized, "Unauthorized")
	}
	return api.Errorf(api.ErrForbidden, "User does not have '%s' permission", need)
}

// strangers is what someone unknown may do.
func (s *Server) strangers() api.Access {
	if s.config.Auth.AllowReadOnly {
		return api.AccessRead
	}
	return api.AccessUnauthorized
}

// identify finds out who asks: by the unix socket, the cookie, or Basic
// credentials. What is wrong with those makes a stranger, as does none.
func (s *Server) identify(c *call) (identity, error) {
	if !s.config.Auth.Enabled || c.Context().Value(trusted{}) != nil {
		return identity{access: api.AccessFull}, nil
	}
	ctx := c.Context()
	if cookie, err := c.Cookie(api.CookieSession); err == nil {
		user, err := s.session(ctx, cookie.Value)
		if err == nil {
			return known(user), nil
		}
		if !errors.Is(err, store.ErrUnknownUser) {
			return identity{}, err
		}
	}
	if name, password, ok := c.BasicAuth(); ok {
		user, err := s.checkUser(ctx, name, password)
		if err == nil {
			return known(user), nil
		}
		if !errors.Is(err, store.ErrUnknownUser) {
			return identity{}, err
		}
	}
	return identity{access: s.strangers(), stranger: true}, nil
}

func known(user store.User) identity {
	return identity{name: user.Name, access: api.Access(user.Access)}
}

// Bounds of what logins remembers.
const (
	rememberChecked = 10 * time.Minute
	rememberWrong   = 30 * time.Second
	maxRemembered   = 10_000
	maxHashing      = 2 // bcrypt at once: more would let strangers take all cores
)

// logins remembers log-ins that ended and passwords that were checked. Checking
// one takes bcrypt a quarter of a second, and Python clients send theirs with
// each request.
type logins struct {
	mu      sync.Mutex
	ended   map[string]time.Time           // session ids, until they would have expired
	checked map[[sha256.Size]byte]checking // by user, stored hash and password
	hashing chan struct{}
}

func newLogins() *logins {
	return &logins{
		ended:   map[string]time.Time{},
		checked: map[[sha256.Size]byte]checking{},
		hashing: make(chan struct{}, maxHashing),
	}
}

type checking struct {
	right bool
	until time.Time
}

// checkUser returns the user whose password that is, or store.ErrUnknownUser.
func (s *Server) checkUser(ctx context.Context, name, password string) (store.User, error) {
	user, err := s.config.Store.User(ctx, name)
	if err != nil && !errors.Is(err, store.ErrUnknownUser) {
		return store.User{}, err
	}
	if user.Password == "" {
		return store.User{}, store.ErrUnknownUser
	}
	mac := hmac.New(sha256.New, s.key)
	for _, part := range []string{name, user.Password, password} {
		binary.Write(mac, binary.BigEndian, uint64(len(part)))
		mac.Write([]byte(part))
	}
	right, err := s.logins.check(ctx, [sha256.Size]byte(mac.Sum(nil)), func() bool {
		return user.CheckPassword(password, s.config.Auth.Salt)
	})
	if err == nil && !right {
		err = store.ErrUnknownUser
	}
	return user, err
}

// check answers from memory or by check.
func (l *logins) check(ctx context.Context, key [sha256.Size]byte, check func() bool) (bool, error) {
	l.mu.Lock()
	known, ok := l.checked[key]
	l.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.right, nil
	}
	select {
	case l.hashing <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	right := check()
	<-l.hashing
	until := time.Now().Add(rememberWrong)
	if right {
		until = time.Now().Add(rememberChecked)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.checked) >= maxRemembered {
		clear(l.checked)
	}
	l.checked[key] = checking{right, until}
	return right, nil
}

// A session is its expiry, a random id and the user's name, signed together
// with the user's stored hash: a new password ends it.
const sessionHead = 8 + 16

func (s *Server) sign(payload []byte, user store.User) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(payload)
	mac.Write([]byte(user.Password))
	return mac.Sum(nil)
}

// newSession returns a cookie's value for user.
func (s *Server) newSession(user store.User) string {
	payload := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(s.config.Auth.MaxAge).Unix()))
	payload = append(payload, make([]byte, 16)...)
	rand.Read(payload[8:sessionHead])
	payload = append(payload, user.Name...)
	return base64.RawURLEncoding.EncodeToString(append(s.sign(payload, user), payload...))
}

// openSession takes a cookie's value apart, without checking the signature.
func openSession(value string) (signature, payload []byte, expires time.Time, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) < sha256.Size+sessionHead {
		return nil, nil, time.Time{}, false
	}
	payload = raw[sha256.Size:]
	return raw[:sha256.Size], payload, time.Unix(int64(binary.BigEndian.Uint64(payload)), 0), true
}

// session returns the user of a cookie, or store.ErrUnknownUser.
func (s *Server) session(ctx context.Context, value string) (store.User, error) {
	signature, payload, expires, ok := openSession(value)
	if !ok || time.Now().After(expires) || s.logins.hasEnded(string(payload)) {
		return store.User{}, store.ErrUnknownUser
	}
	user, err := s.config.Store.User(ctx, string(payload[sessionHead:]))
	if err == nil && !hmac.Equal(signature, s.sign(payload, user)) {
		err = store.ErrUnknownUser
	}
	return user, err
}

func (l *logins) hasEnded(payload string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ended := l.ended[payload]
	return ended
}

// end remembers that a session is over.
func (l *logins) end(payload string, expires time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, until := range l.ended {
		if time.Now().After(until) {
			delete(l.ended, other)
		}
	}
	l.ended[payload] = expires
}

// login gives a cookie for a name and a password. With log-in off, or through
// the unix socket, there is nothing to give: the page is the answer.
func (s *Server) login(c *call) error {
	var in api.Login
	if err := c.decode(&in); err != nil {
		return err
	}
	if s.config.Auth.Enabled {
		user, err := s.checkUser(c.Context(), in.Username, in.Password)
		if errors.Is(err, store.ErrUnknownUser) {
			return api.Errorf(api.ErrUnauthorized, "Unauthorized")
		}
		if err != nil {
			return err
		}
		s.setCookie(c, s.newSession(user), s.config.Auth.MaxAge)
	}
	c.w.Header().Set("Location", "/")
	return c.text(http.StatusFound)
}

// logout ends the session of the cookie.
func (s *Server) logout(c *call) error {
	cookie, err := c.Cookie(api.CookieSession)
	if err != nil {
		return api.Errorf(api.ErrUnauthorized, "Unauthorized")
	}
	if _, err := s.session(c.Context(), cookie.Value); err != nil {
		if errors.Is(err, store.ErrUnknownUser) {
			return api.Errorf(api.ErrUnauthorized, "Unauthorized")
		}
		return err
	}
	_, payload, expires, _ := openSession(cookie.Value)
	s.logins.end(string(payload), expires)
	s.setCookie(c, "", -1)
	c.w.Header().Set("Location", "/")
	return c.text(http.StatusFound)
}

// setCookie sets the session's cookie; a negative age removes it.
func (s *Server) setCookie(c *call, value string, age time.Duration) {
	cookie := &http.Cookie{
		Name: api.CookieSession, Value: value, Quoted: true, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.TLS != nil,
	}
	if age < 0 {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.w, cookie)
}
