package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitMessage is how much of git's complaint an error carries, in bytes.
const gitMessage = 2048

// gitCall is one run of git.
type gitCall struct {
	dir     string
	stdin   string
	environ []string
	args    []string
	output  io.Writer // of standard output; nil: dropped
}

// runGit runs git without asking anybody and without what a repository may
// make it run.
func runGit(ctx context.Context, call gitCall) error {
	safe := []string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never", "-c", "advice.detachedHead=false"}
	cmd := exec.CommandContext(ctx, "git", append(safe, call.args...)...)
	cmd.Dir = call.dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true", "LC_ALL=C", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh")
	cmd.Env = append(cmd.Env, call.environ...)
	cmd.Stdin = strings.NewReader(call.stdin)
	var complaint tail
	cmd.Stderr = &complaint
	if call.output != nil {
		cmd.Stdout = call.output
	}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("git %s: %w", call.args[0], context.Cause(ctx))
		}
		return fmt.Errorf("git %s: %w: %s", call.args[0], err, strings.TrimSpace(string(complaint)))
	}
	return nil
}

// tail keeps the last gitMessage bytes written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if len(*t) > gitMessage {
		*t = append((*t)[:0], (*t)[len(*t)-gitMessage:]...)
	}
	return len(p), nil
}

// gitURL is where git finds a PKGBUILD.
type gitURL struct {
	url    string
	branch string // or a tag; empty: the default
}

// parseGitURL recognises the addresses of git repositories: git+https://… and
// the like, and anything with a scheme that ends in .git. "#branch=…" and
// "#tag=…" name what to check out, as in a PKGBUILD's source.
func parseGitURL(text string) (gitURL, bool, error) {
	plain, explicit := strings.CutPrefix(text, "git+")
	parsed, err := url.Parse(plain)
	if err != nil || parsed.Scheme == "" {
		return gitURL{}, explicit, err
	}
	if !explicit && !strings.HasSuffix(parsed.Path, ".git") && parsed.Scheme != "git" {
		return gitURL{}, false, nil
	}
	switch parsed.Scheme {
	case "file", "git", "http", "https", "ssh":
	default:
		return gitURL{}, true, fmt.Errorf("git over %s is not supported", parsed.Scheme)
	}
	if _, secret := parsed.User.Password(); secret {
		return gitURL{}, true, errors.New("reading git address: it holds a password, which everyone who may see the package would see; a git credential helper or ssh keep it to themselves")
	}
	var result gitURL
	if parsed.Fragment != "" {
		kind, value, _ := strings.Cut(parsed.Fragment, "=")
		if (kind != "branch" && kind != "tag") || value == "" || strings.HasPrefix(value, "-") {
			return gitURL{}, true, fmt.Errorf("reading git address: %q is neither branch= nor tag=", parsed.Fragment)
		}
		result.branch = value
	}
	parsed.Fragment = ""
	result.url = parsed.String()
	return result, true, nil
}

// clone puts the sources of a git repository into the empty directory dir,
// without their history, and returns the commit.
func (f *Fetcher) clone(ctx context.Context, from gitURL, dir string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, f.config.CloneTimeout)
	defer stop()
	work, err := os.MkdirTemp(dir, ".clone-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	checkout := filepath.Join(work, "tree")
	args := []string{"clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", "--template=", "--no-recurse-submodules"}
	if from.branch != "" {
		args = append(args, "--branch", from.branch)
	}
	args = append(args, "--", from.url, checkout)
	if err := runGit(ctx, gitCall{dir: work, args: args}); err != nil {
		return "", err
	}
	var commit bytes.Buffer
	if err := runGit(ctx, gitCall{dir: checkout, args: []string{"rev-parse", "HEAD"}, output: &commit}); err != nil {
		return "", err
	}
	if err := Copy(ctx, checkout, dir, CopyOptions{Limits: f.config.Limits}); err != nil {
		return "", err
	}
	return strings.TrimSpace(commit.String()), nil
}

// maxRefs is how much of what a repository says of itself is read, in bytes.
const maxRefs = 64 << 10

// Head returns the commit that Sources would have of found, which must come
// from git. Nothing is fetched.
func (f *Fetcher) Head(ctx context.Context, found *Found) (string, error) {
	ctx, stop := context.WithTimeout(ctx, answerTime*f.config.Timeout)
	defer stop()
	commit, err := head(ctx, found.git)
	if err != nil {
		return "", fmt.Errorf("looking what the sources of %s are at: %w", found.Name, err)
	}
	return commit, nil
}

func head(ctx context.Context, of gitURL) (string, error) {
	if of.url == "" {
		return "", errors.New("they do not come from git")
	}
	names := []string{"HEAD"}
	if of.branch != "" { // as git clone --branch prefers them; "^{}" is what a tag stands for
		names = []string{"refs/heads/" + of.branch, "refs/tags/" + of.branch + "^{}", "refs/tags/" + of.branch}
	}
	refs := &beginning{limit: maxRefs}
	// Not in the present directory, whose configuration may be anybody's.
	if err := runGit(ctx, gitCall{dir: "/", args: append([]string{"ls-remote", "--quiet", "--", of.url}, names...), output: refs}); err != nil {
		return "", err
	}
	commits := map[string]string{}
	for line := range strings.Lines(string(refs.text)) {
		if commit, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && isCommit.MatchString(commit) {
			commits[name] = commit
		}
	}
	for _, name := range names {
		if commit := commits[name]; commit != "" {
			return commit, nil
		}
	}
	return "", fmt.Errorf("%s has no %s", of.url, names[0])
}
