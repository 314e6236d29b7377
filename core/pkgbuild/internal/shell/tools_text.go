package shell

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// translate is tr.
func translate(t *toolRun) (int, error) {
	set, _, sets, ok := t.flags("dscC", "")
	if !ok || len(sets) == 0 || len(sets) > 2 || len(sets) == 1 && !set['d'] && !set['s'] || len(sets) == 2 && set['d'] {
		return t.cannot("tr")
	}
	from, ok1 := trSet(sets[0])
	var to []byte
	ok2 := true
	if len(sets) == 2 {
		to, ok2 = trSet(sets[1])
	}
	text := t.input(nil)
	if !ok1 || !ok2 || len(sets) == 2 && len(to) == 0 {
		return t.cannot("tr")
	}
	complement := set['c'] || set['C']
	member := func(c byte) bool { return slices.Contains(from, c) != complement }
	squeeze := member
	if len(sets) == 2 {
		squeeze = func(c byte) bool { return slices.Contains(to, c) }
	}
	var out []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case set['d'] && member(c):
			continue
		case len(sets) == 2 && complement && member(c):
			c = to[len(to)-1]
		case len(sets) == 2 && !complement:
			if at := slices.Index(from, c); at >= 0 {
				c = to[min(at, len(to)-1)]
			}
		}
		if set['s'] && len(out) > 0 && out[len(out)-1] == c && squeeze(c) {
			continue
		}
		out = append(out, c)
	}
	t.sh.grow(len(out))
	t.sh.charge(len(text))
	t.out.Write(out)
	return 0, nil
}

// trSet expands a set of tr: escapes, ranges, classes. tr works on bytes.
func trSet(text string) (set []byte, ok bool) {
	for i := 0; i < len(text); i++ {
		if strings.HasPrefix(text[i:], "[:") {
			end := classEnd(text[i:])
			if end < 0 {
				return nil, false
			}
			class := text[i+2 : i+end]
			for c := range 128 {
				if inClass(class, rune(c)) {
					set = append(set, byte(c))
				}
			}
			i += end + 1
			continue
		}
		if strings.HasPrefix(text[i:], "[=") || text[i] == '[' && strings.Contains(text[i:], "*") {
			return nil, false
		}
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			var s string
			if s, i = escape(text, i+1, false); len(s) == 2 {
				s = s[1:]
			}
			c = s[0]
		}
		if i+2 < len(text) && text[i+1] == '-' {
			high := text[i+2]
			if high == '\\' || high < c {
				return nil, false
			}
			for ; c < high; c++ {
				set = append(set, c)
			}
			set = append(set, high)
			i += 2
			continue
		}
		set = append(set, c)
	}
	return set, true
}

// sortLines is sort: by bytes, numbers or versions, whole lines.
func sortLines(t *toolRun) (int, error) {
	set, _, files, ok := t.flags("urnV", "")
	if !ok || set['V'] && set['n'] {
		return t.cannot("sort")
	}
	lines := t.lines(t.input(files))
	compare := cmp.Compare[string]
	if set['V'] {
		compare = func(a, b string) int { return cmp.Or(compareVersions(a, b), cmp.Compare(a, b)) }
	}
	if set['n'] {
		compare = func(a, b string) int {
			x, ok1 := leadingNumber(a)
			y, ok2 := leadingNumber(b)
			if !ok1 || !ok2 {
				t.sh.needs("sort -n of fractions")
			}
			return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
		}
	}
	t.sh.charge(len(lines) * 8)
	slices.SortStableFunc(lines, compare)
	if set['u'] {
		lines = slices.CompactFunc(lines, func(a, b string) bool {
			if set['n'] {
				x, _ := leadingNumber(a)
				y, _ := leadingNumber(b)
				return x == y
			}
			return set['V'] && compareVersions(a, b) == 0 || a == b
		})
	}
	if set['r'] {
		slices.Reverse(lines)
	}
	for _, line := range lines {
		t.line(line)
	}
	return 0, nil
}

