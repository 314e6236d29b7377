package shell

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// field is one word being made: its bytes and, beside each, whether quotes
// protect it from splitting and from being a pattern.
type field struct {
	text    []byte
	quoted  []bool
	present bool // quotes were there, so the word counts though empty
}

func (f *field) add(s string, quoted bool) {
	f.text = append(f.text, s...)
	for range len(s) {
		f.quoted = append(f.quoted, quoted)
	}
}

// pattern returns the text with quoted special characters escaped.
func (f *field) pattern() string {
	var out strings.Builder
	for i, c := range f.text {
		if f.quoted[i] && strings.IndexByte(`*?[]\!@+()|-^`, c) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(c)
	}
	return out.String()
}

// special reports whether an unquoted character might make it a pattern.
func (f *field) special() bool {
	for i, c := range f.text {
		if !f.quoted[i] && (c == '*' || c == '?' || c == '[' || c == '(') {
			return true
		}
	}
	return false
}

// expansion collects the fields of one or more words.
type expansion struct {
	sh     *Shell
	split  bool // split unquoted results at IFS, and keep "$@" apart
	fields []field
	cur    field
	any    bool // cur has been touched
}

func (e *expansion) add(s string, quoted bool) {
	e.sh.grow(len(s))
	e.any = true
	e.cur.add(s, quoted)
	if len(e.cur.text) > maxText {
		e.sh.exceeded("memory")
	}
	if quoted {
		e.cur.present = true
	}
}

// end closes the current field when it counts.
func (e *expansion) end() {
	if len(e.cur.text) > 0 || e.cur.present {
		e.push()
	}
	e.cur, e.any = field{}, false
}

func (e *expansion) push() {
	e.sh.charge(1)
	e.fields = append(e.fields, e.cur)
	e.sh.checkCount(len(e.fields))
	e.cur = field{}
}

// addUnquoted adds the result of an unquoted expansion, split at IFS.
func (e *expansion) addUnquoted(s string) {
	if !e.split {
		e.add(s, false)
		return
	}
	ifs := e.sh.ifs()
	if ifs == "" || s == "" {
		e.add(s, false)
		return
	}
	e.sh.known(s)
	e.sh.grow(len(s))
	isIFS := func(r rune) bool { return strings.ContainsRune(ifs, r) }
	for s != "" {
		if i := strings.IndexFunc(s, isIFS); i != 0 {
			if i < 0 {
				i = len(s)
			}
			e.cur.add(s[:i], false)
			s = s[i:]
			continue
		}
		s = trimIFSSpace(s, ifs)
		if r, size := utf8.DecodeRuneInString(s); size > 0 && isIFS(r) {
			s = trimIFSSpace(s[size:], ifs)
			e.push()
			continue
		}
		e.end()
	}
}

// trimIFSSpace removes the white space of IFS that s starts with.
func trimIFSSpace(s, ifs string) string {
	return strings.TrimLeftFunc(s, func(r rune) bool {
		return (r == ' ' || r == '\t' || r == '\n') && strings.ContainsRune(ifs, r)
	})
}

func (sh *Shell) ifs() string {
	if v := sh.find("IFS"); v != nil && v.set {
		return sh.known(v.value)
	}
	return " \t\n"
}

// fields expands words to arguments: braces, tilde, parameters, commands,
// arithmetic, splitting, file names.
func (sh *Shell) expandFields(words []word) []string {
	var out []string
	for _, w := range words {
		out = append(out, sh.expandField(w)...)
		sh.checkCount(len(out))
	}
	return out
}

func (sh *Shell) expandField(w word) []string {
	if w.line > 0 {
		sh.line = w.line
	}
	if !strings.ContainsAny(w.text, "$`'\"\\{*?[~(<>") {
		sh.charge(1)
		return []string{w.text}
	}
	var out []string
	for _, text := range sh.expandBraces(w.text) {
		e := &expansion{sh: sh, split: true}
		sh.expandText(e, text, false)
		e.end()
		for i := range e.fields {
			out = append(out, sh.expandGlob(&e.fields[i])...)
		}
	}
	return out
}

// expandString expands a word to one string: no splitting, no file names.
func (sh *Shell) expandString(text string) string {
	if !strings.ContainsAny(text, "$`'\"\\~<>") {
		return text
	}
	return string(sh.expandOne(text, false).text)
}

