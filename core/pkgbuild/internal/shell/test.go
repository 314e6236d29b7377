package shell

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// condition evaluates the inside of [[ ]].
func (sh *Shell) condition(c *condition) bool {
	sh.charge(2)
	switch c.op {
	case "&&":
		return sh.condition(c.left) && sh.condition(c.right)
	case "||":
		return sh.condition(c.left) || sh.condition(c.right)
	case "!":
		return !sh.condition(c.left)
	case "(":
		return sh.condition(c.left)
	case "":
		return sh.known(sh.expandString(c.x.text)) != ""
	}
	if c.x.line > 0 {
		sh.line = c.x.line
	}
	if c.y.text == "" {
		return sh.unary(c.op, sh.known(sh.expandString(c.x.text)))
	}
	x := sh.known(sh.expandString(c.x.text))
	switch c.op {
	case "=", "==", "!=":
		m := sh.matcher()
		m.extglob = true
		m.fold = sh.options["nocasematch"]
		return m.match(sh.known(sh.expandPattern(c.y.text)), x) == (c.op != "!=")
	case "=~":
		return sh.matchRegexp(x, c.y.text)
	}
	y := sh.known(sh.expandString(c.y.text))
	if strings.HasPrefix(c.op, "-") && c.op != "-nt" && c.op != "-ot" && c.op != "-ef" {
		return compareNumbers(c.op, sh.arithmetic(x), sh.arithmetic(y))
	}
	return sh.binary(c.op, x, y)
}

func compareNumbers(op string, x, y int64) bool {
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

// binary evaluates the binary operators that [ and [[ share.
func (sh *Shell) binary(op, x, y string) bool {
	switch op {
	case "=", "==":
		return x == y
	case "!=":
		return x != y
	case "<":
		return x < y
	case ">":
		return x > y
	case "-nt", "-ot", "-ef":
		sh.needs("comparing files")
	}
	return compareNumbers(op, sh.testNumber(x), sh.testNumber(y))
}

func (sh *Shell) testNumber(text string) int64 {
	trimmed := strings.TrimSpace(text)
	digits := strings.TrimLeft(trimmed, "+-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(trimmed)-len(digits) > 1 {
		panic(testError{})
	}
	n := sh.arithmetic("10#" + digits)
	if trimmed[0] == '-' {
		return -n
	}
	return n
}

// testError is an expression that [ cannot evaluate: status 2.
type testError struct{}

// unary evaluates the unary operators of [ and [[.
func (sh *Shell) unary(op, x string) bool {
	switch op {
	case "-z":
		return x == ""
	case "-n":
		return x != ""
	case "-v":
		return sh.isSet(x)
	case "-o":
		return sh.flags[map[string]byte{"errexit": 'e', "nounset": 'u', "noglob": 'f', "xtrace": 'x'}[x]]
	case "-R":
		v := sh.find(x)
		return v != nil && v.nameref
	case "-t", "-p", "-S", "-b", "-c", "-u", "-g", "-k", "-O", "-G", "-N":
		sh.needs("test " + op)
	case "-h", "-L":
		return sh.isLink(x)
	}
	if x == "/dev/null" && (op == "-e" || op == "-r" || op == "-w") {
		return true
	}
	info := sh.stat(x)
	switch {
	case info == nil:
		return false
	case op == "-f":
		return info.Mode().IsRegular()
	case op == "-d":
		return info.IsDir()
	case op == "-s":
		return info.Size() > 0
	case op == "-x" && !info.IsDir():
		return info.Mode()&0o111 != 0
	case op == "-w":
		sh.needs("test -w")
	}
	return true
}

func (sh *Shell) isLink(name string) bool {
	inside, ok := sh.inside(name)
	if !ok {
		sh.needs("looking at " + name)
	}
	dir, base := ".", inside
	if i := strings.LastIndexByte(inside, '/'); i >= 0 {
		dir, base = inside[:i], inside[i+1:]
	}
	entries, err := fs.ReadDir(sh.config.Files, dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == base && e.Type()&fs.ModeSymlink != 0
	})
}

// isSet answers -v for name and name[subscript].
func (sh *Shell) isSet(text string) bool {
	p, ok := parseParameter(text)
	if !ok || p.op != "" {
		return false
	}
	values, set := sh.parameterValues(p)
	return set && (!p.list() || len(values) > 0)
}

// matchRegexp answers =~ and fills BASH_REMATCH.
func (sh *Shell) matchRegexp(x, text string) bool {
	f := sh.expandOne(text, false)
	sh.known(string(f.text))
	expression := translateRegexp(&f)
	sh.charge(len(expression) + len(x))
	// Go's engine runs in linear time, but a counted repetition is unrolled.
	if len(expression) > 4096 {
		sh.exceeded("size of a regular expression")
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		sh.needs("regular expression " + string(f.text))
	}
	re.Longest()
	v := &variable{kind: indexed, set: true}
	match := re.FindStringSubmatch(x)
	for i, group := range match {
		v.setElement(i, group)
	}
	sh.scopes[0]["BASH_REMATCH"] = v
	return match != nil
}