// compareVersions is the order of sort -V: GNU's filevercmp, where file name
// suffixes such as ".tar.gz" count only between equals, runs of digits compare
// as numbers, and "~" sorts before the end.
func compareVersions(a, b string) int {
	for _, special := range []string{"", ".", ".."} {
		if (a == special) != (b == special) {
			if a == special {
				return -1
			}
			return 1
		}
	}
	if hidden := strings.HasPrefix(a, "."); hidden != strings.HasPrefix(b, ".") {
		if hidden {
			return -1
		}
		return 1
	} else if hidden {
		a, b = a[1:], b[1:]
	}
	stemA, stemB := withoutSuffix(a), withoutSuffix(b)
	if stemA == stemB {
		return compareRuns(a, b)
	}
	return cmp.Or(compareRuns(stemA, stemB), compareRuns(a, b))
}

// withoutSuffix removes what matches (\.[A-Za-z~][A-Za-z0-9~]*)*$.
func withoutSuffix(name string) string {
	end := len(name)
	for i := len(name) - 1; i >= 0; i-- {
		switch c := name[i]; {
		case c == '.' && i+1 < end && (isLetter(name[i+1]) || name[i+1] == '~'):
			end = i
		case !isLetter(c) && !isDigit(c) && c != '~':
			return name[:end]
		}
	}
	return name[:end]
}

func versionOrder(s string, i int) int {
	switch {
	case i >= len(s) || isDigit(s[i]):
		return 0
	case s[i] == '~':
		return -1
	case isLetter(s[i]):
		return int(s[i])
	}
	return int(s[i]) + 256
}

func compareRuns(a, b string) int {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		for i < len(a) && !isDigit(a[i]) || j < len(b) && !isDigit(b[j]) {
			if order := cmp.Compare(versionOrder(a, i), versionOrder(b, j)); order != 0 {
				return order
			}
			i++
			j++
		}
		numberA, numberB := digitRun(a[min(i, len(a)):]), digitRun(b[min(j, len(b)):])
		i, j = i+len(numberA), j+len(numberB)
		numberA, numberB = strings.TrimLeft(numberA, "0"), strings.TrimLeft(numberB, "0")
		if order := cmp.Or(cmp.Compare(len(numberA), len(numberB)), cmp.Compare(numberA, numberB)); order != 0 {
			return order
		}
	}
	return 0
}

