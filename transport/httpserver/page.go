package httpserver

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"ahriman/transport/api"
)

//go:embed page.html
var pageHTML string

// pageData is what page.html shows.
type pageData struct {
	Title        string
	Version      string
	Auth         bool
	User         string
	IndexURL     string
	Hidden       bool // the visitor may not read
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
	Base    string
	Version string
	WebURL  string
	Status  string
	Held    bool
	Since   string // RFC 3339
	Age     string // "3 h"
}

// page shows the packages of all repositories to those who may read.
func (s *Server) page(c *call) error {
	who, err := s.identify(c)
	if err != nil {
		return err
	}
	data := pageData{
		Title: "ahriman", Version: s.config.Version, Auth: s.config.Auth.Enabled, User: who.name,
		IndexURL: s.config.IndexURL, Hidden: !who.access.Allows(api.AccessRead),
	}
	for _, r := range s.config.Repositories {
		if data.Hidden || s.config.ServiceOnly {
			break
		}
		one, err := s.pageRepository(c, r)
		if err != nil {
			return err
		}
		data.Repositories = append(data.Repositories, one)
	}
	parsed, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, data); err != nil {
		return err
	}
	header := c.w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	c.w.WriteHeader(http.StatusOK)
	_, err = c.w.Write(b.Bytes())
	return aborted(err)
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
		since := time.Unix(e.Status.Timestamp, 0)
		one.Packages = append(one.Packages, pagePackage{
			Base: e.Package.Base, Version: e.Package.Version, WebURL: e.Package.Origin.WebURL,
			Status: string(e.Status.Status), Held: e.Status.IsHeld,
			Since: since.UTC().Format(time.RFC3339), Age: age(now.Sub(since)),
		})
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
