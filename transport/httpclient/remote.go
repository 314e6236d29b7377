package httpclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ahriman/core/build"
	"ahriman/core/source"
	"ahriman/transport/api"
)

// remoteJob is one build on the worker.
type remoteJob struct {
	runner *Runner
	spec   build.Job
	dir    string     // of its log and files
	log    *build.Log // as far as it was received

	starting  chan struct{} // holds one: Starts come one after the other
	started   atomic.Bool
	cancelled atomic.Bool // Cancel was called
	received  int64       // bytes of log; the follower's
	heard     time.Time   // when the worker last said something; the follower's

	mu      sync.Mutex
	dropped bool          // not started, and not the runner's any more
	readers int           // Attaches in progress: while there are any, somebody follows
	stop    func()        // ends the follower
	gone    chan struct{} // closed when the last follower has ended; nil: there was none

	done   chan struct{} // closed once result and err are final
	result *build.Result
	err    error
}

func newRemoteJob(r *Runner, spec build.Job) (*remoteJob, error) {
	if spec.Lease <= 0 {
		spec.Lease = r.config.Lease
	}
	dir, err := os.MkdirTemp(r.dir, "")
	if err != nil {
		return nil, err
	}
	name := spec.Base + ".log"
	if !api.SoundName(name) {
		name = "build.log"
	}
	log, err := build.CreateLog(filepath.Join(dir, name), build.DefaultLogLimit+2<<20)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &remoteJob{
		runner: r, spec: spec, dir: dir, log: log, starting: make(chan struct{}, 1), done: make(chan struct{}),
	}, nil
}

// lost says that the worker, not the build, is to blame.
func (j *remoteJob) lost(err error) error {
	return fmt.Errorf("building %s on %s: %w: %w", j.spec.Base, j.runner.config.Name, mending(err), build.ErrLost)
}

// lease is that of the job.
func (j *remoteJob) lease() time.Duration { return j.spec.Lease }