func digitRun(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

func leadingNumber(line string) (int64, bool) {
	line = strings.TrimLeft(line, " \t")
	i := 0
	if i < len(line) && line[i] == '-' {
		i++
	}
	for i < len(line) && isDigit(line[i]) {
		i++
	}
	if i < len(line) && line[i] == '.' {
		return 0, false
	}
	n, err := strconv.ParseInt(line[:i], 10, 64)
	return n, err == nil || i == 0 || errors.Is(err, strconv.ErrSyntax)
}

// grep prints matching lines; only the common options are computed.
func grep(t *toolRun) (int, error) {
	set, values, rest, ok := t.flags("EFGPivoqshcnwx", "em")
	if !ok || set['n'] {
		return t.cannot("grep")
	}
	patterns := values['e']
	if len(patterns) == 0 && len(rest) > 0 {
		patterns, rest = rest[:1], rest[1:]
	}
	if len(patterns) != 1 || len(rest) > 1 && !set['h'] || strings.Contains(patterns[0], "\n") {
		return t.cannot("grep")
	}
	expression, ok := grepExpression(patterns[0], set)
	if !ok {
		return t.cannot("grep")
	}
	re, err := t.sh.compile(expression, !set['P'])
	if err != nil {
		return t.cannot("grep")
	}
	limit := -1
	if len(values['m']) == 1 {
		if limit, err = strconv.Atoi(values['m'][0]); err != nil {
			return t.cannot("grep")
		}
	}
	found := 0
	for _, line := range t.lines(t.input(rest)) {
		if limit == 0 {
			break
		}
		t.sh.charge(len(line) / 4)
		if re.MatchString(line) == set['v'] {
			continue
		}
		found++
		limit--
		t.grepLine(re, line, set)
	}
	if set['c'] {
		t.line(strconv.Itoa(found))
	}
	return int(1 - truth(found > 0)), nil
}

func (t *toolRun) grepLine(re *regexp.Regexp, line string, set map[byte]bool) {
	switch {
	case set['q'], set['c']:
	case set['o'] && !set['v']:
		for _, match := range re.FindAllString(line, -1) {
			if match != "" {
				t.line(match)
			}
		}
	default:
		t.line(line)
	}
}

func grepExpression(pattern string, set map[byte]bool) (string, bool) {
	expression, ok := pattern, true
	switch {
	case set['F']:
		expression = regexp.QuoteMeta(pattern)
	case set['E']:
		expression, ok = extendedRegexp(pattern)
	case set['P']:
		// Go's syntax is Perl's but for look-around and back references,
		// which do not compile.
		ok = !strings.Contains(pattern, `\K`)
	default:
		expression, ok = basicRegexp(pattern)
	}
	if set['w'] {
		expression = `\b(?:` + expression + `)\b`
	}
	if set['x'] {
		expression = `^(?:` + expression + `)$`
	}
	if set['i'] {
		expression = `(?i)` + expression
	}
	return expression, ok
}

// compile compiles an expression; longest asks for POSIX matches.
func (sh *Shell) compile(expression string, longest bool) (*regexp.Regexp, error) {
	sh.charge(100 + len(expression))
	if len(expression) > 4096 {
		sh.exceeded("size of a regular expression")
	}
	re, err := regexp.Compile(expression)
	if err == nil && longest {
		re.Longest()
	}
	return re, err
}

// extendedRegexp translates a POSIX extended expression of sed or grep.
func extendedRegexp(pattern string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '[':
			end := bracketEnd(strings.ReplaceAll(pattern, `\`, "/"), i)
			if end < 0 {
				return "", false
			}
			out.WriteString(translateBracket(pattern[i : end+1]))
			i = end
		case c == '\\' && i+1 < len(pattern):
			i++
			if isDigit(pattern[i]) {
				return "", false
			}
			out.WriteString(toolEscape(pattern[i]))
		case c == '{' && (i+1 >= len(pattern) || !isDigit(pattern[i+1])):
			out.WriteString(`\{`)
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), true
}

// toolEscape is regexpEscape with the escapes that GNU tools know besides.
func toolEscape(c byte) string {
	switch c {
	case 'n':
		return `\n`
	case 't':
		return `\t`
	}
	return regexpEscape(c)
}

// basicRegexp translates a POSIX basic expression with GNU's additions.
func basicRegexp(pattern string) (string, bool) {
	var out strings.Builder
	start := true // where "*" and "^" are special or not
	for i := 0; i < len(pattern); i++ {
		wasStart := start
		start = false
		switch c := pattern[i]; {
		case c == '[':
			end := bracketEnd(strings.ReplaceAll(pattern, `\`, "/"), i)
			if end < 0 {
				return "", false
			}
			out.WriteString(translateBracket(pattern[i : end+1]))
			i = end
		case c == '\\' && i+1 < len(pattern):
			i++
			switch c := pattern[i]; {
			case strings.IndexByte("(|", c) >= 0:
				out.WriteByte(c)
				start = true
			case strings.IndexByte("){}+?", c) >= 0:
				out.WriteByte(c)
			case isDigit(c):
				return "", false
			default:
				out.WriteString(toolEscape(c))
			}
		case c == '*' && wasStart:
			out.WriteString(`\*`)
		case c == '^' && !wasStart, c == '$' && i+1 < len(pattern) && !strings.HasPrefix(pattern[i+1:], `\)`) && !strings.HasPrefix(pattern[i+1:], `\|`):
			out.WriteString(`\` + string(rune(c)))
		case strings.IndexByte("+?(){}|", c) >= 0:
			out.WriteString(`\` + string(rune(c)))
		default:
			out.WriteByte(c)
			start = c == '^'
		}
	}
	return out.String(), true
}

// replaceCase applies sed's \U, \L, \u, \l and \E while text is built.
type replaceCase struct {
	out  strings.Builder
	all  func(rune) rune
	once func(rune) rune
}

func (r *replaceCase) add(text string) {
	for _, c := range text {
		switch {
		case r.once != nil:
			c = r.once(c)
			r.once = nil
		case r.all != nil:
			c = r.all(c)
		}
		r.out.WriteRune(c)
	}
}

func (r *replaceCase) command(c byte) bool {
	switch c {
	case 'U':
		r.all = unicode.ToUpper
	case 'L':
		r.all = unicode.ToLower
	case 'u':
		r.once = unicode.ToUpper
	case 'l':
		r.once = unicode.ToLower
	case 'E':
		r.all, r.once = nil, nil
	default:
		return false
	}
	return true
}
