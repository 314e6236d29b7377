package httpserver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"ahriman/transport/api"
)

// CORS is what browsers let the pages of other sites do (web.cors_…). Each list
// left empty is "*", which is all. Whatever it says, a page acts only as who it
// has a password or a token of, never by the cookie of who looks at it.
type CORS struct {
	// Origins are sites whose pages may ask, as "https://example.org". Where
	// log-in is off, those that are named, and not by "*", may change things too.
	Origins []string
	Methods []string // that may be used
	Headers []string // that may be sent
	Expose  []string // headers of answers that may be read
}

// allows says whether a list has a name. Header names differ in case.
func allows(list []string, name string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(one string) bool { return one == "*" || strings.EqualFold(one, name) })
}

// crossing makes the check of whose pages may change something by what a browser
// alone stands for: our own, and without log-in those that are named.
func (config Config) crossing() (*http.CrossOriginProtection, error) {
	own, named := http.NewCrossOriginProtection(), http.NewCrossOriginProtection()
	if config.Origin != "" {
		if err := errors.Join(own.AddTrustedOrigin(config.Origin), named.AddTrustedOrigin(config.Origin)); err != nil {
			return nil, fmt.Errorf("web.address: %w", err)
		}
	}
	for _, origin := range config.CORS.Origins {
		if origin == "*" {
			continue
		}
		if err := named.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("web.cors_allow_origins: %w", err)
		}
	}
	if config.Auth.Enabled {
		return own, nil
	}
	return named, nil
}

// share lets the page that asks read the answer, whatever it will be.
func (o CORS) share(c *call) {
	origin := c.Header.Get("Origin")
	if origin == "" {
		return
	}
	header := c.w.Header()
	header.Add("Vary", "Origin")
	if !allows(o.Origins, origin) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	if c.Method == http.MethodOptions {
		return
	}
	expose := "*" // without cookies, browsers take it for all
	if len(o.Expose) > 0 {
		expose = strings.Join(o.Expose, ", ")
	}
	header.Set("Access-Control-Expose-Headers", expose)
}

// preflight answers a browser that asks what a page of another site may do.
func (o CORS) preflight(c *call, found route) error {
	origin, method := c.Header.Get("Origin"), c.Header.Get("Access-Control-Request-Method")
	_, exists := found.endpoint(method)
	switch {
	case origin == "" || !exists:
		return api.Errorf(api.ErrForbidden, "Forbidden")
	case !allows(o.Origins, origin):
		return api.Errorf(api.ErrForbidden, "Pages of %s are not allowed to ask", origin)
	case !allows(o.Methods, method):
		return api.Errorf(api.ErrForbidden, "Pages of other sites are not allowed to use %s", method)
	}
	asked := strings.Join(c.Header.Values("Access-Control-Request-Headers"), ",")
	for name := range strings.SplitSeq(asked, ",") {
		if name = strings.TrimSpace(name); name != "" && !allows(o.Headers, name) {
			return api.Errorf(api.ErrForbidden, "Pages of other sites are not allowed to send %s", name)
		}
	}
	header := c.w.Header()
	header.Set("Access-Control-Allow-Methods", method)
	if asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}
