package shell

import (
	"strings"
)

// Words, assignments and redirections.

// redirects reads the redirections after a compound command.
func (p *parser) redirects() []redirect {
	var redirects []redirect
	for {
		p.blanks()
		r, ok := p.redirect()
		if !ok {
			return redirects
		}
		redirects = append(redirects, r)
	}
}

var redirectOps = []string{"&>>", "<<<", "<<-", "&>", ">>", "<<", ">&", "<&", "<>", ">|", "<", ">"}

func (p *parser) redirect() (redirect, bool) {
	i := p.pos
	for i < len(p.src) && isDigit(p.src[i]) {
		i++
	}
	if i == p.pos && p.at(i) == '{' {
		for i++; isNameByte(p.at(i)); {
			i++
		}
		if p.at(i) != '}' || i == p.pos+1 {
			return redirect{}, false
		}
		i++
	}
	if c := p.at(i); c != '<' && c != '>' && (c != '&' || i > p.pos) {
		return redirect{}, false
	}
	for _, op := range redirectOps {
		if !strings.HasPrefix(p.src[i:], op) {
			continue
		}
		if (op == "<" || op == ">") && p.at(i+1) == '(' {
			return redirect{}, false // process substitution
		}
		r := redirect{fd: p.src[p.pos:i], op: op}
		p.pos = i + len(op)
		p.blanks()
		r.target = p.word(false).word
		if op == "<<" || op == "<<-" {
			r.body = &heredoc{quoted: strings.ContainsAny(r.target.text, `'"\`)}
			p.pending = append(p.pending, pendingHeredoc{r.body, unquote(r.target.text), op == "<<-"})
		}
		return r, true
	}
	return redirect{}, false
}

// unquote removes the quotes of a here-document's delimiter.
func unquote(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\'', '"':
		case '\\':
			if i++; i < len(text) {
				out.WriteByte(text[i])
			}
		default:
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

var declarers = map[string]bool{"declare": true, "typeset": true, "local": true, "export": true, "readonly": true, "alias": true, "eval": true}

// isAssignment reports whether the word starts with name=, name+= or
// name[subscript]=.
func isAssignment(text string) bool {
	_, _, _, _, ok := splitAssignment(text)
	return ok
}

// splitAssignment takes a word such as name[subscript]+=value apart.
func splitAssignment(text string) (name, subscript, value string, appends, ok bool) {
	i := 0
	for i < len(text) && isNameByte(text[i]) {
		i++
	}
	if i == 0 || isDigit(text[0]) || i == len(text) {
		return "", "", "", false, false
	}
	name = text[:i]
	if text[i] == '[' {
		end := matchBracket(text, i)
		if end < 0 {
			return "", "", "", false, false
		}
		subscript = text[i : end+1]
		i = end + 1
	}
	if i < len(text) && text[i] == '+' {
		appends = true
		i++
	}
	if i >= len(text) || text[i] != '=' {
		return "", "", "", false, false
	}
	return name, subscript, text[i+1:], appends, true
}

// matchBracket returns the place of the "]" that matches the "[" at i, or -1.
func matchBracket(text string, i int) (end int) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(parseError); !ok {
				panic(r)
			}
			end = -1
		}
	}()
	after, ok := (&parser{src: text}).skipBrackets(i)
	if !ok {
		return -1
	}
	return after - 1
}

// word reads one word. With assigns it may be an assignment, whose subscript
// may hold blanks and whose value may be a list in parentheses.
func (p *parser) word(assigns bool) arg {
	start := p.pos
	result := arg{word: word{line: p.line()}}
	for !p.eof() {
		c := p.src[p.pos]
		switch {
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
		case c == '[' && assigns && isName(p.src[start:p.pos]):
			p.pos = p.subscriptEnd()
		case (c == '<' || c == '>') && p.at(p.pos+1) == '(':
			p.pos = p.skipSubstitution(p.pos + 1)
		case c == '(' && assigns && p.src[p.pos-1] == '=' && p.isPlainAssignment(start):
			result.compound = true
			result.text = p.src[start:p.pos]
			p.pos++
			result.elements = p.elements()
			return result
		case c == '(' && p.pos > start && (p.extglob || p.patterns) && strings.IndexByte("?*+@!", p.src[p.pos-1]) >= 0:
			end, ok := p.skipParens(p.pos, false)
			if !ok {
				p.unexpected()
			}
			p.pos = end
		case isMeta(c):
			if p.pos == start {
				p.unexpected()
			}
			result.text = p.src[start:p.pos]
			return result
		default:
			p.pos++
		}
	}
	if p.pos > len(p.src) {
		p.pos = len(p.src)
	}
	if p.pos == start {
		p.unexpected()
	}
	result.text = p.src[start:p.pos]
	return result
}

// subscriptEnd returns the place after "name[…]" when an assignment follows,
// or after the bracket alone.
func (p *parser) subscriptEnd() int {
	end := matchBracket(p.src, p.pos)
	if end < 0 || p.at(end+1) != '=' && (p.at(end+1) != '+' || p.at(end+2) != '=') {
		return p.pos + 1
	}
	return end + 1
}

// isPlainAssignment reports whether the text since start is name= or name+=,
// so that a parenthesis opens a list.
func (p *parser) isPlainAssignment(start int) bool {
	_, _, value, _, ok := splitAssignment(p.src[start:p.pos])
	return ok && value == ""
}

// elements reads the words of a compound assignment and its parenthesis.
func (p *parser) elements() []word {
	p.enter()
	defer p.leave()
	start := p.pos - 1
	var words []word
	for {
		p.newlines()
		switch {
		case p.eof():
			p.fail(start, "unexpected end of file while looking for matching )")
		case p.src[p.pos] == ')':
			p.pos++
			return words
		case isMeta(p.src[p.pos]) && !p.substitutes():
			p.unexpected()
		}
		words = append(words, p.element())
	}
}

// element reads one word of a compound assignment; "[sub script]=value" is one.
func (p *parser) element() word {
	start := p.pos
	if p.src[start] != '[' {
		return p.word(false).word
	}
	line := p.line()
	if end := matchBracket(p.src, start); end > 0 && (p.at(end+1) == '=' || p.has("+=")) {
		p.pos = end + 2
		if c := p.at(p.pos); !p.eof() && (!isMeta(c) || p.substitutes()) {
			p.word(false)
		}
		return word{p.src[start:p.pos], line}
	}
	return p.word(false).word
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isName(s string) bool {
	if s == "" || isDigit(s[0]) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return true
}
