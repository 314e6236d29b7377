package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"ahriman/core/source"
	"ahriman/transport/api"
)

// Node says what the node offers beyond ahriman's API; the zero value is a
// Python node. It is asked once.
func (c *Client) Node(ctx context.Context) (api.Node, error) {
	c.peerMu.Lock()
	defer c.peerMu.Unlock()
	if c.peer != nil {
		return *c.peer, nil
	}
	var node api.Node
	err := c.do(ctx, call{what: "asking what the node is", method: http.MethodGet, path: api.PathNode, into: &node, safe: true})
	if err != nil {
		if ctx.Err() != nil || transient(err) {
			return api.Node{}, err
		}
		node = api.Node{} // it knows no such path
	}
	c.peer = &node
	return node, nil
}

// errStranger is what answers otherwise than any node does.
var errStranger = errors.New("what answers there is no node of ahriman")

// Info returns the node's repositories and version. It needs no log-in.
func (c *Client) Info(ctx context.Context) (*api.Info, error) {
	info := &api.Info{}
	call := call{what: "asking for the node's repositories", method: http.MethodGet, path: api.PathInfo, into: info, safe: true}
	err := c.do(ctx, call)
	if errors.Is(err, api.ErrNotFound) {
		err = c.explain(call, errStranger)
	}
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Reload makes the node read its configuration again.
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, call{what: "reloading the configuration", method: http.MethodPost, path: api.PathConfig, safe: true})
}

// Workers returns the live workers.
func (c *Client) Workers(ctx context.Context) ([]api.Worker, error) {
	var workers []api.Worker
	err := c.do(ctx, call{what: "asking for workers", method: http.MethodGet, path: api.PathDistributed, into: &workers, safe: true})
	return workers, err
}

// Register makes a worker known, or renews it, for the time to live the node is
// configured with.
func (c *Client) Register(ctx context.Context, worker api.Worker) error {
	return c.do(ctx, call{
		what: "registering worker " + worker.Identifier, method: http.MethodPost,
		path: api.PathDistributed, body: worker, safe: true,
	})
}

// Unregister forgets a worker. A Python node can only forget all of them, so
// there the worker's time to live has to run out, and nothing is sent.
func (c *Client) Unregister(ctx context.Context, identifier string) error {
	node, err := c.Node(ctx)
	if err != nil || !node.Has(api.FeatureWorkers) {
		return err
	}
	return c.do(ctx, call{
		what: "unregistering worker " + identifier, method: http.MethodDelete,
		path: api.Path(api.PathNodeWorker, identifier), safe: true,
	})
}

// Registration is one worker's place in the list of a master.
type Registration struct {
	client *Client
	worker api.Worker
}

// Registration returns the place of a worker; it is not registered yet.
func (c *Client) Registration(worker api.Worker) *Registration {
	return &Registration{client: c, worker: worker}
}

// Register makes the worker known, or renews it.
func (r *Registration) Register(ctx context.Context) error { return r.client.Register(ctx, r.worker) }

// Unregister forgets it.
func (r *Registration) Unregister(ctx context.Context) error {
	return r.client.Unregister(ctx, r.worker.Identifier)
}

// Patches returns a base's patches.
func (c *Client) Patches(ctx context.Context, base string) ([]source.Patch, error) {
	var patches []source.Patch
	err := c.do(ctx, call{
		what: "asking for the patches of " + base, method: http.MethodGet,
		path: api.Path(api.PathPatches, base), into: &patches, safe: true,
	})
	return patches, err
}

// Process returns a job. Of one that has ended, a Python node remembers
// nothing: IsAlive is false and Outcome empty. A node of ours gives the
// outcome, and api.ErrNotFound for an id it never had. Wait is how long to hold
// the question when the job is not done; a Python node answers at once.
func (c *Client) Process(ctx context.Context, id string, wait time.Duration) (*api.Process, error) {
	node, err := c.Node(ctx)
	if err != nil {
		return nil, err
	}
	process := &api.Process{}
	ask := call{what: "asking for process " + id, method: http.MethodGet, into: process, safe: true}
	if node.Has(api.FeatureProcessOutcome) {
		wait = min(wait, api.MaxWait)
		ask.path, ask.wait = api.Path(api.PathNodeProcess, id), wait
		if wait > 0 {
			ask.query = url.Values{api.QueryWait: {api.FormatWait(wait)}}
		}
		return process, c.do(ctx, ask)
	}
	ask.path = api.Path(api.PathProcess, id)
	if err := c.do(ctx, ask); errors.Is(err, api.ErrNotFound) {
		process.IsAlive = false
	} else if err != nil {
		return nil, err
	}
	process.ID = id
	return process, nil
}

// ErrStillRunning is returned by Wait when the job outlives the time given.
var ErrStillRunning = errors.New("still running")

// How Wait asks a node that cannot hold the question, and how long it bears
// with one that does not answer.
const (
	firstPoll = 50 * time.Millisecond
	lastPoll  = 10 * time.Second
	maxSilent = 5 * time.Minute
)

// Wait returns the job once it has ended; see Process for what is known of it
// then. Timeout 0 waits for ever; when it is over the error is ErrStillRunning.
// A node that goes away for less than five minutes, as for a restart, is waited
// for.
func (c *Client) Wait(ctx context.Context, id string, timeout time.Duration) (*api.Process, error) {
	waiting := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("process %s after %s: %w", id, timeout, ErrStillRunning))
		defer cancel()
	}
	process, err := c.poll(waiting, id)
	if err != nil && waiting.Err() != nil {
		return nil, context.Cause(waiting)
	}
	return process, err
}

func (c *Client) poll(ctx context.Context, id string) (*api.Process, error) {
	heard := time.Now()
	for interval := firstPoll; ; interval = min(interval*3/2, lastPoll) {
		asked := time.Now()
		process, err := c.Process(ctx, id, api.MaxWait)
		switch {
		case err == nil && !process.IsAlive:
			return process, nil
		case err == nil:
			heard = time.Now()
		case !transient(err) || time.Since(heard) > maxSilent:
			return nil, err
		}
		if time.Since(asked) > lastPoll {
			continue // the node held the question
		}
		if err := pause(ctx, interval); err != nil {
			return nil, err
		}
	}
}
