package shell

import (
	"slices"
	"strings"
)

// setOptions runs set.
func setOptions(sh *Shell, args []string) int {
	for len(args) > 0 {
		arg := sh.known(args[0])
		if arg == "--" {
			sh.params = slices.Clone(args[1:])
			return 0
		}
		if len(arg) < 2 || arg[0] != '-' && arg[0] != '+' {
			break
		}
		args = args[1:]
		for i := 1; i < len(arg); i++ {
			if arg[i] != 'o' {
				sh.flags[arg[i]] = arg[0] == '-'
				continue
			}
			if len(args) == 0 {
				return 0
			}
			sh.setNamed(args[0], arg[0] == '-')
			args = args[1:]
		}
	}
	if len(args) > 0 {
		sh.params = slices.Clone(args)
	}
	return 0
}

func (sh *Shell) setNamed(name string, on bool) {
	switch letter, ok := map[string]byte{"errexit": 'e', "nounset": 'u', "noglob": 'f', "xtrace": 'x', "verbose": 'v', "errtrace": 'E',
		"functrace": 'T', "braceexpand": 'B', "noexec": 'n', "allexport": 'a', "noclobber": 'C', "hashall": 'h'}[name]; {
	case ok:
		sh.flags[letter] = on
	case name == "pipefail":
		sh.options["\x00pipefail"] = on
	default:
		sh.needs("set -o " + name)
	}
}

// Flag reports whether `set -x` of that letter is on.
func (sh *Shell) Flag(letter byte) bool { return sh.flags[letter] }

func shopt(sh *Shell, args []string) int {
	mode := byte(0)
	quiet := false
	status := 0
	for _, arg := range args {
		switch arg {
		case "-s", "-u", "-p":
			mode = arg[1]
		case "-q":
			quiet = true
		case "-o", "-su", "-us":
			sh.needs("shopt " + arg)
		default:
			status |= sh.shoptOne(arg, mode, quiet)
		}
	}
	return status
}

func (sh *Shell) shoptOne(name string, mode byte, quiet bool) int {
	switch mode {
	case 's', 'u':
		if name == "globstar" || name == "expand_aliases" || name == "nocaseglob" && mode == 's' {
			sh.needs("shopt " + name)
		}
		sh.options[name] = mode == 's'
		return 0
	}
	on := sh.options[name]
	if !quiet {
		flag := "-u"
		if on {
			flag = "-s"
		}
		sh.print("shopt " + flag + " " + name + "\n")
	}
	return int(1 - truth(on))
}

func shift(sh *Shell, args []string) int {
	n := 1
	if len(args) > 0 {
		n = int(sh.arithmetic(args[0]))
	}
	if n < 0 || n > len(sh.params) {
		return 1
	}
	sh.params = sh.params[n:]
	return 0
}

func let(sh *Shell, args []string) int {
	value := int64(0)
	for _, arg := range args {
		value = sh.arithmetic(arg)
	}
	return int(1 - truth(value != 0))
}

// trap accepts only what has no effect here: resetting and ignoring.
func trap(sh *Shell, args []string) int {
	if len(args) > 0 && args[0] != "-" && args[0] != "" && args[0] != "--" {
		sh.needs("trap")
	}
	return 0
}

func typeBuiltin(sh *Shell, args []string) int {
	line := func(name, kind string) string {
		return map[string]string{"function": name + " is a function\n", "builtin": name + " is a shell builtin\n", "keyword": name + " is a shell keyword\n"}[kind]
	}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if strings.ContainsAny(args[0], "pP") {
			sh.needs("type " + args[0])
		}
		if strings.Contains(args[0], "t") {
			line = func(_, kind string) string { return kind + "\n" }
		}
		args = args[1:]
	}
	return sh.describe(args, line)
}
