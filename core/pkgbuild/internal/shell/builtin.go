package shell

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
)

// invoke runs a function, builtin, tool or unknown command.
func (sh *Shell) invoke(name string, words []string, compounds [][]word) {
	args := words[1:]
	if f, ok := sh.functions[name]; ok {
		sh.call(f, args)
		return
	}
	if run, ok := sh.config.Commands[name]; ok {
		sh.setStatus(run(sh, args))
		return
	}
	sh.builtinOrTool(name, args, compounds)
}

func (sh *Shell) builtinOrTool(name string, args []string, compounds [][]word) {
	if declarers[name] && name != "eval" && name != "alias" {
		sh.setStatus(0)
		sh.declare(name, args, compounds[1:])
		return
	}
	if run, ok := sh.builtins[name]; ok {
		sh.setStatus(run(sh, args))
		return
	}
	switch name {
	case "eval":
		sh.eval(sh.known(strings.Join(args, " ")))
	case "source", ".":
		sh.sourceFile(args)
	case "command", "builtin":
		sh.command1(args)
	case "break", "continue", "return", "exit":
		sh.leave(name, args)
	default:
		sh.external(name, args)
	}
}

// external runs a tool that is computed here, or notes an unknown command: its
// output and status are unknown, and files may have changed.
func (sh *Shell) external(name string, args []string) {
	if sh.config.Hidden[name] {
		sh.needs("command " + name)
	}
	if run, ok := sh.tools[path.Base(name)]; ok && (!strings.Contains(name, "/") || strings.HasPrefix(name, "/usr/bin/") || strings.HasPrefix(name, "/bin/")) {
		if sh.tool(run, args) {
			return
		}
	}
	what := "command " + name
	if !readOnly[path.Base(name)] {
		sh.dirty = &Unknown{sh.file, sh.line, what}
	}
	sh.print(sh.unknownText(what))
	sh.setDoubt(what)
}

// readOnly names common commands that change no files.
var readOnly = map[string]bool{
	"nproc": true, "uname": true, "pacman": true, "python": true, "python3": true, "python2": true, "getconf": true, "lscpu": true,
	"hostname": true, "which": true, "pkg-config": true, "rustc": true, "gcc": true, "llvm-config": true, "ruby": true,
	"curl": true, "vercmp": true, "node": true, "id": true, "whoami": true, "locale": true, "uuidgen": true, "sleep": true, "tput": true,
}

// tool runs a tool; false means that it cannot say and counts as unknown.
func (sh *Shell) tool(run tool, args []string) bool {
	for _, arg := range args {
		if isUnknown(arg) {
			return sh.passUnknown(arg)
		}
	}
	if isUnknown(sh.stdin.text) {
		return sh.passUnknown(sh.stdin.text)
	}
	t := &toolRun{sh: sh, args: args}
	status, err := 0, error(nil)
	if unknown := sh.protectUnknown(func() { status, err = t.run(run) }); unknown != nil {
		err = errors.New(unknown.What)
	}
	if err != nil {
		sh.print(sh.unknownText(err.Error()))
		sh.setDoubt(err.Error())
		return true
	}
	if out := t.out.String(); isUnknown(out) {
		return sh.passUnknown(out)
	}
	sh.print(t.out.String())
	sh.setStatus(status)
	return true
}

// passUnknown makes output and status of a command unknown because its input
// is.
func (sh *Shell) passUnknown(text string) bool {
	what := "unknown input"
	if err, ok := sh.Known(text).(*Unknown); ok {
		what = err.What
	}
	sh.print(sh.unknownText(what))
	sh.setDoubt(what)
	return true
}

// call runs a function.
func (sh *Shell) call(f *function, args []string) {
	sh.enterCall()
	params, loops := sh.params, sh.loops
	sh.params, sh.loops = args, 0
	sh.calls = append(sh.calls, f.name)
	sh.Push(nil)
	sh.command(f.body)
	sh.Pop()
	sh.calls = sh.calls[:len(sh.calls)-1]
	sh.params, sh.loops = params, loops
	sh.leaveCall()
	if sh.flow.kind != flowExit {
		sh.flow = flow{}
	}
}

