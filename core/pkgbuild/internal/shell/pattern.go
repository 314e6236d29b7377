package shell

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shell patterns. In a pattern text a backslash quotes the next character;
// expansion writes quoted text that way.

// maxPatternDepth bounds the recursion of extended patterns.
const maxPatternDepth = 5000

// matcher matches one pattern; every step costs, so that a hostile pattern
// ends.
type matcher struct {
	cost    func(n int)
	extglob bool
	fold    bool // ignore case
	period  bool // a leading period must be matched by a period (file names)
	depth   int
}

// match reports whether the whole of s matches pattern.
func (m *matcher) match(pattern, s string) bool {
	if m.fold {
		pattern, s = strings.ToLower(pattern), strings.ToLower(s)
	}
	if m.period && strings.HasPrefix(s, ".") && !strings.HasPrefix(pattern, ".") && !strings.HasPrefix(pattern, `\.`) {
		return false
	}
	return m.matchAt(pattern, s)
}

func (m *matcher) matchAt(pattern, s string) bool {
	// star remembers the last "*" so that a failure resumes there: linear
	// space and, without extended patterns, quadratic time.
	starPattern, starText := "", ""
	star := false
	for {
		m.cost(1)
		if m.extglob && isExtended(pattern) {
			if m.matchExtended(pattern, s) {
				return true
			}
		} else if pattern == "" {
			if s == "" {
				return true
			}
		} else if pattern[0] == '*' {
			star, starPattern, starText = true, pattern[1:], s
			pattern = pattern[1:]
			if pattern == "" {
				return true
			}
			continue
		} else if s != "" {
			if restPattern, restText, ok := m.one(pattern, s); ok {
				pattern, s = restPattern, restText
				continue
			}
		}
		if !star || starText == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(starText)
		starText = starText[size:]
		pattern, s = starPattern, starText
	}
}

// one matches one character of s with the first element of pattern.
func (m *matcher) one(pattern, s string) (restPattern, restText string, ok bool) {
	r, size := utf8.DecodeRuneInString(s)
	switch pattern[0] {
	case '?':
		return pattern[1:], s[size:], true
	case '[':
		if matched, rest, valid := m.bracket(pattern, r); valid {
			return rest, s[size:], matched
		}
	case '\\':
		if len(pattern) > 1 {
			pattern = pattern[1:]
		}
	}
	p, width := utf8.DecodeRuneInString(pattern)
	if p == utf8.RuneError && width == 1 {
		return pattern[1:], s[1:], pattern[0] == s[0]
	}
	return pattern[width:], s[size:], p == r
}

// bracket matches r with the bracket expression that pattern starts with.
// valid is false when it has no end and "[" is itself.
func (m *matcher) bracket(pattern string, r rune) (matched bool, rest string, valid bool) {
	i := 1
	negate := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negate {
		i++
	}
	for start := i; i < len(pattern); {
		m.cost(1)
		if pattern[i] == ']' && i > start {
			return matched != negate, pattern[i+1:], true
		}
		if strings.HasPrefix(pattern[i:], "[:") {
			if end := classEnd(pattern[i:]); end > 0 {
				matched = matched || inClass(pattern[i+2:i+end], r)
				i += end + 2
				continue
			}
		}
		low, next := bracketRune(pattern, i)
		high := low
		if next+1 < len(pattern) && pattern[next] == '-' && pattern[next+1] != ']' {
			high, next = bracketRune(pattern, next+1)
		}
		matched = matched || low <= r && r <= high
		i = next
	}
	return false, "", false
}

// classEnd returns the place of the ":]" that ends the "[:class:]" at the start
// of text, or -1.
func classEnd(text string) int {
	if end := strings.Index(text[2:], ":]"); end >= 0 {
		return end + 2
	}
	return -1
}

func bracketRune(pattern string, i int) (r rune, next int) {
	if pattern[i] == '\\' && i+1 < len(pattern) {
		i++
	}
	if strings.HasPrefix(pattern[i:], "[.") || strings.HasPrefix(pattern[i:], "[=") {
		if end := strings.Index(pattern[i+2:], pattern[i+1:i+2]+"]"); end > 0 {
			r, _ = utf8.DecodeRuneInString(pattern[i+2:])
			return r, i + 2 + end + 2
		}
	}
	r, size := utf8.DecodeRuneInString(pattern[i:])
	return r, i + size
}