// expandPattern expands a word to a pattern text, quoted parts escaped.
func (sh *Shell) expandPattern(text string) string {
	if !strings.ContainsAny(text, "$`'\"\\~<>") {
		return text
	}
	f := sh.expandOne(text, false)
	return f.pattern()
}

// expandDouble expands text as between double quotes.
func (sh *Shell) expandDouble(text string) string {
	if !strings.ContainsAny(text, "$`\\") {
		return text
	}
	return string(sh.expandOne(text, true).text)
}

func (sh *Shell) expandOne(text string, double bool) field {
	e := &expansion{sh: sh}
	sh.expandText(e, text, double)
	return e.cur
}

// expandText expands text into e; double means it stands in double quotes.
func (sh *Shell) expandText(e *expansion, text string, double bool) {
	if sh.evalDepth++; sh.evalDepth > maxNesting*2 {
		sh.exceeded("depth of expansions")
	}
	defer func() { sh.evalDepth-- }()
	p := &parser{src: text, first: sh.line, extglob: true}
	if !double && strings.HasPrefix(text, "~") {
		p.pos = sh.expandTilde(e, text)
	}
	for p.pos < len(text) {
		p.pos = sh.expandStep(e, p, double)
	}
}

// expandStep expands what stands at the cursor and returns the place after.
func (sh *Shell) expandStep(e *expansion, p *parser, double bool) int {
	text, i := p.src, p.pos
	switch c := text[i]; {
	case c == '\\':
		return sh.expandBackslash(e, text, i, double)
	case c == '$':
		return sh.expandDollar(e, p, i, double)
	case c == '`':
		end := p.skipBackquote(i)
		sh.addSubstitution(e, unescapeBackquote(text[i+1:end-1], double), double)
		return end
	case double:
	case c == '\'':
		end := p.skipSingle(i)
		e.add(text[i+1:end-1], true)
		return end
	case c == '"':
		end := p.skipDouble(i)
		sh.expandQuoted(e, text[i+1:end-1])
		return end
	case (c == '<' || c == '>') && p.at(i+1) == '(':
		end := p.skipSubstitution(i + 1)
		e.add(sh.processSubstitution(text[i+2:end-1], c), true)
		return end
	}
	j := i + 1
	for j < len(text) && strings.IndexByte("\\$`'\"<>", text[j]) < 0 {
		j++
	}
	e.add(text[i:j], double)
	return j
}

// expandQuoted expands what stands between double quotes. Quotes make a field
// even when empty, save for "$@" without parameters.
func (sh *Shell) expandQuoted(e *expansion, text string) {
	if !emptyList(sh, text) {
		e.cur.present, e.any = true, true
	}
	sh.expandText(e, text, true)
}

// emptyList reports whether text is nothing but a list expansion ($@ or
// ${name[@]}…) that has no elements.
func emptyList(sh *Shell, text string) bool {
	if text == "$@" {
		return len(sh.params) == 0
	}
	return strings.HasPrefix(text, "${") && (strings.Contains(text, "[@]") || strings.HasPrefix(text, "${@"))
}

func (sh *Shell) expandBackslash(e *expansion, text string, i int, double bool) int {
	if i+1 >= len(text) {
		e.add(`\`, true)
		return i + 1
	}
	c := text[i+1]
	switch {
	case c == '\n':
	case double && strings.IndexByte("$`\"\\", c) < 0:
		e.add(text[i:i+2], true)
	default:
		_, size := utf8.DecodeRuneInString(text[i+1:])
		e.add(text[i+1:i+1+size], true)
		return i + 1 + size
	}
	return i + 2
}

// expandTilde expands a leading ~ and returns the place after it.
func (sh *Shell) expandTilde(e *expansion, text string) int {
	end := strings.IndexAny(text, "/:$`'\"\\ ")
	if end < 0 {
		end = len(text)
	}
	switch user := text[1:end]; {
	case user == "":
		e.add(sh.variableText("HOME"), true)
	case user == "+":
		e.add(sh.variableText("PWD"), true)
	case isName(user):
		e.add(sh.unknownText("the home directory of "+user), true)
	default:
		return 0
	}
	return end
}

// variableText is the value of a scalar variable.
func (sh *Shell) variableText(name string) string {
	if v := sh.lookup(name); v != nil {
		value, _ := v.element(0)
		return value
	}
	return ""
}

