package shell

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parameter is the part of ${…} that says which value is meant.
type parameter struct {
	name         string // a name, digits, or one of @*#?-$!
	subscript    string // inside the brackets
	hasSubscript bool
	indirect     bool // ${!…}
	length       bool // ${#…}
	op           string
	word         string // what follows the operator
}

// list reports whether all elements are meant.
func (p *parameter) list() bool {
	return p.name == "@" || p.name == "*" || p.hasSubscript && (p.subscript == "@" || p.subscript == "*")
}

func (p *parameter) star() bool {
	return p.name == "*" || p.hasSubscript && p.subscript == "*"
}

// parseParameter takes the inside of ${…} apart.
func parseParameter(text string) (*parameter, bool) {
	p := &parameter{}
	rest := text
	if len(rest) > 1 && rest[0] == '#' && (isNameByte(rest[1]) || strings.IndexByte("@*?$!", rest[1]) >= 0 && len(rest) == 2) {
		p.length = true
		rest = rest[1:]
	} else if len(rest) > 1 && rest[0] == '!' && (isNameByte(rest[1]) || strings.IndexByte("@*#", rest[1]) >= 0) {
		p.indirect = true
		rest = rest[1:]
	}
	i := 0
	switch {
	case rest == "":
		return nil, false
	case isDigit(rest[0]):
		for i < len(rest) && isDigit(rest[i]) {
			i++
		}
	case isNameByte(rest[0]):
		for i < len(rest) && isNameByte(rest[i]) {
			i++
		}
	case strings.IndexByte("@*#?-$!", rest[0]) >= 0:
		i = 1
	default:
		return nil, false
	}
	p.name, rest = rest[:i], rest[i:]
	if strings.HasPrefix(rest, "[") && isName(p.name) {
		end := matchBracket(rest, 0)
		if end < 0 {
			return nil, false
		}
		p.subscript, p.hasSubscript = rest[1:end], true
		rest = rest[end+1:]
	}
	if p.length && rest != "" {
		return nil, false
	}
	return p, p.operator(rest)
}

var parameterOps = []string{":-", ":=", ":?", ":+", "##", "%%", "//", "/#", "/%", "^^", ",,", "~~", "-", "=", "?", "+", "#", "%", "/", "^", ",", "~", "@", ":"}

func (p *parameter) operator(rest string) bool {
	if rest == "" {
		return true
	}
	for _, op := range parameterOps {
		if strings.HasPrefix(rest, op) {
			p.op, p.word = op, rest[len(op):]
			return op != "@" || len(p.word) == 1 || p.indirect && p.word == ""
		}
	}
	return p.indirect && rest == "*"
}

// expandParameter expands the inside of ${…} into e.
func (sh *Shell) expandParameter(e *expansion, text string, double bool) {
	p, ok := parseParameter(text)
	if !ok {
		if sh.indirectNames(e, text, double) {
			return
		}
		sh.fatal("${" + text + "}: bad substitution")
	}
	if p.indirect && sh.indirectNames(e, text, double) {
		return
	}
	if p.indirect && p.list() && isName(p.name) {
		sh.addList(e, p, sh.subscripts(p.name), double)
		return
	}
	if p.indirect {
		p = sh.follow(p)
	}
	if p.length {
		sh.addResult(e, strconv.Itoa(sh.length(p)), double)
		return
	}
	values, set := sh.parameterValues(p)
	switch p.op {
	case "":
		if !set && sh.flags['u'] && !p.list() {
			panic(stop{&Fatal{sh.file, sh.line, p.name + ": unbound variable", true}})
		}
	case ":-", "-", ":=", "=", ":?", "?", ":+", "+":
		if sh.alternative(e, p, values, set, double) {
			return
		}
	case ":":
		values = sh.slice(p, values)
	case "@":
		values = sh.transform(p, values, set)
	default:
		values = sh.edit(p, values)
	}
	if p.list() {
		sh.addList(e, p, values, double)
	} else if len(values) > 0 {
		sh.addResult(e, values[0], double)
	}
}

