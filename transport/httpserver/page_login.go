package httpserver

import (
	"errors"
	"net/url"
	"strings"

	"ahriman/transport/api"
)

// Paths of the forms that begin and end a session, which need no JavaScript. A
// page of another site cannot send them for a visitor: see dispatch.
const (
	pathLoginPage  = "/login"
	pathLogoutPage = "/logout"
)

// loginPage is login for a person: it returns to where the form stood, or shows
// it again and says why.
func (s *Server) loginPage(c *call) error {
	text, err := c.read()
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return api.Errorf(api.ErrBadRequest, "the body is no form: %v", err)
	}
	in := api.Login{Username: form.Get("username"), Password: form.Get("password")}
	if err := in.Validate(); err != nil {
		return err
	}
	page := ownPage(form.Get("page"))
	err = s.begin(c, in)
	switch status, body := api.StatusOf(err); {
	case err == nil:
		return c.redirect(page)
	case errors.Is(err, api.ErrUnauthorized):
		c.failed = &failedLogin{status: status, user: in.Username, page: page, why: "The name or the password is wrong."}
	case errors.Is(err, api.ErrTooMany):
		c.failed = &failedLogin{status: status, user: in.Username, page: page, why: body.Error}
	default:
		return err
	}
	return s.page(c)
}

// logoutPage is logout for a person: who has no session any more has what they
// wanted.
func (s *Server) logoutPage(c *call) error {
	err := s.logout(c)
	if errors.Is(err, api.ErrUnauthorized) {
		return c.redirect("/")
	}
	return err
}

// failedLogin is what the page says after one.
type failedLogin struct {
	status          int
	user, page, why string
}

// ownPage is the path of a page of ours, or that of the first: nobody is to be
// sent elsewhere by a form.
func ownPage(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || u.Path == pathLoginPage {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}
