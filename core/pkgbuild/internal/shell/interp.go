package shell

import (
	"strings"
)

func (sh *Shell) enterCall() {
	if sh.budget.calls++; sh.budget.calls > maxCalls {
		sh.exceeded("depth of calls")
	}
}

func (sh *Shell) leaveCall() { sh.budget.calls-- }

func (sh *Shell) source(file, text string) {
	oldFile, oldLine := sh.file, sh.line
	sh.file, sh.line = file, 1
	sh.enterCall()
	sh.runLines(newParser(text, 1, sh.options["extglob"]))
	sh.leaveCall()
	sh.file, sh.line = oldFile, oldLine
	if sh.flow.kind == flowReturn {
		sh.flow = flow{}
	}
}

// runText runs the text of a substitution.
func (sh *Shell) runText(text string) {
	sh.setStatus(0)
	sh.runLines(newParser(text, max(sh.line, 1), sh.options["extglob"]))
}

// runLines parses and runs line by line, as bash reads a file.
func (sh *Shell) runLines(p *parser) {
	sh.charge(len(p.src) / 256)
	for {
		p.extglob = sh.options["extglob"]
		l := p.next()
		if l == nil {
			return
		}
		if sh.flags['n'] {
			continue
		}
		if sh.lineOrFatal(l); sh.flow.kind != flowNone {
			return
		}
	}
}

func (sh *Shell) eval(text string) {
	sh.enterCall()
	defer sh.leaveCall()
	sh.setStatus(0)
	line := sh.line
	p := newParser(text, max(line, 1), sh.options["extglob"])
	for sh.flow.kind == flowNone {
		p.extglob = sh.options["extglob"]
		l, ok := parseNext(p)
		if !ok {
			sh.setStatus(1)
			return
		}
		if l == nil {
			return
		}
		sh.lineOrFatal(l)
	}
}

// lineOrFatal runs one line of a file or eval. An error that bash calls fatal, such
// as a bad substitution, ends the line and what it called, not the script.
func (sh *Shell) lineOrFatal(l *list) {
	saved, calls := *sh, sh.budget.calls
	scopes := len(sh.scopes)
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		s, ok := r.(stop)
		fatal, isFatal := s.err.(*Fatal)
		if !ok || !isFatal || fatal.exits || sh.subshell {
			panic(r)
		}
		sh.scopes = sh.scopes[:scopes]
		sh.params, sh.calls, sh.loops, sh.guarded, sh.evalDepth = saved.params, saved.calls, saved.loops, saved.guarded, saved.evalDepth
		sh.file, sh.sourced, sh.stdin, sh.stdout, sh.stderr = saved.file, saved.sourced, saved.stdin, saved.stdout, saved.stderr
		sh.budget.calls, sh.flow = calls, flow{}
		sh.setStatus(1)
		sh.lastFatal = fatal
	}()
	sh.list(l)
}

// parseNext is next with a syntax error as false.
func parseNext(p *parser) (l *list, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, isParse := r.(parseError); !isParse {
				panic(r)
			}
			l, ok = nil, false
		}
	}()
	return p.next(), true
}

func (sh *Shell) list(l *list) {
	for i, item := range l.items {
		if l.async[i] {
			sub := sh.fork()
			if unknown := sh.isolated(sub, func() { sub.command(item) }); unknown != nil {
				sh.print(sh.unknownText(unknown.What))
			}
			sh.setStatus(0)
			continue
		}
		if sh.command(item); sh.flow.kind != flowNone {
			return
		}
	}
}

func (sh *Shell) command(c command) {
	sh.charge(10)
	if sh.evalDepth++; sh.evalDepth > maxNesting*2 {
		sh.exceeded("depth of commands")
	}
	defer func() { sh.evalDepth-- }()
	switch c := c.(type) {
	case *simple:
		sh.simple(c)
	case *andOr:
		sh.andOr(c)
	case *pipeline:
		sh.pipeline(c)
	case *group:
		sh.redirected(c.redirects, func() { sh.group(c) })
	case *ifCommand:
		sh.redirected(c.redirects, func() { sh.ifCommand(c) })
	case *loop:
		sh.redirected(c.redirects, func() { sh.loop(c) })
	case *forCommand:
		sh.redirected(c.redirects, func() { sh.forCommand(c) })
	case *arithFor:
		sh.redirected(c.redirects, func() { sh.arithFor(c) })
	case *caseCommand:
		sh.redirected(c.redirects, func() { sh.caseCommand(c) })
	case *function:
		sh.functions[c.name] = c
		sh.setStatus(0)
	case *arithCommand:
		sh.line = c.line
		value := sh.arithmetic(sh.expandDouble(unquoteArith(c.expression)))
		sh.setStatus(int(1 - truth(value != 0)))
		sh.errexit()
	case *condCommand:
		sh.line = c.line
		sh.setStatus(int(1 - truth(sh.condition(c.expression))))
		sh.errexit()
	case *coproc:
		sh.line = c.line
		sh.needs("coproc")
	}
}

