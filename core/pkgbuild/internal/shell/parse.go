package shell

import (
	"strings"
)

// next parses one complete command line and returns nil at the end of the
// text. Errors are panicked as parseError.
func (p *parser) next() *list {
	p.newlines()
	if p.eof() {
		return nil
	}
	l := &list{}
	p.listUntil(l, "", true)
	if !p.eof() && p.src[p.pos] != '\n' {
		p.unexpected()
	}
	if !p.eof() {
		p.newline()
	}
	return l
}

func (p *parser) unexpected() {
	if p.eof() {
		p.fail(p.pos, "syntax error: unexpected end of file")
	}
	end := p.pos
	for end < len(p.src) && !strings.ContainsRune(" \t\n", rune(p.src[end])) && end < p.pos+20 {
		end++
	}
	if end == p.pos {
		p.fail(p.pos, "syntax error near unexpected token `newline'")
	}
	p.fail(p.pos, "syntax error near unexpected token `"+p.src[p.pos:end]+"'")
}

// list parses commands until the closing token, which it leaves unread. It
// may be empty.
func (p *parser) list(closer string) *list {
	l := &list{}
	p.listUntil(l, closer, false)
	return l
}

// body is a list that must hold a command.
func (p *parser) body() *list {
	l := p.list("")
	if len(l.items) == 0 {
		p.unexpected()
	}
	return l
}

func (p *parser) listUntil(l *list, closer string, oneLine bool) {
	p.enter()
	defer p.leave()
	for {
		if oneLine {
			p.blanks()
		} else {
			p.newlines()
		}
		if p.eof() || p.closes(closer) || oneLine && p.src[p.pos] == '\n' {
			return
		}
		l.items = append(l.items, p.andOr())
		l.async = append(l.async, false)
		p.blanks()
		switch {
		case p.eof():
			return
		case p.has(";;"), p.has(";&"):
			return
		case p.src[p.pos] == ';':
			p.pos++
		case p.src[p.pos] == '&' && !p.has("&&"):
			l.async[len(l.async)-1] = true
			p.pos++
		case p.src[p.pos] == '\n':
		default:
			return
		}
	}
}

// closes reports whether the text at the cursor ends the list around it.
func (p *parser) closes(closer string) bool {
	c := p.src[p.pos]
	if c == ')' || closer != "" && p.has(closer) {
		return true
	}
	if p.has(";;") || p.has(";&") {
		return true
	}
	switch p.reserved() {
	case "}", "then", "else", "elif", "fi", "do", "done", "esac":
		return true
	}
	return false
}

var reservedWords = map[string]bool{
	"if": true, "then": true, "else": true, "elif": true, "fi": true, "for": true, "while": true, "until": true,
	"do": true, "done": true, "case": true, "esac": true, "select": true, "function": true, "{": true, "}": true,
	"!": true, "[[": true, "]]": true, "time": true, "coproc": true, "in": true,
}

// reserved returns the reserved word at the cursor, or "".
func (p *parser) reserved() string {
	i := p.pos
	for i < len(p.src) && i < p.pos+9 && !isMeta(p.src[i]) {
		i++
	}
	if i < len(p.src) && !isMeta(p.src[i]) {
		return ""
	}
	if text := p.src[p.pos:i]; reservedWords[text] {
		return text
	}
	return ""
}

func isMeta(c byte) bool {
	switch c {
	case ' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')':
		return true
	}
	return false
}

func (p *parser) take(reserved string) bool {
	p.blanks()
	if p.reserved() != reserved {
		return false
	}
	p.pos += len(reserved)
	return true
}

func (p *parser) want(reserved string) {
	p.newlines()
	if !p.take(reserved) {
		p.unexpected()
	}
}

func (p *parser) andOr() command {
	left := p.pipeline()
	for {
		p.blanks()
		if !p.has("&&") && !p.has("||") {
			return left
		}
		op := p.src[p.pos : p.pos+2]
		p.pos += 2
		p.newlines()
		left = &andOr{left, p.pipeline(), op}
	}
}

