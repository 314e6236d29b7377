package shell

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// errTool is a use of a tool that is not computed here.
var errTool = errors.New("command not computed")

// tool is an external command that is computed here.
type tool func(t *toolRun) (status int, err error)

// toolRun is one run of a tool.
type toolRun struct {
	sh   *Shell
	args []string
	out  strings.Builder
}

// missing is a tool's end because a file is not there.
type missing struct{}

func (t *toolRun) run(run tool) (status int, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(missing); !ok {
				panic(r)
			}
			status, err = 1, nil
		}
	}()
	return run(t)
}

// tools returns the external commands that are computed here.
func tools() map[string]tool {
	return map[string]tool{
		"basename": basename, "dirname": dirname, "cat": cat, "tac": tac, "rev": rev, "cut": cut, "tr": translate,
		"head": head, "tail": tail, "sort": sortLines, "uniq": uniq, "wc": wc, "seq": seq, "grep": grep, "egrep": grep, "fgrep": grep,
		"sed": sed, "date": date, "expr": exprTool, "true": quiet(0), "false": quiet(1), "sleep": quiet(0), "sync": quiet(0),
		"printf": viaBuiltin, "echo": viaBuiltin, "paste": paste, "tee": tee, "ls": ls, "awk": awk, "gawk": awk,
	}
}

func quiet(status int) tool { return func(*toolRun) (int, error) { return status, nil } }

func viaBuiltin(t *toolRun) (int, error) { return 0, errTool }

func (t *toolRun) cannot(name string) (int, error) {
	return 0, fmt.Errorf("%s %s: %w", name, strings.Join(t.args, " "), errTool)
}

// input returns the text of the named files, or of standard input.
func (t *toolRun) input(files []string) string {
	if len(files) == 0 {
		return t.sh.stdin.rest()
	}
	var out strings.Builder
	for _, name := range files {
		text, found := t.sh.readFile(name)
		if !found {
			panic(missing{})
		}
		t.sh.known(text)
		out.WriteString(text)
	}
	return out.String()
}

// lines splits text into lines; the last needs no newline.
func (t *toolRun) lines(text string) []string {
	t.sh.charge(len(text)/16 + 1)
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func (t *toolRun) line(text string) {
	t.sh.grow(len(text))
	t.out.WriteString(text)
	t.out.WriteByte('\n')
}

// flags parses short options: letters in plain have no value, letters in
// valued have one. Anything else is not computed.
func (t *toolRun) flags(plain, valued string) (set map[byte]bool, values map[byte][]string, rest []string, ok bool) {
	set, values = map[byte]bool{}, map[byte][]string{}
	args := t.args
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			return set, values, append(rest, args...), true
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		for i := 1; i < len(arg); i++ {
			switch {
			case strings.IndexByte(plain, arg[i]) >= 0:
				set[arg[i]] = true
				continue
			case strings.IndexByte(valued, arg[i]) < 0:
				return nil, nil, nil, false
			}
			value := arg[i+1:]
			if value == "" {
				if len(args) == 0 {
					return nil, nil, nil, false
				}
				value, args = args[0], args[1:]
			}
			set[arg[i]] = true
			values[arg[i]] = append(values[arg[i]], value)
			break
		}
	}
	return set, values, rest, true
}

func basename(t *toolRun) (int, error) {
	set, values, names, ok := t.flags("az", "s")
	if !ok || set['z'] || len(names) == 0 {
		return t.cannot("basename")
	}
	suffix := ""
	if len(values['s']) > 0 {
		suffix = values['s'][0]
	} else if !set['a'] && len(names) == 2 {
		suffix, names = names[1], names[:1]
	}
	for _, name := range names {
		base := path.Base(name)
		if name == "" {
			base = ""
		}
		if base != suffix {
			base = strings.TrimSuffix(base, suffix)
		}
		t.line(base)
	}
	return 0, nil
}

func dirname(t *toolRun) (int, error) {
	_, _, names, ok := t.flags("", "")
	if !ok || len(names) == 0 {
		return t.cannot("dirname")
	}
	for _, name := range names {
		trimmed := strings.TrimRight(name, "/")
		if trimmed == "" && name != "" {
			t.line("/")
			continue
		}
		i := strings.LastIndexByte(trimmed, '/')
		switch dir := strings.TrimRight(trimmed[:max(i, 0)], "/"); {
		case i < 0:
			t.line(".")
		case dir == "":
			t.line("/")
		default:
			t.line(dir)
		}
	}
	return 0, nil
}