// sourceFile runs source.
func (sh *Shell) sourceFile(args []string) {
	if len(args) == 0 {
		sh.setStatus(2)
		return
	}
	name := sh.known(args[0])
	text, found := sh.readFile(name)
	if !found {
		sh.setStatus(1)
		return
	}
	sh.known(text)
	sh.setStatus(0)
	params := sh.params
	if len(args) > 1 {
		sh.params = args[1:]
	}
	sourced := sh.sourced
	sh.sourced = name
	sh.source(path.Clean(strings.TrimPrefix(name, sh.config.Dir+"/")), text)
	sh.sourced = sourced
	if len(args) > 1 {
		sh.params = params
	}
}

// command1 runs command and builtin.
func (sh *Shell) command1(args []string) {
	for len(args) > 0 && (args[0] == "-p" || args[0] == "--") {
		args = args[1:]
	}
	if len(args) == 0 {
		sh.setStatus(0)
		return
	}
	if args[0] == "-v" || args[0] == "-V" {
		sh.setStatus(sh.describe(args[1:], func(n, kind string) string {
			return n + "\n"
		}))
		return
	}
	compounds := make([][]word, len(args))
	sh.builtinOrTool(sh.known(args[0]), args[1:], compounds)
}

// describe answers what kind of command each name is; only functions and
// builtins are known here.
func (sh *Shell) describe(names []string, line func(name, kind string) string) int {
	for _, name := range names {
		kind := ""
		switch {
		case sh.functions[sh.known(name)] != nil || sh.config.Commands[name] != nil:
			kind = "function"
		case sh.isBuiltin(name):
			kind = "builtin"
		case reservedWords[name]:
			kind = "keyword"
		default:
			sh.needs("whether command " + name + " exists")
		}
		sh.print(line(name, kind))
	}
	return int(1 - truth(len(names) > 0))
}

func (sh *Shell) isBuiltin(name string) bool {
	switch name {
	case "eval", "source", ".", "command", "builtin", "break", "continue", "return", "exit":
		return true
	}
	return sh.builtins[name] != nil || declarers[name]
}

// leave runs break, continue, return and exit.
func (sh *Shell) leave(name string, args []string) {
	n, given := 1, false
	if len(args) > 0 {
		value, err := strconv.Atoi(sh.known(args[0]))
		if err != nil {
			sh.fatal(name + ": " + args[0] + ": numeric argument required")
		}
		n, given = value, true
	}
	switch name {
	case "break", "continue":
		sh.setStatus(0)
		if sh.loops == 0 {
			return
		}
		kind := flowBreak
		if name == "continue" {
			kind = flowContinue
		}
		sh.flow = flow{kind, min(n, sh.loops)}
		return
	case "return":
		sh.flow = flow{kind: flowReturn}
	case "exit":
		sh.flow = flow{kind: flowExit}
	}
	if given {
		sh.setStatus(n)
	}
}

type builtin func(sh *Shell, args []string) int

// builtins returns the builtins that need nothing but their arguments.
func builtins() map[string]builtin {
	return map[string]builtin{
		":": succeed, "true": succeed, "umask": succeed, "ulimit": succeed, "wait": succeed, "hash": succeed, "times": succeed,
		"enable": succeed, "unalias": succeed, "alias": succeed, "jobs": succeed, "disown": succeed, "history": succeed,
		"false": func(*Shell, []string) int { return 1 },
		"echo":  echo,
		"printf": func(sh *Shell, args []string) int {
			return sh.printf(args)
		},
		"test": testBuiltin, "[": bracketBuiltin,
		"cd": changeDir, "pwd": printDir,
		"unset": unset, "set": setOptions, "shopt": shopt, "shift": shift,
		"let": let, "read": read, "mapfile": mapfile, "readarray": mapfile,
		"type": typeBuiltin, "trap": trap,
		"exec": needed("exec"), "getopts": needed("getopts"), "pushd": needed("pushd"), "popd": needed("popd"), "dirs": needed("dirs"),
		"kill": needed("kill"), "bg": needed("bg"), "fg": needed("fg"), "caller": needed("caller"), "complete": needed("complete"),
		"compgen": needed("compgen"), "bind": needed("bind"), "logout": needed("logout"), "suspend": needed("suspend"), "fc": needed("fc"),
	}
}

