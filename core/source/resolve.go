package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ahriman/core/alpm"
)

// ErrNotFound says that nothing of that name exists where it was looked for.
var ErrNotFound = errors.New("not found")

// Config is how a Fetcher works. The zero value is usable.
type Config struct {
	// Cache is the directory of local package sources, cache/ below
	// repository.root; empty: no names are known.
	Cache string
	// AUR is the address of the AUR, aur.address; empty: the real one.
	AUR string
	// Distribution is the address below which the distribution keeps the
	// repository of each package; empty: Arch Linux's.
	Distribution string
	// NoLocal refuses paths and file addresses of this machine: for names that
	// come from elsewhere.
	NoLocal bool

	Timeout      time.Duration // of one request; 0: 30 s
	CloneTimeout time.Duration // of one git clone; 0: 10 minutes
	Retries      int           // tries after the first, of one request
	Backoff      time.Duration // before the first retry, doubled each time; 0: none
	MaxFile      int64         // bytes of a package file from elsewhere; 0: 16 GiB
	Limits       Limits        // of a source tree

	Client *http.Client // nil: one of its own
}

// Fetcher finds and fetches what packages are made from. It is safe for
// concurrent use.
type Fetcher struct{ config Config }

// New returns a Fetcher.
func New(config Config) *Fetcher {
	if config.AUR == "" {
		config.AUR = "https://aur.archlinux.org"
	}
	config.AUR = strings.TrimRight(config.AUR, "/")
	if config.Distribution == "" {
		config.Distribution = "https://gitlab.archlinux.org/archlinux/packaging/packages"
	}
	config.Distribution = strings.TrimRight(config.Distribution, "/")
	if config.Timeout <= 0 {
		config.Timeout = 30 * time.Second
	}
	if config.CloneTimeout <= 0 {
		config.CloneTimeout = 10 * time.Minute
	}
	if config.MaxFile <= 0 {
		config.MaxFile = 16 << 30
	}
	if config.Client == nil {
		config.Client = &http.Client{}
	}
	return &Fetcher{config: config}
}

// Found is what a name stands for. Kinds Archive, Directory and Remote are
// package files (Files); the others are sources (Sources).
type Found struct {
	Kind   Kind
	Name   string   // as it was asked for
	Base   string   // of AUR and Repository; otherwise the PKGBUILD says
	Origin Origin   // what to remember of it
	Dir    string   // of Local
	Files  []string // of Archive and Directory: absolute paths, sorted
	URL    string   // of Remote

	git gitURL
}

// IsFiles reports whether there are package files rather than sources.
func (f *Found) IsFiles() bool {
	return f.Kind == Archive || f.Kind == Directory || f.Kind == Remote
}

// Resolve says what name is. With Auto it is the first of: a package file's
// URL, a directory with a PKGBUILD or a name known in the cache, a directory of
// package files, a package file, a git address, a base or package of the AUR.
// The error is ErrNotFound when it is nothing of that kind.
func (f *Fetcher) Resolve(ctx context.Context, name string, kind Kind) (*Found, error) {
	var tried []func(context.Context, string) (*Found, error)
	switch kind {
	case Auto, "":
		tried = append(tried, f.remote, f.local, f.directory, f.archive, f.git, f.aur)
	case Archive:
		tried = append(tried, f.archive)
	case AUR:
		tried = append(tried, f.aur)
	case Directory:
		tried = append(tried, f.directory)
	case Local:
		tried = append(tried, f.local, f.git)
	case Remote:
		tried = append(tried, f.remote)
	case Repository:
		tried = append(tried, f.distribution)
	default:
		return nil, fmt.Errorf("resolving %s: unknown source %q", name, kind)
	}
	for _, try := range tried {
		found, err := try(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("resolving %s: %w", redacted(name), err)
		}
		if found != nil {
			found.Name = name
			return found, nil
		}
	}
	return nil, fmt.Errorf("resolving %s: %w", redacted(name), ErrNotFound)
}

// redacted returns an address without its password.
func redacted(name string) string {
	if parsed, err := url.Parse(name); err == nil && parsed.User != nil {
		return parsed.Redacted()
	}
	return name
}

// isPackageFile reports whether a file's name is a package's.
func isPackageFile(name string) bool {
	_, _, _, ext, err := alpm.ParseFileName(name)
	return err == nil && strings.HasPrefix(strings.TrimPrefix(ext, "."), "pkg.tar")
}

// remote recognises the URL of a package file.
func (f *Fetcher) remote(_ context.Context, name string) (*Found, error) {
	parsed, err := url.Parse(name)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || !isPackageFile(path.Base(parsed.Path)) {
		return nil, nil
	}
	return &Found{Kind: Remote, URL: name, Origin: Origin{Source: Remote}}, nil
}

// local recognises a directory with a PKGBUILD, and names in the cache.
func (f *Fetcher) local(_ context.Context, name string) (*Found, error) {
	if !f.config.NoLocal && HasPKGBUILD(name) {
		return localAt(name)
	}
	return f.cached(name)
}

// cached recognises names in the cache.
func (f *Fetcher) cached(name string) (*Found, error) {
	if f.config.Cache == "" || !plainName(name) {
		return nil, nil
	}
	dir := filepath.Join(f.config.Cache, name)
	if !HasPKGBUILD(dir) {
		return nil, nil
	}
	return localAt(dir)
}

