package httpserver

import (
	"bytes"
	_ "embed"
	"html/template"
	"strconv"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

//go:embed page.html
var pageHTML string

// parsePages reads the pages, "packages" and "package".
func parsePages() (*template.Template, error) { return template.New("pages").Parse(pageHTML) }

// pageData is what every page shows.
type pageData struct {
	Title    string
	Version  string // of the program
	IndexURL string
	User     string
	LogOut   bool // the visitor has a session
	LogIn    bool // … could have one
	Hidden   bool // … may not read
	// What the form that logs in holds, and why it did not.
	LogInUser, LogInPage, LogInFailed string
}

// visit identifies the visitor, and makes what every page shows them.
func (s *Server) visit(c *call, title string) (pageData, error) {
	who, err := s.identify(c)
	if err != nil {
		return pageData{}, err
	}
	c.who = who
	_, noCookie := c.Cookie(api.CookieSession)
	data := pageData{
		Title: title, Version: s.config.Version, IndexURL: s.config.IndexURL, User: who.name,
		LogOut: who.name != "" && noCookie == nil, LogIn: who.stranger, Hidden: !who.access.Allows(api.ScopeRead),
		LogInPage: c.URL.RequestURI(),
	}
	if c.failed != nil {
		data.LogIn, data.LogInUser, data.LogInPage, data.LogInFailed = true, c.failed.user, c.failed.page, c.failed.why
	}
	return data, nil
}

// packagesPage is all repositories.
type packagesPage struct {
	pageData
	Repositories []pageRepository
}

type pageRepository struct {
	Name         string
	Architecture string
	Status       string
	Counts       api.Counts
	Packages     []pagePackage
}

type pagePackage struct {
	Base       string
	Version    string
	Repository string
	Link       string // to its page
	WebURL     string
	Packager   string
	Status     string
	Held       bool
	Since      string // RFC 3339
	Age        string // "3 h"
}

func pagePackageOf(e api.PackageEntry, now time.Time) pagePackage {
	since := time.Unix(e.Status.Timestamp, 0)
	id := alpm.RepositoryID{Name: e.Repository.Repository, Architecture: e.Repository.Architecture}
	return pagePackage{
		Base: e.Package.Base, Version: e.Package.Version, Repository: id.String(),
		Link:   api.Path(pathPackagePage, e.Package.Base) + "?" + api.RepositoryQuery(id).Encode(),
		WebURL: e.Package.Origin.WebURL, Packager: e.Package.Packager, Status: string(e.Status.Status), Held: e.Status.IsHeld,
		Since: since.UTC().Format(time.RFC3339), Age: age(now.Sub(since)),
	}
}

// page shows the packages of all repositories to those who may read.
func (s *Server) page(c *call) error {
	visit, err := s.visit(c, "ahriman")
	if err != nil {
		return err
	}
	data := packagesPage{pageData: visit}
	for _, r := range s.config.Repositories {
		if data.Hidden || s.config.ServiceOnly {
			break
		}
		if c.who.in(r.ID) != nil {
			continue
		}
		one, err := s.pageRepository(c, r)
		if err != nil {
			return err
		}
		data.Repositories = append(data.Repositories, one)
	}
	return s.show(c, "packages", data)
}

// show answers with a page. Nothing in it runs, whatever it is about.
func (s *Server) show(c *call, name string, data any) error {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	header := c.w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	d := document{body: b.Bytes(), kind: "text/html; charset=utf-8", etag: etagOf(b.Bytes())}
	if c.failed != nil {
		d.status = c.failed.status
	}
	return c.answer(d)
}

func (s *Server) pageRepository(c *call, r Repository) (pageRepository, error) {
	status, _, err := s.config.Store.ServiceStatus(c.Context(), r.ID)
	if err != nil {
		return pageRepository{}, err
	}
	n, err := s.packages(c.Context(), r.ID)
	if err != nil {
		return pageRepository{}, err
	}
	one := pageRepository{Name: r.ID.Name, Architecture: r.ID.Architecture, Status: string(status), Counts: n.counts}
	now := time.Now()
	for _, e := range n.entries {
		one.Packages = append(one.Packages, pagePackageOf(e, now))
	}
	return one, nil
}

// age is a duration as people say it: its largest unit.
func age(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= unit.size {
			return strconv.Itoa(int(d/unit.size)) + " " + unit.name
		}
	}
	return "now"
}
