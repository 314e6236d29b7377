// Package distribution keeps copies of the distribution's repository databases
// (alpm-repo-db(7)), fetched from a mirror as pacman -Sy does, in a directory of
// this program's own.
package distribution

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/internal/durable"
)

// Bounds of what a mirror may send.
const (
	maxDatabase = 512 << 20 // bytes; the largest files database there is has a tenth
	silence     = time.Minute
	perFile     = 15 * time.Minute
)

// Databases say which databases are kept, and where they come from.
type Databases struct {
	// Mirror is a Server line of pacman.conf(5): an http, https or file URL in
	// which $repo and $arch stand for a repository's.
	Mirror       string
	Repositories []string
	Architecture string
	// Directory gets NAME.db of each repository, and with Files NAME.files.
	Directory string
	Files     bool
}

// Path returns where the database of a repository is kept; the extension is
// "db" or "files".
func (d Databases) Path(repository, extension string) string {
	return filepath.Join(d.Directory, repository+"."+extension)
}

// Refresh fetches the databases that have changed on the mirror since they were
// fetched last, with force all of them. Each is read to its end first; after an
// error all are as they were.
func (d Databases) Refresh(ctx context.Context, force bool) error {
	client, err := newClient(d.Mirror)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := durable.Mkdir(d.Directory); err != nil {
		return err
	}
	scratch, err := durable.NewScratch(filepath.Join(d.Directory, ".fetching"))
	if err != nil {
		return err
	}
	defer scratch.Remove()
	extensions := []string{"db"}
	if d.Files {
		extensions = append(extensions, "files")
	}
	fetched := map[string]string{}
	for _, repository := range d.Repositories {
		for _, extension := range extensions {
			path := d.Path(repository, extension)
			if filepath.Dir(path) != filepath.Clean(d.Directory) {
				return fmt.Errorf("%q is no name of a repository", repository)
			}
			from := strings.NewReplacer("$repo", url.PathEscape(repository), "$arch", url.PathEscape(d.Architecture)).Replace(d.Mirror)
			to := filepath.Join(scratch.Dir, filepath.Base(path))
			f := fetch{client: client, address: strings.TrimRight(from, "/") + "/" + url.PathEscape(filepath.Base(path)), path: to}
			if !force {
				f.since = modified(path)
			}
			changed, err := f.run(ctx)
			if err != nil {
				return fmt.Errorf("fetching %s: %w", f.shown(), err)
			}
			if changed {
				fetched[to] = path
			}
		}
	}
	for from, to := range fetched {
		if err := durable.Move(ctx, from, to); err != nil {
			return err
		}
	}
	return nil
}

// newClient returns a client for the mirror.
func newClient(mirror string) (*http.Client, error) {
	u, err := url.Parse(mirror)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") {
		return nil, fmt.Errorf("mirror %q is no http, https or file URL", mirror)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = silence
	transport.DisableCompression = true // a database is packed already, and its bytes are what counts
	transport.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return &http.Client{Transport: transport, Timeout: perFile}, nil
}

// modified is when the mirror had changed what is at path; zero: not known.
func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil || info.ModTime().Unix() <= 0 {
		return time.Time{}
	}
	return info.ModTime()
}

// fetch is one database on its way.
type fetch struct {
	client  *http.Client
	address string
	path    string
	since   time.Time // zero: fetched whatever its age
}

// shown is the address without the password that it may hold.
func (f fetch) shown() string {
	u, err := url.Parse(f.address)
	if err != nil {
		return filepath.Base(f.path)
	}
	return u.Redacted()
}

// run fetches the database to path, unless it is no newer than since.
func (f fetch) run(ctx context.Context) (changed bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.address, nil)
	if err != nil {
		return false, err
	}
	request.Header.Set("User-Agent", "ahriman")
	if !f.since.IsZero() {
		request.Header.Set("If-Modified-Since", f.since.UTC().Format(http.TimeFormat))
	}
	response, err := f.client.Do(request)
	if err != nil {
		if refused, ok := errors.AsType[*url.Error](err); ok {
			err = refused.Err // the address is the caller's to say
		}
		return false, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && !f.since.IsZero():
		return false, nil
	case response.StatusCode == http.StatusNotFound:
		return false, fmt.Errorf("the mirror answered 404: %w", fs.ErrNotExist)
	case response.StatusCode != http.StatusOK:
		return false, fmt.Errorf("the mirror answered %s", response.Status)
	}
	return true, f.keep(response)
}

// keep writes the body to path, checks it, and dates it as the mirror does: one
// without a date is as old as can be, and fetched each time.
func (f fetch) keep(response *http.Response) error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := io.Copy(file, io.LimitReader(response.Body, maxDatabase+1))
	switch {
	case err != nil:
		return err
	case n == 0: // no archive, were it of nothing
		return fmt.Errorf("it is empty")
	case n > maxDatabase:
		return fmt.Errorf("it is longer than %d bytes", maxDatabase)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := alpm.CheckDatabase(file); err != nil {
		return err
	}
	date, err := http.ParseTime(response.Header.Get("Last-Modified"))
	if err != nil {
		date = time.Unix(0, 0)
	}
	if err := os.Chtimes(f.path, date, date); err != nil {
		return err
	}
	return file.Sync()
}
