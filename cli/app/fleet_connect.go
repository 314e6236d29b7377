package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
)

// Kinds of workers.
const (
	kindLocal   = "local"
	kindAhriman = "ahriman" // a node of ours, over HTTP
	kindPython  = "python"
	kindSSH     = "ssh"
)

const (
	// askTime is how long a worker may take to say what it can, before a run goes
	// on without its word.
	askTime = 5 * time.Second
	// askAgain is how long its word counts.
	askAgain = time.Minute
)

// connections are the workers of a node as somebody who drives them has them.
// It is safe for concurrent use, and must be closed.
type connections struct {
	node *node

	mu   sync.Mutex
	open map[string]*connection // by address
}

// connection is one worker that was connected to.
type connection struct {
	member member

	mu      sync.Mutex
	kind    string // empty: not known yet
	runner  build.Runner
	jobs    int         // of this machine (build.jobs)
	can     *api.Builds // what the worker said last; nil: nothing yet
	asked   time.Time
	problem error // of asking; nil: it answered
}

func newConnections(n *node) *connections {
	return &connections{node: n, open: map[string]*connection{}}
}

// Close closes what was opened. Builds go on for their leases.
func (c *connections) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, one := range c.open {
		if closer, ok := one.runner.(io.Closer); ok && one.kind != kindLocal {
			errs = append(errs, closer.Close())
		}
	}
	clear(c.open)
	return errors.Join(errs...)
}

// Workers returns the fleet as a scheduler knows it. A worker that does not
// answer is in it: the scheduler finds out, and sets it aside.
func (c *connections) Workers(ctx context.Context) ([]schedule.Worker, error) {
	members, err := fleet(ctx, c.node.settings, c.node.store)
	if err != nil {
		return nil, err
	}
	connected := make([]*connection, len(members))
	for i, m := range members {
		if connected[i], err = c.connect(m); err != nil {
			return nil, err
		}
	}
	var asking sync.WaitGroup
	for _, one := range connected {
		asking.Go(func() { one.ask(ctx, askTime, askAgain) })
	}
	asking.Wait()
	var workers []schedule.Worker
	for _, one := range connected {
		if w, ok := one.worker(); ok {
			workers = append(workers, w)
		}
	}
	return workers, nil
}

// connect returns the connection to a member, a new one where there is none.
func (c *connections) connect(m member) (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.open[m.Address]; one != nil {
		one.mu.Lock()
		one.member = m
		one.mu.Unlock()
		return one, nil
	}
	one := &connection{member: m, jobs: c.node.settings.Build.Jobs}
	var err error
	if one.runner, one.kind, err = c.node.runnerOf(m); err != nil {
		return nil, fmt.Errorf("worker %s: %w", m.Name, err)
	}
	c.open[m.Address] = one
	return one, nil
}

// runnerOf makes the runner of a member; it talks to nobody yet.
func (n *node) runnerOf(m member) (runner build.Runner, kind string, err error) {
	scheme, _, _ := strings.Cut(m.Address, "://")
	switch scheme {
	case "local":
		local, err := n.local()
		return local, kindLocal, err
	case "ssh":
		return nil, "", errors.New("workers over ssh are not there yet")
	}
	remote, err := n.remote(m)
	return remote, "", err
}

// remote is a worker over HTTP. Without a credential of its own it gets that of
// the section status, as ahriman has it.
func (n *node) remote(m member) (*httpclient.Runner, error) {
	s := n.settings
	c := httpclient.RunnerConfig{
		Name: m.Name, Scratch: scratchBase(n.env),
		Config: httpclient.Config{
			Address: m.Address, Username: m.Username, Password: m.Password, Token: m.Token,
			Timeout: s.Status.Timeout, UserAgent: "ahriman/" + Version(),
		},
	}
	if m.Username == "" && m.Token == "" {
		token, err := statusToken(s)
		if err != nil {
			return nil, err
		}
		c.Username, c.Password, c.Token = s.Status.Username, s.Status.Password, token
	}
	if s.Build.WorkerCA != "" {
		trust, err := httpclient.TrustFile(s.Build.WorkerCA)
		if err != nil {
			return nil, fmt.Errorf("build.worker_ca: %w", err)
		}
		c.TLS = trust
	}
	return httpclient.NewRunner(c)
}

// capable is a runner that says what it can.
type capable interface {
	Capabilities(ctx context.Context) (*api.Builds, error)
}

// ask asks the worker what it can, unless its last word is younger than again.
func (c *connection) ask(ctx context.Context, patience, again time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	runner, ok := c.runner.(capable)
	if !ok || c.problem == nil && time.Since(c.asked) < again {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	can, err := runner.Capabilities(ctx)
	c.asked, c.problem = time.Now(), err
	if err == nil {
		c.can, c.kind = can, cmp.Or(c.kind, kindAhriman)
	}
}

// worker is the worker as far as it is known; false: it does not build.
func (c *connection) worker() (schedule.Worker, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.member
	w := schedule.Worker{Name: m.Name, Runner: c.runner, Slots: m.Slots, Speed: m.Speed, Features: m.Features, Draining: m.Draining}
	if c.kind == kindLocal {
		w.Slots = cmp.Or(w.Slots, c.jobs)
	}
	if c.can != nil {
		w.Slots, w.Speed, w.Architectures = cmp.Or(w.Slots, c.can.Slots), cmp.Or(w.Speed, c.can.Speed), c.can.Architectures
		if w.Features == nil {
			w.Features = c.can.Features
		}
		// More would only wait, or be refused.
		w.Slots = min(w.Slots, c.can.Slots)
		if c.can.Slots == 0 || c.can.Reason != "" {
			return w, false
		}
	}
	return w, true
}

// keep writes into the store what events say of workers.
func (c *connections) keep(ctx context.Context, e schedule.Event) error {
	name := ""
	switch e := e.(type) {
	case schedule.Away:
		if m, ok := c.named(e.Worker); ok {
			return c.node.store.MemberAway(ctx, m.Address, m.Name, e.Until, e.Err.Error())
		}
	case schedule.Back:
		name = e.Worker
	case schedule.Ended:
		if e.Err == nil {
			name = e.Worker
		}
	}
	if m, ok := c.named(name); ok {
		return c.node.store.MemberSeen(ctx, m.Address, m.Name)
	}
	return nil
}

func (c *connections) named(name string) (store.Member, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.open {
		if one.member.Name == name {
			return one.member.Member, true
		}
	}
	return store.Member{}, false
}
