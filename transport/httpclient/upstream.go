package httpclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"ahriman/core/update"
)

var _ update.Supply = (*Upstream)(nil)

// Bounds of what an upstream repository may send.
const (
	maxDatabase = 128 << 20 // bytes; pacman's own
	maxPackage  = 16 << 30  // bytes; pacman's own
)

// Upstream is a pacman repository elsewhere, a master's mostly, from which
// packages are taken that a build needs. Package files are kept in a cache and
// checked against the database's SHA-256 each time.
type Upstream struct {
	server string // URL of the directory that holds the database
	shown  string // … without the password that it may hold
	name   string
	cache  string
	http   *http.Client
}

// NewUpstream makes the supply of a pacman Server line, in which $repo and
// $arch stand for the repository's; cache is a directory for package files.
// http, https and file URLs are understood.
func NewUpstream(server string, id alpm.RepositoryID, cache string) (*Upstream, error) {
	server = strings.NewReplacer("$repo", id.Name, "$arch", id.Architecture).Replace(server)
	u, err := url.Parse(server)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") {
		return nil, fmt.Errorf("server %q is no http, https or file URL", server)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	transport.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return &Upstream{
		server: strings.TrimRight(server, "/"), shown: u.Redacted(), name: id.Name, cache: cache,
		http: &http.Client{Transport: transport},
	}, nil
}

// Packages reads the database. A repository that has none yet, as a new
// master's, has no packages.
func (u *Upstream) Packages(ctx context.Context) ([]alpm.Package, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	body, err := u.get(ctx, u.name+".db")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	packages, err := alpm.ReadDatabase(io.LimitReader(body, maxDatabase))
	if err != nil {
		return nil, fmt.Errorf("reading the database of %s: %w", u.shown, err)
	}
	return packages, nil
}

// File returns the path of the package file in the cache, which it fills.
func (u *Upstream) File(ctx context.Context, p alpm.Package) (string, error) {
	if p.FileName == "" || p.FileName != filepath.Base(p.FileName) || p.FileName[0] == '.' {
		return "", fmt.Errorf("%s names a file %q", u.shown, p.FileName)
	}
	path := filepath.Join(u.cache, p.FileName)
	if err := checkDigest(path, p.SHA256); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(u.cache, 0o755); err != nil {
		return "", err
	}
	// Whoever is last wins: all write the same bytes.
	file, err := os.CreateTemp(u.cache, ".download-")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := u.download(ctx, p, file); err != nil {
		return "", fmt.Errorf("fetching %s from %s: %w", p.FileName, u.shown, err)
	}
	if err := file.Chmod(0o644); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}

// download copies the file's bytes and checks them.
func (u *Upstream) download(ctx context.Context, p alpm.Package, to io.Writer) error {
	body, err := u.get(ctx, p.FileName)
	if err != nil {
		return err
	}
	defer body.Close()
	digest := sha256.New()
	limit := int64(maxPackage)
	if p.CompressedSize > 0 {
		limit = p.CompressedSize + 1
	}
	if _, err := io.Copy(io.MultiWriter(to, digest), io.LimitReader(body, limit)); err != nil {
		return err
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("sha256 is %s, the database says %s", got, p.SHA256)
	}
	return nil
}

// get asks for one file of the repository; what is not there is fs.ErrNotExist.
func (u *Upstream) get(ctx context.Context, name string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.server+"/"+url.PathEscape(name), nil)
	if err != nil {
		return nil, err
	}
	response, err := u.http.Do(request)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response.Body, nil
	case http.StatusNotFound:
		err = fs.ErrNotExist
	default:
		err = fmt.Errorf("answered %s", response.Status)
	}
	response.Body.Close()
	return nil, fmt.Errorf("asking %s for %s: %w", u.shown, name, err)
}

func checkDigest(path, want string) error {
	got, err := alpm.FileDigest(path)
	if err == nil && got != want {
		err = fmt.Errorf("%s has sha256 %s, not %s", path, got, want)
	}
	return err
}
