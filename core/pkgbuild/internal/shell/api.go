package shell

import (
	"strings"
)

// What a user of the package does with a Shell, beside New.

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

// Err returns the error that ended a line last, nil when there was none: the
// reason for a status that is not 0.
func (sh *Shell) Err() error {
	if sh.lastFatal == nil {
		return nil
	}
	return sh.lastFatal
}

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
