package shell

import (
	"strings"
)

// printer writes commands as bash's `declare -f` does: one command a line,
// words as written, comments and line continuations gone. makepkg looks for
// overrides in exactly that text.
type printer struct {
	out        strings.Builder
	indent     int
	inFunction bool
	heredocs   []redirect
	wasHeredoc bool
}

// printFunction returns what `declare -f name` prints.
func printFunction(f *function) string {
	p := &printer{inFunction: true}
	p.out.WriteString(f.name + " () \n")
	p.functionBody(f)
	return p.out.String()
}

func (p *printer) functionBody(f *function) {
	g, ok := f.body.(*group)
	plain := ok && !g.subshell
	body := f.body
	var redirects []redirect
	p.write(strings.Repeat(" ", p.indent) + "{ \n")
	p.indent += 4
	if plain {
		redirects = g.redirects
		body = g.body
	}
	p.write(strings.Repeat(" ", p.indent))
	p.command(body)
	p.flush("")
	p.indent -= 4
	p.newline("}")
	p.redirects(redirects)
}

func (p *printer) write(s string) { p.out.WriteString(s) }

func (p *printer) newline(s string) {
	p.write("\n" + strings.Repeat(" ", p.indent) + s)
}

func (p *printer) semicolon() {
	if text := p.out.String(); !strings.HasSuffix(text, "&") && !strings.HasSuffix(text, "\n") {
		p.write(";")
	}
}

func (p *printer) command(c command) {
	switch c := c.(type) {
	case *list:
		p.list(c)
	case *simple:
		p.simple(c)
	case *andOr:
		p.command(c.left)
		p.flush(" " + c.op + " ")
		p.command(c.right)
	case *pipeline:
		p.pipeline(c)
	case *group:
		p.group(c)
	case *ifCommand:
		p.ifCommand(c, 0)
		p.redirects(c.redirects)
	case *loop:
		p.loop(c)
	case *forCommand:
		p.forCommand(c)
	case *arithFor:
		p.write("for ((" + strings.TrimLeft(c.init, " \t") + "; " + strings.TrimLeft(c.cond, " \t") + "; " + strings.TrimLeft(c.step, " \t") + "))")
		p.newline("do\n")
		p.doBody(c.body)
		p.redirects(c.redirects)
	case *caseCommand:
		p.caseCommand(c)
	case *function:
		p.write("function " + c.name + " () \n")
		p.functionBody(c)
	case *arithCommand:
		p.write("((" + c.expression + "))")
		p.redirects(c.redirects)
	case *condCommand:
		p.write("[[ ")
		p.condition(c.expression)
		p.write(" ]]")
		p.redirects(c.redirects)
	case *coproc:
		p.write("coproc " + c.name + " ")
		p.command(c.body)
	}
}

func (p *printer) list(l *list) {
	for i, item := range l.items {
		p.command(item)
		last := i == len(l.items)-1
		switch {
		case l.async[i] && last:
			p.flush(" &")
		case l.async[i]:
			p.flush(" & ")
		case last:
		case p.inFunction:
			if p.flush(";"); !p.wasHeredoc {
				p.write(";")
			}
			p.wasHeredoc = false
			p.newline("")
		default:
			if p.flush(";"); !p.wasHeredoc {
				p.write("; ")
			}
			p.wasHeredoc = false
		}
	}
}

// flush writes the here-documents that wait for the end of the line.
func (p *printer) flush(connector string) {
	if connector != ";" {
		p.write(connector)
	}
	if len(p.heredocs) == 0 {
		return
	}
	p.write("\n")
	for _, r := range p.heredocs {
		p.write(r.body.text + unquote(r.target.text) + "\n")
	}
	p.heredocs = nil
	p.wasHeredoc = true
}

func (p *printer) simple(c *simple) {
	separator := ""
	for _, args := range [][]arg{c.assigns, c.args} {
		for _, a := range args {
			p.write(separator)
			p.arg(a)
			separator = " "
		}
	}
	p.redirects(c.redirects)
}

func (p *printer) arg(a arg) {
	p.write(printWord(a.text))
	if !a.compound {
		return
	}
	p.write("(")
	for i, element := range a.elements {
		if i > 0 {
			p.write(" ")
		}
		p.write(printWord(element.text))
	}
	p.write(")")
}

func (p *printer) redirects(redirects []redirect) {
	for _, r := range redirects {
		switch {
		case r.body != nil:
			p.write(" " + r.fd + r.op + r.target.text)
			p.heredocs = append(p.heredocs, r)
		case strings.HasSuffix(r.op, "&"):
			p.write(" " + r.fd + r.op + printWord(r.target.text))
		default:
			p.write(" " + r.fd + r.op + " " + printWord(r.target.text))
		}
	}
}

func (p *printer) pipeline(c *pipeline) {
	if c.timed {
		p.write("time ")
	}
	if c.negate {
		p.write("! ")
	}
	for i, item := range c.commands {
		p.command(item)
		if i < len(c.commands)-1 {
			if c.both[i] {
				p.write(" 2>&1")
			}
			p.flush(" | ")
		}
	}
}

