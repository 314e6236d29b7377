package httpserver

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/transport/api"
)

// identity is who asks.
type identity struct {
	name       string // of the user; empty for strangers, and when nobody needs one
	access     api.Access
	stranger   bool              // log-in is on, and they have not
	repository alpm.RepositoryID // the only one they may work on; zero: all
	bases      []string          // the only ones they may work on; empty: all
}

func known(user store.User) identity {
	return identity{name: user.Name, access: api.Access(user.Access), repository: user.Repository, bases: user.Bases}
}

// in refuses a repository that is not the user's.
func (who identity) in(id alpm.RepositoryID) error {
	if who.repository == (alpm.RepositoryID{}) || who.repository == id {
		return nil
	}
	return api.Errorf(api.ErrForbidden, "User %s may work on the repository %s only", who.name, who.repository)
}

// about refuses work on a base that is not among the user's.
func (who identity) about(base string) error {
	if len(who.bases) == 0 || slices.Contains(who.bases, base) {
		return nil
	}
	return api.Errorf(api.ErrForbidden, "User %s may not work on %s: only on %s", who.name, base, strings.Join(who.bases, ", "))
}

// authorize identifies who asks as far as need asks for it, and refuses those
// who may not, or not for the base in the path. What anyone may read they may
// read of any base.
func (s *Server) authorize(c *call, need api.Scope) error {
	if s.config.Auth.Enabled && !c.foreign && s.strangers().Allows(need) {
		c.who = identity{access: s.strangers(), stranger: true}
		return nil
	}
	who, err := s.identify(c)
	switch {
	case err != nil:
		return err
	case c.foreign && who.stranger:
		return api.Errorf(api.ErrForbidden, "Pages of other sites need credentials of their own for this; ours are those of web.address")
	case who.access.Allows(need):
		c.who = who
		if base := c.base(); base != "" && need != api.ScopeRead {
			return who.about(base)
		}
		return nil
	case who.stranger:
		return api.Errorf(api.ErrUnauthorized, "Unauthorized")
	}
	return api.Errorf(api.ErrForbidden, "User does not have '%s' permission", need.Level())
}

// strangers is what someone unknown may do.
func (s *Server) strangers() api.Access {
	if s.config.Auth.AllowReadOnly {
		return api.AccessRead
	}
	return api.AccessUnauthorized
}

// identify finds out who asks: by the unix socket, the cookie, a token, or Basic
// credentials. What is wrong with those makes a stranger, as does none. The page
// of another site is known by credentials alone: that log-in is off here, and
// the cookie, are the browser's and not its own.
func (s *Server) identify(c *call) (identity, error) {
	ways := []func(*call) (store.User, error){s.byCookie, s.byToken, s.byPassword}
	switch {
	case c.foreign:
		ways = ways[1:]
	case !s.config.Auth.Enabled, c.Context().Value(trusted{}) != nil:
		return identity{access: api.AccessFull}, nil
	}
	for _, with := range ways {
		user, err := with(c)
		if err == nil {
			return known(user), nil
		}
		if !errors.Is(err, errStranger) {
			return identity{}, err
		}
	}
	return identity{access: s.strangers(), stranger: true}, nil
}

// errStranger is what credentials that are missing or wrong give, whatever is
// wrong with them.
var errStranger = errors.New("nobody is known by these credentials")

// stranger makes what the store does not know errStranger.
func stranger(err error) error {
	if errors.Is(err, store.ErrUnknownUser) || errors.Is(err, store.ErrUnknownToken) {
		return errStranger
	}
	return err
}

func (s *Server) byCookie(c *call) (store.User, error) {
	cookie, err := c.Cookie(api.CookieSession)
	if err != nil {
		return store.User{}, errStranger
	}
	return s.session(c.Context(), cookie.Value)
}

// byToken reads "Authorization: Bearer TOKEN".
func (s *Server) byToken(c *call) (store.User, error) {
	scheme, secret, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return store.User{}, errStranger
	}
	user, _, err := s.config.Store.TokenUser(c.Context(), strings.TrimSpace(secret))
	return user, stranger(err)
}

func (s *Server) byPassword(c *call) (store.User, error) {
	name, password, ok := c.BasicAuth()
	if !ok {
		return store.User{}, errStranger
	}
	user, _, err := s.checkUser(c, name, password)
	return user, err
}

// checkUser returns the user whose password or token that is, and what a session
// of them stands on, or errStranger.
func (s *Server) checkUser(c *call, name, password string) (store.User, proof, error) {
	ctx := c.Context()
	if store.IsToken(password) {
		user, token, err := s.config.Store.TokenUser(ctx, password)
		if err == nil && user.Name != name {
			err = errStranger
		}
		return user, proof{token: token.ID, hash: token.Hash}, stranger(err)
	}
	user, err := s.config.Store.User(ctx, name)
	if err != nil && !errors.Is(err, store.ErrUnknownUser) {
		return store.User{}, proof{}, err
	}
	right, err := s.passwords.check(ctx, guess{
		address: c.address(), name: name, password: password, salt: s.config.Auth.Salt, user: user,
	})
	if wait := (*tooSoon)(nil); errors.As(err, &wait) {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(wait.wait/time.Second)+1))
		return store.User{}, proof{}, api.Errorf(api.ErrTooMany, "Too many log-ins failed; wait %d s", int(wait.wait/time.Second)+1)
	}
	if err == nil && !right {
		err = errStranger
	}
	return user, proof{hash: user.Password}, err
}

// login gives a cookie for a name and a password, or a token in its place.
func (s *Server) login(c *call) error {
	var in api.Login
	if err := c.decode(&in); err != nil {
		return err
	}
	if err := s.begin(c, in); err != nil {
		return err
	}
	return c.redirect("/")
}

// begin begins a session. With log-in off, or through the unix socket, there is
// none to begin: the page is the answer.
func (s *Server) begin(c *call, in api.Login) error {
	if !s.config.Auth.Enabled {
		return nil
	}
	user, by, err := s.checkUser(c, in.Username, in.Password)
	if err != nil {
		return refusal(err)
	}
	s.setCookie(c, s.newSession(user, by), s.config.Auth.MaxAge)
	return nil
}

// redirect sends a browser to a page of ours.
func (c *call) redirect(page string) error {
	c.w.Header().Set("Location", page)
	return c.text(http.StatusFound)
}

// refusal is how a stranger is told.
func refusal(err error) error {
	if errors.Is(err, errStranger) {
		return api.Errorf(api.ErrUnauthorized, "Unauthorized")
	}
	return err
}

// logout ends the session of the cookie.
func (s *Server) logout(c *call) error {
	cookie, err := c.Cookie(api.CookieSession)
	if err == nil {
		_, err = s.session(c.Context(), cookie.Value)
	} else {
		err = errStranger
	}
	if err != nil {
		return refusal(err)
	}
	if err := s.endSession(c.Context(), cookie.Value); err != nil {
		return err
	}
	s.setCookie(c, "", -1)
	return c.redirect("/")
}
