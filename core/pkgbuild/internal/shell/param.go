package shell

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
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
			sh.fatal(p.name + ": unbound variable")
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
		index = sh.index(v, p.subscript)
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
		v.setElement(0, sh.config.Dir+"/"+sh.file)
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
			sh.fatal(p.name + ": " + sh.expandOperand(p.word, double))
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

// slice handles ${name:offset:length}.
func (sh *Shell) slice(p *parameter, values []string) []string {
	offsetText, lengthText, hasLength := cutArithmetic(p.word)
	if strings.TrimSpace(offsetText) == "" && !hasLength {
		sh.fatal("${" + p.name + ":}: bad substitution")
	}
	offset := sh.arithmetic(sh.expandDouble(unquoteArith(offsetText)))
	length, count := int64(0), int64(0)
	if hasLength {
		length = sh.arithmetic(sh.expandDouble(unquoteArith(lengthText)))
	}
	if p.list() {
		return sh.sliceList(p, values, offset, length, hasLength)
	}
	if len(values) == 0 {
		return nil
	}
	runes := []rune(sh.known(values[0]))
	sh.grow(len(values[0]))
	count = int64(len(runes))
	if offset < 0 {
		offset += count
	}
	if offset < 0 || offset > count {
		return nil
	}
	end := count
	if hasLength && length < 0 {
		if end = count + length; end < offset {
			sh.fatal(lengthText + ": substring expression < 0")
		}
	} else if hasLength {
		end = min(count, offset+length)
	}
	return []string{string(runes[offset:end])}
}

func (sh *Shell) sliceList(p *parameter, values []string, offset, length int64, hasLength bool) []string {
	if hasLength && length < 0 {
		sh.fatal("substring expression < 0")
	}
	end := int64(len(values))
	if !isName(p.name) { // $@ counts from $0
		values = append([]string{sh.name}, values...)
		end++
	} else if v := sh.lookup(p.name); v != nil && v.kind == indexed && offset > 0 {
		// Offsets are indices, which may have gaps.
		position, _ := slices.BinarySearch(v.indices, int(min(offset, maxElements*64)))
		offset = int64(position)
	}
	if offset < 0 {
		offset += end
	}
	if offset < 0 || offset > end {
		return nil
	}
	if hasLength {
		end = min(end, offset+length)
	}
	return values[offset:end]
}

// cutArithmetic splits offset:length at the colon that no ?: or bracket owns.
func cutArithmetic(text string) (offset, length string, ok bool) {
	p := &parser{src: text}
	questions := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '\\':
			i += 2
		case '$':
			i = p.skipDollar(i, false)
		case '`':
			i = p.skipBackquote(i)
		case '(':
			end, found := p.skipParens(i, false)
			if !found {
				return text, "", false
			}
			i = end
		case '?':
			questions++
			i++
		case ':':
			if questions == 0 {
				return text[:i], text[i+1:], true
			}
			questions--
			i++
		default:
			i++
		}
	}
	return text, "", false
}

// transform handles ${name@Q} and its kin.
func (sh *Shell) transform(p *parameter, values []string, set bool) []string {
	if p.word == "a" {
		v := sh.lookup(p.name)
		if v == nil {
			return nil
		}
		return []string{attributes(v)}
	}
	if !set {
		return nil
	}
	out := make([]string, len(values))
	for i, value := range values {
		value = sh.known(value)
		switch p.word {
		case "Q":
			out[i] = quote(value)
		case "U":
			out[i] = strings.ToUpper(value)
		case "u":
			out[i] = mapFirst(value, unicode.ToUpper)
		case "L":
			out[i] = strings.ToLower(value)
		case "E":
			out[i] = ansiC(value)
		default:
			sh.needs("${" + p.name + "@" + p.word + "}")
		}
	}
	return out
}

func attributes(v *variable) string {
	var out strings.Builder
	for _, flag := range []struct {
		on     bool
		letter byte
	}{{v.kind == indexed, 'a'}, {v.kind == associative, 'A'}, {v.integer, 'i'}, {v.lower, 'l'}, {v.nameref, 'n'}, {v.readonly, 'r'}, {v.upper, 'u'}, {v.exported, 'x'}} {
		if flag.on {
			out.WriteByte(flag.letter)
		}
	}
	return out.String()
}