// expandDollar expands what starts with "$" at i and returns the place after.
func (sh *Shell) expandDollar(e *expansion, p *parser, i int, double bool) int {
	text := p.src
	switch c := p.at(i + 1); {
	case c == '{':
		end := p.skipBrace(i + 1)
		line := sh.line
		sh.expandParameter(e, text[i+2:end-1], double)
		sh.line = line
		return end
	case c == '(':
		if p.at(i+2) == '(' {
			if end, ok := p.skipParens(i+1, true); ok {
				value := sh.arithmetic(sh.expandDouble(unquoteArith(text[i+3 : end-2])))
				sh.addResult(e, strconv.FormatInt(value, 10), double)
				return end
			}
		}
		end := p.skipSubstitution(i + 1)
		sh.addSubstitution(e, text[i+2:end-1], double)
		return end
	case c == '[':
		if end, ok := p.skipBrackets(i + 1); ok {
			value := sh.arithmetic(sh.expandDouble(text[i+2 : end-1]))
			sh.addResult(e, strconv.FormatInt(value, 10), double)
			return end
		}
	case c == '\'' && !double:
		end := p.skipANSI(i + 1)
		e.add(ansiC(text[i+2:end-1]), true)
		return end
	case c == '"' && !double:
		return i + 1
	case isDigit(c) || c != 0 && strings.IndexByte("@*#?-$!", c) >= 0:
		sh.expandParameter(e, text[i+1:i+2], double)
		return i + 2
	case isNameByte(c):
		j := i + 1
		for j < len(text) && isNameByte(text[j]) {
			j++
		}
		sh.expandParameter(e, text[i+1:j], double)
		return j
	}
	e.add("$", double)
	return i + 1
}

// unquoteArith removes double quotes from an arithmetic expression.
func unquoteArith(text string) string { return strings.ReplaceAll(text, `"`, "") }

// addResult adds an expansion's result, quoted or split.
func (sh *Shell) addResult(e *expansion, value string, double bool) {
	if double {
		e.add(value, true)
	} else {
		e.addUnquoted(value)
	}
}

// addSubstitution runs a command substitution and adds what it printed.
func (sh *Shell) addSubstitution(e *expansion, text string, double bool) {
	sh.addResult(e, strings.TrimRight(sh.substitute(text), "\n"), double)
}

// substitute runs text in a subshell and returns its standard output. Nothing
// in there can change this shell, so when it needs evaluation only its output
// is unknown.
func (sh *Shell) substitute(text string) string {
	sub := sh.fork()
	sub.stdout = &output{limit: maxText}
	sub.guarded = 0
	if file, ok := redirectedFile(text); ok {
		sh.setStatus(0)
		out := sub.readInput(sub.expandString(file))
		sh.status, sh.doubt = sub.status, sub.doubt
		return out
	}
	unknown := sh.isolated(sub, func() { sub.runText(text) })
	if unknown != nil {
		return sh.unknownText(unknown.What)
	}
	sh.grow(sub.stdout.buf.Len())
	return sub.stdout.buf.String()
}

// isolated runs a subshell and takes over its status. It returns why the
// subshell could not be run to its end.
func (sh *Shell) isolated(sub *Shell, run func()) *Unknown {
	calls := sh.budget.calls
	sh.enterCall()
	err := sub.protectUnknown(run)
	sh.budget.calls = calls
	if sub.dirty != nil {
		sh.dirty = sub.dirty
	}
	sh.status, sh.doubt = sub.status, sub.doubt
	if err != nil {
		sh.doubt = err
		if sh.dirty == nil {
			sh.dirty = err
		}
	}
	return err
}

// protectUnknown runs f in a subshell and catches what needs evaluation. An
// error that ends a shell ends only this one, with status 1.
func (sh *Shell) protectUnknown(f func()) (unknown *Unknown) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		s, ok := r.(stop)
		if ok && errors.As(s.err, &unknown) {
			return
		}
		if _, fatal := s.err.(*Fatal); ok && fatal {
			sh.setStatus(1)
			return
		}
		panic(r)
	}()
	f()
	return nil
}

// redirectedFile recognises $(<file).
func redirectedFile(text string) (string, bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "<") || strings.HasPrefix(text, "<<") || strings.HasPrefix(text, "<(") {
		return "", false
	}
	p := &parser{src: strings.TrimSpace(text[1:])}
	w := p.word(false)
	return w.text, p.eof()
}
