package shell

import (
	"sort"
	"strings"
)

// maxNesting bounds how deep constructs may nest in the text.
const maxNesting = 200

// parseError is panicked by the scanner and parser and recovered in next.
type parseError struct {
	line    int
	message string
}

// parser reads shell text command by command.
type parser struct {
	src      string
	pos      int
	lines    []int // offsets of newlines
	first    int   // line number of the first line
	extglob  bool
	depth    int
	pending  []pendingHeredoc
	patterns bool // extended patterns are words here even without extglob
}

type pendingHeredoc struct {
	body      *heredoc
	delimiter string
	strip     bool
}

func newParser(src string, first int, extglob bool) *parser {
	p := &parser{src: src, first: first, extglob: extglob}
	for i := 0; i < len(src); i++ {
		if src[i] == '\n' {
			p.lines = append(p.lines, i)
		}
	}
	return p
}

func (p *parser) lineAt(pos int) int {
	return p.first + sort.SearchInts(p.lines, pos)
}

func (p *parser) line() int { return p.lineAt(p.pos) }

func (p *parser) fail(pos int, message string) {
	panic(parseError{p.lineAt(pos), message})
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.pos, "nested too deep")
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) at(i int) byte {
	if i < len(p.src) {
		return p.src[i]
	}
	return 0
}

func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.src[p.pos:], prefix) }

func (p *parser) eof() bool { return p.pos >= len(p.src) }

// blanks skips blanks, line continuations and a comment.
func (p *parser) blanks() {
	for !p.eof() {
		switch c := p.src[p.pos]; {
		case c == ' ' || c == '\t':
			p.pos++
		case c == '\\' && p.at(p.pos+1) == '\n':
			p.pos += 2
		case c == '#':
			for !p.eof() && p.src[p.pos] != '\n' {
				p.pos++
			}
		default:
			return
		}
	}
}

// newline consumes one newline and the here-documents that wait for it.
func (p *parser) newline() {
	p.pos++
	pending := p.pending
	p.pending = nil
	for _, here := range pending {
		p.readHeredoc(here)
	}
}

// newlines skips blanks, comments and newlines.
func (p *parser) newlines() {
	for {
		p.blanks()
		if p.eof() || p.src[p.pos] != '\n' {
			return
		}
		p.newline()
	}
}

func (p *parser) readHeredoc(here pendingHeredoc) {
	here.body.line = p.line()
	var text strings.Builder
	for !p.eof() {
		end := strings.IndexByte(p.src[p.pos:], '\n')
		next := len(p.src)
		if end < 0 {
			end = next
		} else {
			end += p.pos
			next = end + 1
		}
		row := p.src[p.pos:end]
		for !here.body.quoted && oddBackslash(row) && next < len(p.src) {
			// A continued line joins the next, also before the delimiter.
			more := strings.IndexByte(p.src[next:], '\n')
			end, next = next+more, next+more+1
			if more < 0 {
				end, next = len(p.src), len(p.src)
			}
			row = p.src[p.pos:end]
			break
		}
		if here.strip {
			row = stripTabs(row)
		}
		p.pos = next
		if row == here.delimiter {
			here.body.text = text.String()
			return
		}
		text.WriteString(row)
		text.WriteByte('\n')
	}
	here.body.text = text.String()
}

func oddBackslash(row string) bool {
	n := len(row) - len(strings.TrimRight(row, `\`))
	return n%2 == 1
}

func stripTabs(row string) string {
	rows := strings.Split(row, "\n")
	for i := range rows {
		rows[i] = strings.TrimLeft(rows[i], "\t")
	}
	return strings.Join(rows, "\n")
}

// The skip functions take the position of an opening delimiter and return the
// position after its end. All of them work on p.src.

func (p *parser) skipSingle(i int) int {
	end := strings.IndexByte(p.src[i+1:], '\'')
	if end < 0 {
		p.fail(i, "unexpected end of file while looking for matching '")
	}
	return i + end + 2
}

// skipANSI skips $'…' from its quote.
func (p *parser) skipANSI(i int) int {
	for j := i + 1; j < len(p.src); j++ {
		switch p.src[j] {
		case '\\':
			j++
		case '\'':
			return j + 1
		}
	}
	p.fail(i, "unexpected end of file while looking for matching '")
	return 0
}

func (p *parser) skipDouble(i int) int {
	p.enter()
	defer p.leave()
	for j := i + 1; j < len(p.src); {
		switch p.src[j] {
		case '\\':
			j += 2
		case '"':
			return j + 1
		case '$':
			j = p.skipDollar(j, true)
		case '`':
			j = p.skipBackquote(j)
		default:
			j++
		}
	}
	p.fail(i, "unexpected end of file while looking for matching \"")
	return 0
}

