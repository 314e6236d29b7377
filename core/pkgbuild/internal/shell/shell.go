// Package shell runs the part of bash that PKGBUILDs use, in a world without
// processes, network, or files outside one directory.
//
// Text is parsed as bash parses it: command by command, words kept as written
// until they are expanded. What cannot be known here (a command's output, a
// file elsewhere, the user's environment) is not an error at once. It becomes
// an unknown value that may be stored and passed on; only a decision taken on
// it, or a result that holds it, ends the run with [*Unknown]. So a PKGBUILD
// may ask `nproc` for a variable of its build function, and still be
// read.
package shell

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Limits of one run.
const (
	maxWork     = 6_000_000 // steps: commands, characters matched, elements
	maxBytes    = 64 << 20  // all text made by expansion
	maxOutput   = 1 << 20   // what the script prints
	maxText     = 4 << 20   // one string
	maxElements = 100_000   // of one array or one expansion
	maxCalls    = 200       // function calls, sourced files and substitutions within each other
	maxFile     = 4 << 20   // one file that is read
	checkEvery  = 1 << 14   // steps between looks at the context
)

// SyntaxError is text that bash cannot parse.
type SyntaxError struct {
	File    string
	Line    int
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Unknown is a decision or result that depends on something outside.
type Unknown struct {
	File string
	Line int
	What string
}

func (e *Unknown) Error() string {
	return fmt.Sprintf("%s:%d: needs evaluation: %s", e.File, e.Line, e.What)
}

// Fatal is an error that ends what bash runs: the script, after ${name:?} of
// an unset name, or else the line at hand, such as a bad substitution.
type Fatal struct {
	File    string
	Line    int
	Message string
	exits   bool // ends the script
}

func (e *Fatal) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Exceeded is a limit reached.
type Exceeded struct {
	File string
	Line int
	What string
}

func (e *Exceeded) Error() string {
	return fmt.Sprintf("%s:%d: limit reached: %s", e.File, e.Line, e.What)
}

// flow says how a command left its surroundings.
type flow struct {
	kind  flowKind
	count int // loops still to leave
}

type flowKind uint8

const (
	flowNone flowKind = iota
	flowBreak
	flowContinue
	flowReturn
	flowExit
)

// Config is the world of a Shell.
type Config struct {
	Files fs.FS     // the only files there are
	Dir   string    // absolute path of Files' root, for $PWD
	File  string    // name of the script in errors
	Now   time.Time // for date
	// Timeout bounds the run, from New on.
	Timeout time.Duration
	// Hidden are names of commands and functions that exist where makepkg
	// runs and change the shell: calling one ends the run with *Unknown.
	Hidden map[string]bool
	// Commands are further commands; they get the shell and their arguments
	// and return an exit status.
	Commands map[string]func(sh *Shell, args []string) int
}

// budget is shared by a shell and its subshells.
type budget struct {
	ctx      context.Context
	deadline time.Time
	work     int
	bytes    int
	calls    int
	check    int
}

// Shell is one shell and its state. It is not safe for concurrent use.
type Shell struct {
	config    *Config
	budget    *budget
	unknowns  *[]*Unknown
	virtuals  *[]string // what process substitutions printed
	dirty     *Unknown  // an unknown command may have changed files
	scopes    []scope
	functions map[string]*function
	builtins  map[string]builtin
	tools     map[string]tool
	options   map[string]bool // shopt
	flags     map[byte]bool   // set
	params    []string
	name      string // $0
	calls     []string
	status    int
	doubt     *Unknown // why status is not known
	flow      flow
	loops     int
	file      string
	sourced   string // the name that the file being sourced was asked by
	line      int
	dir       string // below the root, "." at first
	stdin     *input
	stdout    *output
	stderr    *output
	subshell  bool
	guarded   int // within a condition, where errexit does not count
	evalDepth int
	lastFatal *Fatal // the last one that ended a line
}

// New returns a shell whose run ends with ctx.
func New(ctx context.Context, config *Config) *Shell {
	return &Shell{
		config: config, budget: &budget{ctx: ctx, deadline: time.Now().Add(config.Timeout)}, unknowns: new([]*Unknown), virtuals: new([]string),
		scopes: []scope{{}}, functions: map[string]*function{}, builtins: builtins(), tools: tools(),
		options: map[string]bool{"patsub_replacement": true, "sourcepath": true}, flags: map[byte]bool{'B': true, 'h': true},
		name: "/usr/bin/makepkg", file: config.File, dir: ".",
		stdin: &input{}, stdout: &output{limit: maxOutput}, stderr: &output{},
	}
}

// fork returns a copy for a subshell; it shares the budget.
func (sh *Shell) fork() *Shell {
	sub := *sh
	sub.scopes = make([]scope, len(sh.scopes))
	for i, s := range sh.scopes {
		sub.scopes[i] = make(scope, len(s))
		for name, v := range s {
			sub.scopes[i][name] = v.clone()
		}
	}
	sh.charge(100 + 8*len(sh.scopes[0]) + len(sh.functions))
	sub.functions = make(map[string]*function, len(sh.functions))
	maps.Copy(sub.functions, sh.functions)
	sub.options = make(map[string]bool, len(sh.options))
	maps.Copy(sub.options, sh.options)
	sub.flags = make(map[byte]bool, len(sh.flags))
	maps.Copy(sub.flags, sh.flags)
	sub.subshell = true
	sub.flow = flow{}
	return &sub
}

// charge counts work and ends the run when there was too much.
func (sh *Shell) charge(n int) {
	b := sh.budget
	b.work += n
	if b.work > maxWork {
		sh.exceeded("work")
	}
	if b.work >= b.check {
		b.check = b.work + checkEvery
		if err := b.ctx.Err(); err != nil {
			panic(stop{err})
		}
		if time.Now().After(b.deadline) {
			sh.exceeded("time")
		}
	}
}

// grow counts bytes of text made.
func (sh *Shell) grow(n int) {
	sh.charge(1 + n/64)
	sh.budget.bytes += n
	if n > maxText || sh.budget.bytes > maxBytes {
		sh.exceeded("memory")
	}
}

func (sh *Shell) checkCount(n int) {
	if n > maxElements {
		sh.exceeded("array elements")
	}
}

// stop carries an error out of the run; run recovers it.
type stop struct{ err error }

func (sh *Shell) exceeded(what string) { panic(stop{&Exceeded{sh.file, sh.line, what}}) }

func (sh *Shell) fatal(message string) { panic(stop{&Fatal{sh.file, sh.line, message, false}}) }

func (sh *Shell) needs(what string) { panic(stop{&Unknown{sh.file, sh.line, what}}) }

// unknownText returns text that stands for a value nobody here can know. It is
// an index between two NUL bytes, which no shell string can hold.
func (sh *Shell) unknownText(what string) string {
	sh.checkCount(len(*sh.unknowns))
	*sh.unknowns = append(*sh.unknowns, &Unknown{sh.file, sh.line, what})
	return "\x00" + strconv.Itoa(len(*sh.unknowns)-1) + "\x00"
}

// known returns s, or ends the run when s holds an unknown value.
func (sh *Shell) known(s string) string {
	if err := sh.Known(s); err != nil {
		panic(stop{err})
	}
	return s
}

func isUnknown(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// Known returns an *Unknown when s holds an unknown value.
func (sh *Shell) Known(s string) error {
	_, rest, ok := strings.Cut(s, "\x00")
	if !ok {
		return nil
	}
	index, _, _ := strings.Cut(rest, "\x00")
	if n, err := strconv.Atoi(index); err == nil && n < len(*sh.unknowns) {
		if unknown := (*sh.unknowns)[n]; unknown.Line > 0 {
			return unknown
		}
		return &Unknown{sh.file, sh.line, (*sh.unknowns)[n].What}
	}
	return &Unknown{sh.file, sh.line, "an unknown value"}
}

// setStatus sets $? to a known value.
func (sh *Shell) setStatus(n int) { sh.status, sh.doubt = n&255, nil }

// setDoubt makes $? unknown.
func (sh *Shell) setDoubt(what string) {
	sh.status, sh.doubt = 0, &Unknown{sh.file, sh.line, what}
}

// succeeded reports whether the last command did, ending the run when that is
// unknown.
func (sh *Shell) succeeded() bool {
	if sh.doubt != nil {
		panic(stop{sh.doubt})
	}
	return sh.status == 0
}

// protect runs f and returns the error that stopped it.
func (sh *Shell) protect(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case stop:
			err = r.err
		case parseError:
			err = &SyntaxError{sh.file, r.line, r.message}
		default:
			panic(r)
		}
	}()
	f()
	return nil
}
