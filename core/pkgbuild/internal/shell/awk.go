package shell

import (
	"regexp"
	"strconv"
	"strings"
)

// awkRule is "pattern { action }"; a nil condition matches every line.
type awkRule struct {
	condition func(*awkLine) bool
	action    []awkStatement // nil prints the line
}

// awkStatement acts on a line and reports whether the program ends.
type awkStatement func(*awkLine) (exit bool)

// awkValue computes a value from a line.
type awkValue func(*awkLine) string

// awkLine is the line at hand.
type awkLine struct {
	t      *toolRun
	text   string
	fields []string
	number int
}

// awkUnable ends a program that needs more awk than there is here.
type awkUnable struct{}

// awk computes programs of patterns, print, printf and exit over fields,
// which is nearly all that PKGBUILDs ask of it. Anything else is not computed.
func awk(t *toolRun) (status int, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(awkUnable); !ok {
				panic(r)
			}
			t.out.Reset()
			status, err = t.cannot("awk")
		}
	}()
	set, values, rest, ok := t.flags("", "Fv")
	if !ok || len(rest) == 0 || len(values['F']) > 1 {
		return t.cannot("awk")
	}
	p := &awkParser{t: t, text: rest[0], variables: map[string]string{}}
	for _, assignment := range values['v'] {
		name, value, _ := strings.Cut(assignment, "=")
		p.variables[name] = value
	}
	separator := " "
	if set['F'] {
		separator = values['F'][0]
	}
	split := p.splitter(separator)
	rules := p.rules()
	for i, text := range t.lines(t.input(rest[1:])) {
		t.sh.charge(len(text)/4 + 4)
		line := &awkLine{t: t, text: text, fields: split(text), number: i + 1}
		if line.run(rules) {
			break
		}
	}
	return 0, nil
}

func (l *awkLine) run(rules []awkRule) (exit bool) {
	for _, rule := range rules {
		if rule.condition != nil && !rule.condition(l) {
			continue
		}
		if rule.action == nil {
			l.t.line(l.text)
		}
		for _, statement := range rule.action {
			if statement(l) {
				return true
			}
		}
	}
	return false
}

func (l *awkLine) field(n int64) string {
	switch {
	case n == 0:
		return l.text
	case n < 0:
		panic(awkUnable{})
	case n > int64(len(l.fields)):
		return ""
	}
	return l.fields[n-1]
}

type awkParser struct {
	t         *toolRun
	text      string
	pos       int
	variables map[string]string
}

// splitter returns how lines become fields.
func (p *awkParser) splitter(separator string) func(string) []string {
	if separator == " " {
		return strings.Fields
	}
	if separator == `\t` || separator == "t" {
		separator = "\t"
	}
	if len(separator) == 2 && separator[0] == '\\' {
		separator = separator[1:]
	}
	if len(separator) == 1 {
		return func(text string) []string {
			if text == "" {
				return nil
			}
			return strings.Split(text, separator)
		}
	}
	re := p.compile(separator)
	return func(text string) []string {
		if text == "" {
			return nil
		}
		return re.Split(text, -1)
	}
}

func (p *awkParser) compile(text string) *regexp.Regexp {
	expression, ok := extendedRegexp(text)
	if !ok {
		panic(awkUnable{})
	}
	re, err := p.t.sh.compile(expression, true)
	if err != nil {
		panic(awkUnable{})
	}
	return re
}

func (p *awkParser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take consumes a token when it is next.
func (p *awkParser) take(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	end := p.pos + len(token)
	if isNameByte(token[0]) && end < len(p.text) && isNameByte(p.text[end]) {
		return false
	}
	p.pos = end
	return true
}

func (p *awkParser) want(token string) {
	if !p.take(token) {
		panic(awkUnable{})
	}
}

func (p *awkParser) rules() []awkRule {
	var rules []awkRule
	for p.space(); p.pos < len(p.text); p.space() {
		if p.take(";") {
			continue
		}
		var rule awkRule
		if !strings.HasPrefix(p.text[p.pos:], "{") {
			rule.condition = p.condition()
		}
		if p.take("{") {
			rule.action = p.statements()
		}
		rules = append(rules, rule)
	}
	return rules
}

// condition parses /re/, !/re/, or a comparison of two values.
func (p *awkParser) condition() func(*awkLine) bool {
	if p.take("!") {
		inner := p.condition()
		return func(l *awkLine) bool { return !inner(l) }
	}
	if p.take("/") {
		re := p.expression()
		return func(l *awkLine) bool { return re.MatchString(l.text) }
	}
	left := p.value()
	if p.take("~") {
		p.want("/")
		re := p.expression()
		return func(l *awkLine) bool { return re.MatchString(left(l)) }
	}
	different := p.take("!=")
	if !different {
		p.want("==")
	}
	right := p.value()
	return func(l *awkLine) bool {
		x, y := left(l), right(l)
		// Numbers in other forms, such as 1.0 and 1, compare as numbers in awk.
		if x != y && looksNumeric(x) && looksNumeric(y) {
			panic(awkUnable{})
		}
		return (x == y) != different
	}
}

func looksNumeric(text string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return err == nil && (strings.ContainsAny(text, ".eExX+ ") || len(text) > 1 && text[0] == '0')
}

// expression reads a regular expression after its first slash.
func (p *awkParser) expression() *regexp.Regexp {
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos] != '/' {
		if p.text[p.pos] == '\\' {
			p.pos++
		}
		p.pos++
	}
	if p.pos >= len(p.text) {
		panic(awkUnable{})
	}
	text := strings.ReplaceAll(p.text[start:p.pos], `\/`, "/")
	p.pos++
	return p.compile(text)
}