func cat(t *toolRun) (int, error) {
	_, _, files, ok := t.flags("u", "")
	if !ok {
		return t.cannot("cat")
	}
	text := t.input(files)
	t.sh.grow(len(text))
	t.out.WriteString(text)
	return 0, nil
}

func tee(t *toolRun) (int, error) {
	if len(t.args) != 1 || t.args[0] != "/dev/null" && t.args[0] != "/dev/stderr" {
		return t.cannot("tee")
	}
	t.args = nil
	return cat(t)
}

func tac(t *toolRun) (int, error) {
	_, _, files, ok := t.flags("", "")
	if !ok {
		return t.cannot("tac")
	}
	lines := t.lines(t.input(files))
	slices.Reverse(lines)
	for _, line := range lines {
		t.line(line)
	}
	return 0, nil
}

func rev(t *toolRun) (int, error) {
	_, _, files, ok := t.flags("", "")
	if !ok {
		return t.cannot("rev")
	}
	for _, line := range t.lines(t.input(files)) {
		runes := []rune(line)
		slices.Reverse(runes)
		t.line(string(runes))
	}
	return 0, nil
}

// ranges parses the lists of cut: 1,3-5,7-.
func ranges(text string) (func(n int) bool, bool) {
	type span struct{ from, to int }
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		s := span{1, 1 << 30}
		var err1, err2 error
		if from != "" {
			s.from, err1 = strconv.Atoi(from)
		}
		if !isRange {
			s.to = s.from
		} else if to != "" {
			s.to, err2 = strconv.Atoi(to)
		}
		if err1 != nil || err2 != nil || part == "-" || s.from < 1 {
			return nil, false
		}
		spans = append(spans, s)
	}
	return func(n int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.from <= n && n <= s.to })
	}, true
}

func cut(t *toolRun) (int, error) {
	set, values, files, ok := t.flags("s", "dfcb")
	if !ok || len(values['f'])+len(values['c'])+len(values['b']) != 1 {
		return t.cannot("cut")
	}
	delimiter := "\t"
	if len(values['d']) > 0 {
		delimiter = values['d'][0]
	}
	if len(delimiter) != 1 {
		return t.cannot("cut")
	}
	list := slices.Concat(values['f'], values['c'], values['b'])[0]
	wanted, valid := ranges(list)
	if !valid {
		return t.cannot("cut")
	}
	for _, line := range t.lines(t.input(files)) {
		if !set['f'] {
			t.line(pick(strings.Split(line, ""), wanted, ""))
			continue
		}
		if !strings.Contains(line, delimiter) {
			if !set['s'] {
				t.line(line)
			}
			continue
		}
		t.line(pick(strings.Split(line, delimiter), wanted, delimiter))
	}
	return 0, nil
}

func pick(parts []string, wanted func(int) bool, delimiter string) string {
	var kept []string
	for i, part := range parts {
		if wanted(i + 1) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, delimiter)
}

// count parses the number of head and tail: -n 3, -n3, -3.
func (t *toolRun) count() (n string, bytes bool, files []string, ok bool) {
	for i, arg := range t.args {
		if len(arg) > 1 && arg[0] == '-' && isDigit(arg[1]) && (i == 0 || t.args[i-1] != "-n" && t.args[i-1] != "-c") {
			t.args[i] = "-n" + arg[1:]
		}
	}
	set, values, files, ok := t.flags("q", "nc")
	if !ok || len(values['n'])+len(values['c']) > 1 || len(files) > 1 {
		return "", false, nil, false
	}
	n = "10"
	if numbers := slices.Concat(values['n'], values['c']); len(numbers) == 1 {
		n = numbers[0]
	}
	return n, set['c'], files, true
}

