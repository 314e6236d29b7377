package shell

import (
	"math"
	"strconv"
	"strings"
)

// arithmetic evaluates an expression whose expansions are done. Names are
// variables; an unset or empty one counts as 0.
func (sh *Shell) arithmetic(text string) int64 {
	text = sh.known(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '0' && text[0] != '+' {
		return n
	}
	if sh.evalDepth++; sh.evalDepth > maxNesting {
		sh.exceeded("depth of expressions")
	}
	defer func() { sh.evalDepth-- }()
	sh.charge(1 + len(text)/8)
	a := &arith{sh: sh, text: text, live: true}
	a.space()
	if a.pos == len(a.text) {
		return 0
	}
	value := a.comma()
	if a.pos < len(a.text) {
		a.fail("syntax error in expression")
	}
	return value
}

// arith is a recursive-descent evaluator; live is false in the branch of a
// conditional that is not taken.
type arith struct {
	sh    *Shell
	text  string
	pos   int
	live  bool
	depth int
}

func (a *arith) fail(message string) {
	a.sh.fatal(a.text + ": " + message + ` (error token is "` + a.text[min(a.pos, len(a.text)):] + `")`)
}

func (a *arith) space() {
	for a.pos < len(a.text) && strings.IndexByte(" \t\n", a.text[a.pos]) >= 0 {
		a.pos++
	}
}

// take consumes an operator unless one of the longer ones is there.
func (a *arith) take(op string, longer ...string) bool {
	a.space()
	rest := a.text[a.pos:]
	if !strings.HasPrefix(rest, op) {
		return false
	}
	for _, other := range longer {
		if strings.HasPrefix(rest, other) {
			return false
		}
	}
	a.pos += len(op)
	a.sh.charge(1)
	return true
}

func (a *arith) comma() int64 {
	value := a.assignment()
	for a.take(",") {
		value = a.assignment()
	}
	a.space()
	return value
}

var assignOps = []string{"<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|=", "="}

func (a *arith) assignment() int64 {
	if a.depth++; a.depth > maxNesting {
		a.sh.exceeded("depth of expressions")
	}
	defer func() { a.depth-- }()
	a.space()
	start := a.pos
	name, subscript, has := a.variable()
	if name != "" {
		a.space()
		for _, op := range assignOps {
			if strings.HasPrefix(a.text[a.pos:], op) && !(op == "=" && strings.HasPrefix(a.text[a.pos:], "==")) {
				a.pos += len(op)
				value := a.assignment()
				if op != "=" {
					value = a.binary(op[:len(op)-1], a.get(name, subscript, has), value)
				}
				a.set(name, subscript, has, value)
				return value
			}
		}
	}
	a.pos = start
	return a.ternary()
}

func (a *arith) ternary() int64 {
	condition := a.binaryLevel(0)
	if !a.take("?") {
		return condition
	}
	live := a.live
	a.live = live && condition != 0
	yes := a.comma()
	if !a.take(":") {
		a.fail("`:' expected for conditional expression")
	}
	a.live = live && condition == 0
	no := a.assignment()
	a.live = live
	if condition != 0 {
		return yes
	}
	return no
}

type level []struct {
	op     string
	longer []string
}

var levels = []level{
	{{"||", nil}}, {{"&&", nil}},
	{{"|", []string{"||", "|="}}}, {{"^", []string{"^="}}}, {{"&", []string{"&&", "&="}}},
	{{"==", nil}, {"!=", nil}},
	{{"<=", nil}, {">=", nil}, {"<", []string{"<<"}}, {">", []string{">>"}}},
	{{"<<", []string{"<<="}}, {">>", []string{">>="}}},
	{{"+", []string{"+="}}, {"-", []string{"-="}}},
	{{"*", []string{"**", "*="}}, {"/", []string{"/="}}, {"%", []string{"%="}}},
}

func (a *arith) binaryLevel(n int) int64 {
	if n == len(levels) {
		return a.power()
	}
	left := a.binaryLevel(n + 1)
next:
	for {
		for _, candidate := range levels[n] {
			if !a.take(candidate.op, candidate.longer...) {
				continue
			}
			live := a.live
			if candidate.op == "||" && left != 0 || candidate.op == "&&" && left == 0 {
				a.live = false
			}
			right := a.binaryLevel(n + 1)
			a.live = live
			left = a.binary(candidate.op, left, right)
			continue next
		}
		return left
	}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (a *arith) binary(op string, x, y int64) int64 {
	switch op {
	case "||":
		return truth(x != 0 || y != 0)
	case "&&":
		return truth(x != 0 && y != 0)
	case "|":
		return x | y
	case "^":
		return x ^ y
	case "&":
		return x & y
	case "==":
		return truth(x == y)
	case "!=":
		return truth(x != y)
	case "<=":
		return truth(x <= y)
	case ">=":
		return truth(x >= y)
	case "<":
		return truth(x < y)
	case ">":
		return truth(x > y)
	case "<<":
		return x << (uint64(y) & 63)
	case ">>":
		return x >> (uint64(y) & 63)
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	}
	return a.divide(op, x, y)
}

func (a *arith) divide(op string, x, y int64) int64 {
	if y == 0 {
		if !a.live {
			return 0
		}
		a.fail("division by 0")
	}
	if x == math.MinInt64 && y == -1 {
		return x * truth(op == "/")
	}
	if op == "/" {
		return x / y
	}
	return x % y
}

func (a *arith) power() int64 {
	base := a.unary()
	if !a.take("**") {
		return base
	}
	exponent := a.power()
	if exponent < 0 {
		a.fail("exponent less than 0")
	}
	result := int64(1)
	for ; exponent > 0; exponent >>= 1 {
		if exponent&1 == 1 {
			result *= base
		}
		base *= base
	}
	return result
}

func (a *arith) unary() int64 {
	if a.depth++; a.depth > maxNesting {
		a.sh.exceeded("depth of expressions")
	}
	defer func() { a.depth-- }()
	switch {
	case a.take("++"), a.take("--"):
		step := truth(a.text[a.pos-1] == '+')*2 - 1
		a.space()
		if name, subscript, has := a.variable(); name != "" {
			value := a.get(name, subscript, has) + step
			a.set(name, subscript, has, value)
			return value
		}
		return a.unary() // two signs
	case a.take("!", "!="):
		return truth(a.unary() == 0)
	case a.take("~"):
		return ^a.unary()
	case a.take("-"):
		return -a.unary()
	case a.take("+"):
		return a.unary()
	}
	return a.primary()
}

func (a *arith) primary() int64 {
	if a.take("(") {
		value := a.comma()
		if !a.take(")") {
			a.fail("missing `)'")
		}
		return value
	}
	a.space()
	if a.pos < len(a.text) && isDigit(a.text[a.pos]) {
		return a.number()
	}
	name, subscript, has := a.variable()
	if name == "" {
		a.fail("syntax error: operand expected")
	}
	value := a.get(name, subscript, has)
	a.space()
	rest := a.text[a.pos:]
	if strings.HasPrefix(rest, "++") || strings.HasPrefix(rest, "--") {
		a.pos += 2
		a.set(name, subscript, has, value+truth(rest[0] == '+')*2-1)
	}
	return value
}

func (a *arith) number() int64 {
	start := a.pos
	for a.pos < len(a.text) && (isNameByte(a.text[a.pos]) || a.text[a.pos] == '#' || a.text[a.pos] == '@') {
		a.pos++
	}
	text := a.text[start:a.pos]
	base := int64(10)
	if before, after, ok := strings.Cut(text, "#"); ok {
		n, err := strconv.Atoi(before)
		if err != nil || n < 2 || n > 64 || before[0] == '0' {
			a.fail("invalid arithmetic base")
		}
		base, text = int64(n), after
	} else if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		base, text = 16, text[2:]
	} else if text[0] == '0' {
		base = 8
	}
	value := int64(0)
	for i := 0; i < len(text); i++ {
		digit := digitValue(text[i], base)
		if digit < 0 || digit >= base {
			a.fail("value too great for base")
		}
		value = value*base + digit
	}
	return value
}

func digitValue(c byte, base int64) int64 {
	switch {
	case isDigit(c):
		return int64(c - '0')
	case 'a' <= c && c <= 'z':
		return int64(c-'a') + 10
	case 'A' <= c && c <= 'Z' && base <= 36:
		return int64(c-'A') + 10
	case 'A' <= c && c <= 'Z':
		return int64(c-'A') + 36
	case c == '@':
		return 62
	case c == '_':
		return 63
	}
	return -1
}

// variable reads name or name[subscript] at the cursor.
func (a *arith) variable() (name, subscript string, has bool) {
	start := a.pos
	for a.pos < len(a.text) && isNameByte(a.text[a.pos]) {
		a.pos++
	}
	name = a.text[start:a.pos]
	if !isName(name) {
		a.pos = start
		return "", "", false
	}
	if a.pos < len(a.text) && a.text[a.pos] == '[' {
		end := matchBracket(a.text, a.pos)
		if end < 0 {
			a.fail("bad array subscript")
		}
		subscript, has = a.text[a.pos+1:end], true
		a.pos = end + 1
	}
	return name, subscript, has
}

func (a *arith) get(name, subscript string, has bool) int64 {
	if !a.live {
		return 0
	}
	v := a.sh.dynamic(name)
	if v == nil {
		return 0
	}
	value, _ := a.sh.elementValue(v, &parameter{name: name, subscript: subscript, hasSubscript: has})
	if value == "" {
		return 0
	}
	return a.sh.arithmetic(value)
}

func (a *arith) set(name, subscript string, has bool, value int64) {
	if a.live {
		a.sh.store(a.sh.assignable(name), subscript, has, strconv.FormatInt(value, 10), false)
	}
}