// quote returns value as bash's @Q does.
func quote(value string) string {
	for _, r := range value {
		if unicode.IsControl(r) {
			return quoteANSI(value)
		}
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

func quoteANSI(value string) string {
	var out strings.Builder
	out.WriteString("$'")
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\'' || c == '\\':
			out.WriteString(`\` + string(c))
		case strings.IndexByte("\a\b\f\n\r\t\v\x1b", c) >= 0:
			out.WriteString(`\` + string("abfnrtvE"[strings.IndexByte("\a\b\f\n\r\t\v\x1b", c)]))
		case c < ' ' || c == 0x7f:
			out.WriteString(`\` + strconv.FormatInt(int64(c)+01000, 8)[1:])
		default:
			out.WriteByte(c)
		}
	}
	return out.String() + "'"
}

func mapFirst(s string, f func(rune) rune) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(f(r)) + s[size:]
}

// edit applies the operators that change each value: # % / ^ and the like.
func (sh *Shell) edit(p *parameter, values []string) []string {
	apply := sh.editor(p)
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = value
		if value != "" || p.op[0] == '/' {
			out[i] = apply(sh.known(value))
			sh.grow(len(out[i]))
		}
	}
	return out
}

func (sh *Shell) editor(p *parameter) func(string) string {
	m := sh.matcher()
	if p.op[0] == '/' {
		return sh.replacer(m, p)
	}
	pattern := sh.known(sh.expandPattern(p.word))
	switch p.op {
	case "#", "##":
		return func(s string) string { return trimPrefix(m, pattern, s, p.op == "##") }
	case "%", "%%":
		return func(s string) string { return trimSuffix(m, pattern, s, p.op == "%%") }
	}
	change := map[byte]func(rune) rune{'^': unicode.ToUpper, ',': unicode.ToLower, '~': toggle}[p.op[0]]
	return func(s string) string {
		if len(p.op) == 1 {
			return mapFirst(s, func(r rune) rune { return changeMatching(m, pattern, change, r) })
		}
		return strings.Map(func(r rune) rune { return changeMatching(m, pattern, change, r) }, s)
	}
}

func toggle(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

func changeMatching(m *matcher, pattern string, change func(rune) rune, r rune) rune {
	if pattern == "" || m.match(pattern, string(r)) {
		return change(r)
	}
	return r
}

func (sh *Shell) matcher() *matcher {
	return &matcher{cost: sh.charge, extglob: sh.options["extglob"]}
}

// trimPrefix removes the shortest or longest match at the start of s.
func trimPrefix(m *matcher, pattern, s string, longest bool) string {
	if !hasPattern(pattern, m.extglob) {
		return strings.TrimPrefix(s, plainPattern(pattern))
	}
	best := -1
	for i := 0; i <= len(s); i++ {
		if (i == len(s) || utf8.RuneStart(s[i])) && m.match(pattern, s[:i]) {
			best = i
			if !longest {
				break
			}
		}
	}
	return s[max(best, 0):]
}

// trimSuffix removes the shortest or longest match at the end of s.
func trimSuffix(m *matcher, pattern, s string, longest bool) string {
	if !hasPattern(pattern, m.extglob) {
		return strings.TrimSuffix(s, plainPattern(pattern))
	}
	best := -1
	for i := len(s); i >= 0; i-- {
		if (i == len(s) || utf8.RuneStart(s[i])) && m.match(pattern, s[i:]) {
			best = i
			if !longest {
				break
			}
		}
	}
	if best < 0 {
		return s
	}
	return s[:best]
}

// replacer handles ${name/pattern/replacement}.
func (sh *Shell) replacer(m *matcher, p *parameter) func(string) string {
	patternText, replacementText := cutReplacement(p.word, p.op == "//")
	pattern := sh.known(sh.expandPattern(patternText))
	replacement := sh.expandReplacement(replacementText)
	anchor := byte(0)
	if p.op == "/#" || p.op == "/%" {
		anchor = p.op[1]
	}
	return func(s string) string {
		if pattern == "" {
			switch anchor {
			case '#':
				return replacement("") + s
			case '%':
				return s + replacement("")
			}
			return s
		}
		return sh.replace(m, pattern, s, replacement, anchor, p.op == "//")
	}
}

func (sh *Shell) replace(m *matcher, pattern, s string, replacement func(string) string, anchor byte, all bool) string {
	if s == "" {
		if m.match(pattern, "") {
			return replacement("")
		}
		return s
	}
	if !hasPattern(pattern, m.extglob) && anchor == 0 {
		plain := plainPattern(pattern)
		n := 1
		if all {
			n = -1
		}
		sh.charge(len(s)/8 + 1)
		if strings.Count(s, plain)*len(replacement(plain)) > maxText {
			sh.exceeded("memory")
		}
		return strings.Replace(s, plain, replacement(plain), n)
	}
	var out strings.Builder
	for s != "" {
		end := m.longest(pattern, s, anchor == '%')
		if end > 0 {
			text := replacement(s[:end])
			sh.grow(len(text))
			out.WriteString(text)
			if s = s[end:]; !all {
				break
			}
			continue
		}
		if anchor == '#' {
			break
		}
		_, size := utf8.DecodeRuneInString(s)
		out.WriteString(s[:size])
		s = s[size:]
	}
	return out.String() + s
}

// longest returns the length of the longest prefix of s that matches, 0 when
// none does; with whole only all of s counts.
func (m *matcher) longest(pattern, s string, whole bool) int {
	for end := len(s); end > 0; end-- {
		if (end == len(s) || utf8.RuneStart(s[end])) && m.match(pattern, s[:end]) {
			return end
		}
		if whole {
			break
		}
	}
	return 0
}

// cutReplacement splits pattern/replacement at the first unquoted slash; the
// pattern of a global replacement may start with one.
func cutReplacement(text string, global bool) (pattern, replacement string) {
	p := &parser{src: text}
	for i := 0; i < len(text); {
		switch text[i] {
		case '\\':
			i += 2
		case '\'':
			i = p.skipSingle(i)
		case '"':
			i = p.skipDouble(i)
		case '$':
			i = p.skipDollar(i, false)
		case '`':
			i = p.skipBackquote(i)
		case '/':
			if i == 0 && global {
				i++
				continue
			}
			return text[:i], text[i+1:]
		default:
			i++
		}
	}
	return text, ""
}

// expandReplacement returns what stands for a match: an unquoted & is the
// match itself, as with bash 5.2's patsub_replacement.
func (sh *Shell) expandReplacement(text string) func(match string) string {
	f := sh.expandOne(text, false)
	if !sh.options["patsub_replacement"] || strings.IndexByte(string(f.text), '&') < 0 {
		plain := string(f.text)
		return func(string) string { return plain }
	}
	return func(match string) string {
		var out strings.Builder
		for i := 0; i < len(f.text); i++ {
			switch c := f.text[i]; {
			case c == '\\' && !f.quoted[i] && i+1 < len(f.text) && (f.text[i+1] == '&' || f.text[i+1] == '\\'):
				i++
				out.WriteByte(f.text[i])
			case c == '&' && !f.quoted[i]:
				out.WriteString(match)
			default:
				out.WriteByte(c)
			}
		}
		return out.String()
	}
}