func head(t *toolRun) (int, error) {
	text, bytes, files, ok := t.count()
	n, err := strconv.Atoi(text)
	if !ok || err != nil {
		return t.cannot("head")
	}
	input := t.input(files)
	if bytes {
		if n < 0 {
			n = max(0, len(input)+n)
		}
		t.out.WriteString(input[:min(n, len(input))])
		return 0, nil
	}
	lines := strings.SplitAfter(input, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if n < 0 {
		n = max(0, len(lines)+n)
	}
	t.out.WriteString(strings.Join(lines[:min(n, len(lines))], ""))
	return 0, nil
}

func tail(t *toolRun) (int, error) {
	text, bytes, files, ok := t.count()
	n, err := strconv.Atoi(strings.TrimLeft(text, "+-"))
	if !ok || err != nil {
		return t.cannot("tail")
	}
	input := t.input(files)
	var parts []string
	if bytes {
		for i := range len(input) {
			parts = append(parts, input[i:i+1])
		}
	} else if parts = strings.SplitAfter(input, "\n"); parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	from := max(0, len(parts)-n)
	if strings.HasPrefix(text, "+") {
		from = min(max(0, n-1), len(parts))
	}
	t.out.WriteString(strings.Join(parts[from:], ""))
	return 0, nil
}

func uniq(t *toolRun) (int, error) {
	set, _, files, ok := t.flags("cdu", "")
	if !ok || len(files) > 1 || set['c'] {
		return t.cannot("uniq")
	}
	lines := t.lines(t.input(files))
	for i := 0; i < len(lines); {
		j := i
		for j < len(lines) && lines[j] == lines[i] {
			j++
		}
		if !(set['d'] && j-i == 1) && !(set['u'] && j-i > 1) {
			t.line(lines[i])
		}
		i = j
	}
	return 0, nil
}

func wc(t *toolRun) (int, error) {
	set, _, files, ok := t.flags("lwcm", "")
	if !ok || len(set) != 1 || len(files) > 0 {
		return t.cannot("wc")
	}
	text := t.input(nil)
	n := len(text)
	switch {
	case set['l']:
		n = strings.Count(text, "\n")
	case set['w']:
		n = len(strings.Fields(text))
	case set['m']:
		n = len([]rune(text))
	}
	t.line(strconv.Itoa(n))
	return 0, nil
}

func seq(t *toolRun) (int, error) {
	separator, width := "\n", false
	args := t.args
	for len(args) > 0 {
		if args[0] == "-w" {
			width, args = true, args[1:]
		} else if attached, ok := strings.CutPrefix(args[0], "-s"); ok && attached != "" {
			separator, args = attached, args[1:]
		} else if args[0] == "-s" && len(args) > 1 {
			separator, args = args[1], args[2:]
		} else {
			break
		}
	}
	numbers := []int{1, 1, 1}
	for i, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || i > 2 {
			return t.cannot("seq")
		}
		switch {
		case len(args) == 1:
			numbers[2] = n
		case len(args) == 2 && i == 1:
			numbers[2] = n
		default:
			numbers[i] = n
		}
	}
	from, step, to := numbers[0], numbers[1], numbers[2]
	if step == 0 || len(args) == 0 {
		return t.cannot("seq")
	}
	digits := 0
	if width {
		digits = rangeWidth("0"+strconv.Itoa(from), "0"+strconv.Itoa(to)) - 1
	}
	var items []string
	for n := from; step > 0 && n <= to || step < 0 && n >= to; n += step {
		t.sh.charge(1)
		t.sh.checkCount(len(items))
		items = append(items, padNumber(int64(n), digits))
	}
	if len(items) > 0 {
		t.line(strings.Join(items, separator))
	}
	return 0, nil
}

func paste(t *toolRun) (int, error) {
	set, values, files, ok := t.flags("s", "d")
	if !ok || !set['s'] || len(files) > 1 || len(files) == 1 && files[0] != "-" {
		return t.cannot("paste")
	}
	delimiter := "\t"
	if len(values['d']) > 0 {
		delimiter = values['d'][0]
	}
	if len(delimiter) != 1 {
		return t.cannot("paste")
	}
	t.line(strings.Join(t.lines(t.input(nil)), delimiter))
	return 0, nil
}

func exprTool(t *toolRun) (int, error) {
	if len(t.args) != 3 {
		return t.cannot("expr")
	}
	x, err1 := strconv.ParseInt(t.args[0], 10, 64)
	y, err2 := strconv.ParseInt(t.args[2], 10, 64)
	op := t.args[1]
	if err1 != nil || err2 != nil || len(op) != 1 || !strings.Contains("+-*/%", op) || y == 0 && strings.Contains("/%", op) {
		return t.cannot("expr")
	}
	value := (&arith{sh: t.sh, live: true}).binary(op, x, y)
	t.line(strconv.FormatInt(value, 10))
	return int(1 - truth(value != 0)), nil
}

// ls lists one directory or names one file, without the details.
func ls(t *toolRun) (int, error) {
	_, _, names, ok := t.flags("1", "")
	if !ok || len(names) != 1 {
		return t.cannot("ls")
	}
	info := t.sh.stat(names[0])
	if info == nil {
		return 2, nil
	}
	if !info.IsDir() {
		t.line(names[0])
		return 0, nil
	}
	if inside, _ := t.sh.inside(names[0]); inside == "." {
		return t.cannot("ls")
	}
	for _, name := range t.sh.globPart(names[0]+"/", "*", false) {
		t.line(path.Base(name))
	}
	return 0, nil
}
