package shell

import (
	"strings"
)

// Source runs script text that stands in file, in this shell. It returns nil
// and leaves the exit status in [Shell.Status], or the error that ended the
// run: *SyntaxError, *Unknown, *Fatal, *Exceeded or the context's.
func (sh *Shell) Source(file, text string) error {
	return sh.protect(func() { sh.source(file, text) })
}

// Eval runs text as the eval command would: a syntax error makes the status 1
// and nothing more.
func (sh *Shell) Eval(text string) error {
	return sh.protect(func() { sh.eval(text) })
}

// Status returns the exit status of the last command; ok is false when it is
// not known.
func (sh *Shell) Status() (status int, ok bool) { return sh.status, sh.doubt == nil }

// Exited reports whether the script called exit.
func (sh *Shell) Exited() bool { return sh.flow.kind == flowExit }

// Output returns what the script printed to its standard output, without what
// commands printed that are not known here.
func (sh *Shell) Output() string {
	parts := strings.Split(sh.stdout.buf.String(), "\x00")
	var known strings.Builder
	for i := 0; i < len(parts); i += 2 {
		known.WriteString(parts[i])
	}
	return known.String()
}

// Format formats as printf does.
func (sh *Shell) Format(format string, args []string) string {
	f := &formatter{sh: sh, args: args}
	f.run(sh.known(format))
	return f.out.String()
}

// Push opens a scope for local variables, Pop closes it.
func (sh *Shell) Push(locals map[string]string) {
	s := scope{}
	for name, value := range locals {
		s[name] = &variable{set: true, value: value}
	}
	sh.scopes = append(sh.scopes, s)
}

// Pop closes the innermost scope.
func (sh *Shell) Pop() { sh.scopes = sh.scopes[:len(sh.scopes)-1] }

// SetParameters sets $1 and so on.
func (sh *Shell) SetParameters(params []string) { sh.params = params }

// SetOption switches a shopt option.
func (sh *Shell) SetOption(name string, on bool) { sh.options[name] = on }

// Line moves the line that errors name.
func (sh *Shell) Line(line int) { sh.line = line }

// Function returns what `declare -f name` prints, and the line of the
// function; ok is false without one.
func (sh *Shell) Function(name string) (text string, line int, ok bool) {
	f, ok := sh.functions[name]
	if !ok {
		return "", 0, false
	}
	return printFunction(f), f.line, true
}

// Value is what a variable holds.
type Value struct {
	Array  bool // an indexed array
	Values []string
	Sparse bool // an indexed array with gaps
	Line   int  // of the last assignment
}

// Lookup returns a variable's values; ok is false when it was never declared.
func (sh *Shell) Lookup(name string) (value Value, ok bool) {
	v := sh.lookup(name)
	if v == nil {
		return Value{}, false
	}
	value = Value{Array: v.kind == indexed, Values: v.list(), Line: v.line}
	if n := len(v.indices); v.kind == indexed && n > 0 {
		value.Sparse = v.indices[n-1]+1 != n
	}
	return value, true
}

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
		if sh.list(l); sh.flow.kind != flowNone {
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
		sh.list(l)
	}
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

