package shell

import (
	"regexp"
	"strconv"
	"strings"
)

// sedCommand is one command of a sed script.
type sedCommand struct {
	from, to    *sedAddress
	negate      bool
	name        byte
	re          *regexp.Regexp
	replacement string
	global      bool
	print       bool
	nth         int
	mapping     map[rune]rune // y
	active      bool          // within its range
}

type sedAddress struct {
	line int
	last bool
	re   *regexp.Regexp
}

// sed computes scripts of s, y, d, p and q with addresses; anything else is
// not computed.
func sed(t *toolRun) (int, error) {
	for i, arg := range t.args {
		if arg == "--quiet" || arg == "--silent" {
			t.args[i] = "-n"
		}
		if arg == "--regexp-extended" {
			t.args[i] = "-E"
		}
	}
	set, values, rest, ok := t.flags("nErs", "e")
	if !ok {
		return t.cannot("sed")
	}
	scripts := values['e']
	if len(scripts) == 0 && len(rest) > 0 {
		scripts, rest = rest[:1], rest[1:]
	}
	p := &sedParser{t: t, text: strings.Join(scripts, "\n"), extended: set['E'] || set['r']}
	commands, ok := p.parse()
	if !ok || len(scripts) == 0 {
		return t.cannot("sed")
	}
	input := t.input(rest)
	lines := t.lines(input)
	for i, line := range lines {
		last := i == len(lines)-1
		end := "\n"
		if last && !strings.HasSuffix(input, "\n") {
			end = ""
		}
		if t.sedLine(commands, line, i+1, last, set['n'], end) {
			break
		}
	}
	return 0, nil
}

// sedLine runs the script on one line and reports whether it quits.
func (t *toolRun) sedLine(commands []*sedCommand, line string, number int, last, quiet bool, end string) (quit bool) {
	for _, c := range commands {
		t.sh.charge(1 + len(line)/4)
		if c.selects(line, number, last) == c.negate {
			continue
		}
		switch c.name {
		case 's':
			changed, ok := c.substitute(line)
			t.sh.grow(len(changed))
			if line = changed; ok && c.print {
				t.out.WriteString(line + "\n")
			}
		case 'y':
			line = strings.Map(func(r rune) rune {
				if to, ok := c.mapping[r]; ok {
					return to
				}
				return r
			}, line)
		case 'd':
			return false
		case 'p':
			t.out.WriteString(line + "\n")
		case 'q':
			quit = true
		}
		if quit {
			break
		}
	}
	if !quiet {
		t.out.WriteString(line + end)
	}
	return quit
}

func (a *sedAddress) matches(line string, number int, last bool) bool {
	return a.line == number && a.line > 0 || a.last && last || a.re != nil && a.re.MatchString(line)
}

func (c *sedCommand) selects(line string, number int, last bool) bool {
	switch {
	case c.from == nil:
		return true
	case c.to == nil:
		return c.from.matches(line, number, last)
	case c.active:
		if c.to.matches(line, number, last) || c.to.line > 0 && number >= c.to.line {
			c.active = false
		}
		return c.to.line == 0 || number <= c.to.line
	case c.from.matches(line, number, last):
		c.active = c.to.line == 0 || c.to.line > number
		return true
	}
	return false
}

func (c *sedCommand) substitute(line string) (string, bool) {
	matches := c.re.FindAllStringSubmatchIndex(line, -1)
	r := &replaceCase{}
	at, done := 0, false
	for i, match := range matches {
		if i+1 < c.nth || c.nth == 0 && !c.global && i > 0 || c.nth > 0 && !c.global && i+1 > c.nth {
			continue
		}
		r.out.WriteString(line[at:match[0]])
		c.expand(r, line, match)
		at, done = match[1], true
	}
	return r.out.String() + line[at:], done
}

// expand writes the replacement for one match.
func (c *sedCommand) expand(r *replaceCase, line string, match []int) {
	r.all, r.once = nil, nil
	group := func(n int) string {
		if 2*n+1 >= len(match) || match[2*n] < 0 {
			return ""
		}
		return line[match[2*n]:match[2*n+1]]
	}
	text := c.replacement
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '&':
			r.add(group(0))
		case text[i] == '\\' && i+1 < len(text):
			i++
			switch {
			case isDigit(text[i]):
				r.add(group(int(text[i] - '0')))
			case r.command(text[i]):
			case text[i] == 'n':
				r.add("\n")
			case text[i] == 't':
				r.add("\t")
			default:
				r.add(text[i : i+1])
			}
		default:
			end := i + 1
			for end < len(text) && text[end] != '&' && text[end] != '\\' {
				end++
			}
			r.add(text[i:end])
			i = end - 1
		}
	}
}