// inClass tells the POSIX classes, as in the C.UTF-8 locale.
func inClass(class string, r rune) bool {
	switch class {
	case "alnum":
		return unicode.IsLetter(r) || unicode.IsDigit(r)
	case "alpha":
		return unicode.IsLetter(r)
	case "ascii":
		return r < 0x80
	case "blank":
		return r == ' ' || r == '\t'
	case "cntrl":
		return unicode.IsControl(r)
	case "digit":
		return '0' <= r && r <= '9'
	case "graph":
		return unicode.IsGraphic(r) && !unicode.IsSpace(r)
	case "lower":
		return unicode.IsLower(r)
	case "print":
		return unicode.IsGraphic(r)
	case "punct":
		return r < 0x80 && r > ' ' && r != 0x7f && !unicode.IsLetter(r) && !unicode.IsDigit(r) || r >= 0x80 && (unicode.IsPunct(r) || unicode.IsSymbol(r))
	case "space":
		return unicode.IsSpace(r) && r != 0x85 && r != 0xa0 && r != 0x2007 && r != 0x202f
	case "upper":
		return unicode.IsUpper(r)
	case "word":
		return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
	case "xdigit":
		return '0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F'
	}
	return false
}

func isExtended(pattern string) bool {
	return len(pattern) > 1 && pattern[1] == '(' && strings.IndexByte("?*+@!", pattern[0]) >= 0 && extendedEnd(pattern) > 0
}

// extendedEnd returns the place of the parenthesis that ends the extended
// pattern, or -1.
func extendedEnd(pattern string) int {
	depth := 0
	for i := 1; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '[':
			if end := bracketEnd(pattern, i); end > 0 {
				i = end
			}
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func bracketEnd(pattern string, i int) int {
	j := i + 1
	if j < len(pattern) && (pattern[j] == '!' || pattern[j] == '^') {
		j++
	}
	for start := j; j < len(pattern); j++ {
		switch {
		case pattern[j] == '\\':
			j++
		case strings.HasPrefix(pattern[j:], "[:"):
			if end := classEnd(pattern[j:]); end > 0 {
				j += end + 1
			}
		case pattern[j] == ']' && j > start:
			return j
		}
	}
	return -1
}

// alternatives splits the inside of an extended pattern at its top-level bars.
func alternatives(inside string) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(inside); i++ {
		switch inside[i] {
		case '\\':
			i++
		case '[':
			if end := bracketEnd(inside, i); end > 0 {
				i = end
			}
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				parts = append(parts, inside[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, inside[start:])
}

// matchExtended matches a pattern that starts with ?(…), *(…), +(…), @(…) or
// !(…).
func (m *matcher) matchExtended(pattern, s string) bool {
	if m.depth++; m.depth > maxPatternDepth {
		m.cost(maxWork)
	}
	defer func() { m.depth-- }()
	end := extendedEnd(pattern)
	kind, options, rest := pattern[0], alternatives(pattern[2:end]), pattern[end+1:]
	if (kind == '?' || kind == '*') && m.matchAt(rest, s) {
		return true
	}
	for i := 0; i <= len(s); i++ {
		if i < len(s) && !utf8.RuneStart(s[i]) {
			continue
		}
		m.cost(1)
		matched := m.any(options, s[:i])
		if kind == '!' {
			if !matched && m.matchAt(rest, s[i:]) {
				return true
			}
			continue
		}
		if !matched {
			continue
		}
		if m.matchAt(rest, s[i:]) {
			return true
		}
		if (kind == '*' || kind == '+') && i > 0 && m.matchAt("*"+pattern[1:], s[i:]) {
			return true
		}
	}
	return false
}

func (m *matcher) any(options []string, s string) bool {
	for _, option := range options {
		if m.matchAt(option, s) {
			return true
		}
	}
	return false
}

// hasPattern reports whether a pattern text has unquoted special characters.
func hasPattern(pattern string, extglob bool) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '*', '?':
			return true
		case '[':
			if strings.IndexByte(pattern[i+1:], ']') >= 0 {
				return true
			}
		case '+', '@', '!':
			if extglob && i+1 < len(pattern) && pattern[i+1] == '(' {
				return true
			}
		}
	}
	return false
}

// plainPattern returns the text that a pattern without special characters
// stands for.
func plainPattern(pattern string) string {
	if strings.IndexByte(pattern, '\\') < 0 {
		return pattern
	}
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		out.WriteByte(pattern[i])
	}
	return out.String()
}