// errexit ends the shell under `set -e` after a failed command.
func (sh *Shell) errexit() {
	if sh.flags['e'] && sh.guarded == 0 && !sh.succeeded() {
		sh.flow = flow{kind: flowExit}
	}
}

// test runs a condition, where errexit does not count.
func (sh *Shell) test(run func()) bool {
	sh.guarded++
	run()
	sh.guarded--
	return sh.flow.kind == flowNone && sh.succeeded()
}

func (sh *Shell) andOr(c *andOr) {
	sh.guarded++
	sh.command(c.left)
	sh.guarded--
	if sh.flow.kind != flowNone {
		return
	}
	if sh.succeeded() == (c.op == "&&") {
		sh.command(c.right)
	}
}

func (sh *Shell) pipeline(c *pipeline) {
	sh.line = c.line
	if len(c.commands) == 0 {
		sh.setStatus(0)
	} else if c.negate {
		sh.guarded++
		sh.pipe(c)
		sh.guarded--
	} else {
		sh.pipe(c)
	}
	if c.negate && sh.flow.kind == flowNone {
		if sh.doubt == nil {
			sh.setStatus(int(truth(sh.status == 0)))
		}
	} else if len(c.commands) > 1 {
		sh.errexit()
	}
}

// pipe runs the parts of a pipeline one after the other, each in a subshell.
func (sh *Shell) pipe(c *pipeline) {
	if len(c.commands) == 1 {
		sh.command(c.commands[0])
		return
	}
	in := sh.stdin
	var failed int
	var doubt *Unknown
	for i, item := range c.commands {
		sub := sh.fork()
		sub.stdin = in
		last := i == len(c.commands)-1
		if !last {
			sub.stdout = &output{limit: maxText}
			if c.both[i] {
				sub.stderr = sub.stdout
			}
		}
		if unknown := sh.isolated(sub, func() { sub.command(item) }); unknown != nil {
			sub.doubt = unknown
			if !last {
				sub.stdout.buf.Reset()
			}
			sub.print(sh.unknownText(unknown.What))
		}
		if sub.status != 0 {
			failed = sub.status
		}
		if sub.doubt != nil {
			doubt = sub.doubt
		}
		if !last {
			in = &input{text: sub.stdout.buf.String(), given: true}
			continue
		}
		sh.status, sh.doubt = sub.status, sub.doubt
	}
	if sh.options["\x00pipefail"] {
		sh.status, sh.doubt = failed, doubt
	}
}

func (sh *Shell) group(c *group) {
	if !c.subshell {
		sh.list(c.body)
		return
	}
	sub := sh.fork()
	if unknown := sh.isolated(sub, func() { sub.list(c.body) }); unknown != nil {
		sh.print(sh.unknownText(unknown.What))
	}
	sh.errexit()
}

func (sh *Shell) ifCommand(c *ifCommand) {
	for i, condition := range c.conditions {
		if sh.test(func() { sh.list(condition) }) {
			sh.list(c.bodies[i])
			return
		}
		if sh.flow.kind != flowNone {
			return
		}
	}
	sh.setStatus(0)
	if len(c.bodies) > len(c.conditions) {
		sh.list(c.bodies[len(c.conditions)])
	}
}

// iterate runs a loop's body and reports whether the loop goes on.
func (sh *Shell) iterate(body *list) bool {
	sh.charge(20)
	sh.list(body)
	switch sh.flow.kind {
	case flowNone:
		return true
	case flowBreak, flowContinue:
		if sh.flow.count > 1 {
			sh.flow.count--
			return false
		}
		again := sh.flow.kind == flowContinue
		sh.flow = flow{}
		return again
	}
	return false
}

func (sh *Shell) loop(c *loop) {
	sh.loops++
	defer func() { sh.loops-- }()
	status, doubt := 0, (*Unknown)(nil)
	for {
		met := sh.test(func() { sh.list(c.condition) })
		if sh.flow.kind != flowNone {
			return
		}
		if met == c.until {
			break
		}
		again := sh.iterate(c.body)
		if status, doubt = sh.status, sh.doubt; !again {
			if sh.flow.kind != flowNone {
				return
			}
			break
		}
	}
	sh.status, sh.doubt = status, doubt
}