// translateRegexp turns a POSIX extended expression into Go's syntax; quoted
// text means itself.
func translateRegexp(f *field) string {
	var out strings.Builder
	out.WriteString("(?s)")
	text := string(f.text)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case f.quoted[i] && c < 0x80:
			out.WriteString(regexp.QuoteMeta(string(rune(c))))
		case c == '[':
			end := bracketEnd(text, i)
			if end < 0 {
				out.WriteString(`\[`)
				continue
			}
			out.WriteString(translateBracket(text[i : end+1]))
			i = end
		case c == '\\' && i+1 < len(text):
			i++
			out.WriteString(regexpEscape(text[i]))
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// regexpEscape translates a backslash and the character after it.
func regexpEscape(c byte) string {
	switch c {
	case 's', 'S', 'w', 'W', 'b', 'B':
		return `\` + string(rune(c))
	case '<', '>':
		return `\b`
	}
	if c >= 0x80 {
		return string([]byte{c})
	}
	return regexp.QuoteMeta(string(rune(c)))
}

// translateBracket keeps classes, and makes a backslash and a bracket inside
// mean themselves.
func translateBracket(text string) string {
	inner := text[1 : len(text)-1]
	var out strings.Builder
	out.WriteByte('[')
	if strings.HasPrefix(inner, "^") {
		out.WriteByte('^')
		inner = inner[1:]
	}
	for i := 0; i < len(inner); i++ {
		if strings.HasPrefix(inner[i:], "[:") {
			if end := classEnd(inner[i:]); end > 0 {
				out.WriteString(inner[i : i+end+2])
				i += end + 1
				continue
			}
		}
		if strings.IndexByte(`\[]^&~`, inner[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(inner[i])
	}
	return out.String() + "]"
}

// testBuiltin runs test.
func testBuiltin(sh *Shell, args []string) (status int) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(testError); !ok {
				panic(r)
			}
			status = 2
		}
	}()
	for _, arg := range args {
		sh.known(arg)
	}
	t := &testArgs{sh: sh, args: args}
	result := t.evaluate()
	return int(1 - truth(result))
}

func bracketBuiltin(sh *Shell, args []string) int {
	if len(args) == 0 || args[len(args)-1] != "]" {
		return 2
	}
	return testBuiltin(sh, args[:len(args)-1])
}

// testArgs evaluates the arguments of test: by their number up to four, as
// POSIX says, and by precedence beyond.
type testArgs struct {
	sh   *Shell
	args []string
	pos  int
}

func (t *testArgs) evaluate() bool {
	a := t.args
	switch len(a) {
	case 0:
		return false
	case 1:
		return a[0] != ""
	case 2:
		if a[0] == "!" {
			return a[1] == ""
		}
		if isUnaryTest(a[0]) {
			return t.sh.unary(a[0], a[1])
		}
		panic(testError{})
	case 3:
		switch {
		case isBinaryTest(a[1]):
			return t.sh.binary(a[1], a[0], a[2])
		case a[1] == "-a":
			return a[0] != "" && a[2] != ""
		case a[1] == "-o":
			return a[0] != "" || a[2] != ""
		case a[0] == "!":
			return !(&testArgs{sh: t.sh, args: a[1:]}).evaluate()
		case a[0] == "(" && a[2] == ")":
			return a[1] != ""
		}
		panic(testError{})
	case 4:
		if a[0] == "!" {
			return !(&testArgs{sh: t.sh, args: a[1:]}).evaluate()
		}
	}
	result := t.or()
	if t.pos < len(a) {
		panic(testError{})
	}
	return result
}

func isBinaryTest(op string) bool { return op != "=~" && slices.Contains(binaryTests, op) }

func (t *testArgs) peek() string {
	if t.pos < len(t.args) {
		return t.args[t.pos]
	}
	return ""
}

func (t *testArgs) or() bool {
	result := t.and()
	for t.peek() == "-o" {
		t.pos++
		right := t.and()
		result = result || right
	}
	return result
}

func (t *testArgs) and() bool {
	result := t.term()
	for t.peek() == "-a" {
		t.pos++
		right := t.term()
		result = result && right
	}
	return result
}

func (t *testArgs) term() bool {
	if t.pos >= len(t.args) {
		panic(testError{})
	}
	rest := t.args[t.pos:]
	switch {
	case len(rest) > 2 && isBinaryTest(rest[1]):
		t.pos += 3
		return t.sh.binary(rest[1], rest[0], rest[2])
	case rest[0] == "!":
		t.pos++
		return !t.term()
	case rest[0] == "(":
		t.pos++
		result := t.or()
		if t.peek() != ")" {
			panic(testError{})
		}
		t.pos++
		return result
	case len(rest) > 1 && isUnaryTest(rest[0]):
		t.pos += 2
		return t.sh.unary(rest[0], rest[1])
	}
	t.pos++
	return rest[0] != ""
}
