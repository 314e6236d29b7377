package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"ahriman/core/build"
	"ahriman/core/config"
	"ahriman/core/tree"
	"ahriman/transport/httpclient"
	"ahriman/transport/sshdial"
)

// seat is where one base at a time is built.
type seat struct {
	runner build.Runner
	worker string // its address; empty: this machine
}

// pool are the seats of a run, and shows what is printed there.
type pool struct {
	env     *Env
	output  string // logs of failed builds are kept there
	shown   bool   // builds' output goes to standard error
	idle    []*seat
	closers []io.Closer
}

// openLocal adds a seat on this machine.
func (p *pool) openLocal(local *build.Local) {
	p.idle = append(p.idle, &seat{runner: local})
}

// openWorkers adds the seats of workers elsewhere, that have to be there. Their
// package files come below scratch.
func (p *pool) openWorkers(ctx context.Context, addresses []string, scratch string, s *config.Settings) error {
	seats := make([][]*seat, len(addresses))
	errs := make([]error, len(addresses))
	var asking sync.WaitGroup
	for i, address := range addresses {
		runner, slots, err := workerRunner(p.env, address, scratch, s)
		if err != nil {
			return err
		}
		p.closers = append(p.closers, runner)
		asking.Go(func() {
			can, err := runner.Capabilities(ctx)
			switch {
			case err != nil:
				errs[i] = err
			case can.Slots == 0:
				errs[i] = fmt.Errorf("worker %s does not build: %s", runner.Name(), can.Reason)
			}
			for n := 0; err == nil && n < min(can.Slots, max(slots, 1)); n++ {
				seats[i] = append(seats[i], &seat{runner: runner, worker: runner.Name()})
			}
		})
	}
	asking.Wait()
	if err := errors.Join(errs...); err != nil {
		return errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
	}
	// One of each in turn, so that all have something to do.
	for n := 0; len(p.idle) < len(slices.Concat(seats...)); n++ {
		for _, of := range seats {
			if n < len(of) {
				p.idle = append(p.idle, of[n])
			}
		}
	}
	p.shown = p.shown && len(p.idle) == 1
	return nil
}

// remoteRunner is a worker elsewhere.
type remoteRunner interface {
	build.Runner
	capable
	io.Closer
	Name() string
}

// workerRunner makes the runner of an address as --worker has it, and says how
// many builds at once the address asks for.
func workerRunner(env *Env, address, scratch string, s *config.Settings) (remoteRunner, int, error) {
	m, err := parseWorker(address)
	if err != nil {
		return nil, 0, Usagef("--worker: %s", err)
	}
	switch scheme, _, _ := strings.Cut(m.Address, "://"); scheme {
	case "ssh":
		if _, err := sshdial.ParseTarget(address); err != nil {
			return nil, 0, Usagef("--worker: %s", err)
		}
		r, err := sshRunner(env, address, m.Name, scratch)
		return r, m.Slots, err
	case "local":
		return nil, 0, Usagef("--worker: this machine builds when no --worker is given")
	}
	c, err := workerConfig(m, s)
	if err != nil {
		return nil, 0, err
	}
	r, err := httpclient.NewRunner(httpclient.RunnerConfig{Config: c, Name: m.Name, Scratch: scratch})
	return r, m.Slots, err
}

// close ends the connections.
func (p *pool) close() error {
	var errs []error
	for _, closer := range p.closers {
		errs = append(errs, closer.Close())
	}
	return errors.Join(errs...)
}

func (p *pool) free() bool { return len(p.idle) > 0 }

// take takes a seat that is free.
func (p *pool) take() *seat {
	taken := p.idle[0]
	p.idle = p.idle[1:]
	return taken
}

// leave gives the seat of a base back, and reports whether the base has to be
// built elsewhere because its worker is gone.
func (p *pool) leave(one built) (lost bool) {
	if !errors.Is(one.err, build.ErrLost) || one.seat.worker == "" {
		p.idle = append(p.idle, one.seat)
		return false
	}
	p.idle = slices.DeleteFunc(p.idle, func(s *seat) bool { return s.worker == one.seat.worker })
	return true
}

// exhausted is the error of bases that are left when no seat is.
func (p *pool) exhausted(left []tree.Package) error {
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("no worker is left for %s", baseNames(left))
}

// cancelTime bounds how long ending a build elsewhere may take.
const cancelTime = 2 * time.Minute

// build builds a base on its seat. An interrupt cancels it.
func (p *pool) build(ctx context.Context, one built) built {
	if one.seat.worker != "" { // which others know, too
		one.job.ID += "-" + uuid.NewString()
	}
	runner := one.seat.runner
	log := io.Discard
	if p.shown {
		log = p.env.Stderr
	}
	var result *build.Result
	if one.err = runner.Start(ctx, one.job); one.err == nil {
		result, one.err = runner.Attach(ctx, one.job.ID, log)
	}
	if one.err == nil {
		one.files = result.Files
		// The log of an earlier failure is about other packages now.
		_ = os.Remove(p.logPath(one.job.Base))
		return one
	}
	if ctx.Err() != nil {
		// The build may not outlive us; Close of a local runner waits for it too.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
		defer stop()
		_ = runner.Cancel(ctx, one.job.ID)
		return one
	}
	var failure *build.Failure
	if errors.As(one.err, &failure) && failure.Log != "" {
		if kept := p.logPath(one.job.Base); os.Rename(failure.Log, kept) == nil {
			failure.Log = kept
		}
	}
	return one
}

// logPath is where the log of a failed build is kept.
func (p *pool) logPath(base string) string { return filepath.Join(p.output, base+".log") }

// logOf returns the path of the log of a failed build, "" where there is none.
func (p *pool) logOf(err error) string {
	var failure *build.Failure
	if errors.As(err, &failure) {
		return failure.Log
	}
	return ""
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
