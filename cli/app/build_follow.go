package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"ahriman/cli/ui"
	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/update"
	"ahriman/transport/sshdial"
)

// reachTime is how long a worker may take to say what it can.
const reachTime = 5 * time.Minute

// openWorkers opens those that build, who have to be there.
func (r *buildRun) openWorkers(ctx context.Context) error {
	list := fleetList{byAddress: map[string]*member{}}
	for _, address := range r.command.Worker {
		if err := list.configured(address); err != nil {
			return Usagef("--worker: %s", err)
		}
	}
	if len(r.command.Worker) == 0 {
		list.add(localWorker, fromDefault)
	}
	overSSH := false
	for _, m := range list.byAddress {
		m.HostKey = r.command.AcceptHostKey
		overSSH = overSSH || strings.HasPrefix(m.Address, sshdial.Scheme+":")
	}
	if r.command.AcceptHostKey != "" && !overSSH {
		return Usagef("--accept-host-key is for --worker ssh://…")
	}
	r.connections = &connections{env: r.env, settings: r.settings, scratch: r.work, local: r.local, open: map[string]*connection{}}
	connected, err := r.connections.reach(ctx, list.sorted(), reachTime)
	if err != nil {
		return err
	}
	var unknown *sshdial.HostKeyError
	for _, one := range connected {
		worker := one.worker()
		switch {
		case errors.As(one.problem, &unknown):
			return Hinted(one.problem, unknown.HintTo("add --accept-host-key "+unknown.Fingerprint))
		case errors.Is(one.problem, build.ErrUnusable) && one.can != nil:
			return fmt.Errorf("worker %s does not build: %w", worker.Name, one.problem)
		case one.problem != nil:
			return one.problem
		case one.kind == kindPython:
			return fmt.Errorf("worker %s does not build for others: it is a Python node, which hands in what it builds at its master", worker.Name)
		}
		r.workers = append(r.workers, worker)
	}
	return nil
}

// errEnough ends a run after the first failure, which the outcome has.
var errEnough = errors.New("a build failed")

// build has the workers build all sources.
func (r *buildRun) build(ctx context.Context) error {
	tasks, err := r.tasks(ctx)
	if err != nil {
		return err
	}
	r.stock = build.NewStock(r.offers)
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	config := r.schedule()
	config.Observe = func(e schedule.Event) {
		if err := r.observe(e); err != nil {
			stop(err)
		}
	}
	plan, err := schedule.Plan(ctx, tasks, config)
	if err != nil {
		return err
	}
	for _, step := range plan.Steps {
		if step.Worker == "" { // nor will one come: there are those that were named
			return errors.New(plan.Explain(step.Task.Base()))
		}
	}
	scheduler, err := schedule.New(tasks, config)
	if err != nil {
		return err
	}
	err = scheduler.Run(running)
	switch cause := context.Cause(running); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(cause, errEnough):
		return nil
	case cause != nil:
		return cause
	}
	return err
}

// schedule is how the workers are driven.
func (r *buildRun) schedule() schedule.Config {
	c := schedule.Config{
		Workers: func(context.Context) ([]schedule.Worker, error) { return r.workers, nil },
		Prepare: r.job, Finish: r.finish, Retries: 1,
		Progress: func(a schedule.Attempt, p build.Progress) { r.env.showTransfer(a.Worker+" "+a.Task.Base(), p) },
	}
	if r.shown {
		c.Log = r.log
	}
	if s := r.settings; s != nil {
		c.Retries, c.Lease, c.Patience = s.Build.Retries, s.Build.Lease, s.Build.Patience
	}
	return c
}

// tasks describes the sources to the scheduler.
func (r *buildRun) tasks(ctx context.Context) ([]schedule.Task, error) {
	var seconds map[string]float64
	if r.store != nil {
		var err error
		if seconds, err = r.store.BuildSeconds(ctx, r.settings.ID); err != nil {
			return nil, err
		}
	}
	tasks := make([]schedule.Task, 0, len(r.sources))
	for base, source := range r.sources {
		task := schedule.Task{Package: source.leaf, Architecture: r.architecture}
		task.Package.Seconds = seconds[base]
		tasks = append(tasks, task)
	}
	return tasks, nil
}

// job makes the job of an attempt: what it needs comes from this run, else from
// the repository, else from the master's.
func (r *buildRun) job(ctx context.Context, a schedule.Attempt) (build.Job, error) {
	base := a.Task.Base()
	source := r.sources[base]
	job := build.Job{ID: base + "-" + uuid.NewString(), Base: base, Architecture: r.architecture, Source: source.dir}
	r.mu.Lock()
	needed := r.stock.Needed(source.needs)
	r.mu.Unlock()
	for _, offer := range needed {
		if offer.Path == "" {
			path, err := r.upstream.File(ctx, offer.Package)
			if err != nil {
				return job, fmt.Errorf("fetching %s, which %s needs: %w", offer.Name, base, err)
			}
			offer.Path = path
		}
		job.Dependencies = append(job.Dependencies, offer.Path)
	}
	return job, nil
}

