package sshdial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Limits on what is read of configuration files.
const (
	maxConfigDepth = 16      // of Include, as OpenSSH has it
	maxConfigSize  = 4 << 20 // bytes of one file
)

// hostOptions are the values of ssh_config for one host: the first of each
// keyword counts, but those of IdentityFile and CertificateFile add up.
// Keywords are in lower case.
type hostOptions map[string][]string

// first returns the first word of a keyword's value.
func (o hostOptions) first(keyword string) string {
	if values := o[keyword]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// configReader evaluates ssh_config(5) for one host while it reads, as ssh does:
// what a Match asks about is what was found before it.
type configReader struct {
	asked string // the host as it was asked for
	host  string // what Host is about: the same, and in the final pass the HostName
	user  string // of the target; empty: not said
	final bool   // all is read again, for a "Match final"; wanted: it has to be
	again bool
	local string // who runs this program
	home  string
	// expand puts in the tokens, with what is known so far.
	expand  func(options hostOptions, text string) string
	options hostOptions
}

// readFile reads a configuration file; one that does not exist says nothing.
// dir is where relative Includes begin.
func (r *configReader) readFile(ctx context.Context, name, dir string) error {
	active := true
	return r.include(ctx, name, dir, &active, 0)
}

// include reads a file within a Host or Match block: active says whether it
// applies, and changes with the blocks of the file.
func (r *configReader) include(ctx context.Context, name, dir string, active *bool, depth int) error {
	if depth > maxConfigDepth {
		return fmt.Errorf("reading %s: more than %d files include each other", name, maxConfigDepth)
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the SSH configuration: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() > maxConfigSize {
		return fmt.Errorf("reading %s: it is larger than %d bytes", name, maxConfigSize)
	}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		words, err := configWords(lines.Text())
		if err == nil && len(words) > 0 {
			err = r.line(ctx, strings.ToLower(words[0]), words[1:], dir, active, depth)
		}
		if err != nil {
			return fmt.Errorf("reading %s, line %d: %w", name, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// line takes one line in.
func (r *configReader) line(ctx context.Context, keyword string, values []string, dir string, active *bool, depth int) error {
	if len(values) == 0 {
		return fmt.Errorf("%s has no value", keyword)
	}
	switch keyword {
	case "host":
		*active = matchList(values, r.host)
		return nil
	case "match":
		matched, err := r.match(ctx, values)
		*active = matched
		return err
	}
	if !*active {
		return nil
	}
	switch keyword {
	case "include":
		return r.includeAll(ctx, values, dir, depth)
	case "identityfile", "certificatefile":
		if !slices.Contains(r.options[keyword], values[0]) {
			r.options[keyword] = append(r.options[keyword], values[0])
		}
	default:
		if _, ok := r.options[keyword]; !ok {
			r.options[keyword] = values
		}
	}
	return nil
}

// includeAll reads the files of an Include.
func (r *configReader) includeAll(ctx context.Context, patterns []string, dir string, depth int) error {
	for _, pattern := range patterns {
		pattern = expandHome(pattern, r.home)
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		names, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("including %s: %w", pattern, err)
		}
		for _, name := range names {
			active := true
			if err := r.include(ctx, name, dir, &active, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// match decides a Match line. All of its criteria must hold.
func (r *configReader) match(ctx context.Context, words []string) (bool, error) {
	all := true
	for i := 0; i < len(words); i++ {
		criterion, negated := strings.CutPrefix(strings.ToLower(words[i]), "!")
		var holds bool
		switch criterion {
		case "all":
			holds = true
		case "canonical":
		case "final":
			holds, r.again = r.final, true
		case "host", "originalhost", "user", "localuser", "exec", "localnetwork", "tagged", "version", "sessiontype", "command":
			if i++; i == len(words) {
				return false, fmt.Errorf("match %s has no value", criterion)
			}
			holds = all && r.criterion(ctx, criterion, words[i])
		default:
			return false, fmt.Errorf("unknown criterion %q of Match", words[i])
		}
		all = all && holds != negated
	}
	return all, nil
}

// criterion decides one criterion with a value. We are no version of OpenSSH, and
// run no command that anybody knows.
func (r *configReader) criterion(ctx context.Context, name, value string) bool {
	patterns := strings.Split(value, ",")
	switch name {
	case "host":
		host := r.host
		if found := r.options.first("hostname"); found != "" {
			host = r.expand(r.options, found)
		}
		return matchList(patterns, host)
	case "originalhost":
		return matchList(patterns, r.asked)
	case "user":
		user := r.user
		if user == "" {
			user = r.options.first("user")
		}
		if user == "" {
			user = r.local
		}
		return matchList(patterns, user)
	case "localuser":
		return matchList(patterns, r.local)
	case "tagged":
		return matchList(patterns, r.options.first("tag"))
	case "sessiontype":
		return matchList(patterns, "exec")
	case "localnetwork":
		return onNetwork(patterns)
	case "exec":
		return exec.CommandContext(ctx, "/bin/sh", "-c", r.expand(r.options, value)).Run() == nil
	}
	return false
}

// onNetwork says whether this machine has an address in one of the networks.
func onNetwork(networks []string) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(networks, func(text string) bool {
		_, network, err := net.ParseCIDR(text)
		return err == nil && slices.ContainsFunc(addresses, func(address net.Addr) bool {
			own, ok := address.(*net.IPNet)
			return ok && network.Contains(own.IP)
		})
	})
}

// matchList matches a list of patterns, of which "!" negates: one must match
// and none that is negated may.
func matchList(patterns []string, text string) bool {
	found := false
	for _, pattern := range patterns {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if matchPattern(strings.ToLower(pattern), strings.ToLower(text)) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// matchPattern knows "*" and "?".
func matchPattern(pattern, text string) bool {
	next, mark, star := 0, 0, -1
	at := 0
	for at < len(text) {
		switch {
		case next < len(pattern) && pattern[next] == '*':
			star, mark = next, at
			next++
		case next < len(pattern) && (pattern[next] == '?' || pattern[next] == text[at]):
			next++
			at++
		case star >= 0:
			mark++
			next, at = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[next:], "*") == ""
}

// configWords splits a line into its keyword and its values: between keyword and
// value may stand one "=", values may be quoted, and "#" begins a comment.
func configWords(line string) ([]string, error) {
	line = strings.TrimSpace(line)
	end := strings.IndexAny(line, " \t=")
	if line == "" || line[0] == '#' {
		return nil, nil
	}
	if end < 0 {
		return []string{line}, nil
	}
	words := []string{line[:end]}
	rest := strings.TrimLeft(line[end:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	for rest != "" && rest[0] != '#' {
		word, tail, err := configWord(rest)
		if err != nil {
			return nil, err
		}
		words, rest = append(words, word), strings.TrimLeft(tail, " \t")
	}
	return words, nil
}

// configWord cuts the first word off.
func configWord(text string) (word, rest string, err error) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`"'\`, text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case c == ' ' || c == '\t':
			return b.String(), text[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", errors.New("a quote is not closed")
	}
	return b.String(), "", nil
}

// expandHome puts the home directory in for "~/".
func expandHome(name, home string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return name
}
