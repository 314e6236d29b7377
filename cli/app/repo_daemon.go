package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"ahriman/core/config"
	"ahriman/core/tree"
)

// repoDaemon updates again and again.
type repoDaemon struct {
	updateFlags `embed:""`
	Interval    int  `short:"i" default:"43200" placeholder:"SECONDS" help:"time from one update to the next; each package is looked at once in it"`
	Partitions  bool `negatable:"" default:"true" help:"look at a part of the packages at a time, spread over the interval"`
}

// Help shows how the command is used.
func (*repoDaemon) Help() string {
	return `Runs repo-update until it is stopped. An update that fails is told, and the next one comes all the same; one that another process's lock keeps out waits for its next turn, or for --wait-timeout.

With --partitions, groups of packages that need each other take turns, a quarter of an hour apart at least, so that neither the AUR nor the workers get everything at once. What was asked for or uploaded is built and published each time.

Examples: every six hours; all at once, every night; as a unit of systemd would.

    ahriman repo-daemon -i 21600
    ahriman repo-daemon -i 86400 --no-partitions
    ahriman --wait-timeout 0 --quiet repo-daemon`
}

// minTurn is the shortest time between two parts of the packages.
const minTurn = 15 * time.Minute

// Run updates until the context ends.
func (c *repoDaemon) Run(ctx context.Context, env *Env, globals *Globals) error {
	if c.Interval < 1 {
		return Usagef("--interval %d is no time; it is seconds, at least 1", c.Interval)
	}
	logger, sink, err := globals.Logger(env)
	if err != nil {
		return err
	}
	defer sink.Close()
	for {
		turns, err := c.turns(ctx, env, globals)
		if err != nil {
			return err
		}
		for i, bases := range turns {
			begun := time.Now()
			c.turn(ctx, env, globals, bases, logger)
			logger.Info("update ended", "turn", i+1, "of", len(turns), "took", time.Since(begun).Round(time.Second).String())
			if !pause(ctx, begun.Add(c.interval()/time.Duration(len(turns)))) {
				return nil // stopped, which is how it ends
			}
		}
	}
}

func (c *repoDaemon) interval() time.Duration { return time.Duration(c.Interval) * time.Second }

// pause waits until then; false: the context has ended.
func pause(ctx context.Context, then time.Time) bool {
	timer := time.NewTimer(time.Until(then))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// turn is one update: what was asked for, and what is newer among the bases,
// nil for all. What goes wrong has been told, or is logged.
func (c *repoDaemon) turn(ctx context.Context, env *Env, globals *Globals, bases []string, logger *slog.Logger) {
	command := repoUpdate{updateFlags: c.updateFlags, Package: bases}
	runs := []repoUpdate{command}
	if bases != nil && c.Manual { // a queued base may be in another part
		asked := command
		asked.AUR, asked.Local, asked.CheckFiles, asked.Package = false, false, false, nil
		command.Manual, command.Refresh = false, 0
		runs = []repoUpdate{asked, command}
	}
	for _, run := range runs {
		var told *Reported
		var partly *Partial
		err := run.Run(ctx, env, globals)
		if err != nil && ctx.Err() == nil && !errors.As(err, &told) && !errors.As(err, &partly) {
			logger.Error("updating", "error", err)
		}
	}
}

// turns are the parts that packages are looked at in; a nil one is everything.
func (c *repoDaemon) turns(ctx context.Context, env *Env, globals *Globals) ([][]string, error) {
	all, err := globals.settings(env)
	if err != nil {
		return nil, err
	}
	most := int(c.interval() / minTurn)
	if !c.Partitions || most < 2 {
		return [][]string{nil}, nil
	}
	var turns [][]string
	for _, s := range all {
		parts, err := parts(ctx, s, most)
		if err != nil {
			return nil, err
		}
		for i, bases := range parts {
			if i == len(turns) {
				turns = append(turns, nil)
			}
			turns[i] = append(turns[i], bases...)
		}
	}
	if len(turns) == 0 {
		return [][]string{nil}, nil
	}
	return turns, nil
}

// parts cuts what the store knows of a repository into n parts at most.
func parts(ctx context.Context, s *config.Settings, n int) ([][]string, error) {
	db, err := existingStore(ctx, s)
	if err != nil || db == nil {
		return nil, err
	}
	defer db.Close()
	packages, err := storedPackages(ctx, db, s.ID)
	if err != nil {
		return nil, err
	}
	var parts [][]string
	for _, part := range tree.New(packages).Partitions(n) {
		var bases []string
		for _, p := range part.Packages() {
			bases = append(bases, p.Base)
		}
		parts = append(parts, bases)
	}
	return parts, nil
}