func localAt(dir string) (*Found, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Found{Kind: Local, Dir: dir, Origin: Origin{Source: Local}}, nil
}

// directory recognises a directory of package files.
func (f *Fetcher) directory(_ context.Context, name string) (*Found, error) {
	if f.config.NoLocal {
		return nil, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, nil
	}
	var files []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && isPackageFile(entry.Name()) {
			path, err := filepath.Abs(filepath.Join(name, entry.Name()))
			if err != nil {
				return nil, err
			}
			files = append(files, path)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	slices.Sort(files)
	return &Found{Kind: Directory, Files: files, Origin: Origin{Source: Archive}}, nil
}

// archive recognises a package file.
func (f *Fetcher) archive(_ context.Context, name string) (*Found, error) {
	if f.config.NoLocal || !isPackageFile(filepath.Base(name)) {
		return nil, nil
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	return &Found{Kind: Archive, Files: []string{path}, Origin: Origin{Source: Archive}}, nil
}

// git recognises the address of a git repository.
func (f *Fetcher) git(_ context.Context, name string) (*Found, error) {
	address, ok, err := parseGitURL(name)
	if !ok || err != nil {
		return nil, err
	}
	if f.config.NoLocal && !portable(address.url) {
		return nil, fmt.Errorf("%s is on this machine or opened with its keys", address.url)
	}
	return &Found{Kind: Local, git: address, Origin: Origin{Source: Local, GitURL: address.url, Branch: address.branch}}, nil
}

// aur asks the AUR for a package or base.
func (f *Fetcher) aur(ctx context.Context, name string) (*Found, error) {
	if !plainName(name) {
		return nil, nil
	}
	found, err := f.Info(ctx, name)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return f.atAUR(found[0].Base), nil
}

// atAUR returns what the AUR has of a base.
func (f *Fetcher) atAUR(base string) *Found {
	address := f.config.AUR + "/" + url.PathEscape(base) + ".git"
	return &Found{Kind: AUR, Base: base, git: gitURL{url: address, branch: "master"}, Origin: Origin{
		Source: AUR, GitURL: address, Branch: "master", Path: ".", WebURL: f.config.AUR + "/packages/" + url.PathEscape(base),
	}}
}

// distribution takes the name of a base of the distribution's repositories.
func (f *Fetcher) distribution(_ context.Context, name string) (*Found, error) {
	if !plainName(name) {
		return nil, nil
	}
	address := f.config.Distribution + "/" + url.PathEscape(name) + ".git"
	return &Found{Kind: Repository, Base: name, git: gitURL{url: address, branch: "main"}, Origin: Origin{
		Source: Repository, GitURL: address, Branch: "main", Path: ".", WebURL: strings.TrimSuffix(address, ".git"),
	}}, nil
}

// FromOrigin returns what an Origin remembered earlier stands for, so that its
// sources can be fetched again. Sources of Local without a git address are the
// cache's, by the name of the base.
func (f *Fetcher) FromOrigin(base string, origin Origin) (*Found, error) {
	found, err := f.fromOrigin(base, origin)
	if err != nil {
		return nil, fmt.Errorf("looking for the sources of %s in %s: %w", base, f.config.Cache, err)
	}
	found.Name = base
	return found, nil
}

func (f *Fetcher) fromOrigin(base string, origin Origin) (*Found, error) {
	switch origin.Source {
	case AUR:
		return f.atAUR(base), nil
	case Local, Repository:
		if origin.GitURL == "" {
			break
		}
		return &Found{Kind: origin.Source, Base: base, Origin: origin, git: gitURL{url: origin.GitURL, branch: origin.Branch}}, nil
	}
	found, err := f.cached(base)
	if err == nil && found == nil {
		err = ErrNotFound
	}
	return found, err
}

// Sources puts the sources of found into dir, an existing empty directory. It
// returns the commit where they come from git.
func (f *Fetcher) Sources(ctx context.Context, found *Found, dir string) (commit string, err error) {
	switch {
	case found.IsFiles():
		return "", fmt.Errorf("fetching %s: it is a package, not its sources", found.Name)
	case found.git.url != "":
		commit, err = f.clone(ctx, found.git, dir)
	default:
		err = Copy(ctx, found.Dir, dir, CopyOptions{Limits: f.config.Limits})
	}
	if err == nil && !HasPKGBUILD(dir) {
		err = fmt.Errorf("PKGBUILD: %w", ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("fetching the sources of %s: %w", found.Name, err)
	}
	return commit, nil
}

// Packages returns the paths of found's package files: where they are, or
// below dir once fetched.
func (f *Fetcher) Packages(ctx context.Context, found *Found, dir string) ([]string, error) {
	switch found.Kind {
	case Archive, Directory:
		return found.Files, nil
	case Remote:
		file, err := f.download(ctx, found.URL, dir)
		if err != nil {
			return nil, fmt.Errorf("fetching %s: %w", found.Name, err)
		}
		return []string{file}, nil
	}
	return nil, fmt.Errorf("fetching %s: it is no package file", found.Name)
}
