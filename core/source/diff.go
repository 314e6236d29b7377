package source

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxDiff is how much a diff may hold, in bytes.
const maxDiff = 16 << 20

// Diff returns what dir, in a git checkout, has become since its last commit, as
// a patch without a key applies it. Files that git does not know count when they
// match one of the patterns of track, such as "*.patch". Neither the checkout
// nor its index is changed.
func Diff(ctx context.Context, dir string, track []string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	text, err := diff(ctx, dir, track)
	if err != nil {
		return "", fmt.Errorf("comparing %s with its last commit: %w", dir, err)
	}
	if len(text) > maxDiff {
		return "", fmt.Errorf("comparing %s with its last commit: %w: more than %d bytes", dir, ErrTooLarge, maxDiff)
	}
	return text, nil
}

// diff works on an index of its own, that of the last commit and what is
// tracked besides.
func diff(ctx context.Context, dir string, track []string) (string, error) {
	scratch, err := os.MkdirTemp("", "ahriman-diff-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	git := func(stdin string, args ...string) (string, error) {
		var output bytes.Buffer
		environ := []string{"GIT_INDEX_FILE=" + filepath.Join(scratch, "index")}
		err := runGit(ctx, gitCall{dir: dir, stdin: stdin, environ: environ, args: args, output: &output})
		return output.String(), err
	}
	if _, err := git("", "read-tree", "HEAD"); err != nil {
		return "", err
	}
	if len(track) > 0 {
		files, err := git("", append([]string{"ls-files", "--others", "--exclude-standard", "-z", "--"}, track...)...)
		if err != nil {
			return "", err
		}
		if files = strings.TrimSuffix(files, "\x00"); files != "" {
			literal := []string{"--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul"}
			if _, err := git(files, literal...); err != nil {
				return "", err
			}
		}
	}
	return git("", "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--binary", "--relative",
		"--src-prefix=a/", "--dst-prefix=b/", "--", ".")
}
