package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// generationPath is the first part of a path that names a generation.
const generationPath = "generations/"

// Handler serves what is published, for "Server = http://host/…/$repo/$arch" of
// pacman.conf. The request's path must be relative to that directory, as
// http.StripPrefix leaves it.
//
// A database is redirected to generations/<n>/…, below the same directory, and
// pacman then asks for its signature there too: what a client gets belongs
// together whatever is published meanwhile. A package that was replaced is
// served as long as a generation is kept that has it, for clients that have
// not refreshed.
func (r *Repository) Handler() http.Handler { return http.HandlerFunc(r.serve) }

func (r *Repository) serve(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(request.URL.Path, "/")
	f, place, err := r.find(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "not found", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "the repository cannot be read", http.StatusInternalServerError)
		return
	case place != "":
		// Relative: how this directory is called is not for us to know.
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Location", place)
		w.WriteHeader(http.StatusFound)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, "the repository cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Etag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	if !strings.HasSuffix(name, ".html") { // or it would be guessed from the bytes
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	http.ServeContent(w, request, filepath.Base(name), info.ModTime(), f)
}

// find opens what a path names, or returns the path, relative to it, where it
// is to be asked for. fs.ErrNotExist stands for everything that is not served.
func (r *Repository) find(name string) (f *os.File, place string, err error) {
	dir, current, err := r.resolve()
	if err != nil || dir == "" {
		return nil, "", errors.Join(err, fs.ErrNotExist)
	}
	if rest, ok := strings.CutPrefix(name, generationPath); ok {
		number, name, _ := strings.Cut(rest, "/")
		n, ok := parseNumber(number)
		if !ok || n > current { // written and not published, or not yet
			return nil, "", fs.ErrNotExist
		}
		f, err = openServed(r.generation(n), name)
		return f, "", err
	}
	if name == "" {
		name = "index.html"
	}
	if current > 0 && r.isDatabase(name) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return nil, "", err
		}
		return nil, fmt.Sprintf("%s%d/%s", generationPath, current, name), nil
	}
	f, err = openServed(dir, name)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(name, ".pkg.tar") {
		return f, "", err
	}
	f, err = r.findFormer(name, current)
	return f, "", err
}

// findFormer opens a file that generations before the current one may have, the
// newest first.
func (r *Repository) findFormer(name string, current int) (*os.File, error) {
	numbers, err := r.numbers()
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(numbers) {
		if n >= current {
			continue
		}
		f, err := openServed(r.generation(n), name)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, fs.ErrNotExist
}

// openServed opens a file that stands in dir itself and is not hidden.
func openServed(dir, name string) (*os.File, error) {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\x00") {
		return nil, fs.ErrNotExist
	}
	f, err := openRegular(filepath.Join(dir, name))
	if errors.Is(err, errNotRegular) {
		return nil, fs.ErrNotExist
	}
	return f, err
}
