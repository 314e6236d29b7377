// Package httpserver is the endpoint of a node: ahriman's HTTP API under /api,
// ours under /node, the published repositories under /repo, and a page to look
// at. It keeps nothing itself but log-ins: packages, logs and jobs are in the
// store, package files in the repositories' directories.
package httpserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/core/store"
	"ahriman/sign"
	"ahriman/transport/api"
)

// Limits of one connection. Uploads and streams have limits of their own.
const (
	headerTimeout = 20 * time.Second
	bodyTimeout   = 60 * time.Second // for the whole body of JSON
	idleTimeout   = 2 * time.Minute
	maxHeader     = 256 << 10 // bytes
	maxJSON       = 16 << 20  // bytes of a body that is decoded as a whole
	maxLogin      = 64 << 10  // … of a stranger's, who has nothing else to send: many of them are to fill no memory
	stopTimeout   = 10 * time.Second
)

// Submitter begins jobs. Implementations must be safe for concurrent use.
type Submitter interface {
	// Kinds returns what Submit can begin, see the Job… constants. The
	// endpoints of others do not exist.
	Kinds() []string
	// Submit stores a job and returns its id at once; the job runs on when ctx
	// ends. arguments is the body of the request (api.UpdateRequest for
	// JobUpdate, and so on), user who asks, empty when log-in is off. An error
	// that is one of api's is told the client.
	Submit(ctx context.Context, id alpm.RepositoryID, kind string, arguments any, user string) (string, error)
}

// The kinds of jobs and what their arguments are.
const (
	JobAdd      = "add"      // api.AddRequest: request and build now
	JobRequest  = "request"  // api.AddRequest: request only
	JobUpdate   = "update"   // api.UpdateRequest
	JobRebuild  = "rebuild"  // api.BasesRequest: the first is used
	JobRemove   = "remove"   // api.BasesRequest
	JobRollback = "rollback" // api.RollbackRequest
	JobKey      = "key"      // api.PGPRequest
)

// Shelf is where the package files of a repository stand; *repository.Repository
// is one.
type Shelf interface {
	// Waiting is the directory of files that wait to be published.
	Waiting() string
	// NewParcel begins a parcel of uploaded files; Parcels finds what earlier
	// processes began and did not touch for so long.
	NewParcel(id string) (*repository.Parcel, error)
	Parcels(untouched time.Duration) ([]*repository.Parcel, error)
	// PoolPath is where a published file of a base is kept, if it is.
	PoolPath(base, fileName string) string
	// Archives are the package files of a base that are kept, the oldest
	// version first.
	Archives(ctx context.Context, base string) ([]alpm.Package, error)
}

// Repository is one that the server knows.
type Repository struct {
	ID      alpm.RepositoryID
	Shelf   Shelf         // nil: it takes no uploads
	Keyring *sign.Keyring // of those whose packages are accepted (sign.verify); nil: signatures are not checked
	Files   http.Handler  // what is published, by paths without a leading slash; nil: it is not served
}

// Auth says who may do what.
type Auth struct {
	Enabled       bool          // false: anyone may do anything
	AllowReadOnly bool          // auth.allow_read_only: anyone may read
	Salt          string        // auth.salt
	MaxAge        time.Duration // of a log-in; 0: a week
	Key           []byte        // signs cookies; nil: a random one, which ends with the server
}

// Config says what a server serves. Store and Version are required.
type Config struct {
	Store        *store.DB
	Version      string       // of the program
	Repositories []Repository // any order
	Auth         Auth

	// Submitter runs jobs; nil: the endpoints that need one do not exist.
	Submitter Submitter
	// Builds makes builds for masters; nil: its endpoints do not exist. It stays
	// the caller's, and the same one may be given to Replace.
	Builds *Builds
	// Uploads says whether package files are accepted (web.enable_archive_upload).
	Uploads bool
	// MaxFile is how long an uploaded file may be, in bytes; 0: any
	// (web.max_body_size).
	MaxFile int64
	// ServiceOnly removes packages, status and logs (web.service_only).
	ServiceOnly bool
	// WorkerLive is how long a worker that registered counts as there; 0: a
	// minute (worker.time_to_live).
	WorkerLive time.Duration
	// EventBuffer is how many events a slow reader of the stream may lag
	// behind; 0: 1024 (web.max_queue_size).
	EventBuffer int
	// Intervals are the page's choices of refreshing, in seconds, the default
	// first (web.autorefresh_intervals).
	Intervals []int
	// IndexURL is the repository's own page; empty: none (web.index_url).
	IndexURL string
	// Settings returns the configuration without secrets, for PathConfig; nil:
	// it does not exist.
	Settings func() ([]api.ConfigEntry, error)
	// Reload reads the configuration again, for POST to PathConfig; nil: it
	// does not exist.
	Reload func(ctx context.Context) error
	// Refresh reads a repository's packages from what is published into the
	// store, for POST to PathPackages; nil: it does not exist.
	Refresh func(ctx context.Context, id alpm.RepositoryID) error
	// Search asks the AUR for packages that all terms describe, for PathSearch;
	// nil: it does not exist.
	Search func(ctx context.Context, terms []string) ([]api.SearchResult, error)
	// Key returns a public key, armored, from a keyserver, for GET of PathPGP;
	// nil: it does not exist.
	Key func(ctx context.Context, key, server string) (string, error)
	// Origin is how browsers know our own pages (web.address), as
	// "https://example.org"; empty: by the name that they ask for.
	Origin string
	// CORS is what browsers let pages of other sites do.
	CORS CORS
	// Log takes what a client is not told; nil: nobody does.
	Log *slog.Logger
}