// finish keeps what was built.
func (r *buildRun) finish(_ context.Context, finished []schedule.Finished) (map[string]error, error) {
	refused := map[string]error{}
	for _, f := range finished {
		if err := r.keep(f); err != nil {
			refused[f.Task.Base()] = fmt.Errorf("keeping the packages of %s: %w", f.Task.Base(), err)
		}
	}
	return refused, nil
}

// keep moves packages to the output directory and offers them to the builds
// that follow.
func (r *buildRun) keep(f schedule.Finished) error {
	line := buildLine{Base: f.Task.Base(), Status: "success", Seconds: milliseconds(f.Ended.Sub(f.Began))}
	var built []build.Offer
	for _, file := range f.Result.Files {
		target := filepath.Join(r.output, filepath.Base(file))
		if err := os.Rename(file, target); err != nil {
			return err
		}
		offer, err := offerOf(target)
		if err != nil {
			return err
		}
		line.Files, line.Version = append(line.Files, target), offer.Version
		built = append(built, offer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, offer := range built {
		r.stock.Prefer(offer)
	}
	r.kept[line.Base] = line
	return nil
}

// milliseconds is a duration in seconds, to the millisecond.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}

// observe says what happens. With an error, the run is to end.
func (r *buildRun) observe(e schedule.Event) error {
	switch e := e.(type) {
	case schedule.Ended:
		r.ended(e)
	case schedule.Away:
		if errors.Is(e.Err, build.ErrUnusable) {
			r.env.Warn("%s", unusableText(e.Worker, e.Err))
		} else {
			r.env.Warn("worker %s gets nothing more before %s: %s", e.Worker, e.Until.Format(time.TimeOnly), e.Err)
		}
	case schedule.Published:
		r.mu.Lock()
		line := r.kept[e.Task.Base()]
		r.mu.Unlock()
		r.outcome.Done()
		return r.print(line)
	case schedule.Failed:
		line := buildLine{Base: e.Task.Base(), Version: e.Task.Package.Version, Status: "failed"}
		line.Seconds = r.took[line.Base]
		if failure, ok := errors.AsType[*build.Failure](e.Err); ok {
			line.Log = failure.Log
		}
		if err := r.failed(line, e.Err); err != nil || r.command.KeepGoing {
			return err
		}
		return errEnough
	case schedule.Skipped:
		if !r.command.KeepGoing {
			return nil // the run ends
		}
		line := buildLine{Base: e.Task.Base(), Version: e.Task.Package.Version, Status: "skipped"}
		return r.failed(line, fmt.Errorf("not building %s: it needs %s", line.Base, strings.Join(e.Needs, ", ")))
	}
	return nil
}

// ended keeps the log of a build that failed beside the packages.
func (r *buildRun) ended(e schedule.Ended) {
	base := e.Task.Base()
	r.took[base] = milliseconds(e.Took)
	kept := filepath.Join(r.output, base+".log")
	failure, failed := errors.AsType[*build.Failure](e.Err)
	switch {
	case e.Err == nil:
		_ = os.Remove(kept) // that of an earlier failure is about other packages now
	case failed:
		if failure.Log != "" && os.Rename(failure.Log, kept) == nil {
			failure.Log = kept
		}
		if e.Again {
			r.env.Warn("%s on %s; it is tried elsewhere", e.Err, e.Worker)
		}
	}
}

// log shows the output of a build as it comes. It says whose it is when builds
// may go on at once.
func (r *buildRun) log(a schedule.Attempt) io.WriteCloser {
	prefix := ""
	if len(r.workers) > 1 || r.workers[0].Slots > 1 {
		prefix = a.Task.Base() + ": "
	}
	return update.NewLineWriter(func(lines []string) {
		var text strings.Builder
		for _, line := range lines {
			text.WriteString(prefix + ui.Printable(line) + "\n")
		}
		io.WriteString(r.env.Stderr, text.String())
	})
}

// What of a log is shown when a build fails.
const (
	tailLines = 15
	tailBytes = 8 << 10
)

// printTail prints the last lines of a log, indented.
func printTail(w io.Writer, path string) {
	file, err := os.Open(path)
	if err != nil {
		return // the error that follows names the log
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		_, _ = file.Seek(-tailBytes, io.SeekEnd)
	}
	data, err := io.ReadAll(io.LimitReader(file, tailBytes))
	if err != nil {
		return
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for _, line := range lines[max(0, len(lines)-tailLines):] {
		fmt.Fprintf(w, "    %s\n", line)
	}
}
