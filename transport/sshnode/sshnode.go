// Package sshnode is a worker that has sshd, makepkg and nothing of ours: both
// ends of it.
//
// Here, a Runner connects through SSH, puts this program there when that very
// version is missing, and speaks the HTTP of any worker with it, as HTTP/2, over
// the standard input and output of one command, which is Connect. Connect hands
// these over, on a Unix socket, to what it starts to listen there, which is Serve:
// a process that outlives the connection, so that a build goes on for its lease
// when the master is cut off and is found again over the next connection. It ends
// by itself when there has been nothing to do for a while. Versions that differ
// have servers of their own; masters of one version share one.
//
// All of it is in one directory, named by the machine, since several can share a
// home, and the program's SHA-256, in the cache directory of who logs in:
// .cache/ahriman/HOST/DIGEST.
package sshnode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/sshdial"
)

// Config says where a worker is and how to work with it. Target, Dialer and
// Scratch are required.
type Config struct {
	Target sshdial.Target
	Dialer *sshdial.Dialer
	Slots  int // builds at once, which share its processors; below 1 counts as 1
	// AcceptHostKeys are fingerprints of host keys to trust from now on.
	AcceptHostKeys []string
	// Binary is the program to put there, which has to be static; empty: this one.
	Binary string
	// Command is what follows the program's name to run Connect; nil: node-connect
	// with Slots.
	Command []string

	// These are as in httpclient.RunnerConfig. Name empty: the target's.
	Name         string
	Scratch      string
	Lease        time.Duration
	Silence      time.Duration
	SourceLimits source.Limits
	Digests      *httpclient.Digests

	// Progress is told how much of the program has been sent, and the zero value
	// once no more of it is; nil: nobody is told.
	Progress func(build.Progress)
}

// Runner builds on a worker through SSH. It must be closed.
type Runner struct {
	*httpclient.Runner
	link  *link
	close func() error
}

// NewRunner makes a Runner. It does not connect yet.
func NewRunner(config Config) (*Runner, error) {
	if config.Name == "" {
		config.Name = config.Target.String()
	}
	if config.Command == nil {
		config.Command = []string{"node-connect", "--slots", strconv.Itoa(max(1, config.Slots))}
	}
	l := &link{config: config, turn: make(chan struct{}, 1), program: sync.OnceValues(func() (*program, error) { return readProgram(config.Binary) })}
	// All goes through the one connection: the address is nobody's.
	runner, err := httpclient.NewRunner(httpclient.RunnerConfig{
		Config: httpclient.Config{Address: "http://worker", Called: config.Target.String(), Dial: l.dial, HTTP2: true},
		Name:   config.Name, Scratch: config.Scratch, Lease: config.Lease, Silence: config.Silence, SourceLimits: config.SourceLimits,
		Digests: config.Digests,
	})
	if err != nil {
		return nil, err
	}
	return &Runner{Runner: runner, link: l, close: sync.OnceValue(func() error {
		defer l.close()
		return runner.Close()
	})}, nil
}

// Capabilities asks what the worker builds: as many at once as Config.Slots has
// it.
func (r *Runner) Capabilities(ctx context.Context) (*api.Builds, error) {
	builds, err := r.Runner.Capabilities(ctx)
	return r.adjust(builds, err)
}

// Check is Capabilities after the worker has looked for what builds need.
func (r *Runner) Check(ctx context.Context) (*api.Builds, error) {
	builds, err := r.Runner.Check(ctx)
	return r.adjust(builds, err)
}

func (r *Runner) adjust(builds *api.Builds, err error) (*api.Builds, error) {
	if err != nil || builds.Slots == 0 { // it cannot build, and says why
		return builds, err
	}
	builds.Slots = max(1, r.link.config.Slots)
	return builds, nil
}

// Prepare connects, and puts the program there when it is missing, however long
// that takes: it gives up when nothing has moved for limit, unless that is 0.
func (r *Runner) Prepare(ctx context.Context, limit time.Duration) error {
	if limit == 0 {
		return r.link.prepare(ctx, nil)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	timer := time.AfterFunc(limit, func() { stop(fmt.Errorf("connecting to %s: no answer within %s", r.Name(), limit)) })
	defer timer.Stop()
	return r.link.prepare(ctx, func() { timer.Reset(limit) })
}

// Close removes what is here, and ends the connection. Builds there go on for
// their lease. It may be called again.
func (r *Runner) Close() error { return r.close() }

// link is the connection to a worker, which is made anew when it has ended.
type link struct {
	config  Config
	program func() (*program, error)
	turn    chan struct{} // holds one: who connects

	spare net.Conn // of prepare, for the next dial; whoever has the turn may touch it
	moved func()   // of prepare: told when bytes of the program have moved; as spare

	mu     sync.Mutex
	client *sshdial.Client
	closed bool
}

// connect returns the connection that stands, or makes one. Who calls it has the
// turn.
func (l *link) connect(ctx context.Context) (*sshdial.Client, error) {
	l.mu.Lock()
	old, closed := l.client, l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return nil, net.ErrClosed
	case old != nil && old.Err() == nil:
		return old, nil
	case old != nil:
		old.Close()
	}
	client, err := l.config.Dialer.Dial(ctx, l.config.Target, l.config.AcceptHostKeys...)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		client.Close()
		return nil, net.ErrClosed
	}
	l.client = client
	return client, nil
}

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	client := l.client
	l.mu.Unlock()
	if client != nil {
		client.Close()
	}
}