// indirectNames expands ${!prefix@} and ${!prefix*}.
func (sh *Shell) indirectNames(e *expansion, text string, double bool) bool {
	if len(text) < 3 || text[0] != '!' || text[len(text)-1] != '@' && text[len(text)-1] != '*' {
		return false
	}
	prefix := text[1 : len(text)-1]
	if !isName(prefix) {
		return false
	}
	var names []string
	for _, s := range sh.scopes {
		for name, v := range s {
			if strings.HasPrefix(name, prefix) && v.set && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	sh.addList(e, &parameter{name: text[len(text)-1:]}, names, double)
	return true
}

func (sh *Shell) subscripts(name string) []string {
	if v := sh.lookup(name); v != nil {
		return v.subscripts()
	}
	return nil
}

// follow resolves ${!name…}: the parameter that name's value names.
func (sh *Shell) follow(p *parameter) *parameter {
	v := sh.find(p.name)
	if v != nil && v.nameref && !p.hasSubscript {
		return &parameter{name: "\x01", subscript: v.value, op: p.op, word: p.word}
	}
	values, _ := sh.parameterValues(p)
	target := ""
	if len(values) > 0 {
		target = sh.known(strings.Join(values, " "))
	}
	if target == "" {
		if p.op == "" && v == nil {
			sh.fatal(p.name + ": invalid indirect expansion")
		}
		return &parameter{name: "\x01unset", op: p.op, word: p.word}
	}
	t, ok := parseParameter(target)
	if !ok || t.op != "" || t.length || t.indirect {
		sh.fatal(target + ": invalid variable name")
	}
	t.op, t.word = p.op, p.word
	return t
}

// parameterValues returns the value (or all values of a list) and whether the
// parameter is set.
func (sh *Shell) parameterValues(p *parameter) ([]string, bool) {
	switch {
	case p.name == "\x01":
		return []string{p.subscript}, true
	case strings.HasPrefix(p.name, "\x01"):
		return nil, false
	case p.name == "@" || p.name == "*":
		return sh.params, len(sh.params) > 0
	case !isName(p.name):
		value, set := sh.special(p.name)
		return []string{value}, set
	}
	v := sh.dynamic(p.name)
	if v == nil {
		return nil, false
	}
	if p.list() {
		values := v.list()
		return values, len(values) > 0
	}
	value, set := sh.elementValue(v, p)
	if !set {
		return nil, false
	}
	return []string{value}, true
}

func (sh *Shell) elementValue(v *variable, p *parameter) (string, bool) {
	if v.kind == associative {
		key := "0"
		if p.hasSubscript {
			key = sh.known(sh.expandString(p.subscript))
		}
		value, ok := v.table[key]
		return value, ok
	}
	index := 0
	if p.hasSubscript {
		n := sh.arithmetic(sh.expandString(p.subscript))
		if n < 0 {
			n += int64(v.next())
		}
		if n < 0 || n > maxElements*64 {
			return "", false // bash complains and goes on
		}
		index = int(n)
	}
	return v.element(index)
}

// dynamic returns the variable, with those that bash computes made unknown
// where nobody can know them.
func (sh *Shell) dynamic(name string) *variable {
	if v := sh.lookup(name); v != nil {
		return v
	}
	text := ""
	switch name {
	case "LINENO":
		text = strconv.Itoa(sh.line)
	case "BASH_VERSION", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS",
		"EPOCHREALTIME", "BASHPID", "PPID", "UID", "EUID", "GROUPS", "BASH_VERSINFO", "BASHOPTS", "SHELLOPTS", "BASH_COMMAND",
		"BASH_ARGV", "BASH_ARGC", "BASH_LINENO", "DIRSTACK", "COLUMNS", "LINES", "SHLVL", "_":
		text = sh.unknownText("$" + name)
	case "OSTYPE":
		text = "linux-gnu"
	case "BASH_SOURCE", "FUNCNAME":
		return sh.callStack(name)
	case "BASH_SUBSHELL":
		text = "0"
		if sh.subshell {
			text = sh.unknownText("$" + name)
		}
	default:
		return nil
	}
	return &variable{set: true, value: text}
}

func (sh *Shell) callStack(name string) *variable {
	v := &variable{kind: indexed, set: true}
	if name == "BASH_SOURCE" {
		v.setElement(0, cmp.Or(sh.sourced, sh.config.Dir+"/"+sh.config.File))
		return v
	}
	for i := len(sh.calls) - 1; i >= 0; i-- {
		v.setElement(len(v.values), sh.calls[i])
	}
	v.setElement(len(v.values), "source")
	return v
}

func (sh *Shell) special(name string) (string, bool) {
	switch name {
	case "#":
		return strconv.Itoa(len(sh.params)), true
	case "?":
		if sh.doubt != nil {
			return sh.unknownText(sh.doubt.What), true
		}
		return strconv.Itoa(sh.status), true
	case "-", "$", "!":
		return sh.unknownText("$" + name), true
	case "0":
		return sh.name, true
	}
	n, err := strconv.Atoi(name)
	if err != nil || n > len(sh.params) {
		return "", false
	}
	if n == 0 {
		return sh.name, true
	}
	return sh.params[n-1], true
}

func (sh *Shell) length(p *parameter) int {
	values, _ := sh.parameterValues(p)
	if p.list() {
		return len(values)
	}
	if len(values) == 0 {
		return 0
	}
	sh.charge(len(values[0]) / 16)
	return utf8.RuneCountInString(sh.known(values[0]))
}

// addList adds the elements of a list: fields of their own in "$@", joined by
// the first character of IFS in "$*".
func (sh *Shell) addList(e *expansion, p *parameter, values []string, double bool) {
	switch {
	case len(values) == 0:
	case double && (p.star() || !e.split):
		separator := " "
		if p.star() {
			separator = sh.ifs()
			_, size := utf8.DecodeRuneInString(separator)
			separator = separator[:size]
		}
		e.add(strings.Join(values, separator), true)
	case double:
		for i, value := range values {
			if i > 0 {
				e.push()
			}
			e.add(value, true)
		}
	case !e.split:
		e.add(strings.Join(values, " "), false)
	default:
		for i, value := range values {
			if i > 0 {
				e.end()
			}
			e.addUnquoted(value)
		}
	}
}

// alternative handles the operators that test whether the parameter is set.
// It reports whether it added the result itself.
func (sh *Shell) alternative(e *expansion, p *parameter, values []string, set, double bool) bool {
	use := set
	if p.op[0] == ':' && set {
		joined := strings.Join(values, " ")
		if isUnknown(joined) && len(values) == 1 && strings.Count(joined, "\x00") > 1 && joined[0] == 0 && strings.LastIndexByte(joined, 0) == len(joined)-1 {
			sh.known(joined)
		}
		use = joined != ""
	}
	switch p.op[len(p.op)-1] {
	case '+':
		if use {
			sh.addWord(e, p.word, double)
		}
		return true
	case '-':
		if !use {
			sh.addWord(e, p.word, double)
		}
	case '=':
		if !use {
			value := sh.expandOperand(p.word, double)
			if !isName(p.name) || p.list() {
				sh.fatal("$" + p.name + ": cannot assign in this way")
			}
			sh.store(sh.assignable(p.name), p.subscript, p.hasSubscript, value, false)
			sh.addResult(e, value, double)
		}
	case '?':
		if !use {
			panic(stop{&Fatal{sh.file, sh.line, p.name + ": " + sh.expandOperand(p.word, double), true}})
		}
	}
	return !use
}

// addWord expands the word of ${name-word} into e.
func (sh *Shell) addWord(e *expansion, text string, double bool) {
	if double {
		// Quotes inside quotes still group, and go.
		for i, part := range splitQuotes(text) {
			if i%2 == 1 {
				e.cur.present = true
			}
			sh.expandText(e, part, true)
		}
		return
	}
	sub := &expansion{sh: sh, split: e.split}
	sh.expandWordParts(sub, text)
	for i := range sub.fields {
		if i > 0 || e.any && len(e.cur.text) > 0 && startsBlank(text) {
			e.end()
		}
		e.merge(sub.fields[i])
	}
	if len(sub.cur.text) > 0 || sub.cur.present {
		if len(sub.fields) > 0 {
			e.end()
		}
		e.merge(sub.cur)
	} else if len(sub.fields) > 0 && endsBlank(text) {
		e.end()
	}
}

func startsBlank(text string) bool { return strings.TrimLeft(text, " \t\n") != text }

func endsBlank(text string) bool { return strings.TrimRight(text, " \t\n") != text }

func (e *expansion) merge(f field) {
	e.any = true
	e.cur.text = append(e.cur.text, f.text...)
	e.cur.quoted = append(e.cur.quoted, f.quoted...)
	e.cur.present = e.cur.present || f.present
}

// expandWordParts expands an unquoted operand, whose literal blanks split too.
func (sh *Shell) expandWordParts(e *expansion, text string) {
	if !e.split {
		sh.expandText(e, text, false)
		return
	}
	p := &parser{src: text, first: sh.line, extglob: true}
	if strings.HasPrefix(text, "~") {
		p.pos = sh.expandTilde(e, text)
	}
	for p.pos < len(text) {
		if c := text[p.pos]; c == ' ' || c == '\t' || c == '\n' {
			e.end()
			p.pos++
			continue
		}
		if j := p.pos + literalRun(text[p.pos:]); j > p.pos {
			e.addUnquoted(text[p.pos:j])
			p.pos = j
			continue
		}
		p.pos = sh.expandStep(e, p, false)
	}
}

// literalRun returns how many bytes at the start mean themselves.
func literalRun(text string) int {
	if n := strings.IndexAny(text, "\\$`'\"<> \t\n"); n >= 0 {
		return n
	}
	return len(text)
}

// splitQuotes splits text at its unescaped double quotes.
func splitQuotes(text string) []string {
	var parts []string
	p := &parser{src: text}
	start := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '\\':
			i += 2
		case '$':
			i = p.skipDollar(i, true)
		case '`':
			i = p.skipBackquote(i)
		case '"':
			parts = append(parts, text[start:i])
			i++
			start = i
		default:
			i++
		}
	}
	return append(parts, text[start:])
}

// expandOperand expands the word of an operator to one string.
func (sh *Shell) expandOperand(text string, double bool) string {
	e := &expansion{sh: sh}
	if double {
		sh.addWord(e, text, true)
	} else {
		sh.expandText(e, text, false)
	}
	return string(e.cur.text)
}
