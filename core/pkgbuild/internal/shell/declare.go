package shell

import (
	"slices"
	"strings"
)

// declaration is what the options of declare and its kin ask for.
type declaration struct {
	set, clear map[byte]bool
	global     bool
	print      bool
	functions  bool
	names      bool // -F: names only
}

func (sh *Shell) declaration(command string, args []string) (d declaration, used int) {
	d = declaration{set: map[byte]bool{}, clear: map[byte]bool{}}
	for _, arg := range args {
		if len(arg) < 2 || arg[0] != '-' && arg[0] != '+' {
			break
		}
		used++
		if arg == "--" {
			break
		}
		for i := 1; i < len(arg); i++ {
			switch c := arg[i]; {
			case arg[0] == '+':
				d.clear[c] = true
			case c == 'g':
				d.global = true
			case c == 'p':
				d.print = true
			case c == 'F':
				d.functions, d.names = true, true
			case c == 'f':
				d.functions = true
			case command == "export" && c == 'n':
				d.clear['x'] = true
			default:
				d.set[c] = true
			}
		}
	}
	switch command {
	case "export":
		d.set['x'] = true
	case "readonly":
		d.set['r'] = true
	}
	return d, used
}

// declare runs declare, typeset, local, export and readonly.
func (sh *Shell) declare(command string, args []string, compounds [][]word) {
	d, used := sh.declaration(command, args)
	args, compounds = args[used:], compounds[used:]
	switch {
	case d.functions:
		sh.setStatus(sh.declareFunctions(d, command, args))
		return
	case d.print:
		sh.setStatus(sh.printVariables(args))
		return
	case len(args) == 0 && command != "export" && command != "readonly":
		sh.needs(command + " without names")
	}
	local := (command == "local" || command == "declare" || command == "typeset") && !d.global && len(sh.scopes) > 1
	for i, arg := range args {
		sh.declareOne(&d, sh.knownName(arg), compounds[i], local)
	}
}

// knownName is arg with its name known; the value may be unknown.
func (sh *Shell) knownName(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	sh.known(name)
	return arg
}

func (sh *Shell) declareOne(d *declaration, arg string, elements []word, local bool) {
	name, subscript, value, appends, assigned := splitAssignment(arg)
	if !assigned {
		name, _, _ = strings.Cut(arg, "[")
		if !isName(name) {
			sh.setStatus(1)
			return
		}
	}
	v := sh.declared(name, d, local)
	sh.setAttributes(v, d)
	switch {
	case elements != nil:
		sh.assignList(v, elements, appends)
	case assigned && d.set['n']:
		v.value, v.set = value, true
	case assigned && strings.HasPrefix(value, "(") && strings.HasSuffix(value, ")") && v.kind != scalar:
		// bash parses a quoted list when the variable is an array.
		sh.assignList(v, (&parser{src: value, pos: 1}).elements(), appends)
	case assigned:
		if subscript != "" {
			subscript = subscript[1 : len(subscript)-1]
		}
		sh.store(v, subscript, subscript != "", value, appends)
	}
	v.readonly = v.readonly || d.set['r']
}

// declared returns the variable that a declaration is about.
func (sh *Shell) declared(name string, d *declaration, local bool) *variable {
	switch {
	case d.set['n'] && local:
		return sh.local(name)
	case local:
		return sh.local(name)
	case d.global:
		v, ok := sh.scopes[0][name]
		if !ok {
			v = &variable{}
			sh.scopes[0][name] = v
		}
		v.line = sh.line
		return v
	}
	return sh.assignable(name)
}

func (sh *Shell) setAttributes(v *variable, d *declaration) {
	if v.readonly && len(d.set) > 0 && !d.set['r'] && !d.set['x'] {
		sh.fatal("readonly variable")
	}
	if d.set['A'] && v.kind != associative {
		v.clear()
		v.kind, v.set = associative, false
	}
	if d.set['a'] {
		v.toArray()
	}
	for letter, flag := range map[byte]*bool{'x': &v.exported, 'i': &v.integer, 'l': &v.lower, 'u': &v.upper, 'n': &v.nameref} {
		if d.set[letter] {
			*flag = true
		}
		if d.clear[letter] {
			*flag = false
		}
	}
}

func (sh *Shell) declareFunctions(d declaration, command string, args []string) int {
	if command == "export" || command == "readonly" {
		return 0
	}
	if len(args) == 0 {
		sh.needs("the list of all functions")
	}
	status := 0
	for _, name := range args {
		f, ok := sh.functions[sh.known(name)]
		switch {
		case !ok && (sh.config.Commands[name] != nil || sh.config.Hidden[name]):
			sh.needs("the text of function " + name)
		case !ok:
			status = 1
		case d.names:
			sh.print(name + "\n")
		default:
			sh.print(printFunction(f) + "\n")
		}
	}
	return status
}

func (sh *Shell) printVariables(names []string) int {
	if len(names) == 0 {
		sh.needs("the list of all variables")
	}
	status := 0
	for _, name := range names {
		v := sh.find(sh.known(name))
		if v == nil {
			status = 1
			continue
		}
		sh.print(printVariable(name, v) + "\n")
	}
	return status
}

// printVariable prints a variable as `declare -p` does.
func printVariable(name string, v *variable) string {
	flags := attributes(v)
	if flags == "" {
		flags = "-"
	}
	text := "declare -" + flags + " " + name
	switch {
	case !v.set:
	case v.kind == scalar:
		text += "=" + doubleQuote(v.value)
	default:
		var parts []string
		values := v.list()
		for i, subscript := range v.subscripts() {
			parts = append(parts, "["+subscript+"]="+doubleQuote(values[i]))
		}
		end := ")"
		if v.kind == associative {
			end = " )"
		}
		text += "=(" + strings.Join(parts, " ") + end
	}
	return text
}

func doubleQuote(value string) string {
	if slices.ContainsFunc([]byte(value), func(c byte) bool { return c < ' ' && c != 0 && c != '\t' }) {
		return quoteANSI(value)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`
}