// The words that begin what comes from there: of the command, and of Connect.
// Whatever a login shell prints before them is passed over.
const (
	wordShell   = "ahriman-node shell"
	wordReady   = "ahriman-node ready"
	wordMissing = "ahriman-node missing "
)

// maxNoise bounds, in bytes, what a login shell may print.
const maxNoise = 64 << 10

// greetTime is how long the command there may take to begin: more than a server
// takes to start.
const greetTime = 3 * startTime

// dial is the dialer of the HTTP client: a connection to the server there.
func (l *link) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if conn := l.spare; conn != nil {
		l.spare = nil
		return conn, nil
	}
	return l.begin(ctx)
}

// prepare makes the connection of the next dial.
func (l *link) prepare(ctx context.Context, moved func()) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if l.spare != nil {
		return nil
	}
	l.moved = moved
	conn, err := l.begin(ctx)
	l.spare, l.moved = conn, nil
	return err
}

// begin connects to the server there, after putting the program there when it is
// missing. Who calls it has the turn.
func (l *link) begin(ctx context.Context) (net.Conn, error) {
	made, err := l.program()
	if err != nil {
		return nil, err
	}
	var to *place
	for range 2 {
		client, err := l.connect(ctx)
		if err != nil {
			return nil, err
		}
		var conn net.Conn
		if conn, to, err = l.talk(ctx, client, made); err != nil || to == nil {
			return conn, err
		}
		if err := l.install(ctx, made, *to); err != nil {
			return nil, err
		}
	}
	return nil, build.Unusable(&hinted{
		fmt.Errorf("starting ahriman on %s: it was put into %s, and cannot be executed there", l.config.Name, to.dir),
		"that file system may be mounted noexec: let XDG_CACHE_HOME name another directory there",
	})
}

// hinted is an error that knows what to do about it.
type hinted struct {
	error
	hint string
}

// Hint says what to do about it.
func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

// place is where the program is to be put, and on what kind of machine.
type place struct{ system, machine, dir string }

// talk runs Connect there. When the program is missing, it says where it has to
// be.
func (l *link) talk(ctx context.Context, client *sshdial.Client, made *program) (net.Conn, *place, error) {
	ctx, end := context.WithTimeoutCause(ctx, greetTime, fmt.Errorf("starting ahriman on %s: no answer within %s", l.config.Name, greetTime))
	defer end()
	pipe, err := client.Pipe(ctx, l.command(made))
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { pipe.Close() })
	conn := &answered{Conn: pipe, reader: bufio.NewReader(pipe)}
	line, err := conn.greeting()
	if !stop() {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		pipe.Close()
		if errors.Is(err, io.EOF) {
			err = errors.New("it says nothing")
		}
		err = fmt.Errorf("starting ahriman on %s: %w", l.config.Name, err)
		if !conn.shell && client.Err() == nil {
			if conn.noise != "" {
				err = fmt.Errorf("%w; what comes instead is %q", err, conn.noise)
			}
			_, ended := errors.AsType[*sshdial.CommandError](err)
			err = &hinted{err, "whoever logs in there must be able to run commands: with a shell, and without a ForceCommand"}
			if ended || conn.noise != "" { // else it may be the connection
				err = build.Unusable(err)
			}
		}
		return nil, nil, err
	}
	if line == wordReady {
		return conn, nil, nil
	}
	pipe.Close()
	words := strings.SplitN(strings.TrimPrefix(line, wordMissing), " ", 3)
	if len(words) != 3 || !strings.HasPrefix(words[2], "/") {
		return nil, nil, fmt.Errorf("starting ahriman on %s: it says %q", l.config.Name, line)
	}
	return nil, &place{words[0], words[1], words[2]}, nil
}

// command is what runs there: any login shell reads it as one word for sh, which
// has to hold no single quote.
func (l *link) command(made *program) string {
	return `exec /bin/sh -c 'echo "` + wordShell + `"; d="${XDG_CACHE_HOME:-$HOME/.cache}/ahriman/$(uname -n)/` + made.SHA256 + `"; ` +
		`[ -x "$d/ahriman" ] && exec "$d/ahriman" ` + strings.Join(l.config.Command, " ") + `; ` +
		`echo "` + wordMissing + `$(uname -s) $(uname -m) $d"'`
}

// answered is a connection whose first line has been read.
type answered struct {
	net.Conn
	reader *bufio.Reader
	shell  bool   // the command has begun
	noise  string // the last that somebody else printed
}

func (a *answered) Read(b []byte) (int, error) { return a.reader.Read(b) }

// maxShown is how many bytes of what somebody else printed are shown.
const maxShown = 200

// greeting reads up to and with the line that is for us.
func (a *answered) greeting() (string, error) {
	var line []byte
	for range maxNoise {
		c, err := a.reader.ReadByte()
		if err != nil {
			a.heard(string(line))
			return "", err
		}
		if c != '\n' {
			line = append(line, c)
			continue
		}
		text := strings.TrimRight(string(line), "\r")
		if text == wordReady || strings.HasPrefix(text, wordMissing) {
			return text, nil
		}
		a.shell = a.shell || text == wordShell
		a.heard(text)
		line = line[:0]
	}
	return "", errors.New("its login shell prints without end")
}

// heard remembers the last line that is not empty.
func (a *answered) heard(text string) {
	if text = strings.TrimSpace(text); text != "" {
		a.noise = strings.ToValidUTF8(text[:min(len(text), maxShown)], "")
	}
}
