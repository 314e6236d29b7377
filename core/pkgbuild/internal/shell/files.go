package shell

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// input is a standard input. Without redirection there is nothing to read.
type input struct {
	text  string
	pos   int
	given bool
}

// rest returns what has not been read.
func (in *input) rest() string {
	text := in.text[in.pos:]
	in.pos = len(in.text)
	return text
}

// until reads up to a delimiter; ok is false at the end without one.
func (in *input) until(delimiter byte) (text string, ok bool) {
	text, _, ok = strings.Cut(in.text[in.pos:], string(delimiter))
	in.pos += len(text)
	if ok {
		in.pos++
	}
	return text, ok
}

// output collects what is printed, up to a limit.
type output struct {
	buf   bytes.Buffer
	limit int // 0 keeps nothing
}

func (sh *Shell) write(out *output, text string) {
	sh.grow(len(text))
	if out.limit == 0 {
		return
	}
	if out.buf.Len()+len(text) > out.limit {
		sh.exceeded("output")
	}
	out.buf.WriteString(text)
}

func (sh *Shell) print(text string) { sh.write(sh.stdout, text) }

// inside returns the path below the root, or false when it leads outside.
func (sh *Shell) inside(name string) (string, bool) {
	if path.IsAbs(name) {
		rest, ok := strings.CutPrefix(path.Clean(name)+"/", path.Clean(sh.config.Dir)+"/")
		if !ok {
			return "", false
		}
		return path.Clean(rest), true
	}
	name = path.Join(sh.dir, name)
	return name, name != ".." && !strings.HasPrefix(name, "../")
}

// readFile returns a file's text; found is false when there is none. A file
// outside, or one that a command may have changed, is unknown text.
func (sh *Shell) readFile(name string) (text string, found bool) {
	name = sh.known(name)
	switch {
	case name == "/dev/null":
		return "", true
	case name == "/dev/stdin" || name == "-":
		return sh.stdin.rest(), true
	case strings.HasPrefix(name, virtualPrefix):
		return sh.virtual(name)
	case name == "":
		return "", false
	}
	inside, ok := sh.inside(name)
	if !ok {
		return sh.unknownText("reading " + name), true
	}
	if sh.dirty != nil {
		return sh.unknownText("reading " + name + " after " + sh.dirty.What), true
	}
	f, err := sh.config.Files.Open(inside)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	if err != nil {
		return sh.unknownText("reading " + name), true
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return sh.unknownText("reading " + name), true
	}
	if len(data) > maxFile {
		sh.exceeded("size of " + name)
	}
	sh.grow(len(data))
	return strings.ReplaceAll(string(data), "\x00", ""), true
}

// readInput is readFile for $(<file).
func (sh *Shell) readInput(name string) string {
	text, found := sh.readFile(name)
	if !found {
		sh.setStatus(1)
	}
	return text
}

// stat describes a file, nil when there is none. A question about a file
// outside, or after a command that may have changed files, needs evaluation.
func (sh *Shell) stat(name string) fs.FileInfo {
	name = sh.known(name)
	if name == "" {
		return nil
	}
	inside, ok := sh.inside(name)
	if !ok {
		sh.needs("looking at " + name)
	}
	if sh.dirty != nil {
		sh.needs("looking at " + name + " after " + sh.dirty.What)
	}
	info, err := fs.Stat(sh.config.Files, inside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		if errors.Is(err, fs.ErrInvalid) || strings.Contains(err.Error(), "not a directory") {
			return nil
		}
		sh.needs("looking at " + name)
	}
	return info
}

// virtualPrefix starts the names of process substitutions.
const virtualPrefix = "/dev/fd/"

// processSubstitution runs <(…) and returns the name to read it by.
func (sh *Shell) processSubstitution(text string, direction byte) string {
	if direction == '>' {
		sh.needs("output to a process substitution")
	}
	result := sh.substitute(text)
	sh.setStatus(0)
	name := virtualPrefix + strconv.Itoa(len(*sh.virtuals)+63)
	*sh.virtuals = append(*sh.virtuals, result)
	return name
}

func (sh *Shell) virtual(name string) (string, bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, virtualPrefix))
	if n -= 63; err != nil || n < 0 || n >= len(*sh.virtuals) {
		return "", false
	}
	return (*sh.virtuals)[n], true
}

// expandGlob turns a field into the files it matches, or its text.
func (sh *Shell) expandGlob(f *field) []string {
	text := string(f.text)
	if !f.special() || sh.flags['f'] || isUnknown(text) {
		return []string{text}
	}
	pattern := f.pattern()
	if !hasPattern(pattern, sh.options["extglob"]) {
		return []string{text}
	}
	names := sh.glob(pattern)
	if len(names) > 0 {
		return names
	}
	if sh.options["failglob"] {
		sh.fatal("no match: " + text)
	}
	if sh.options["nullglob"] {
		return nil
	}
	return []string{text}
}

