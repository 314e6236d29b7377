package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/build"
	"ahriman/transport/httpserver"
)

// ErrServed says that another process serves already.
var ErrServed = errors.New("another process serves already")

// Files in the directory of a server, besides the program.
const (
	socketName = "socket"
	lockName   = "lock"  // held by the server
	startName  = "start" // held by who looks for the server
	workName   = "work"
	logName    = "log"
)

// wordServing is what Ready is told.
const wordServing = "ready\n"

// How the server knows that a master is gone though no end came: pings of
// HTTP/2.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 15 * time.Second
)

// staleProgram is the age at which the directory of another version is removed.
const staleProgram = 7 * 24 * time.Hour

// ServeConfig is how a worker serves. Dir and Version are required.
type ServeConfig struct {
	Dir     string // the program's; other machines and versions have theirs beside and above it
	Version string
	// Architectures that it builds for.
	Architectures []string
	Slots         int           // between which builds share the processors
	Scratch       string        // of builds; empty: the system's
	Idle          time.Duration // after which it ends; 0: 5 minutes
	Log           *slog.Logger  // nil: nothing is logged
	// Ready is told when it serves, and closed; nil: nobody waits for it.
	Ready io.WriteCloser
}

// maxBuilds is how many builds a worker makes at once: how many it should is its
// masters' business, who know nothing of each other.
const maxBuilds = 64

// Serve serves builds on the socket in a directory until ctx ends, or until there
// has been neither a connection nor a build for a while. Nothing but the program
// is left then.
func Serve(ctx context.Context, config ServeConfig) (err error) {
	if config.Idle == 0 {
		config.Idle = 5 * time.Minute
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.Chmod(config.Dir, 0o700); err != nil {
		return fmt.Errorf("preparing to serve: %w", err)
	}
	lock, err := lockFile(filepath.Join(config.Dir, lockName), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrServed
		}
		return fmt.Errorf("preparing to serve: %w", err)
	}
	defer lock.Close()
	sweep(config.Dir)
	builds, closeBuilds, err := openBuilds(config)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, closeBuilds(), os.RemoveAll(filepath.Join(config.Dir, workName)))
	}()
	listener, release, err := listen(config.Dir)
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	defer release()
	return serve(ctx, config, builds, listener)
}

// openBuilds makes what serves. A machine that cannot build serves all the same,
// and tells masters why.
func openBuilds(config ServeConfig) (*httpserver.Builds, func() error, error) {
	made := httpserver.BuildsConfig{
		Dir: filepath.Join(config.Dir, workName), Version: config.Version, Architectures: config.Architectures,
		Slots: maxBuilds, Log: config.Log,
	}
	local, err := build.NewLocal(build.Config{Scratch: config.Scratch, Jobs: config.Slots, IncludeDebug: true,
		Hidden: []string{filepath.Join(config.Dir, "../..")}, Logger: config.Log})
	if err == nil {
		made.Runner, made.Check = local, local.Lacks
	} else {
		made.Reason = err.Error()
	}
	builds, err := httpserver.NewBuilds(made)
	if err != nil {
		if local != nil {
			local.Close()
		}
		return nil, nil, err
	}
	return builds, func() error {
		err := builds.Close()
		if local != nil {
			err = errors.Join(err, local.Close())
		}
		return err
	}, nil
}

// lockFile opens a file and locks it.
func lockFile(name string, how int) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		now := time.Now()
		err = os.Chtimes(name, now, now) // for sweep
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// sweep removes other versions that nobody has used for long, and what is left
// of attempts to put this one there.
func sweep(dir string) {
	parts, err := filepath.Glob(filepath.Join(dir, programName+".*"))
	if err != nil {
		return
	}
	for _, part := range parts {
		if info, err := os.Stat(part); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(part)
		}
	}
	others, err := filepath.Glob(filepath.Join(filepath.Dir(dir), strings.Repeat("[0-9a-f]", 64)))
	if err != nil {
		return
	}
	for _, other := range others {
		used, err := os.Stat(filepath.Join(other, lockName))
		if errors.Is(err, fs.ErrNotExist) {
			used, err = os.Stat(other)
		}
		if err != nil || other == dir || time.Since(used.ModTime()) < staleProgram {
			continue
		}
		if lock, err := lockFile(filepath.Join(other, lockName), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			_ = os.RemoveAll(other) // what cannot be removed now is next time
			lock.Close()
		}
	}
}

// socketIn calls do with a name of the socket that is short enough, however long
// that of the directory is. The name lasts until release.
func socketIn(dir string) (name string, release func(), err error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", fd, socketName), func() { unix.Close(fd) }, nil
}

// listen makes the socket; one that a dead server left is in nobody's way.
func listen(dir string) (*net.UnixListener, func(), error) {
	name, release, err := socketIn(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		release()
		return nil, nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		release()
		return nil, nil, err
	}
	return listener, release, nil
}

// serve answers until ctx ends or there is nothing to do any more.
func serve(ctx context.Context, config ServeConfig, builds *httpserver.Builds, listener *net.UnixListener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sessions := takeSessions(listener, config.Log)
	server := &http.Server{
		Handler: builds, ReadHeaderTimeout: time.Minute,
		ErrorLog:  slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
		Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerConnection: 4<<20 - 1, MaxReceiveBufferPerStream: 4<<20 - 1, MaxReadFrameSize: 256 << 10,
			SendPingTimeout: pingAfter, PingTimeout: pingTimeout,
		},
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Protocols.SetHTTP1(true)
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() {
		<-ctx.Done()
		server.Close()
	})
	wait.Go(func() {
		defer stop()
		waitIdle(ctx, config, builds, sessions)
	})
	if config.Ready != nil {
		if _, err := io.WriteString(config.Ready, wordServing); err != nil {
			config.Log.Warn("saying that the server is ready", "error", err)
		}
		config.Ready.Close()
	}
	err := server.Serve(sessions)
	stop()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// waitIdle returns once there has been nothing to do for as long as the
// configuration says. Nobody can be looking for the server at that time.
func waitIdle(ctx context.Context, config ServeConfig, builds *httpserver.Builds, sessions *sessions) {
	since := time.Now()
	tick := time.NewTicker(max(config.Idle/10, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if sessions.any() || !builds.Empty() {
			since = time.Now()
			continue
		}
		if time.Since(since) < config.Idle {
			continue
		}
		start, err := lockFile(filepath.Join(config.Dir, startName), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			continue
		}
		if sessions.any() {
			start.Close()
			continue
		}
		// Whoever waits for the lock finds no socket then.
		_ = os.Remove(filepath.Join(config.Dir, socketName))
		start.Close()
		return
	}
}
