package httpserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ahriman/transport/api"
)

// generationPrefix begins the path of a generation's own files,
// /repo/<name>/<arch>/~<n>/<file>.
const generationPrefix = "~"

// addFileRoutes serves the published repositories below /repo/<name>/<arch>/,
// to those who may read.
func (s *Server) addFileRoutes() {
	for _, r := range s.config.Repositories {
		if r.Published == "" {
			continue
		}
		f := &published{name: r.ID.Name, path: r.Published, prefix: "/repo/" + r.ID.String() + "/"}
		s.add(f.prefix+"{file}", route{"GET": {api.AccessRead, f.current}})
		s.add(f.prefix+"{generation}/{file}", route{"GET": {api.AccessRead, f.generation}})
	}
}

// published is one repository's files. Its path is a link to a generation, or
// a plain directory that another program keeps.
type published struct {
	name   string
	path   string
	prefix string // of URLs
}

// current serves a file. A database is a redirect to its generation's: pacman
// asks for the signature where it was led, and gets the one that belongs to it.
func (p *published) current(c *call) error {
	file := c.PathValue("file")
	if number, ok := p.number(); ok && p.isDatabase(file) {
		c.w.Header().Set("Cache-Control", "no-cache")
		c.w.Header().Set("Location", p.prefix+generationPrefix+number+"/"+file)
		return c.text(http.StatusFound)
	}
	for _, directory := range p.directories() {
		err := serveFile(c, directory, file)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return unknownFile(file)
}

// generation serves a file of one generation.
func (p *published) generation(c *call) error {
	number, ok := strings.CutPrefix(c.PathValue("generation"), generationPrefix)
	n, err := strconv.Atoi(number)
	if _, isLink := p.number(); !ok || err != nil || n <= 0 || !isLink {
		return unknownFile(c.PathValue("file"))
	}
	err = serveFile(c, filepath.Join(p.generations(), strconv.Itoa(n)), c.PathValue("file"))
	if errors.Is(err, fs.ErrNotExist) {
		return unknownFile(c.PathValue("file"))
	}
	return err
}

func unknownFile(name string) error { return api.Errorf(api.ErrNotFound, "File %s is unknown", name) }

// isDatabase says whether a file is a database of the repository, or its
// signature.
func (p *published) isDatabase(file string) bool {
	rest, ok := strings.CutPrefix(file, p.name)
	kind, _, _ := strings.Cut(strings.TrimPrefix(rest, "."), ".")
	return ok && strings.HasPrefix(rest, ".") && (kind == "db" || kind == "files")
}

// number returns the current generation's, false when there is none.
func (p *published) number() (string, bool) {
	target, err := os.Readlink(p.path)
	if err != nil {
		return "", false
	}
	number := filepath.Base(target)
	n, err := strconv.Atoi(number)
	return number, err == nil && n > 0
}

// generations is the directory of all generations.
func (p *published) generations() string {
	target, err := os.Readlink(p.path)
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(p.path), target)
	}
	return filepath.Dir(target)
}

// directories are where a package file may be: what is published, then older
// generations, the newest first, since a client's database may be one of those.
func (p *published) directories() []string {
	all := []string{p.path}
	current, ok := p.number()
	if !ok {
		return all
	}
	limit, _ := strconv.Atoi(current)
	entries, err := os.ReadDir(p.generations())
	if err != nil {
		return all
	}
	var older []int
	for _, entry := range entries {
		if n, err := strconv.Atoi(entry.Name()); err == nil && n > 0 && n < limit {
			older = append(older, n)
		}
	}
	slices.Sort(older)
	for _, n := range slices.Backward(older) {
		all = append(all, filepath.Join(p.generations(), strconv.Itoa(n)))
	}
	return all
}

// serveFile answers with a file, or a part of it, or that it has not changed.
func serveFile(c *call, directory, name string) error {
	if name == "" || !soundFileName(name) {
		return fs.ErrNotExist
	}
	f, err := os.Open(filepath.Join(directory, name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	c.w.Header().Set("Etag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()))
	c.w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(c.w, c.Request, name, info.ModTime(), f)
	return nil
}
