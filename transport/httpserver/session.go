package httpserver

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"time"

	"ahriman/core/store"
	"ahriman/transport/api"
)

// proof is what a user logged in with. A session is good while the store has it.
type proof struct {
	token string // ID; empty: the password
	hash  string // of either, as the store keeps it
}

// A session is its expiry, a random id, the token's ID and the user's name,
// signed together with the hash of what it was got with: a new password, and a
// token that was removed, end it.
const (
	sessionID   = 8 // where the random id begins
	sessionHead = sessionID + 16
)

func (s *Server) sign(payload []byte, by proof) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(payload)
	mac.Write([]byte(by.hash))
	return mac.Sum(nil)
}

// newSession returns a cookie's value for user.
func (s *Server) newSession(user store.User, by proof) string {
	payload := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(s.config.Auth.MaxAge).Unix()))
	payload = append(payload, make([]byte, 16)...)
	rand.Read(payload[sessionID:sessionHead])
	payload = append(payload, byte(len(by.token)))
	payload = append(payload, by.token...)
	payload = append(payload, user.Name...)
	return base64.RawURLEncoding.EncodeToString(append(s.sign(payload, by), payload...))
}

// openedSession is a cookie's value taken apart.
type openedSession struct {
	signature, payload []byte
	expires            time.Time
	token, name        string
}

// id names the session among all.
func (o openedSession) id() string { return hex.EncodeToString(o.payload[sessionID:sessionHead]) }

// openSession does not check the signature.
func openSession(value string) (o openedSession, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) < sha256.Size+sessionHead+1 {
		return o, false
	}
	o.signature, o.payload = raw[:sha256.Size], raw[sha256.Size:]
	o.expires = time.Unix(int64(binary.BigEndian.Uint64(o.payload)), 0)
	rest := o.payload[sessionHead+1:]
	n := int(o.payload[sessionHead])
	if n > len(rest) {
		return o, false
	}
	o.token, o.name = string(rest[:n]), string(rest[n:])
	return o, true
}

// session returns the user of a cookie, or errStranger.
func (s *Server) session(ctx context.Context, value string) (store.User, error) {
	o, ok := openSession(value)
	if !ok || time.Now().After(o.expires) {
		return store.User{}, errStranger
	}
	user, by, err := s.sessionUser(ctx, o)
	if err == nil && (user.Name != o.name || by.hash == "" || !hmac.Equal(o.signature, s.sign(o.payload, by))) {
		err = errStranger
	}
	if err != nil {
		return store.User{}, stranger(err)
	}
	ended, err := s.config.Store.SessionEnded(ctx, o.id())
	if err == nil && ended {
		err = errStranger
	}
	return user, err
}

func (s *Server) sessionUser(ctx context.Context, o openedSession) (store.User, proof, error) {
	if o.token != "" {
		user, token, err := s.config.Store.TokenByID(ctx, o.token)
		return user, proof{o.token, token.Hash}, err
	}
	user, err := s.config.Store.User(ctx, o.name)
	return user, proof{hash: user.Password}, err
}

// endSession ends a session that is good: strangers cannot fill the store. A
// restart of the service brings none back.
func (s *Server) endSession(ctx context.Context, value string) error {
	o, _ := openSession(value)
	return s.config.Store.EndSession(ctx, o.id(), o.expires)
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
