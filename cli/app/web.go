package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"ahriman/core/config"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/sign"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// web serves the API, the repositories and a page.
type web struct {
	Address  string `placeholder:"HOST:PORT" help:"where to listen; port 0 takes a free one; without it, web.host and web.port"`
	AddrFile string `name:"addr-file" placeholder:"PATH" complete:"files" help:"write the address to this file once requests are answered"`
}

// Help has the examples.
func (web) Help() string {
	return `Serves all repositories, or those that -r and -a choose, until it gets a signal; requests that run are then given ten seconds. It listens on web.host and web.port, and on web.unix_socket, whose clients are trusted. Repositories are served to pacman below /repo/NAME/ARCHITECTURE.

Examples: what the configuration says; for a moment, to look at; and pacman's side of it.

    ahriman web
    ahriman web --address 127.0.0.1:8080
    printf '[aur]\nServer = http://master:8080/repo/$repo/$arch\n' >> /etc/pacman.conf`
}

// Run serves until the context ends.
func (c *web) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	db, err := openStore(ctx, all[0])
	if err != nil {
		return err
	}
	defer db.Close()
	logger := webLogger(env, globals)
	lost, err := db.RecoverJobs(ctx)
	if err != nil {
		return err
	}
	for _, job := range lost {
		logger.Warn("a job was interrupted", "id", job.ID, "kind", job.Kind, "repository", job.Repository.String())
	}
	jobs := newJobs(env, globals, all, db, logger)
	defer jobs.Close()
	server, err := c.server(env, globals, all, db, logger, jobs)
	if err != nil {
		return err
	}
	listeners, err := c.listen(all[0])
	if err != nil {
		return err
	}
	for _, l := range listeners {
		logger.Info("listening", "address", l.Addr().String())
	}
	if c.AddrFile != "" {
		if err := writeWhole(c.AddrFile, listeners[0].Addr().String()+"\n"); err != nil {
			return err
		}
	}
	return server.Serve(ctx, listeners...)
}

// webLogger writes what happens to standard error; with --quiet errors only.
func webLogger(env *Env, globals *Globals) *slog.Logger {
	level := slog.LevelInfo
	if globals.Quiet {
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: level}))
}

// server makes the endpoint of the settings' repositories. The first one's
// settings speak for the node.
func (c *web) server(env *Env, globals *Globals, all []*config.Settings, db *store.DB, logger *slog.Logger, jobs *jobs) (*httpserver.Server, error) {
	s := all[0]
	key, err := cookieKey(s.Auth.CookieSecretKey)
	if err != nil {
		return nil, err
	}
	server := httpserver.Config{
		Store: db, Version: Version(), Log: logger, Submitter: jobs,
		Auth: httpserver.Auth{
			Enabled: s.Auth.Target != "disabled", AllowReadOnly: s.Auth.AllowReadOnly, Salt: s.Auth.Salt,
			MaxAge: s.Auth.MaxAge, Key: key,
		},
		Uploads: s.Web.EnableArchiveUpload, MaxFile: s.Web.MaxBodySize, ServiceOnly: s.Web.ServiceOnly,
		WorkerLive: s.Worker.TimeToLive, EventBuffer: s.Web.MaxQueueSize, Intervals: s.Web.AutorefreshInterval,
		IndexURL: s.Web.IndexURL, Settings: func() ([]api.ConfigEntry, error) { return shownSettings(env, globals) },
	}
	server.Search = webSearch(s)
	for _, s := range all {
		repository, err := webRepository(globals, s)
		if err != nil {
			return nil, err
		}
		server.Repositories = append(server.Repositories, repository)
	}
	return httpserver.New(server)
}

func webRepository(globals *Globals, s *config.Settings) (httpserver.Repository, error) {
	repository, err := globals.openRepository(s, nil)
	if err != nil {
		return httpserver.Repository{}, err
	}
	served := httpserver.Repository{ID: s.ID, Shelf: repository, Files: repository.Handler()}
	if s.Sign.Verify != "" {
		served.Keyring, err = sign.OpenKeyring(s.Sign.Verify)
	}
	return served, err
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

// shownSettings is the configuration as it stands, without secrets.
func shownSettings(env *Env, globals *Globals) ([]api.ConfigEntry, error) {
	all, err := globals.settings(env)
	if err != nil {
		return nil, err
	}
	file, err := globals.configuration(env)
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

// listen opens what the command line or the configuration names: TCP first.
func (c *web) listen(s *config.Settings) ([]net.Listener, error) {
	var listeners []net.Listener
	address := c.Address
	if address == "" && s.Web.Port != 0 {
		address = net.JoinHostPort(s.Web.Host, strconv.Itoa(s.Web.Port))
	}
	if address != "" {
		l, err := listenTCP(address, s)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	if s.Web.UnixSocket != "" {
		l, err := httpserver.ListenUnix(s.Web.UnixSocket, s.Web.UnixSocketUnsafe)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 {
		return nil, Hinted(fmt.Errorf("%s says nowhere to listen", s.Path), "set web.port or web.unix_socket, or use --address")
	}
	return listeners, nil
}

func listenTCP(address string, s *config.Settings) (net.Listener, error) {
	if (s.Web.TLSCertificate == "") != (s.Web.TLSKey == "") {
		return nil, Hinted(fmt.Errorf("%s sets one of web.tls_certificate and web.tls_key", s.Path), "set both, or neither")
	}
	l, err := net.Listen("tcp", address)
	if err != nil || s.Web.TLSCertificate == "" {
		return l, err
	}
	certificate, err := tls.LoadX509KeyPair(s.Web.TLSCertificate, s.Web.TLSKey)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("reading %s and %s: %w", s.Web.TLSCertificate, s.Web.TLSKey, err)
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}), nil
}

// writeWhole writes a small file that a waiting process never sees half of.
func writeWhole(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