func (p *parser) pipeline() command {
	pipe := &pipeline{line: p.line()}
	for {
		p.blanks()
		if p.take("!") {
			pipe.negate = !pipe.negate
		} else if p.take("time") {
			pipe.timed = true
			p.blanks()
			if p.has("-p") && isMeta(p.at(p.pos+2)) {
				p.pos += 2
			}
		} else {
			break
		}
	}
	if p.blanks(); (pipe.negate || pipe.timed) && (p.eof() || p.src[p.pos] == '\n' || p.src[p.pos] == ';') {
		return pipe
	}
	for {
		pipe.commands = append(pipe.commands, p.command())
		p.blanks()
		if p.eof() || p.src[p.pos] != '|' || p.has("||") {
			break
		}
		p.pos++
		both := p.at(p.pos) == '&'
		if both {
			p.pos++
		}
		pipe.both = append(pipe.both, both)
		p.newlines()
	}
	if len(pipe.commands) == 1 && !pipe.negate && !pipe.timed {
		return pipe.commands[0]
	}
	return pipe
}

func (p *parser) command() command {
	p.enter()
	defer p.leave()
	p.blanks()
	if p.eof() {
		p.unexpected()
	}
	line := p.line()
	if p.src[p.pos] == '(' {
		return p.parenthesis(line)
	}
	switch word := p.reserved(); word {
	case "{":
		p.pos++
		body := p.body()
		p.want("}")
		return &group{body: body, redirects: p.redirects(), line: line}
	case "if":
		p.pos += 2
		return p.ifCommand(line)
	case "while", "until":
		p.pos += 5
		l := &loop{until: word == "until", condition: p.body(), line: line}
		l.body = p.doGroup()
		l.redirects = p.redirects()
		return l
	case "for", "select":
		p.pos += len(word)
		return p.forCommand(word == "select", line)
	case "case":
		p.pos += 4
		return p.caseCommand(line)
	case "[[":
		p.pos += 2
		c := &condCommand{line: line}
		c.expression = p.condOr()
		p.newlines()
		if !p.has("]]") {
			p.unexpected()
		}
		p.pos += 2
		c.redirects = p.redirects()
		return c
	case "function":
		p.pos += 8
		return p.functionKeyword(line)
	case "coproc":
		p.pos += 6
		return p.coproc(line)
	case "":
		return p.simple(line)
	case "in":
		return p.simple(line)
	}
	p.unexpected()
	return nil
}

func (p *parser) parenthesis(line int) command {
	if p.has("((") {
		if end, ok := p.skipParens(p.pos, true); ok {
			expression := p.src[p.pos+2 : end-2]
			p.pos = end
			return &arithCommand{expression, p.redirects(), line}
		}
	}
	p.pos++
	body := p.list(")")
	if len(body.items) == 0 || p.at(p.pos) != ')' {
		p.unexpected()
	}
	p.pos++
	return &group{body: body, redirects: p.redirects(), subshell: true, line: line}
}

func (p *parser) ifCommand(line int) command {
	c := &ifCommand{line: line}
	for {
		c.conditions = append(c.conditions, p.body())
		p.want("then")
		c.bodies = append(c.bodies, p.body())
		p.newlines()
		if !p.take("elif") {
			break
		}
	}
	if p.take("else") {
		c.bodies = append(c.bodies, p.body())
	}
	p.want("fi")
	c.redirects = p.redirects()
	return c
}

func (p *parser) doGroup() *list {
	p.newlines()
	if p.take("{") {
		body := p.body()
		p.want("}")
		return body
	}
	p.want("do")
	body := p.body()
	p.want("done")
	return body
}

func (p *parser) forCommand(sel bool, line int) command {
	p.blanks()
	if !sel && p.has("((") {
		return p.arithFor(line)
	}
	c := &forCommand{sel: sel, line: line, name: p.word(false).text}
	p.newlines()
	if p.take("in") {
		c.in = true
		for p.blanks(); !p.eof() && !isMeta(p.src[p.pos]) || p.substitutes(); p.blanks() {
			c.words = append(c.words, p.word(false).word)
		}
		if p.eof() || p.src[p.pos] != '\n' && p.src[p.pos] != ';' {
			p.unexpected()
		}
	}
	if p.blanks(); p.at(p.pos) == ';' {
		p.pos++
	}
	c.body = p.doGroup()
	c.redirects = p.redirects()
	return c
}

// substitutes reports whether a word starts with a process substitution here.
func (p *parser) substitutes() bool { return p.has("<(") || p.has(">(") }

