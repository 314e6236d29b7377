package httpserver

import (
	"maps"
	"regexp"
	"slices"
	"time"

	"ahriman/transport/api"
)

// pathPackagePage shows one base, for people; its repository is in the query, as
// elsewhere.
const pathPackagePage = "/packages/{base}"

// How much of a log a page shows.
const (
	shownLines = 5000
	shownBytes = 1 << 20
)

// invisible is what programs send to a terminal besides text.
var invisible = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]`)

// packagePage is one base with its last log.
type packagePage struct {
	pageData
	Package    pagePackage
	Names      []string // packages it builds
	Log        []string
	LogVersion string // which the log is about
	LogCut     bool   // there is more of it
	LogHidden  bool   // the visitor may not read it
}

// packagePage shows a base to those who may read, and its log to those who may
// read that.
func (s *Server) packagePage(c *call) error {
	visit, err := s.visit(c, c.base())
	if err != nil {
		return err
	}
	if visit.Hidden {
		return s.show(c, "packages", packagesPage{pageData: visit})
	}
	r, err := s.repository(c)
	if err != nil {
		return err
	}
	record, err := s.known(c, r.ID)
	if err != nil {
		return err
	}
	page := packagePage{
		pageData: visit, Package: pagePackageOf(entryOf(r.ID, record), time.Now()),
		Names: slices.Sorted(maps.Keys(record.Package.Packages)), LogHidden: !c.who.access.Allows(api.ScopeInspect) || c.who.about(c.base()) != nil,
	}
	if !page.LogHidden {
		if err := s.lastLog(c, r, &page); err != nil {
			return err
		}
	}
	return s.show(c, "package", page)
}

// lastLog puts the end of the newest log of a base on its page.
func (s *Server) lastLog(c *call, r Repository, page *packagePage) error {
	lines, err := s.config.Store.LastLog(c.Context(), r.ID, c.base(), shownLines+1)
	if err != nil || len(lines) == 0 {
		return err
	}
	page.LogVersion = lines[0].Version
	size := 0
	for _, line := range slices.Backward(lines) {
		size += len(line.Message)
		if len(page.Log) == shownLines || size > shownBytes {
			page.LogCut = true
			break
		}
		page.Log = append(page.Log, invisible.ReplaceAllString(line.Message, ""))
	}
	slices.Reverse(page.Log)
	return nil
}