// start begins the build, or renews its lease.
func (j *remoteJob) start(ctx context.Context) error {
	select {
	case j.starting <- struct{}{}:
		defer func() { <-j.starting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	j.mu.Lock()
	dropped := j.dropped
	j.mu.Unlock()
	select {
	case <-j.done:
		return nil
	default:
	}
	if dropped {
		return errDropped
	}
	if j.started.Load() {
		if _, err := j.runner.state(ctx, j.spec.ID); err != nil {
			return j.lost(err)
		}
		return nil
	}
	err := j.startNew(ctx)
	if err != nil {
		j.runner.drop(j)
	}
	return err
}

// startNew begins the build.
func (j *remoteJob) startNew(ctx context.Context) error {
	bundle, err := j.pack(ctx)
	if err != nil {
		return err
	}
	defer os.Remove(j.bundle())
	dependencies, from, err := j.runner.objectsOf(j.spec.Dependencies)
	if err != nil {
		return err
	}
	from[bundle.SHA256] = j.bundle()
	err = j.begin(ctx, api.BuildRequest{
		Base: j.spec.Base, Architecture: j.spec.Architecture, Bundle: bundle, Dependencies: dependencies,
		Packager: j.spec.Packager, SourceDate: j.spec.SourceDate, Lease: j.lease().Seconds(),
	}, from)
	if err != nil && ctx.Err() == nil {
		return j.lost(err)
	}
	j.started.Store(err == nil)
	return err
}

func (j *remoteJob) bundle() string { return filepath.Join(j.dir, "bundle") }

// pack packs the sources, and describes what came out.
func (j *remoteJob) pack(ctx context.Context) (api.Object, error) {
	file, err := os.Create(j.bundle())
	if err != nil {
		return api.Object{}, err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = source.WriteBundle(ctx, io.MultiWriter(file, sum), j.spec.Source, j.runner.config.SourceLimits)
	if errors.Is(err, source.ErrUnsafe) || errors.Is(err, source.ErrTooLarge) {
		return api.Object{}, &build.Failure{Base: j.spec.Base, Reason: err.Error()}
	}
	if err != nil {
		return api.Object{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return api.Object{}, err
	}
	return api.Object{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: info.Size()}, file.Close()
}

// begin asks for the build and sends what the worker misses, until it has
// begun. What was there may be gone a moment later, when the worker has little
// room.
func (j *remoteJob) begin(ctx context.Context, request api.BuildRequest, from map[string]string) error {
	for range 1 + runnerRetries {
		var state api.Build
		err := j.runner.client.do(ctx, call{
			what: "starting the build of " + j.spec.Base, method: http.MethodPut, path: api.Path(api.PathBuild, j.spec.ID),
			body: request, into: &state, safe: true,
		})
		if err != nil || state.State != api.BuildMissing {
			return err
		}
		if err := j.sendAll(ctx, state.Missing, from); err != nil {
			return err
		}
	}
	return errors.New("the worker keeps losing what it is sent")
}

// decided reports whether an error is the worker's answer, rather than the
// network's doing or a state that passes.
func decided(err error) bool {
	if errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrTooMany) {
		return false
	}
	_, answered := errors.AsType[*api.Error](err)
	_, redirected := errors.AsType[*moved](err)
	_, nonsense := errors.AsType[*falseAnswer](err)
	_, noJSON := errors.AsType[*json.SyntaxError](err)
	_, otherJSON := errors.AsType[*json.UnmarshalTypeError](err)
	return answered || redirected || nonsense || noJSON || otherJSON
}

// falseAnswer is an answer that no worker of ours gives.
type falseAnswer struct{ text string }

func (f *falseAnswer) Error() string { return f.text }

func falsef(format string, args ...any) error { return &falseAnswer{fmt.Sprintf(format, args...)} }

// join makes sure that somebody follows the build until leave is called.
func (j *remoteJob) join(ctx context.Context) (leave func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.readers++; j.readers == 1 {
		following, stop := context.WithCancel(context.WithoutCancel(ctx))
		before, gone := j.gone, make(chan struct{})
		j.stop, j.gone = stop, gone
		go func() {
			defer close(gone)
			if before != nil {
				<-before
			}
			j.follow(following)
		}()
	}
	return func() {
		j.mu.Lock()
		j.readers--
		last, stop, gone := j.readers == 0, j.stop, j.gone
		j.mu.Unlock()
		if last {
			stop()
			<-gone
		}
	}
}

// hearEnd sees to it that a build that was cancelled is forgotten on the worker
// also when nobody follows it. Not for one that was ready before: its packages are
// worth keeping for who may ask, and not worth fetching for who leaves.
func (j *remoteJob) hearEnd(ctx context.Context) {
	state, err := j.runner.state(ctx, j.spec.ID)
	if err != nil || state.State != api.BuildCancelled {
		return // the lease sees to it
	}
	defer j.join(ctx)()
	select {
	case <-j.done:
	case <-ctx.Done():
	}
}

// follow receives the log and, at the end, the result. It returns when the job
// has ended or ctx has.
func (j *remoteJob) follow(ctx context.Context) {
	j.heard = time.Now()
	for failures := 0; ctx.Err() == nil; {
		select {
		case <-j.done:
			return
		default:
		}
		state, err := j.round(ctx)
		if err == nil && !state.State.Ended() {
			failures = 0
			continue
		}
		if err == nil {
			var result *build.Result
			if result, err = j.outcome(ctx, state); ctx.Err() == nil {
				j.finish(result, err)
				j.runner.forgetting.Go(func() { j.forget(ctx) })
			}
			return
		}
		if decided(err) || time.Since(j.heard) > j.lease() {
			if ctx.Err() == nil {
				err = j.gaveUp(err)
				fmt.Fprintf(j.log, "==> ERROR: %v\n", err)
				j.finish(nil, err)
			}
			return
		}
		if j.runner.pause(ctx, failures) != nil {
			return
		}
		failures++
	}
}

// gaveUp is what became of a build whose worker cannot be asked for it any more.
func (j *remoteJob) gaveUp(err error) error {
	switch {
	case errors.Is(err, api.ErrNotFound) && j.cancelled.Load():
		return fmt.Errorf("building %s: %w", j.spec.Base, build.ErrCancelled)
	case errors.Is(err, api.ErrNotFound):
		return j.lost(fmt.Errorf("%w: it has been started anew, or the lease was over", build.ErrUnknownJob))
	}
	return j.lost(err)
}

// round receives log for a while, and then asks how the build stands. It has
// ended only when all of its log is here.
func (j *remoteJob) round(ctx context.Context) (api.Build, error) {
	wait := min(api.MaxWait, j.runner.config.Silence) / 2
	err := j.runner.client.once(ctx, call{
		what: "following the build of " + j.spec.Base, method: http.MethodGet, path: api.Path(api.PathBuildLog, j.spec.ID),
		query: url.Values{api.QueryOffset: {strconv.FormatInt(j.received, 10)}, api.QueryWait: {api.FormatWait(wait)}},
		still: j.runner.config.Silence,
		take: func(response *http.Response) error {
			j.heard = time.Now()
			n, err := io.Copy(j.log, response.Body)
			j.received += n
			if n > 0 {
				j.heard = time.Now()
			}
			return err
		},
	})
	if err != nil {
		return api.Build{}, err
	}
	var state api.Build
	err = j.runner.client.once(ctx, call{
		what: "asking for the build of " + j.spec.Base, method: http.MethodGet, path: api.Path(api.PathBuild, j.spec.ID), into: &state,
	})
	if err != nil {
		return api.Build{}, err
	}
	j.heard = time.Now()
	if state.State.Ended() && j.received < state.LogSize {
		state.State = api.BuildRunning // more of its log is to come
	}
	return state, nil
}

// finish makes an outcome final.
func (j *remoteJob) finish(result *build.Result, err error) {
	j.result, j.err = result, err
	j.log.Finish()
	close(j.done)
	j.runner.retire(j.spec.ID)
}

// outcome turns the end of a build into what Attach returns.
func (j *remoteJob) outcome(ctx context.Context, state api.Build) (*build.Result, error) {
	reason := printable(state.Reason)
	switch state.State {
	case api.BuildSuccess:
		files, err := j.fetchAll(ctx, state.Files)
		if err != nil {
			fmt.Fprintf(j.log, "==> ERROR: %v\n", err)
			return nil, j.lost(err)
		}
		took := time.Duration(state.Seconds * float64(time.Second))
		return &build.Result{Files: files, Duration: max(took, 1), Log: j.log.Path(), Worker: j.runner.config.Name}, nil
	case api.BuildFailed:
		return nil, &build.Failure{Base: j.spec.Base, Reason: reason, Log: j.log.Path()}
	case api.BuildCancelled:
		return nil, fmt.Errorf("building %s: %w", j.spec.Base, build.ErrCancelled)
	case api.BuildLost:
		return nil, j.lost(errors.New(reason))
	}
	return nil, j.lost(falsef("it answers that the build is %q", state.State))
}

// forget lets the worker drop what it keeps of the build. If it does not hear
// of it, its lease does that. Whoever waited for the end may have left by now.
func (j *remoteJob) forget(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), forgetTime)
	defer stop()
	_ = j.runner.client.once(ctx, call{
		what: "forgetting the build of " + j.spec.Base, method: http.MethodDelete, path: api.Path(api.PathBuild, j.spec.ID),
	})
}
