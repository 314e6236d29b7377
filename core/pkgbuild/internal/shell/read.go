package shell

import (
	"strings"
)

// readOptions are those of read and mapfile that matter here.
type readOptions struct {
	raw       bool
	array     string
	delimiter byte
	trim      bool // mapfile -t
	count     int  // mapfile -n, 0 all
	skip      int  // mapfile -s
	names     []string
}

// readArgs parses the options whose letters take is told about; the letters in
// withValue have one.
func (sh *Shell) readArgs(args []string, withValue string) readOptions {
	o := readOptions{delimiter: '\n'}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			break
		}
		for i := 1; i < len(arg); i++ {
			value := ""
			if strings.IndexByte(withValue, arg[i]) >= 0 {
				value = arg[i+1:]
				if value == "" && len(args) > 0 {
					value, args = args[0], args[1:]
				}
			}
			sh.readOption(&o, arg[i], value)
			if strings.IndexByte(withValue, arg[i]) >= 0 {
				break
			}
		}
	}
	o.names = args
	return o
}

func (sh *Shell) readOption(o *readOptions, letter byte, value string) {
	switch letter {
	case 'r':
		o.raw = true
	case 'a':
		o.array = value
	case 'd':
		if o.delimiter = 0; value != "" {
			o.delimiter = value[0]
		}
	case 't':
		o.trim = true
	case 'n':
		o.count = int(sh.arithmetic(value))
	case 's':
		if value != "" {
			o.skip = int(sh.arithmetic(value))
		}
	case 'p', 'e':
	default:
		sh.needs("read -" + string(letter))
	}
}

// read runs the read builtin.
func read(sh *Shell, args []string) int {
	o := sh.readArgs(args, "adpntuNi")
	if o.count != 0 {
		sh.needs("read -n")
	}
	line, complete := sh.readLine(&o)
	if o.array != "" {
		v := sh.assignable(o.array)
		v.clear()
		v.kind, v.set = indexed, true
		for i, value := range sh.readFields(line, -1, o.raw) {
			v.setElement(i, value)
		}
	} else {
		sh.readNames(&o, line)
	}
	return int(1 - truth(complete))
}

// readLine reads to the delimiter; without raw a backslash joins lines.
func (sh *Shell) readLine(o *readOptions) (string, bool) {
	sh.known(sh.stdin.text)
	line, complete := sh.stdin.until(o.delimiter)
	for !o.raw && complete && oddBackslash(line) {
		var more string
		more, complete = sh.stdin.until(o.delimiter)
		line = line[:len(line)-1] + more
	}
	sh.charge(1 + len(line)/8)
	return line, complete
}

func (sh *Shell) readNames(o *readOptions, line string) {
	if len(o.names) == 0 {
		sh.store(sh.assignable("REPLY"), "", false, unbackslash(line, o.raw), false)
		return
	}
	fields := sh.readFields(line, len(o.names), o.raw)
	for i, name := range o.names {
		value := ""
		if i < len(fields) {
			value = fields[i]
		}
		sh.store(sh.assignable(sh.known(name)), "", false, value, false)
	}
}

func unbackslash(line string, raw bool) string {
	if raw {
		return line
	}
	return plainPattern(line)
}

// readFields splits a line at IFS into at most n fields, the last of which
// keeps its separators; n < 0 is no limit.
func (sh *Shell) readFields(line string, n int, raw bool) []string {
	ifs := sh.ifs()
	isIFS := func(c byte) bool { return strings.IndexByte(ifs, c) >= 0 }
	isSpace := func(c byte) bool { return isIFS(c) && (c == ' ' || c == '\t' || c == '\n') }
	for line != "" && isSpace(line[0]) {
		line = line[1:]
	}
	var fields []string
	for line != "" {
		if n > 0 && len(fields) == n-1 {
			rest := strings.TrimRightFunc(line, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
			if trimmed, ok := onlySeparator(rest, isIFS, isSpace); ok {
				rest = trimmed
			}
			return append(fields, unbackslash(rest, raw))
		}
		i := 0
		for i < len(line) && !isIFS(line[i]) {
			if line[i] == '\\' && !raw && i+1 < len(line) {
				i++
			}
			i++
		}
		fields = append(fields, unbackslash(line[:i], raw))
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i < len(line) && isIFS(line[i]) {
			for i++; i < len(line) && isSpace(line[i]); {
				i++
			}
		}
		line = line[i:]
		sh.checkCount(len(fields))
	}
	return fields
}

// onlySeparator removes one separator at the end when it is the only one left.
func onlySeparator(rest string, isIFS, isSpace func(byte) bool) (string, bool) {
	if rest == "" || !isIFS(rest[len(rest)-1]) || isSpace(rest[len(rest)-1]) {
		return "", false
	}
	inner := rest[:len(rest)-1]
	for i := 0; i < len(inner); i++ {
		if isIFS(inner[i]) {
			return "", false
		}
	}
	return inner, true
}

// mapfile runs mapfile and readarray.
func mapfile(sh *Shell, args []string) int {
	o := sh.readArgs(args, "dnsOuCc")
	name := "MAPFILE"
	if len(o.names) > 0 {
		name = sh.known(o.names[0])
	}
	sh.known(sh.stdin.text)
	v := sh.assignable(name)
	v.clear()
	v.kind, v.set = indexed, true
	for n := 0; sh.stdin.pos < len(sh.stdin.text); n++ {
		line, complete := sh.stdin.until(o.delimiter)
		if n < o.skip {
			continue
		}
		if !o.trim && complete {
			line += string(o.delimiter)
		}
		sh.grow(len(line))
		if v.setElement(len(v.values), line); len(v.values) == o.count {
			break
		}
		sh.checkCount(len(v.values))
	}
	return 0
}
