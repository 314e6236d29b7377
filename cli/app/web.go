package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"ahriman/core/config"
	"ahriman/transport/httpserver"
)

// web serves the API, the repositories and a page.
type web struct {
	Address  string `placeholder:"HOST:PORT" help:"where to listen; port 0 takes a free one; without it, web.host and web.port"`
	AddrFile string `name:"addr-file" placeholder:"PATH" complete:"files" help:"write the address to this file once requests are answered"`
}

// Help has the examples.
func (web) Help() string {
	return `Serves all repositories, or those that -r and -a choose, until it gets a signal; requests that run are then given ten seconds. It listens on web.host and web.port, and on web.unix_socket, whose clients are trusted: with web.unix_socket_unsafe, which is the default as with ahriman, that is everybody on this machine, without it the user who serves and root. With web.tls_certificate and web.tls_key it speaks HTTPS; files that are renewed count from the next connection on. Repositories are served to pacman below /repo/NAME/ARCHITECTURE. Masters that may (access full or builder) have packages built here, worker.slots at once.

By default browsers let the pages of any site read here what anyone may read, and act with a password or token that they have; they never act by the log-in of who looks at them, nor where none is needed. web.cors_allow_origins names the sites whose pages may ask; where log-in is off, those may change things too. web.cors_allow_methods, cors_allow_headers and cors_expose_headers narrow it further.

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
	logger, sink, err := globals.Logger(env)
	if err != nil {
		return err
	}
	defer sink.Close()
	db, err := openStore(ctx, all[0])
	if err != nil {
		return err
	}
	defer db.Close()
	jobs := newJobs(env, globals, db, logger)
	defer jobs.Close()
	node := &webNode{env: env, globals: globals, db: db, logger: logger, jobs: jobs}
	if node.builds, err = openDelegation(ctx, env, all, logger); err != nil {
		return err
	}
	defer node.builds.Close()
	if err := node.start(); err != nil {
		return err
	}
	if err := errors.Join(jobs.Resume(ctx), db.TrimJobs(ctx, keptJobs)); err != nil {
		return err
	}
	listeners, err := c.listen(all[0], logger)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		logger.Info("listening", "address", l.Addr().String())
	}
	stop, err := announce(ctx, all, listeners[0].Addr(), logger)
	if err != nil {
		return err
	}
	defer stop()
	if c.AddrFile != "" {
		if err := config.WriteFile(c.AddrFile, []byte(listeners[0].Addr().String()+"\n"), 0o644); err != nil {
			return err
		}
	}
	return node.server.Serve(ctx, listeners...)
}

// keptJobs is how many jobs are remembered once they have ended.
const keptJobs = 1000

// listen opens what the command line or the configuration names: TCP first.
func (c *web) listen(s *config.Settings, logger *slog.Logger) ([]net.Listener, error) {
	var listeners []net.Listener
	address := c.Address
	if address == "" && s.Web.Port != 0 {
		address = net.JoinHostPort(s.Web.Host, strconv.Itoa(s.Web.Port))
	}
	if address != "" {
		l, err := listenTCP(address, s, logger)
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

func listenTCP(address string, s *config.Settings, logger *slog.Logger) (net.Listener, error) {
	if (s.Web.TLSCertificate == "") != (s.Web.TLSKey == "") {
		return nil, Hinted(fmt.Errorf("%s sets one of web.tls_certificate and web.tls_key", s.Path), "set both, or neither")
	}
	l, err := net.Listen("tcp", address)
	if err != nil || s.Web.TLSCertificate == "" {
		return l, err
	}
	encrypted, err := httpserver.ListenTLS(l, s.Web.TLSCertificate, s.Web.TLSKey, logger)
	if err != nil {
		l.Close()
		return nil, err
	}
	return encrypted, nil
}
