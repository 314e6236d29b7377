package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ahriman/core/build"
	"ahriman/core/config"
	"ahriman/core/schedule"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/sshdial"
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

// connections are workers as somebody who drives them has them. It is safe for
// concurrent use, and must be closed.
type connections struct {
	env      *Env
	settings *config.Settings             // nil on a machine without a configuration
	scratch  string                       // directory below which packages arrive
	local    func() (*build.Local, error) // this machine
	node     *node                        // whose fleet they are; nil: its methods for that are not called
	// arrived finds out what a Python worker delivered; nil: those are only asked.
	arrived func(ctx context.Context, base string) (version string, err error)

	planning bool // nothing will be built: this machine need not be able to

	digests httpclient.Digests // of what several of them are sent

	mu       sync.Mutex
	open     map[string]*connection // by address
	outdated []*connection          // others are in their place; what was begun through them may go on
}

// connection is one worker that was connected to.
type connection struct {
	member member

	mu      sync.Mutex
	kind    string                       // empty: not known yet
	runner  build.Runner                 // nil: a Python node that nobody builds on
	python  func() (build.Runner, error) // makes that of a Python node
	check   bool                         // it is to look for what builds need, when it is asked
	jobs    int                          // of this machine (build.jobs)
	can     *api.Builds                  // what the worker said last; nil: nothing yet
	asked   time.Time
	problem error // of asking; nil: it answered
}

func newConnections(n *node) *connections {
	return &connections{
		env: n.env, settings: n.settings, scratch: scratchBase(n.env), local: n.local, node: n, open: map[string]*connection{},
	}
}

// Close closes what was opened. Builds go on for their leases.
func (c *connections) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, one := range slices.AppendSeq(c.outdated, maps.Values(c.open)) {
		if closer, ok := one.runner.(io.Closer); ok && one.kind != kindLocal {
			errs = append(errs, closer.Close())
		}
	}
	clear(c.open)
	c.outdated = nil
	return errors.Join(errs...)
}

// Workers returns the fleet as a scheduler knows it. A worker that does not
// answer is in it: the scheduler finds out, and sets it aside. One that has to be
// mended is asked again and again, and comes back by itself.
func (c *connections) Workers(ctx context.Context) ([]schedule.Worker, error) {
	members, err := fleet(ctx, c.node.settings, c.node.store)
	if err != nil {
		return nil, err
	}
	connected, err := c.reach(ctx, members, askTime)
	if err != nil {
		return nil, err
	}
	var workers []schedule.Worker
	for _, one := range connected {
		workers = append(workers, one.worker())
	}
	return workers, nil
}

// reach connects to members and asks them what they can, if their last word is
// an old one. What went wrong with one is its connection's problem; it is an error
// when what is wrong here leaves none that could be asked.
func (c *connections) reach(ctx context.Context, members []member, patience time.Duration) ([]*connection, error) {
	connected := make([]*connection, len(members))
	var wrong []error
	for i, m := range members {
		one, err := c.connect(m)
		if err != nil {
			one, wrong = &connection{member: m, problem: build.Unusable(err)}, append(wrong, err)
		}
		connected[i] = one
	}
	if len(wrong) == len(members) {
		return nil, errors.Join(wrong...)
	}
	var asking sync.WaitGroup
	for _, one := range connected {
		asking.Go(func() { one.ask(ctx, patience, askAgain) })
	}
	asking.Wait()
	return connected, nil
}

// connect returns the connection to a member, a new one where there is none.
func (c *connections) connect(m member) (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.open[m.Address]; one != nil {
		if one.take(m) {
			return one, nil
		}
		c.outdated = append(c.outdated, one)
		delete(c.open, m.Address)
	}
	one := &connection{member: m, jobs: 1}
	if c.settings != nil {
		one.jobs = c.settings.Build.Jobs
	}
	if err := c.prepare(one); err != nil {
		if one.kind != kindLocal {
			err = fmt.Errorf("worker %s: %w", m.Name, err)
		}
		return nil, err
	}
	c.open[m.Address] = one
	return one, nil
}

// take takes over how the member is set now, unless that may mend what was wrong
// with the connection: that needs another one.
func (c *connection) take(m member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.member
	same := m.Username == was.Username && m.Password == was.Password && m.Token == was.Token && m.HostKey == was.HostKey
	if !same && errors.Is(c.problem, build.ErrUnusable) {
		return false
	}
	c.member = m
	return true
}

// prepare makes the runner of a connection; it talks to nobody yet.
func (c *connections) prepare(one *connection) (err error) {
	switch scheme, _, _ := strings.Cut(one.member.Address, "://"); scheme {
	case "local":
		one.kind = kindLocal
		if !c.planning {
			one.runner, err = c.local()
		}
	case sshdial.Scheme:
		one.kind = kindSSH
		one.runner, err = sshRunner(c.env, one.member.Member, c.scratch, &c.digests)
	default:
		var remote httpclient.Config
		if remote, err = workerConfig(one.member, c.settings); err != nil {
			return err
		}
		one.runner, err = httpclient.NewRunner(httpclient.RunnerConfig{Config: remote, Name: one.member.Name, Scratch: c.scratch, Digests: &c.digests})
		one.python = func() (build.Runner, error) {
			if c.arrived == nil {
				return nil, nil
			}
			return httpclient.NewPythonRunner(httpclient.PythonConfig{
				Config: remote, Name: one.member.Name, Repository: c.node.settings.ID, Arrived: c.arrived,
				Journal: c.node.path(filepath.Join(".workers", c.node.settings.ID.String(), url.PathEscape(one.member.Address)+".json")),
			})
		}
	}
	return err
}