func (sh *Shell) forCommand(c *forCommand) {
	sh.line = c.line
	if c.sel {
		sh.needs("select")
	}
	if !isName(c.name) {
		sh.fatal("`" + c.name + "': not a valid identifier")
	}
	values := sh.params
	if c.in {
		values = sh.expandFields(c.words)
	}
	sh.loops++
	defer func() { sh.loops-- }()
	sh.setStatus(0)
	for _, value := range values {
		sh.store(sh.assignable(c.name), "", false, value, false)
		if !sh.iterate(c.body) {
			return
		}
	}
}

func (sh *Shell) arithFor(c *arithFor) {
	sh.loops++
	defer func() { sh.loops-- }()
	eval := func(text string) int64 {
		sh.line = c.line
		return sh.arithmetic(sh.expandDouble(unquoteArith(text)))
	}
	eval(c.init)
	sh.setStatus(0)
	for strings.TrimSpace(c.cond) == "" || eval(c.cond) != 0 {
		if !sh.iterate(c.body) {
			return
		}
		eval(c.step)
	}
}

func (sh *Shell) caseCommand(c *caseCommand) {
	sh.line = c.line
	subject := sh.known(sh.expandString(c.subject.text))
	sh.setStatus(0)
	m := sh.matcher()
	m.extglob = true
	m.fold = sh.options["nocasematch"]
	fall := false
	for _, clause := range c.clauses {
		if !fall && !sh.matchesAny(m, clause.patterns, subject) {
			continue
		}
		sh.list(clause.body)
		if clause.end == ";;" || sh.flow.kind != flowNone {
			return
		}
		fall = clause.end == ";&"
	}
}

func (sh *Shell) matchesAny(m *matcher, patterns []word, subject string) bool {
	for _, pattern := range patterns {
		if m.match(sh.known(sh.expandPattern(pattern.text)), subject) {
			return true
		}
	}
	return false
}

// simple runs a simple command.
func (sh *Shell) simple(c *simple) {
	sh.line = c.line
	if len(c.args) == 0 {
		sh.assignments(c)
		return
	}
	words, compounds := sh.arguments(c)
	if len(words) == 0 {
		sh.redirected(c.redirects, func() { sh.assignAll(c.assigns) })
		return
	}
	name := sh.known(words[0])
	sh.line = c.line
	sh.redirected(c.redirects, func() {
		if len(c.assigns) > 0 {
			sh.Push(nil)
			for _, a := range c.assigns {
				value := sh.assignmentValue(a)
				n, _, _, appends, _ := splitAssignment(a.text)
				v := sh.scopes[len(sh.scopes)-1][n]
				if v == nil {
					v = &variable{exported: true}
					if old := sh.scopesBelow(n); old != nil && appends {
						v = old.clone()
					}
					sh.scopes[len(sh.scopes)-1][n] = v
				}
				sh.store(v, "", false, value, appends)
			}
			defer sh.Pop()
		}
		sh.invoke(name, words, compounds)
	})
	sh.errexit()
}

func (sh *Shell) scopesBelow(name string) *variable {
	for i := len(sh.scopes) - 2; i >= 0; i-- {
		if v, ok := sh.scopes[i][name]; ok {
			return v
		}
	}
	return nil
}

// arguments expands the words of a command. For declare and its like the
// assignments among them stay whole, and compounds holds, beside each word,
// the list that follows it.
func (sh *Shell) arguments(c *simple) (words []string, compounds [][]word) {
	declares := declarers[c.args[0].text] && c.args[0].text != "eval" && c.args[0].text != "alias"
	for _, a := range c.args {
		if declares && (a.compound || isAssignment(a.text)) {
			name, subscript, value, appends, _ := splitAssignment(a.text)
			op := "="
			if appends {
				op = "+="
			}
			words = append(words, name+subscript+op+sh.expandAssigned(value))
			if a.compound && a.elements == nil {
				a.elements = []word{}
			}
			compounds = append(compounds, a.elements)
			continue
		}
		if a.compound {
			words = append(words, sh.expandString(a.text)+sh.compoundText(a.elements))
			compounds = append(compounds, nil)
			continue
		}
		for _, field := range sh.expandField(a.word) {
			words = append(words, field)
			compounds = append(compounds, nil)
		}
		sh.checkCount(len(words))
	}
	return words, compounds
}