// compoundText is the text of a list that eval gets.
func (sh *Shell) compoundText(elements []word) string {
	var parts []string
	for _, element := range elements {
		parts = append(parts, sh.expandField(element)...)
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// assignments runs a command that is only assignments and redirections.
func (sh *Shell) assignments(c *simple) {
	sh.setStatus(0)
	if len(c.redirects) > 0 {
		sh.redirected(c.redirects, func() {})
	}
	if sh.assignAll(c.assigns); sh.status != 0 {
		sh.errexit()
	}
}

func (sh *Shell) assignAll(assigns []arg) {
	for _, a := range assigns {
		sh.assign(a)
	}
}

func (sh *Shell) assign(a arg) {
	name, subscript, _, appends, _ := splitAssignment(a.text)
	if subscript != "" {
		subscript = subscript[1 : len(subscript)-1]
	}
	if a.compound {
		sh.assignList(sh.assignable(name), a.elements, appends)
		return
	}
	value := sh.assignmentValue(a)
	v := sh.assignable(name)
	sh.store(v, subscript, subscript != "", value, appends)
}

func (sh *Shell) assignmentValue(a arg) string {
	_, _, value, _, _ := splitAssignment(a.text)
	return sh.expandAssigned(value)
}

// expandAssigned expands the right side of an assignment, where ~ counts after
// colons too.
func (sh *Shell) expandAssigned(value string) string {
	if strings.Contains(value, ":~") && strings.IndexAny(value, "'\"$`\\") < 0 {
		parts := strings.Split(value, ":")
		for i := range parts {
			parts[i] = sh.expandString(parts[i])
		}
		return strings.Join(parts, ":")
	}
	return sh.expandString(value)
}

// assignList assigns the elements of name=(…).
func (sh *Shell) assignList(v *variable, elements []word, appends bool) {
	// The elements are expanded before the old value goes: a=("${a[@]}" x).
	fresh := &variable{kind: v.kind, integer: v.integer, lower: v.lower, upper: v.upper}
	if fresh.kind == scalar {
		fresh.kind = indexed
	}
	if appends {
		fresh.set = v.set
		if v.kind == scalar {
			v.toArray()
		}
		old := v.clone()
		fresh.indices, fresh.values, fresh.table, fresh.keys = old.indices, old.values, old.table, old.keys
	}
	next := fresh.next()
	var pending []string // keys and values of an associative array written plainly
	for _, element := range elements {
		sh.line = element.line
		subscript, value, adds, ok := splitElement(element.text)
		if ok {
			expanded := sh.expandAssigned(value)
			if fresh.kind == indexed {
				next = sh.index(fresh, subscript)
				sh.store(fresh, subscript, true, expanded, adds)
				next++
				continue
			}
			sh.store(fresh, subscript, true, expanded, adds)
			continue
		}
		for _, value := range sh.expandField(element) {
			if fresh.kind == associative {
				pending = append(pending, value)
				continue
			}
			sh.charge(1)
			fresh.setElement(next, sh.converted(fresh, value, false))
			next++
			sh.checkCount(len(fresh.values))
		}
	}
	for i := 0; i < len(pending); i += 2 {
		value := ""
		if i+1 < len(pending) {
			value = pending[i+1]
		}
		fresh.setKey(sh.known(pending[i]), value)
	}
	v.kind, v.set, v.value = fresh.kind, true, ""
	v.indices, v.values, v.table, v.keys = fresh.indices, fresh.values, fresh.table, fresh.keys
}

// splitElement takes [subscript]=value apart.
func splitElement(text string) (subscript, value string, appends, ok bool) {
	if text == "" || text[0] != '[' {
		return "", "", false, false
	}
	end := matchBracket(text, 0)
	if end < 1 {
		return "", "", false, false
	}
	rest := text[end+1:]
	if strings.HasPrefix(rest, "+=") {
		return text[1:end], rest[2:], true, true
	}
	if strings.HasPrefix(rest, "=") {
		return text[1:end], rest[1:], false, true
	}
	return "", "", false, false
}

// SetReadonly makes a global variable that the script cannot change.
func (sh *Shell) SetReadonly(name, value string) {
	sh.scopes[0][name] = &variable{set: true, value: value, readonly: true}
}

// AssignLocal gives a variable of the innermost scope a value: one string, or
// an array.
func (sh *Shell) AssignLocal(name string, array bool, values []string) {
	v := &variable{set: true}
	if array {
		v.kind = indexed
		for i, value := range values {
			v.setElement(i, value)
		}
	} else if len(values) > 0 {
		v.value = values[0]
	}
	sh.scopes[len(sh.scopes)-1][name] = v
}

// Defined reports whether the script defined a function of that name.
func (sh *Shell) Defined(name string) bool {
	_, ok := sh.functions[name]
	return ok
}

// Protect runs f, which may call the shell, and returns the error that ended
// the run.
func (sh *Shell) Protect(f func()) error { return sh.protect(f) }

// Fail ends the run with err; it must be called within the run.
func (sh *Shell) Fail(err error) { panic(stop{err}) }

// Print writes to the standard output of the command that runs.
func (sh *Shell) Print(text string) { sh.print(text) }

// Text returns text when it is known, and ends the run when it is not.
func (sh *Shell) Text(text string) string { return sh.known(text) }
