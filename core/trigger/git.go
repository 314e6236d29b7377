package trigger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ahriman/core/config"
)

// gitTime bounds one git command, a transfer too.
const gitTime = 15 * time.Minute

// maxGitMessage bounds what is kept of a command's output, in bytes.
const maxGitMessage = 4 << 10

// checkout is a git work tree that belongs to this run.
type checkout struct {
	dir     string
	branch  string
	environ []string
}

// newCheckout makes an empty work tree in dir whose remote "origin" is the URL.
// Neither the URL nor a password in it appears in a command line or on disk.
func newCheckout(ctx context.Context, dir, remote, branch string, environ []string) (*checkout, error) {
	settings := [][2]string{
		{"core.hooksPath", "/dev/null"},
		{"protocol.ext.allow", "never"},
		{"init.defaultBranch", branch},
		{"advice.detachedHead", "false"},
		{"gc.auto", "0"},
	}
	extra := []string{"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS="}
	if u, err := url.Parse(remote); err == nil && u.User != nil && strings.HasPrefix(u.Scheme, "http") {
		password, _ := u.User.Password()
		extra = append(extra, "AHRIMAN_GIT_USER="+u.User.Username(), "AHRIMAN_GIT_PASSWORD="+password)
		settings = append(settings, [2]string{"credential.helper", ""}, [2]string{"credential.helper",
			`!f() { echo "username=$AHRIMAN_GIT_USER"; echo "password=$AHRIMAN_GIT_PASSWORD"; }; f`})
		u.User = nil
		remote = u.String()
	}
	settings = append(settings, [2]string{"remote.origin.url", remote})
	extra = append(extra, "GIT_CONFIG_COUNT="+strconv.Itoa(len(settings)))
	for i, setting := range settings {
		extra = append(extra, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, setting[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, setting[1]))
	}
	c := &checkout{dir: dir, branch: branch, environ: append(gitEnviron(environ), extra...)}
	return c, c.git(ctx, "init", "--quiet")
}

// gitEnviron leaves out what would point git to another repository.
func gitEnviron(all []string) []string {
	kept := []string{}
	for _, variable := range environ(all) {
		if !strings.HasPrefix(variable, "GIT_") || strings.HasPrefix(variable, "GIT_SSH") || strings.HasPrefix(variable, "GIT_SSL") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// fetch makes the work tree what the branch is. It reports false when the
// remote has no such branch.
func (c *checkout) fetch(ctx context.Context) (bool, error) {
	found, err := c.test(ctx, "ls-remote", "--exit-code", "--heads", "--quiet", "origin", "refs/heads/"+c.branch)
	if err != nil || !found {
		return false, err
	}
	if err := c.git(ctx, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", "refs/heads/"+c.branch); err != nil {
		return false, err
	}
	return true, c.git(ctx, "reset", "--quiet", "--hard", "FETCH_HEAD")
}

// test runs a command that answers by exit status: 0 yes, 1 or 2 no.
func (c *checkout) test(ctx context.Context, args ...string) (bool, error) {
	err := c.git(ctx, args...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && (exit.ExitCode() == 1 || exit.ExitCode() == 2) {
		return false, nil
	}
	return err == nil, err
}

// git runs one command. The error holds what it said, passwords left out.
func (c *checkout) git(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, gitTime, fmt.Errorf("still running after %s", gitTime))
	defer cancel()
	said := &tail{}
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = c.dir
	command.Env = c.environ
	command.Stdout, command.Stderr = said, said
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = execPatience
	err := command.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("git %s: %w%s", args[0], err, config.Redact(said.text()))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxGitMessage; over > 0 {
		t.kept = t.kept[over:]
	}
	return len(p), nil
}

// text is what was kept as a continuation of an error, on one line.
func (t *tail) text() string {
	words := bytes.Fields(bytes.ToValidUTF8(t.kept, []byte("?")))
	if len(words) == 0 {
		return ""
	}
	return ": " + string(bytes.Join(words, []byte(" ")))
}
