package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// maxChanges is how much of a difference Changes returns, in bytes.
const maxChanges = 256 << 10

// isCommit matches the name of a commit, in SHA-1 or SHA-256.
var isCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Changes returns what the sources of found have become from one commit to
// another, as git diff shows it: valid UTF-8, "" where they are alike, cut with
// a last line that says so where it is longer than 256 KiB. .SRCINFO, which
// repeats the PKGBUILD, is left out. found must come from git. The error says
// when a commit is not there any more, as after a push by force.
func (f *Fetcher) Changes(ctx context.Context, found *Found, from, to string) (string, error) {
	text, err := f.changes(ctx, found, from, to)
	if err != nil {
		return "", fmt.Errorf("comparing the sources of %s with those of its last build: %w", found.Name, err)
	}
	return text, nil
}

func (f *Fetcher) changes(ctx context.Context, found *Found, from, to string) (string, error) {
	if found.git.url == "" {
		return "", fmt.Errorf("they do not come from git")
	}
	for _, commit := range []string{from, to} {
		if !isCommit.MatchString(commit) {
			return "", fmt.Errorf("%.80q is no commit", commit)
		}
	}
	ctx, stop := context.WithTimeout(ctx, f.config.CloneTimeout)
	defer stop()
	dir, err := os.MkdirTemp("", "ahriman-changes-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	git := func(output io.Writer, args ...string) error {
		return runGit(ctx, gitCall{dir: dir, args: args, output: output})
	}
	if err := git(nil, "init", "--quiet", "--bare", "--template=", "."); err != nil {
		return "", err
	}
	// Both commits alone, where the server gives what is asked for by name;
	// else the whole history.
	fetch := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"}
	if err := git(nil, append(fetch, "--depth=1", "--", found.git.url, from, to)...); err != nil {
		if err := git(nil, append(fetch, "--", found.git.url, "+refs/*:refs/fetched/*")...); err != nil {
			return "", err
		}
	}
	text := &beginning{limit: maxChanges}
	err = git(text, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames",
		"--src-prefix=a/", "--dst-prefix=b/", from, to, "--", ".", ":(exclude,top).SRCINFO")
	return text.String(), err
}

// beginning keeps the first bytes written to it and counts the others.
type beginning struct {
	text  []byte
	limit int
	more  int64
}

func (h *beginning) Write(p []byte) (int, error) {
	kept := min(len(p), h.limit-len(h.text))
	h.text = append(h.text, p[:kept]...)
	h.more += int64(len(p) - kept)
	return len(p), nil
}

// String returns whole lines of valid UTF-8.
func (h *beginning) String() string {
	text := string(h.text)
	if h.more > 0 {
		end := strings.LastIndexByte(text, '\n') + 1
		text = fmt.Sprintf("%s... %d bytes more\n", text[:end], h.more+int64(len(text)-end))
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