func (p *awkParser) statements() []awkStatement {
	statements := []awkStatement{}
	for {
		switch {
		case p.take("}"):
			return statements
		case p.take(";"):
		case p.take("print"):
			statements = append(statements, p.print())
		case p.take("printf"):
			statements = append(statements, p.printf())
		case p.take("exit"):
			statements = append(statements, func(*awkLine) bool { return true })
		case p.take("next"):
			panic(awkUnable{})
		default:
			panic(awkUnable{})
		}
	}
}

// list parses values with commas between them; it may be empty.
func (p *awkParser) list() []awkValue {
	var values []awkValue
	for p.space(); p.pos < len(p.text) && strings.IndexByte(";}>|", p.text[p.pos]) < 0; p.space() {
		values = append(values, p.value())
		if !p.take(",") {
			break
		}
	}
	if p.space(); p.pos < len(p.text) && strings.IndexByte(";}", p.text[p.pos]) < 0 {
		panic(awkUnable{}) // a redirection, or a newline that ends the statement
	}
	return values
}

func (p *awkParser) print() awkStatement {
	values := p.list()
	return func(l *awkLine) bool {
		if len(values) == 0 {
			l.t.line(l.text)
			return false
		}
		parts := make([]string, len(values))
		for i, value := range values {
			parts[i] = value(l)
		}
		l.t.line(strings.Join(parts, " "))
		return false
	}
}

func (p *awkParser) printf() awkStatement {
	values := p.list()
	if len(values) == 0 {
		panic(awkUnable{})
	}
	return func(l *awkLine) bool {
		args := make([]string, len(values)-1)
		for i, value := range values[1:] {
			args[i] = value(l)
		}
		format := strings.ReplaceAll(values[0](l), `\`, `\\`)
		if strings.Contains(format, "*") {
			panic(awkUnable{})
		}
		for i, arg := range args {
			if len(arg) < 2 || arg[0] != '0' || !isDigits(arg) || !strings.ContainsAny(format, "diuxXo") {
				continue
			}
			if strings.Contains(format, "s") {
				panic(awkUnable{}) // a number in one place may be text in another
			}
			args[i] = strings.TrimLeft(arg[:len(arg)-1], "0") + arg[len(arg)-1:] // not octal
		}
		text := l.t.sh.Format(format, args)
		l.t.sh.grow(len(text))
		l.t.out.WriteString(text)
		return false
	}
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// value parses a concatenation.
func (p *awkParser) value() awkValue {
	value := p.primary()
	for p.space(); p.pos < len(p.text); p.space() {
		c := p.text[p.pos]
		if c != '"' && c != '$' && !isNameByte(c) && c != '(' {
			if strings.IndexByte("+-*/%?<^", c) >= 0 {
				panic(awkUnable{})
			}
			break
		}
		left, right := value, p.primary()
		value = func(l *awkLine) string { return left(l) + right(l) }
	}
	return value
}

func (p *awkParser) primary() awkValue {
	p.space()
	switch {
	case p.take("$("):
		// $(NF-1) is the one sum that is needed.
		p.want("NF")
		p.want("-")
		n := p.digits()
		p.want(")")
		return func(l *awkLine) string { return l.field(int64(len(l.fields)) - n) }
	case p.take("$NF"):
		return func(l *awkLine) string { return l.field(int64(len(l.fields))) }
	case p.take("$"):
		n := p.digits()
		return func(l *awkLine) string { return l.field(n) }
	case p.take("NF"):
		return func(l *awkLine) string { return strconv.Itoa(len(l.fields)) }
	case p.take("NR"):
		return func(l *awkLine) string { return strconv.Itoa(l.number) }
	case p.take(`"`):
		return p.quoted()
	case p.pos < len(p.text) && isDigit(p.text[p.pos]):
		n := strconv.FormatInt(p.digits(), 10)
		return func(*awkLine) string { return n }
	}
	for name, change := range map[string]func(string) string{"toupper": strings.ToUpper, "tolower": strings.ToLower} {
		if p.take(name) {
			p.want("(")
			value := p.value()
			p.want(")")
			return func(l *awkLine) string { return change(value(l)) }
		}
	}
	for name, value := range p.variables {
		if p.take(name) {
			return func(*awkLine) string { return value }
		}
	}
	panic(awkUnable{})
}

func (p *awkParser) digits() int64 {
	p.space()
	start := p.pos
	for p.pos < len(p.text) && isDigit(p.text[p.pos]) {
		p.pos++
	}
	n, err := strconv.ParseInt(p.text[start:p.pos], 10, 32)
	if err != nil || p.pos < len(p.text) && p.text[p.pos] == '.' {
		panic(awkUnable{})
	}
	return n
}

// quoted reads a string after its first quote.
func (p *awkParser) quoted() awkValue {
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos] != '"' {
		if p.text[p.pos] == '\\' {
			p.pos++
		}
		p.pos++
	}
	if p.pos >= len(p.text) {
		panic(awkUnable{})
	}
	text := ansiC(p.text[start:p.pos])
	p.pos++
	return func(*awkLine) string { return text }
}