// glob returns the sorted names that match a pattern.
func (sh *Shell) glob(pattern string) []string {
	if sh.dirty != nil {
		sh.needs("file names after " + sh.dirty.What)
	}
	prefix := ""
	if strings.HasPrefix(pattern, "/") {
		plain := plainPattern(pattern)
		root := path.Clean(sh.config.Dir) + "/"
		if !strings.HasPrefix(plain, root) {
			sh.needs("file names matching " + plain)
		}
		prefix = root
		pattern = pattern[strings.Count(root, "/"):]
		for plainPattern(pattern) != plain[len(root):] && pattern != "" {
			pattern = pattern[1:]
		}
	}
	names := []string{prefix}
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		var next []string
		for _, name := range names {
			next = append(next, sh.globPart(name, part, i < len(parts)-1)...)
			sh.checkCount(len(next))
		}
		names = next
	}
	slices.Sort(names)
	return names
}

// globPart extends the path prefix by the entries that match one part.
func (sh *Shell) globPart(prefix, part string, more bool) []string {
	slash := ""
	if more {
		slash = "/"
	}
	if !hasPattern(part, sh.options["extglob"]) {
		name := prefix + plainPattern(part)
		if part == "" && prefix != "" {
			return []string{prefix}
		}
		if part == "" || sh.stat(name) == nil {
			return nil
		}
		return []string{name + slash}
	}
	inside, ok := sh.inside(prefix + ".")
	if !ok {
		sh.needs("file names in " + prefix)
	}
	entries, err := fs.ReadDir(sh.config.Files, inside)
	if err != nil {
		return nil
	}
	m := sh.matcher()
	m.period = !sh.options["dotglob"]
	m.fold = sh.options["nocaseglob"]
	var names []string
	for _, entry := range entries {
		if !m.match(part, entry.Name()) {
			continue
		}
		if more {
			if info := sh.stat(prefix + entry.Name()); info == nil || !info.IsDir() {
				continue
			}
		}
		names = append(names, prefix+entry.Name()+slash)
	}
	return names
}

// redirected runs a command with its redirections.
func (sh *Shell) redirected(redirects []redirect, run func()) {
	if len(redirects) == 0 {
		run()
		return
	}
	stdin, stdout, stderr := sh.stdin, sh.stdout, sh.stderr
	defer func() { sh.stdin, sh.stdout, sh.stderr = stdin, stdout, stderr }()
	for _, r := range redirects {
		if !sh.redirect(r) {
			sh.setStatus(1)
			sh.errexit()
			return
		}
	}
	run()
}

// redirect applies one redirection and reports whether it worked.
func (sh *Shell) redirect(r redirect) bool {
	switch r.op {
	case "<<", "<<-":
		text := r.body.text
		if !r.body.quoted {
			line := sh.line
			sh.line = r.body.line
			text = sh.expandHeredoc(text)
			sh.line = line
		}
		sh.stdin = &input{text: text, given: true}
		return true
	case "<<<":
		sh.stdin = &input{text: sh.expandString(r.target.text) + "\n", given: true}
		return true
	}
	targets := sh.expandField(r.target)
	if len(targets) != 1 {
		sh.fatal(r.target.text + ": ambiguous redirect")
	}
	target := sh.known(targets[0])
	switch r.op {
	case "<":
		text, found := sh.readFile(target)
		if r.fd == "" || r.fd == "0" {
			sh.stdin = &input{text: text, given: true}
		}
		return found
	case "<&", "<>":
		return true
	}
	sh.redirectOutput(r, target)
	return true
}

func (sh *Shell) redirectOutput(r redirect, target string) {
	out := &output{}
	switch {
	case target == "1" && r.op == ">&" || target == "/dev/stdout":
		out = sh.stdout
	case target == "2" && r.op == ">&" || target == "/dev/stderr":
		out = sh.stderr
	case target == "/dev/null" || target == "-" && r.op == ">&":
	case r.op == ">&" && target != "" && isDigit(target[0]):
	default:
		sh.dirty = &Unknown{sh.file, sh.line, "writing " + target}
	}
	switch {
	case r.op == "&>" || r.op == "&>>" || r.op == ">&" && r.fd == "" && !isDigit(target[0]) && target != "-":
		sh.stdout, sh.stderr = out, out
	case r.fd == "" || r.fd == "1":
		sh.stdout = out
	case r.fd == "2":
		sh.stderr = out
	}
}

// expandHeredoc expands a here-document, where double quotes mean nothing.
func (sh *Shell) expandHeredoc(text string) string {
	e := &expansion{sh: sh}
	p := &parser{src: text, first: sh.line, extglob: true}
	for p.pos < len(text) {
		if text[p.pos] == '\\' && p.at(p.pos+1) == '"' {
			e.add(`\"`, true)
			p.pos += 2
			continue
		}
		p.pos = sh.expandStep(e, p, true)
	}
	return string(e.cur.text)
}
