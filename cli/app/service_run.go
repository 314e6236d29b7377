package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"ahriman/core/config"
)

// serviceRun runs commands one after the other.
type serviceRun struct {
	Command []string `arg:"" complete:"commands" help:"a command of ahriman with its arguments, as one word"`
}

// Help has the examples.
func (*serviceRun) Help() string {
	return `Each command begins when the one before has succeeded, with the global flags of this one before its own; quotes group as in a shell. The exit status is that of the last that ran. "Nothing to do" is no failure.

Examples: an update, and whatever the mirrors lack; in one line of cron.

    ahriman service-run repo-update repo-sync
    ahriman -q --wait-timeout 3600 service-run repo-update 'repo-backup /var/backups/ahriman.tar.gz'`
}

// Run runs the commands in this process.
func (c *serviceRun) Run(ctx context.Context, env *Env, globals *Globals) error {
	var last error
	for _, command := range c.Command {
		words, err := config.SplitList(command)
		if err != nil {
			return Usagef("%s: %s", command, err)
		}
		if len(words) == 0 {
			return Usagef("an empty command")
		}
		one := *env
		one.Args = append(globals.args(), words...)
		last = run(ctx, &one)
		if last != nil && !errors.Is(last, ErrNothing) {
			return last
		}
	}
	return last
}

// args are the flags that make these globals.
func (g *Globals) args() []string {
	args := []string{
		"--configuration=" + g.Configuration, "--architecture=" + g.Architecture, "--repository=" + g.Repository,
		"--lock=" + g.Lock, "--log-handler=" + g.LogHandler, "--wait-timeout=" + strconv.Itoa(g.WaitTimeout),
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{{"force", g.Force}, {"quiet", g.Quiet}, {"unsafe", g.Unsafe}, {"no-report", !g.Report}} {
		if flag.set {
			args = append(args, fmt.Sprintf("--%s", flag.name))
		}
	}
	return args
}