func (p *printer) group(c *group) {
	switch {
	case c.subshell:
		p.write("( ")
		p.command(c.body)
		p.flush("")
		p.write(" )")
	case p.inFunction:
		p.write("{ ")
		p.indent += 4
		p.newline("")
		p.command(c.body)
		p.flush("")
		p.indent -= 4
		p.newline("}")
	default:
		p.write("{ ")
		p.command(c.body)
		p.flush("")
		p.semicolon()
		p.write(" }")
	}
	p.redirects(c.redirects)
}

func (p *printer) ifCommand(c *ifCommand, i int) {
	p.write("if ")
	p.command(c.conditions[i])
	p.flush("")
	p.semicolon()
	p.write(" then\n")
	p.indented(c.bodies[i])
	if i+1 < len(c.conditions) {
		p.newline("else\n")
		p.indent += 4
		p.write(strings.Repeat(" ", p.indent))
		p.ifCommand(c, i+1)
		p.semicolon()
		p.indent -= 4
	} else if len(c.bodies) > len(c.conditions) {
		p.newline("else\n")
		p.indented(c.bodies[i+1])
	}
	p.newline("fi")
}

// indented writes a body four columns further in.
func (p *printer) indented(body *list) {
	p.indent += 4
	p.write(strings.Repeat(" ", p.indent))
	p.command(body)
	p.flush("")
	p.semicolon()
	p.indent -= 4
}

func (p *printer) doBody(body *list) {
	p.indented(body)
	p.newline("done")
}

func (p *printer) loop(c *loop) {
	if c.until {
		p.write("until ")
	} else {
		p.write("while ")
	}
	p.command(c.condition)
	p.flush("")
	p.semicolon()
	p.write(" do\n")
	p.doBody(c.body)
	p.redirects(c.redirects)
}

func (p *printer) forCommand(c *forCommand) {
	if c.sel {
		p.write("select " + c.name + " in")
	} else {
		p.write("for " + c.name + " in")
	}
	for _, w := range c.words {
		p.write(" " + printWord(w.text))
	}
	if !c.in {
		p.write(" \"$@\"")
	}
	p.write(";")
	p.newline("do\n")
	p.doBody(c.body)
	p.redirects(c.redirects)
}

func (p *printer) caseCommand(c *caseCommand) {
	p.write("case " + printWord(c.subject.text) + " in ")
	p.indent += 4
	for _, clause := range c.clauses {
		p.newline("")
		for i, pattern := range clause.patterns {
			if i > 0 {
				p.write(" | ")
			}
			p.write(printWord(pattern.text))
		}
		p.write(")\n")
		p.indent += 4
		p.write(strings.Repeat(" ", p.indent))
		p.command(clause.body)
		p.flush("")
		p.indent -= 4
		p.newline(clause.end)
	}
	p.indent -= 4
	p.newline("esac")
	p.redirects(c.redirects)
}

func (p *printer) condition(c *condition) {
	switch {
	case c.op == "&&" || c.op == "||":
		p.condition(c.left)
		p.write(" " + c.op + " ")
		p.condition(c.right)
	case c.op == "!":
		p.write("! ")
		p.condition(c.left)
	case c.op == "(":
		p.write("( ")
		p.condition(c.left)
		p.write(" )")
	case c.op == "":
		p.write(printWord(c.x.text))
	case c.y.text == "":
		p.write(c.op + " " + printWord(c.x.text))
	default:
		p.write(printWord(c.x.text) + " " + c.op + " " + printWord(c.y.text))
	}
}

// printWord returns a word as bash keeps it: without line continuations, and
// with command substitutions of several lines set in one.
func printWord(text string) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	p := &parser{src: text}
	var out strings.Builder
	double := false
	for i := 0; i < len(text); {
		end := i + 1
		switch c := text[i]; {
		case c == '\\':
			if end = min(i+2, len(text)); text[i:end] == "\\\n" {
				i = end
				continue
			}
		case c == '"':
			double = !double
		case c == '\'' && !double:
			end = p.skipSingle(i)
		case c == '$' && p.at(i+1) == '\'' && !double:
			end = p.skipANSI(i + 1)
		case strings.HasPrefix(text[i:], "$(") && p.at(i+2) != '(':
			end = p.skipSubstitution(i + 1)
			out.WriteString(printSubstitution(text[i:end]))
			i = end
			continue
		}
		out.WriteString(text[i:end])
		i = end
	}
	return out.String()
}

// printSubstitution prints $(…) the way bash keeps it.
func printSubstitution(text string) string {
	if strings.Contains(text, "<<") {
		return text
	}
	parser := newParser(text[2:len(text)-1], 0, false)
	body := parser.list(")")
	p := &printer{}
	p.command(body)
	if printed := p.out.String(); !strings.HasPrefix(printed, "(") {
		return "$(" + printed + ")"
	}
	return "$( " + p.out.String() + ")"
}
