package shell

import "strings"

// The grammar of [[ ]], parsed after the opening brackets.

func (p *parser) condOr() *condition {
	p.enter()
	defer p.leave()
	left := p.condAnd()
	for p.newlines(); p.has("||"); p.newlines() {
		p.pos += 2
		left = &condition{op: "||", left: left, right: p.condAnd()}
	}
	return left
}

func (p *parser) condAnd() *condition {
	left := p.condTerm()
	for p.newlines(); p.has("&&"); p.newlines() {
		p.pos += 2
		left = &condition{op: "&&", left: left, right: p.condTerm()}
	}
	return left
}

func (p *parser) condTerm() *condition {
	p.newlines()
	if p.eof() || p.reserved() == "]]" {
		p.unexpected()
	}
	if p.src[p.pos] == '(' {
		p.pos++
		inner := p.condOr()
		if p.newlines(); p.at(p.pos) != ')' {
			p.unexpected()
		}
		p.pos++
		return &condition{op: "(", left: inner}
	}
	if p.reserved() == "!" {
		p.pos++
		p.enter()
		defer p.leave()
		return &condition{op: "!", left: p.condTerm()}
	}
	first := p.word(false).word
	p.blanks()
	if isUnaryTest(first.text) && !p.condEnds() && !p.binaryFollows() {
		return &condition{op: first.text, x: p.word(false).word}
	}
	op := p.binaryOp()
	if op == "" {
		return &condition{x: first}
	}
	return &condition{op: op, x: first, y: p.condRight(op)}
}

// condEnds reports whether nothing more of this term follows.
func (p *parser) condEnds() bool {
	return p.eof() || p.src[p.pos] == '\n' || p.src[p.pos] == ')' || p.has("&&") || p.has("||") || p.reserved() == "]]"
}

func (p *parser) binaryFollows() bool {
	start := p.pos
	defer func() { p.pos = start }()
	if p.binaryOp() == "" {
		return false
	}
	p.blanks()
	return !p.condEnds()
}

var binaryTests = []string{"==", "=~", "=", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"}

func (p *parser) binaryOp() string {
	for _, op := range binaryTests {
		if p.has(op) && (op == "<" || op == ">" || isMeta(p.at(p.pos+len(op)))) {
			p.pos += len(op)
			return op
		}
	}
	return ""
}

func (p *parser) condRight(op string) word {
	p.blanks()
	if op == "=~" {
		return p.regexWord()
	}
	p.patterns = true
	defer func() { p.patterns = false }()
	return p.word(false).word
}

// regexWord reads the right side of =~: parentheses and bars belong to it.
func (p *parser) regexWord() word {
	start, line := p.pos, p.line()
	for !p.eof() {
		switch c := p.src[p.pos]; {
		case c == '\\':
			p.pos = min(p.pos+2, len(p.src))
		case c == '\'':
			p.pos = p.skipSingle(p.pos)
		case c == '"':
			p.pos = p.skipDouble(p.pos)
		case c == '`':
			p.pos = p.skipBackquote(p.pos)
		case c == '$':
			p.pos = p.skipDollar(p.pos, false)
		case c == '(':
			end, ok := p.skipParens(p.pos, false)
			if !ok {
				p.unexpected()
			}
			p.pos = end
		case c == '|' || c == '<' || c == '>':
			p.pos++
		case strings.IndexByte(" \t\n;&)", c) >= 0:
			if p.pos == start {
				p.unexpected()
			}
			return word{p.src[start:p.pos], line}
		default:
			p.pos++
		}
	}
	p.unexpected()
	return word{}
}

func isUnaryTest(op string) bool {
	return len(op) == 2 && op[0] == '-' && strings.IndexByte("abcdefghknoprstuvwxzGLNORS", op[1]) >= 0
}