type sedParser struct {
	t        *toolRun
	text     string
	pos      int
	extended bool
	ok       bool
}

func (p *sedParser) parse() ([]*sedCommand, bool) {
	p.ok = true
	var commands []*sedCommand
	for p.ok {
		p.skip(" \t\n;")
		if p.pos >= len(p.text) {
			return commands, true
		}
		commands = append(commands, p.command())
	}
	return nil, false
}

func (p *sedParser) skip(set string) {
	for p.pos < len(p.text) && strings.IndexByte(set, p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *sedParser) at() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *sedParser) command() *sedCommand {
	c := &sedCommand{}
	if c.from = p.address(); c.from != nil && p.at() == ',' {
		p.pos++
		c.to = p.address()
		p.ok = p.ok && c.to != nil
	}
	p.skip(" \t")
	for p.at() == '!' {
		c.negate = true
		p.pos++
		p.skip(" \t")
	}
	c.name = p.at()
	p.pos++
	switch c.name {
	case 's':
		p.substitution(c)
	case 'y':
		p.mapping(c)
	case 'd', 'p', 'q':
	default:
		p.ok = false
		return c
	}
	p.skip(" \t")
	if p.pos < len(p.text) && strings.IndexByte(";\n}", p.at()) < 0 {
		p.ok = false
	}
	return c
}

func (p *sedParser) address() *sedAddress {
	switch c := p.at(); {
	case isDigit(c):
		start := p.pos
		p.skip("0123456789")
		n, err := strconv.Atoi(p.text[start:p.pos])
		p.ok = p.ok && err == nil && n > 0 && p.at() != '~'
		return &sedAddress{line: n}
	case c == '$':
		p.pos++
		return &sedAddress{last: true}
	case c == '/':
		p.pos++
		text := p.until('/')
		if p.at() == 'I' {
			p.ok = false
		}
		return &sedAddress{re: p.compile(text, false)}
	}
	return nil
}

// until reads to an unescaped delimiter and past it.
func (p *sedParser) until(delimiter byte) string {
	var out strings.Builder
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		if c == delimiter {
			return out.String()
		}
		if c == '\\' && p.pos < len(p.text) {
			next := p.text[p.pos]
			p.pos++
			if next != delimiter {
				out.WriteByte('\\')
			} else if strings.IndexByte("|+?(){}.*[]^$&", delimiter) >= 0 {
				p.ok = false // whether it is special is a matter of versions
			}
			out.WriteByte(next)
			continue
		}
		if c == '[' && delimiter != '[' {
			// A delimiter inside brackets does not end the expression.
			if end := bracketEnd(strings.ReplaceAll(p.text, `\`, "/"), p.pos-1); end > 0 && strings.IndexByte(p.text[p.pos:end], delimiter) >= 0 {
				p.ok = false
			}
		}
		out.WriteByte(c)
	}
	p.ok = false
	return ""
}

func (p *sedParser) compile(text string, fold bool) *regexp.Regexp {
	translate := basicRegexp
	if p.extended {
		translate = extendedRegexp
	}
	expression, ok := translate(text)
	if text == "" || !ok {
		p.ok = false
		return nil
	}
	if fold {
		expression = "(?i)" + expression
	}
	re, err := p.t.sh.compile(expression, true)
	if err != nil {
		p.ok = false
	}
	return re
}

func (p *sedParser) substitution(c *sedCommand) {
	delimiter := p.at()
	p.pos++
	if delimiter == 0 || delimiter == '\n' || delimiter == '\\' {
		p.ok = false
		return
	}
	pattern := p.until(delimiter)
	if c.replacement = p.until(delimiter); !p.ok {
		return
	}
	fold := false
	for p.ok && p.pos < len(p.text) && strings.IndexByte(" ;\n}", p.at()) < 0 {
		switch flag := p.at(); {
		case flag == 'g':
			c.global = true
		case flag == 'p':
			c.print = true
		case flag == 'I' || flag == 'i':
			fold = true
		case isDigit(flag) && c.nth == 0 && flag != '0':
			c.nth = int(flag - '0')
		default:
			p.ok = false
		}
		p.pos++
	}
	c.re = p.compile(pattern, fold)
}

func (p *sedParser) mapping(c *sedCommand) {
	delimiter := p.at()
	p.pos++
	from, to := []rune(p.until(delimiter)), []rune(p.until(delimiter))
	if len(from) != len(to) || strings.ContainsRune(string(from)+string(to), '\\') {
		p.ok = false
		return
	}
	c.mapping = map[rune]rune{}
	for i := range from {
		if _, ok := c.mapping[from[i]]; !ok {
			c.mapping[from[i]] = to[i]
		}
	}
}
