package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// variableName matches the keys of patches that set a variable, functionName
// those that define a function.
var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_@.+-]*\(\)$`)
)

// Apply applies patches to the sources in dir, in order: a nil key is a diff
// for git, any other is appended to the PKGBUILD as a function, an array or a
// variable.
func Apply(ctx context.Context, dir string, patches []Patch) error {
	for _, patch := range patches {
		line, err := patch.Line()
		if patch.Key == nil {
			if err == nil {
				err = applyDiff(ctx, dir, line)
			}
			if err != nil {
				return fmt.Errorf("applying a diff: %w", err)
			}
			continue
		}
		if err == nil {
			err = appendLine(dir, line)
		}
		if err != nil {
			return fmt.Errorf("applying the patch of %s: %w", *patch.Key, err)
		}
	}
	return nil
}

// Validate says why the patch cannot be applied to any PKGBUILD.
func (p Patch) Validate() error {
	_, err := p.Line()
	switch {
	case err == nil:
		return nil
	case p.Key == nil:
		return fmt.Errorf("reading a diff: %w", err)
	}
	return fmt.Errorf("reading the patch of %s: %w", *p.Key, err)
}

// Line returns what the patch appends to a PKGBUILD, a diff as it is. The error
// says why it cannot be applied to any.
func (p Patch) Line() (string, error) {
	if p.Key == nil {
		text, ok := p.Value.(string)
		if !ok {
			return "", errors.New("a diff is a text")
		}
		return text, nil
	}
	key := *p.Key
	if functionName.MatchString(key) {
		body, ok := p.Value.(string)
		if !ok {
			return "", errors.New("the value of a function is a text")
		}
		return key + " " + body, nil
	}
	if !variableName.MatchString(key) {
		return "", errors.New("the key is neither a variable nor a function()")
	}
	values, array, err := p.values()
	if err != nil {
		return "", err
	}
	for i := range values {
		values[i] = quote(values[i])
	}
	if array {
		return key + "=(" + strings.Join(values, " ") + ")", nil
	}
	return key + "=" + values[0], nil
}

// values returns the patch's values, and whether they make an array. A text in
// parentheses is an array as the shell writes it, one in brackets as JSON does.
func (p Patch) values() ([]string, bool, error) {
	switch value := p.Value.(type) {
	case []string:
		return slices.Clone(value), true, nil
	case []any:
		values := make([]string, len(value))
		for i := range value {
			text, ok := value[i].(string)
			if !ok {
				return nil, false, fmt.Errorf("element %d is no text", i)
			}
			values[i] = text
		}
		return values, true, nil
	case string:
		switch {
		case strings.HasPrefix(value, "(") && strings.HasSuffix(value, ")"):
			values, err := split(value[1 : len(value)-1])
			return values, true, err
		case strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]"):
			var values []string
			if json.Unmarshal([]byte(value), &values) == nil {
				return values, true, nil
			}
		}
		return []string{value}, false, nil
	}
	return nil, false, errors.New("the value is neither a text nor a list of texts")
}

// quote quotes s for the shell, where that is needed.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+=:,./-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// errQuote says that a quote is not closed.
var errQuote = errors.New("unclosed quote")

// split splits a text into words as the shell does, expanding nothing.
func split(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quoted := false, rune(0)
	escaped := false
	for _, c := range text {
		switch {
		case escaped:
			if quoted == '"' && !strings.ContainsRune("\"\\$`", c) {
				word.WriteByte('\\')
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quoted != '\'':
			escaped, inWord = true, true
		case quoted != 0 && c == quoted:
			quoted = 0
		case quoted != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quoted, inWord = c, true
		case strings.ContainsRune(" \t\r\n", c):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quoted != 0 || escaped {
		return nil, errQuote
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// appendLine appends a line to the PKGBUILD.
func appendLine(dir, line string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Lstat("PKGBUILD")
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: PKGBUILD is no file", ErrUnsafe)
	}
	file, err := root.OpenFile("PKGBUILD", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("\n" + line + "\n")
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// applyDiff applies a diff as git does, which refuses paths outside dir.
func applyDiff(ctx context.Context, dir, text string) error {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	// A repository around dir would make git leave files out in silence.
	environ := []string{"GIT_CEILING_DIRECTORIES=" + filepath.Dir(absolute), "GIT_DIR=" + filepath.Join(absolute, ".no-git")}
	return runGit(ctx, gitCall{dir: absolute, stdin: text, environ: environ, args: []string{"apply", "--ignore-space-change", "--ignore-whitespace"}})
}

// AddArchitecture makes the PKGBUILD in dir buildable for architecture, when
// what it declares holds neither that nor "any".
func AddArchitecture(dir string, declared []string, architecture string) error {
	if slices.Contains(declared, "any") || slices.Contains(declared, architecture) {
		return nil
	}
	if !variableName.MatchString(architecture) {
		return fmt.Errorf("adding an architecture: %q is none", architecture)
	}
	if err := appendLine(dir, "arch+=("+architecture+")"); err != nil {
		return fmt.Errorf("adding an architecture: %w", err)
	}
	return nil
}

// Increment returns the patch that gives a rebuild of version the next release:
// 1.0-1 gives pkgrel 1.1, and 1.0-1.1 gives 1.2.
func Increment(version string) (Patch, error) {
	next, err := alpm.NextRelease(version)
	if err != nil {
		return Patch{}, err
	}
	key := "pkgrel"
	return Patch{Key: &key, Value: alpm.SplitVersion(next).Release}, nil
}
