package shell

// A word is kept as written; quotes and expansions in it are looked at only
// when it is expanded, as bash does. A broken expansion in a function that is
// never called is therefore no error.
type word struct {
	text string
	line int
}

// arg is one word of a simple command. An argument of declare, local and the
// like may be a compound assignment: text then ends in "=" or "+=" and
// elements holds what stands in the parentheses.
type arg struct {
	word
	compound bool
	elements []word
}

type redirect struct {
	fd     string // digits, "{name}" or ""
	op     string // <, >, >>, <<, <<-, <<<, >&, <&, >|, &>, &>>, <>
	target word
	body   *heredoc
}

type heredoc struct {
	text   string
	quoted bool // no expansion: the delimiter had quotes
	line   int
}

// command is any node of the tree.
type command any

type simple struct {
	assigns   []arg
	args      []arg
	redirects []redirect
	line      int
}

// list holds commands in order; async and ops stand beside each.
type list struct {
	items []command
	async []bool // ended by "&"
}

type andOr struct {
	left, right command
	op          string // && or ||
}

type pipeline struct {
	commands []command
	both     []bool // the pipe after command i is |&
	negate   bool
	timed    bool
	line     int
}

type group struct {
	body      *list
	redirects []redirect
	subshell  bool
	line      int
}

type ifCommand struct {
	conditions []*list // one more body than conditions when there is an else
	bodies     []*list
	redirects  []redirect
	line       int
}

type loop struct {
	until     bool
	condition *list
	body      *list
	redirects []redirect
	line      int
}

type forCommand struct {
	name      string
	in        bool
	words     []word
	body      *list
	sel       bool // select instead of for
	redirects []redirect
	line      int
}

type arithFor struct {
	init, cond, step string
	body             *list
	redirects        []redirect
	line             int
}

type caseClause struct {
	patterns []word
	body     *list
	end      string // ;; ;& ;;&
}

type caseCommand struct {
	subject   word
	clauses   []caseClause
	redirects []redirect
	line      int
}

type function struct {
	name string
	body command
	line int
}

type arithCommand struct {
	expression string
	redirects  []redirect
	line       int
}

// condition is the inside of [[ ]]: a tree of binary, unary and logical nodes.
type condition struct {
	op          string // "&&", "||", "!", "(", a unary "-f", a binary "==", or "" for a plain word
	left, right *condition
	x, y        word
}

type condCommand struct {
	expression *condition
	redirects  []redirect
	line       int
}

type coproc struct {
	name string
	body command
	line int
}