func (p *parser) skipBackquote(i int) int {
	for j := i + 1; j < len(p.src); j++ {
		switch p.src[j] {
		case '\\':
			j++
		case '`':
			return j + 1
		}
	}
	p.fail(i, "unexpected end of file while looking for matching `")
	return 0
}

// skipDollar skips a "$" and what belongs to it, at least the "$".
func (p *parser) skipDollar(i int, double bool) int {
	switch p.at(i + 1) {
	case '{':
		return p.skipBrace(i + 1)
	case '(':
		if p.at(i+2) == '(' {
			if end, ok := p.skipParens(i+1, true); ok {
				return end
			}
		}
		return p.skipSubstitution(i + 1)
	case '[':
		end, ok := p.skipBrackets(i + 1)
		if !ok {
			p.fail(i, "unexpected end of file while looking for matching ]")
		}
		return end
	case '\'':
		if !double {
			return p.skipANSI(i + 1)
		}
	}
	return i + 1
}

// skipBrace skips ${…} from its brace.
func (p *parser) skipBrace(i int) int {
	p.enter()
	defer p.leave()
	for j := i + 1; j < len(p.src); {
		switch p.src[j] {
		case '\\':
			j += 2
		case '}':
			return j + 1
		case '\'':
			j = p.skipSingle(j)
		case '"':
			j = p.skipDouble(j)
		case '$':
			if j == i+1 || p.at(j+1) == '}' { // ${$} and a "$" before the end
				j++
				continue
			}
			j = p.skipDollar(j, false)
		case '`':
			j = p.skipBackquote(j)
		default:
			j++
		}
	}
	p.fail(i, "unexpected end of file while looking for matching }")
	return 0
}

// skipSubstitution skips $(…) from its parenthesis by parsing what is inside.
func (p *parser) skipSubstitution(i int) int {
	p.enter()
	defer p.leave()
	savedPos, savedPending, patterns := p.pos, p.pending, p.patterns
	p.pos, p.pending, p.patterns = i+1, nil, false
	p.list(")")
	if p.at(p.pos) != ')' {
		p.fail(i, "unexpected end of file while looking for matching )")
	}
	end := p.pos + 1
	p.pos, p.pending, p.patterns = savedPos, savedPending, patterns
	return end
}

// skipParens skips from "(" to its match, minding quotes. With arith it wants
// the text to end in "))", and reports false when it does not.
func (p *parser) skipParens(i int, arith bool) (int, bool) {
	p.enter()
	defer p.leave()
	depth := 0
	for j := i; j < len(p.src); {
		switch p.src[j] {
		case '(':
			depth++
			j++
		case ')':
			depth--
			j++
			if depth == 0 {
				return j, !arith || p.src[j-2] == ')'
			}
			if arith && depth == 1 && p.at(j) != ')' {
				return 0, false
			}
		case '\\':
			j += 2
		case '\'':
			end := strings.IndexByte(p.src[j+1:], '\'')
			if end < 0 {
				return 0, false
			}
			j += end + 2
		case '"':
			j = p.skipDouble(j)
		case '$':
			j = p.skipDollar(j, false)
		case '`':
			j = p.skipBackquote(j)
		default:
			j++
		}
	}
	return 0, false
}

// skipBrackets skips from "[" to its match, as in a subscript.
func (p *parser) skipBrackets(i int) (int, bool) {
	p.enter()
	defer p.leave()
	depth := 0
	for j := i; j < len(p.src); {
		switch p.src[j] {
		case '[':
			depth++
			j++
		case ']':
			depth--
			j++
			if depth == 0 {
				return j, true
			}
		case '\\':
			j += 2
		case '\'':
			j = p.skipSingle(j)
		case '"':
			j = p.skipDouble(j)
		case '$':
			j = p.skipDollar(j, false)
		case '`':
			j = p.skipBackquote(j)
		default:
			j++
		}
	}
	return 0, false
}