func (p *parser) arithFor(line int) command {
	start := p.pos
	end, ok := p.skipParens(p.pos, true)
	if !ok {
		p.unexpected()
	}
	p.pos = end
	parts := strings.Split(p.src[start+2:end-2], ";")
	if len(parts) != 3 {
		p.fail(start, "syntax error: arithmetic expression required")
	}
	c := &arithFor{init: parts[0], cond: parts[1], step: parts[2], line: line}
	if p.blanks(); p.at(p.pos) == ';' {
		p.pos++
	}
	c.body = p.doGroup()
	c.redirects = p.redirects()
	return c
}

func (p *parser) caseCommand(line int) command {
	p.blanks()
	c := &caseCommand{subject: p.word(false).word, line: line}
	p.want("in")
	for {
		p.newlines()
		if p.take("esac") {
			c.redirects = p.redirects()
			return c
		}
		c.clauses = append(c.clauses, p.caseClause())
	}
}

func (p *parser) caseClause() caseClause {
	var clause caseClause
	if p.at(p.pos) == '(' {
		p.pos++
	}
	p.patterns = true
	for {
		p.blanks()
		clause.patterns = append(clause.patterns, p.word(false).word)
		p.blanks()
		if p.at(p.pos) != '|' {
			break
		}
		p.pos++
	}
	p.patterns = false
	if p.at(p.pos) != ')' {
		p.unexpected()
	}
	p.pos++
	clause.body = p.list("")
	for _, end := range []string{";;&", ";;", ";&"} {
		if p.has(end) {
			p.pos += len(end)
			clause.end = end
			return clause
		}
	}
	clause.end = ";;"
	if p.reserved() != "esac" {
		p.unexpected()
	}
	return clause
}

func (p *parser) functionKeyword(line int) command {
	p.blanks()
	name := p.word(false).text
	if p.blanks(); p.at(p.pos) == '(' {
		p.pos++
		if p.blanks(); p.at(p.pos) != ')' {
			p.unexpected()
		}
		p.pos++
	}
	return p.functionBody(name, line)
}

func (p *parser) functionBody(name string, line int) command {
	p.newlines()
	f := &function{name: name, line: line}
	if f.body = p.command(); f.body != nil {
		if _, ok := f.body.(*simple); ok {
			p.fail(p.pos, "syntax error: a function's body must be a compound command")
		}
	}
	return f
}

func (p *parser) coproc(line int) command {
	p.blanks()
	c := &coproc{line: line}
	start := p.pos
	if !p.eof() && !isMeta(p.src[p.pos]) && p.reserved() == "" {
		c.name = p.word(false).text
		if p.blanks(); p.eof() || p.src[p.pos] != '(' && p.reserved() == "" {
			c.name, p.pos = "", start
		}
	}
	c.body = p.command()
	return c
}

func (p *parser) simple(line int) command {
	c := &simple{line: line}
	for {
		p.blanks()
		if p.eof() {
			break
		}
		if r, ok := p.redirect(); ok {
			c.redirects = append(c.redirects, r)
			continue
		}
		if isMeta(p.src[p.pos]) && !p.substitutes() {
			break
		}
		assigns := len(c.args) == 0 || declarers[c.args[0].text]
		a := p.word(assigns)
		if len(c.args) == 0 && isAssignment(a.text) {
			c.assigns = append(c.assigns, a)
			continue
		}
		if len(c.args) == 0 && len(c.assigns) == 0 && len(c.redirects) == 0 && !a.compound {
			if f := p.functionAfter(a.text, line); f != nil {
				return f
			}
		}
		c.args = append(c.args, a)
	}
	if len(c.args)+len(c.assigns)+len(c.redirects) == 0 {
		p.unexpected()
	}
	return c
}

// functionAfter parses "()" and a body when they follow the first word.
func (p *parser) functionAfter(name string, line int) command {
	start := p.pos
	if p.blanks(); p.at(p.pos) != '(' {
		return nil
	}
	p.pos++
	if p.blanks(); p.at(p.pos) != ')' {
		p.pos = start
		p.blanks()
		p.unexpected()
	}
	p.pos++
	if strings.ContainsAny(name, "$`'\"\\") {
		p.fail(start, "`"+name+"': not a valid identifier")
	}
	return p.functionBody(name, line)
}
