package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/sign"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// webNode is the endpoint with what it is made of, which can be made anew from
// the configuration while it serves.
type webNode struct {
	env     *Env
	globals *Globals
	db      *store.DB
	logger  *slog.Logger
	jobs    *jobs
	builds  *delegation
	server  *httpserver.Server
}

// start makes the server.
func (n *webNode) start() error {
	made, err := n.config()
	if err != nil {
		return err
	}
	n.server, err = httpserver.New(made)
	return err
}

// reload reads the configuration again. Where it listens stays the same.
func (n *webNode) reload(context.Context) error {
	made, err := n.config()
	if err == nil {
		err = n.server.Replace(made)
	}
	if err != nil {
		return api.Errorf(api.ErrBadRequest, "%s", err)
	}
	n.logger.Info("configuration read again")
	return nil
}

// config is what the configuration says of the endpoint. The first repository's
// settings speak for the node.
func (n *webNode) config() (httpserver.Config, error) {
	all, err := n.globals.settings(n.env)
	if err != nil {
		return httpserver.Config{}, err
	}
	s := all[0]
	key, err := cookieKey(s.Auth.CookieSecretKey)
	if err != nil {
		return httpserver.Config{}, err
	}
	made := httpserver.Config{
		Store: n.db, Version: Version(), Log: n.logger, Submitter: n.jobs, Builds: n.builds.Builds,
		Auth: httpserver.Auth{
			Enabled: s.Auth.Target != "disabled", AllowReadOnly: s.Auth.AllowReadOnly, Salt: s.Auth.Salt,
			MaxAge: s.Auth.MaxAge, Key: key,
		},
		Uploads: s.Web.EnableArchiveUpload, MaxFile: s.Web.MaxBodySize, ServiceOnly: s.Web.ServiceOnly,
		WorkerLive: s.Worker.TimeToLive, EventBuffer: s.Web.MaxQueueSize, Intervals: s.Web.AutorefreshInterval,
		IndexURL: s.Web.IndexURL, Origin: webOrigin(s.Web.Address),
		CORS: httpserver.CORS{
			Origins: s.Web.CORSAllowOrigins, Methods: s.Web.CORSAllowMethods, Headers: s.Web.CORSAllowHeaders, Expose: s.Web.CORSExposeHeaders,
		},
		Settings: n.settings, Reload: n.reload, Refresh: n.refresh, Search: webSearch(s), Key: webKey,
	}
	for _, s := range all {
		served, err := webRepository(n.globals, s)
		if err != nil {
			return httpserver.Config{}, err
		}
		made.Repositories = append(made.Repositories, served)
	}
	n.jobs.serve(all)
	return made, nil
}

// webOrigin is the site of web.address, which may be another than the name that
// a proxy in front of this node asks for.
func webOrigin(address string) string {
	own, err := url.Parse(address)
	if err != nil || own.Host == "" {
		return ""
	}
	return own.Scheme + "://" + own.Host
}

func webRepository(globals *Globals, s *config.Settings) (httpserver.Repository, error) {
	r, err := globals.openRepository(s, nil)
	if err != nil {
		return httpserver.Repository{}, err
	}
	served := httpserver.Repository{ID: s.ID, Shelf: r, Files: r.Handler()}
	if s.Sign.Verify != "" {
		served.Keyring, err = sign.OpenKeyring(s.Sign.Verify)
	}
	return served, err
}

// refresh puts what is published into the store: bases that it does not know,
// and versions that are not what it holds. What it knows beyond stays.
func (n *webNode) refresh(ctx context.Context, id alpm.RepositoryID) error {
	root, err := n.root()
	if err != nil {
		return err
	}
	r, err := repository.Open(repository.Options{Root: root, ID: id})
	if err != nil {
		return err
	}
	files, err := r.Packages(ctx)
	if err != nil {
		return err
	}
	published, err := source.FromPackages(files, source.Origin{Source: source.Repository})
	if err != nil {
		return err
	}
	var updates []store.Update
	for _, p := range published {
		known, err := n.db.Package(ctx, id, p.Base)
		switch {
		case errors.Is(err, store.ErrUnknownPackage):
			updates = append(updates, store.Update{Package: p, Status: store.Unknown})
		case err != nil:
			return err
		case known.Package.Version != p.Version:
			p.Origin = known.Package.Origin
			updates = append(updates, store.Update{Package: p, Status: known.Status})
		}
	}
	return n.db.SetPackages(ctx, id, updates)
}

func (n *webNode) root() (string, error) {
	file, err := n.globals.configuration(n.env)
	if err != nil {
		return "", err
	}
	return file.Root()
}

// webSearch asks the AUR.
func webSearch(s *config.Settings) func(context.Context, []string) ([]api.SearchResult, error) {
	sources := source.New(source.Config{
		Cache: filepath.Join(s.Repository.Root, "cache"), AUR: s.AUR.Address, Timeout: s.AUR.Timeout,
		Retries: s.AUR.MaxRetries, Backoff: seconds(s.AUR.RetryBackoff),
	})
	return func(ctx context.Context, terms []string) ([]api.SearchResult, error) {
		found, err := sources.Search(ctx, terms...)
		if err != nil {
			return nil, api.Errorf(api.ErrUnavailable, "%s", err)
		}
		results := []api.SearchResult{}
		for _, p := range found {
			results = append(results, api.SearchResult{Package: p.Name, Description: p.Description})
		}
		return results, nil
	}
}

// cookieKey decodes auth.cookie_secret_key; none gives none.
func cookieKey(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	key, err := base64.URLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("auth.cookie_secret_key: %w", err)
	}
	return key, nil
}

// settings is the configuration as it stands, without secrets.
func (n *webNode) settings() ([]api.ConfigEntry, error) {
	all, err := n.globals.settings(n.env)
	if err != nil {
		return nil, err
	}
	file, err := n.globals.configuration(n.env)
	if err != nil {
		return nil, err
	}
	entries := []api.ConfigEntry{}
	for _, section := range file.Sections(all[0].ID) {
		options, err := file.Options(all[0].ID, section)
		if err != nil {
			return nil, err
		}
		for _, o := range options {
			if !file.Secret(section, o.Key) {
				entries = append(entries, api.ConfigEntry{Section: section, Key: o.Key, Value: config.Redact(o.Value)})
			}
		}
	}
	return entries, nil
}
