package shell

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// printf runs the printf builtin.
func (sh *Shell) printf(args []string) int {
	target := ""
	if len(args) > 1 && args[0] == "-v" {
		target, args = sh.known(args[1]), args[2:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 2
	}
	f := &formatter{sh: sh, args: args[1:]}
	format := sh.known(args[0])
	for {
		left := len(f.args)
		f.run(format)
		if f.stopped || len(f.args) == 0 || len(f.args) == left {
			break
		}
		sh.charge(1)
	}
	if target == "" {
		sh.print(f.out.String())
		return f.status
	}
	name, subscript, hasSubscript := strings.Cut(target, "[")
	sh.store(sh.assignable(name), strings.TrimSuffix(subscript, "]"), hasSubscript, f.out.String(), false)
	return f.status
}

type formatter struct {
	sh      *Shell
	args    []string
	out     strings.Builder
	status  int
	stopped bool
}

func (f *formatter) next() string {
	if len(f.args) == 0 {
		return ""
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg
}

func (f *formatter) run(format string) {
	for i := 0; i < len(format) && !f.stopped; i++ {
		switch c := format[i]; {
		case c == '\\' && i+1 < len(format):
			i++
			if format[i] == 'c' {
				f.stopped = true
				return
			}
			var s string
			if format[i] == '"' || format[i] == '\'' {
				s = format[i : i+1]
			} else {
				s, i = escape(format, i, false)
			}
			f.out.WriteString(s)
		case c == '%':
			i = f.directive(format, i+1)
		default:
			f.out.WriteByte(c)
		}
		if f.out.Len() > maxText {
			f.sh.exceeded("memory")
		}
	}
}

// directive formats one % directive whose text starts at i and returns the
// place of its last character.
func (f *formatter) directive(format string, i int) int {
	start := i
	for i < len(format) && strings.IndexByte("-+ #0'", format[i]) >= 0 {
		i++
	}
	flags := format[start:i]
	number := func() (n int, given bool) {
		if i < len(format) && format[i] == '*' {
			i++
			return int(f.integer(f.next())), true
		}
		begin := i
		for i < len(format) && isDigit(format[i]) {
			i++
		}
		n, _ = strconv.Atoi(format[begin:i])
		return n, i > begin
	}
	width, hasWidth := number()
	precision, hasPrecision := 0, false
	if i < len(format) && format[i] == '.' {
		i++
		precision, _ = number()
		hasPrecision = true
	}
	for i < len(format) && strings.IndexByte("hlLqjzt", format[i]) >= 0 && format[i] != 'q' {
		i++
	}
	if i >= len(format) {
		f.out.WriteByte('%')
		return i
	}
	if width > maxText || precision > maxText {
		f.sh.exceeded("memory")
	}
	if width < 0 {
		flags, width = flags+"-", -width
	}
	spec := "%" + strings.ReplaceAll(flags, "'", "")
	if hasWidth {
		spec += strconv.Itoa(width)
	}
	if hasPrecision {
		spec += "." + strconv.Itoa(precision)
	}
	if format[i] == '(' {
		return f.timeDirective(format, i, spec)
	}
	f.convert(spec, format[i], precision, hasPrecision)
	return i
}

func (f *formatter) convert(spec string, verb byte, precision int, hasPrecision bool) {
	switch verb {
	case '%':
		f.out.WriteByte('%')
	case 's', 'b', 'q':
		f.text(spec, verb, precision, hasPrecision)
	case 'c':
		arg := f.sh.known(f.next())
		if arg != "" {
			arg = arg[:1]
		}
		f.out.WriteString(f.pad(spec, arg))
	case 'd', 'i':
		fmt.Fprintf(&f.out, spec+"d", f.integer(f.next()))
	case 'u':
		fmt.Fprintf(&f.out, spec+"d", uint64(f.integer(f.next())))
	case 'x', 'X', 'o':
		fmt.Fprintf(&f.out, spec+string(verb), uint64(f.integer(f.next())))
	case 'f', 'F', 'e', 'E', 'g', 'G':
		value, err := strconv.ParseFloat(strings.TrimSpace(f.sh.known(f.next())), 64)
		if err != nil {
			f.status = 1
		}
		if verb == 'g' || verb == 'G' {
			f.sh.needs("printf %" + string(verb))
		}
		fmt.Fprintf(&f.out, spec+string(verb), value)
	default:
		f.sh.needs("printf %" + string(verb))
	}
}

func (f *formatter) text(spec string, verb byte, precision int, hasPrecision bool) {
	arg := f.next()
	switch verb {
	case 'b':
		arg, f.stopped = unescape(f.sh.known(arg))
	case 'q':
		arg = quoteWord(f.sh.known(arg))
	}
	if hasPrecision {
		arg = f.sh.known(arg)
		arg = arg[:min(precision, len(arg))]
	}
	f.sh.grow(len(arg))
	f.out.WriteString(f.pad(spec, arg))
}

// pad applies the width of spec in bytes, as bash does.
func (f *formatter) pad(spec, arg string) string {
	left := strings.Contains(spec, "-")
	digits := strings.TrimLeft(spec, "%-+ #0")
	digits, _, _ = strings.Cut(digits, ".")
	width, _ := strconv.Atoi(digits)
	if width == 0 {
		return arg
	}
	missing := width - len(f.sh.known(arg))
	if missing <= 0 {
		return arg
	}
	f.sh.grow(missing)
	if left {
		return arg + strings.Repeat(" ", missing)
	}
	return strings.Repeat(" ", missing) + arg
}

func (f *formatter) integer(arg string) int64 {
	arg = strings.TrimLeft(f.sh.known(arg), " \t")
	if arg == "" {
		return 0
	}
	if arg[0] == '\'' || arg[0] == '"' {
		r, _ := utf8.DecodeRuneInString(arg[1:])
		return int64(r)
	}
	n, err := strconv.ParseInt(arg, 0, 64)
	if err != nil || strings.ContainsAny(arg, "_") || strings.HasPrefix(strings.TrimLeft(arg, "+-"), "0b") || strings.HasPrefix(strings.TrimLeft(arg, "+-"), "0o") {
		f.sh.needs("printf of " + arg + " as a number")
	}
	return n
}

func (f *formatter) timeDirective(format string, i int, spec string) int {
	end := strings.IndexByte(format[i:], ')')
	if end < 0 || i+end+1 >= len(format) || format[i+end+1] != 'T' {
		f.out.WriteString("%(")
		return i
	}
	at := f.sh.config.Now
	if len(f.args) > 0 {
		if n := f.integer(f.next()); n >= 0 {
			at = time.Unix(n, 0)
		}
	}
	text, err := strftime(format[i+1:i+end], at)
	if err != nil {
		f.sh.needs(err.Error())
	}
	f.out.WriteString(f.pad(spec, text))
	return i + end + 1
}

// quoteWord quotes as printf %q does.
func quoteWord(text string) string {
	if text == "" {
		return "''"
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			return quoteANSI(text)
		}
	}
	var out strings.Builder
	for i, r := range text {
		if strings.ContainsRune(" !\"$&'()*,;<>?[\\]^`{|}", r) || i == 0 && (r == '~' || r == '#') {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}