// workerConfig is how to log in at a worker over HTTP: without a credential of
// its own it gets that of the section status, as ahriman has it, unless whoever
// registered it would be given more than they may do here. The settings may be
// nil.
func workerConfig(m member, s *config.Settings) (httpclient.Config, error) {
	c := httpclient.Config{
		Address: m.Address, Username: m.Username, Password: m.Password, Token: m.Token, UserAgent: "ahriman/" + Version(),
	}
	if s == nil {
		return c, nil
	}
	c.Timeout = s.Status.Timeout
	var err error
	if c.Username == "" && c.Token == "" && !m.lesser {
		c.Username, c.Password = s.Status.Username, s.Status.Password
		if c.Token, err = statusToken(s); err != nil {
			return c, err
		}
	}
	if s.Build.WorkerCA != "" {
		if c.TLS, err = httpclient.TrustFile(s.Build.WorkerCA); err != nil {
			return c, fmt.Errorf("build.worker_ca: %w", err)
		}
	}
	return c, nil
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
	if c.problem != nil && !errors.Is(c.problem, build.ErrUnusable) { // it may be back soon, but not all wait for it each time
		again = min(again, askTime)
	}
	if !ok || time.Since(c.asked) < again {
		return
	}
	if patience > askTime { // nobody goes on without this worker's word
		if err := prepare(ctx, runner, patience); err != nil {
			c.asked, c.problem = time.Now(), err
			return
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
	defer cancel()
	ask := runner.Capabilities
	if checks, ok := c.runner.(interface {
		Check(ctx context.Context) (*api.Builds, error)
	}); ok && c.check {
		ask = checks.Check
	}
	can, err := ask(ctx)
	c.asked = time.Now()
	if errors.Is(c.problem, build.ErrUnusable) && err != nil && !errors.Is(err, build.ErrUnusable) && !errors.Is(err, api.ErrNotFound) {
		return // one that is silent for once, or has heard enough of wrong passwords, is not mended
	}
	c.problem = err
	switch {
	case err == nil:
		c.can, c.kind = can, cmp.Or(c.kind, kindAhriman)
	case errors.Is(err, api.ErrNotFound) && c.python != nil: // it knows no such question
		c.problem = c.turnPython(runner)
	case errors.Is(err, api.ErrUnauthorized) && c.member.lesser:
		c.problem = Hinted(err, "the user of status may do more at this master than who registered the worker, so its password is not sent there: log in at workers as a user whom this master does not know (there: user-add -R builder)")
	case errors.Is(err, api.ErrUnauthorized) && (c.member.Username != "" || c.member.Token != ""):
		c.problem = Hinted(err, fmt.Sprintf("give this master another credential: ahriman workers add --name '%s' --token-file FILE '%s', or --username NAME", c.member.Name, c.member.Address))
	}
	if c.problem == nil {
		c.problem = c.idle()
	}
}

// idle is why a worker that answers does not build; nil: it does.
func (c *connection) idle() error {
	switch {
	case c.can.Reason != "":
		return build.Unusable(errors.New(c.can.Reason))
	case c.can.Slots == 0:
		return build.Unusable(errors.New("it builds for nobody: worker.slots is 0 there"))
	}
	return nil
}

// turnPython makes the connection one to a Python node, which builds one base at
// a time.
func (c *connection) turnPython(was capable) error {
	runner, err := c.python()
	if err != nil {
		return err
	}
	if closer, ok := was.(io.Closer); ok {
		closer.Close()
	}
	c.kind, c.runner = kindPython, runner
	c.can = &api.Builds{Slots: 1, Speed: 1, Time: c.asked.Unix(), Free: minFree}
	return nil
}

// worker is the worker as far as it is known.
func (c *connection) worker() schedule.Worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.member
	w := schedule.Worker{Name: m.Name, Runner: c.runner, Slots: m.Slots, Speed: m.Speed, Features: m.Features, Bases: m.bases, Draining: m.Draining}
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
	}
	if c.kind != kindPython {
		w.Features = append(slices.Clip(w.Features), build.FeatureSources)
	}
	if errors.Is(c.problem, build.ErrUnusable) {
		w.Unusable = c.problem
	}
	return w
}

// keep writes into the store what a scheduler says of workers, for those who ask
// what the fleet does.
func (c *connections) keep(e schedule.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var err error
	switch e := e.(type) {
	case schedule.Away:
		if errors.Is(e.Err, build.ErrUnusable) {
			c.node.logger.Error(unusableText(e.Worker, e.Err))
		}
		if m, ok := c.named(e.Worker); ok {
			err = c.node.store.MemberFailed(ctx, m.Address, m.Name, e.Err.Error())
		}
	case schedule.Back:
		err = c.seen(ctx, e.Worker)
	case schedule.Ended:
		if e.Err == nil {
			err = c.seen(ctx, e.Worker)
		}
	}
	if err != nil {
		c.node.logger.Warn("keeping what workers do", "error", err)
	}
}

// unusableText says, with the hint there is, that a worker has to be mended.
func unusableText(name string, err error) string {
	text := fmt.Sprintf("worker %s gets nothing before it is mended: %s", name, err)
	if hint := hintOf(err); hint != "" {
		text += "; hint: " + hint
	}
	return text
}

func (c *connections) seen(ctx context.Context, name string) error {
	m, ok := c.named(name)
	if !ok {
		return nil
	}
	return c.node.store.MemberSeen(ctx, m.Address, m.Name)
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