func succeed(*Shell, []string) int { return 0 }

// needed is a builtin whose effect cannot be had here.
func needed(name string) builtin {
	return func(sh *Shell, _ []string) int {
		sh.needs(name)
		return 1
	}
}

func echo(sh *Shell, args []string) int {
	newline, escapes := true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, flag := range args[0][1:] {
			switch flag {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			case 'E':
				escapes = false
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		var stopped bool
		if text, stopped = unescape(text); stopped {
			newline = false
		}
	}
	if newline {
		text += "\n"
	}
	sh.print(text)
	return 0
}

// unescape decodes the escapes of echo -e and printf %b; \c ends the output.
func unescape(text string) (decoded string, stopped bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 >= len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		if text[i] == 'c' {
			return out.String(), true
		}
		var s string
		s, i = escape(text, i, true)
		out.WriteString(s)
	}
	return out.String(), false
}

func changeDir(sh *Shell, args []string) int {
	for len(args) > 0 && (args[0] == "-P" || args[0] == "-L" || args[0] == "--") {
		args = args[1:]
	}
	if len(args) != 1 {
		sh.needs("cd to the home directory")
	}
	if args[0] == "" {
		return 0
	}
	if args[0] == "-" {
		sh.needs("cd -")
	}
	info := sh.stat(args[0])
	if info == nil || !info.IsDir() {
		return 1
	}
	sh.dir, _ = sh.inside(args[0])
	sh.Set("OLDPWD", sh.variableText("PWD"))
	sh.Set("PWD", sh.workDir())
	return 0
}

func (sh *Shell) workDir() string {
	if sh.dir == "." {
		return sh.config.Dir
	}
	return sh.config.Dir + "/" + sh.dir
}

func printDir(sh *Shell, _ []string) int {
	sh.print(sh.workDir() + "\n")
	return 0
}

func unset(sh *Shell, args []string) int {
	functions, variables := false, false
	for _, arg := range args {
		switch sh.known(arg) {
		case "-f":
			functions = true
			continue
		case "-v", "-n":
			variables = true
			continue
		}
		name, subscript, hasSubscript := strings.Cut(arg, "[")
		if functions || !variables && sh.find(name) == nil {
			delete(sh.functions, arg)
			continue
		}
		if hasSubscript {
			sh.unsetElement(name, strings.TrimSuffix(subscript, "]"))
			continue
		}
		if status := sh.unsetVariable(name); status != 0 {
			return status
		}
	}
	return 0
}

func (sh *Shell) unsetVariable(name string) int {
	name = sh.resolve(name)
	for i := len(sh.scopes) - 1; i >= 0; i-- {
		v, ok := sh.scopes[i][name]
		if !ok {
			continue
		}
		if v.readonly {
			return 1
		}
		if i == len(sh.scopes)-1 && i > 0 {
			sh.scopes[i][name] = &variable{} // stays local, without value
		} else {
			delete(sh.scopes[i], name)
		}
		break
	}
	return 0
}

func (sh *Shell) unsetElement(name, subscript string) {
	v := sh.lookup(name)
	switch {
	case v == nil:
	case subscript == "@" || subscript == "*":
		sh.unsetVariable(name)
	case v.kind == associative:
		key := sh.expandString(subscript)
		delete(v.table, key)
		v.keys = slices.DeleteFunc(v.keys, func(k string) bool { return k == key })
	default:
		index := sh.index(v, subscript)
		v.toArray()
		if i, ok := slices.BinarySearch(v.indices, index); ok {
			v.indices, v.values = slices.Delete(v.indices, i, i+1), slices.Delete(v.values, i, i+1)
		}
	}
}