// Server is the endpoint. It is an http.Handler; Serve adds what needs the
// connection: trust in a unix socket, refusals of what is no request, and a
// graceful stop.
type Server struct {
	config    Config
	mux       *http.ServeMux
	key       []byte
	passwords *passwords
	uploads   *uploadSets
	silence   time.Duration // how long a body may stand still; 0: uploadSilence
	pages     *template.Template
	routes    map[string]route
	lists     map[alpm.RepositoryID]*list
	stopping  chan struct{} // closed when Serve is about to end
	started   time.Time
	requests  *counters
	crossing  *http.CrossOriginProtection
	replaced  atomic.Pointer[Server] // answers in the place of this one; nil: none does
}

// New makes a server. It opens nothing; the store stays the caller's.
func New(config Config) (*Server, error) {
	if config.Store == nil || config.Version == "" {
		return nil, errors.New("httpserver: store and version are required")
	}
	config = config.withDefaults()
	s := &Server{
		config: config, key: config.Auth.Key, mux: http.NewServeMux(), routes: map[string]route{},
		lists: map[alpm.RepositoryID]*list{}, stopping: make(chan struct{}), started: time.Now(),
		uploads: newUploadSets(), requests: newCounters(),
	}
	s.passwords = newPasswords()
	if len(s.key) == 0 {
		s.key = make([]byte, 32)
		if _, err := rand.Read(s.key); err != nil {
			return nil, fmt.Errorf("making a key for cookies: %w", err)
		}
	}
	for _, r := range config.Repositories {
		s.lists[r.ID] = newList()
	}
	var err error
	if s.crossing, err = config.crossing(); err != nil {
		return nil, err
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	s.pages = pages
	s.addRoutes()
	return s, nil
}

// withDefaults fills in what was left out, and orders the repositories.
func (config Config) withDefaults() Config {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Auth.MaxAge <= 0 {
		config.Auth.MaxAge = 7 * 24 * time.Hour
	}
	if config.WorkerLive <= 0 {
		config.WorkerLive = time.Minute
	}
	if config.EventBuffer <= 0 {
		config.EventBuffer = 1024
	}
	config.Repositories = slices.SortedFunc(slices.Values(config.Repositories), func(a, b Repository) int {
		return strings.Compare(sortKey(a.ID), sortKey(b.ID))
	})
	return config
}

// Replace makes the server answer by another configuration from now on.
// Log-ins go on where Auth.Key stays the same, or is not set. Requests that run
// end by the old one.
func (s *Server) Replace(config Config) error {
	next, err := New(config)
	if err != nil {
		return err
	}
	if len(config.Auth.Key) == 0 {
		next.key = s.key
	}
	next.passwords, next.uploads, next.requests = s.passwords, s.uploads, s.requests
	next.stopping, next.started = s.stopping, s.started
	next.restoreUploads()
	s.replaced.Store(next)
	return nil
}

// restoreUploads finds the uploads that an earlier process had not finished.
func (s *Server) restoreUploads() {
	for _, r := range s.config.Repositories {
		if r.Shelf == nil {
			continue
		}
		if err := s.uploads.restore(r); err != nil {
			s.config.Log.Warn("looking for unfinished uploads", "repository", r.ID, "error", err)
		}
	}
}

// sortKey orders repositories as the Python node does: by architecture, name.
func sortKey(id alpm.RepositoryID) string { return id.Architecture + "\x00" + id.Name }

// trusted marks the context of a connection through a unix socket.
type trusted struct{}

// Serve answers connections of all listeners until ctx ends, then lets requests
// that run come to an end for a few seconds. It closes the listeners. It is
// called once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if c.LocalAddr().Network() == "unix" {
				ctx = context.WithValue(ctx, trusted{}, true)
			}
			return context.WithValue(ctx, connOf{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if ours, ok := c.(*conn); ok && state == http.StateIdle {
				ours.handled.Store(false)
			}
		},
		DisableGeneralOptionsHandler: true,
	}
	s.restoreUploads()
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { ended <- server.Serve(listener{l}) }()
	}
	var err error
	running := len(listeners)
	select {
	case <-ctx.Done():
	case err = <-ended: // a listener broke: end the others too
		running--
	}
	close(s.stopping)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close()
	}
	s.uploads.leave()
	for range running {
		<-ended
	}
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// repository returns the repository a request names: by default the first;
// ErrNotFound when it is unknown, ErrForbidden when it is not the user's.
func (s *Server) repository(c *call) (Repository, error) {
	r, err := s.named(c)
	if err == nil {
		err = c.who.in(r.ID)
	}
	return r, err
}

func (s *Server) named(c *call) (Repository, error) {
	architecture, name := c.query.Get(api.QueryArchitecture), c.query.Get(api.QueryRepository)
	if architecture == "" || name == "" {
		if len(s.config.Repositories) == 0 {
			return Repository{}, api.Errorf(api.ErrNotFound, "No repositories are configured")
		}
		return s.config.Repositories[0], nil
	}
	for _, r := range s.config.Repositories {
		if r.ID.Architecture == architecture && r.ID.Name == name {
			return r, nil
		}
	}
	return Repository{}, api.Errorf(api.ErrNotFound, "Repository %s-%s is unknown", architecture, name)
}
