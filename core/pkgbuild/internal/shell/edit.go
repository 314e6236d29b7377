package shell

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The operators of ${…} that change the value: cuts, replacements, case.

// slice handles ${name:offset:length}.
func (sh *Shell) slice(p *parameter, values []string) []string {
	offsetText, lengthText, hasLength := cutArithmetic(p.word)
	if strings.TrimSpace(offsetText) == "" && !hasLength {
		sh.fatal("${" + p.name + ":}: bad substitution")
	}
	offset := sh.arithmetic(sh.expandDouble(unquoteArith(offsetText)))
	length, count := int64(0), int64(0)
	if hasLength {
		length = sh.arithmetic(sh.expandDouble(unquoteArith(lengthText)))
	}
	if p.list() {
		return sh.sliceList(p, values, offset, length, hasLength)
	}
	if len(values) == 0 {
		return nil
	}
	runes := []rune(sh.known(values[0]))
	sh.grow(len(values[0]))
	count = int64(len(runes))
	if offset < 0 {
		offset += count
	}
	if offset < 0 || offset > count {
		return nil
	}
	end := count
	if hasLength && length < 0 {
		if end = count + length; end < offset {
			sh.fatal(lengthText + ": substring expression < 0")
		}
	} else if hasLength {
		end = min(count, offset+length)
	}
	return []string{string(runes[offset:end])}
}

func (sh *Shell) sliceList(p *parameter, values []string, offset, length int64, hasLength bool) []string {
	if hasLength && length < 0 {
		sh.fatal("substring expression < 0")
	}
	end := int64(len(values))
	if !isName(p.name) { // $@ counts from $0
		values = append([]string{sh.name}, values...)
		end++
	} else if v := sh.lookup(p.name); v != nil && v.kind == indexed && offset > 0 {
		// Offsets are indices, which may have gaps.
		position, _ := slices.BinarySearch(v.indices, int(min(offset, maxElements*64)))
		offset = int64(position)
	}
	if offset < 0 {
		offset += end
	}
	if offset < 0 || offset > end {
		return nil
	}
	if hasLength {
		end = min(end, offset+length)
	}
	return values[offset:end]
}

// cutArithmetic splits offset:length at the colon that no ?: or bracket owns.
func cutArithmetic(text string) (offset, length string, ok bool) {
	p := &parser{src: text}
	questions := 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '\\':
			i += 2
		case '$':
			i = p.skipDollar(i, false)
		case '`':
			i = p.skipBackquote(i)
		case '(':
			end, found := p.skipParens(i, false)
			if !found {
				return text, "", false
			}
			i = end
		case '?':
			questions++
			i++
		case ':':
			if questions == 0 {
				return text[:i], text[i+1:], true
			}
			questions--
			i++
		default:
			i++
		}
	}
	return text, "", false
}

// transform handles ${name@Q} and its kin.
func (sh *Shell) transform(p *parameter, values []string, set bool) []string {
	if p.word == "a" {
		v := sh.lookup(p.name)
		if v == nil {
			return nil
		}
		return []string{attributes(v)}
	}
	if !set {
		return nil
	}
	out := make([]string, len(values))
	for i, value := range values {
		value = sh.known(value)
		switch p.word {
		case "Q":
			out[i] = quote(value)
		case "U":
			out[i] = strings.ToUpper(value)
		case "u":
			out[i] = mapFirst(value, unicode.ToUpper)
		case "L":
			out[i] = strings.ToLower(value)
		case "E":
			out[i] = ansiC(value)
		default:
			sh.needs("${" + p.name + "@" + p.word + "}")
		}
	}
	return out
}

func attributes(v *variable) string {
	var out strings.Builder
	for _, flag := range []struct {
		on     bool
		letter byte
	}{{v.kind == indexed, 'a'}, {v.kind == associative, 'A'}, {v.integer, 'i'}, {v.lower, 'l'}, {v.nameref, 'n'}, {v.readonly, 'r'}, {v.upper, 'u'}, {v.exported, 'x'}} {
		if flag.on {
			out.WriteByte(flag.letter)
		}
	}
	return out.String()
}

// quote returns value as bash's @Q does.
func quote(value string) string {
	for _, r := range value {
		if unicode.IsControl(r) {
			return quoteANSI(value)
		}
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

func quoteANSI(value string) string {
	var out strings.Builder
	out.WriteString("$'")
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\'' || c == '\\':
			out.WriteString(`\` + string(c))
		case strings.IndexByte("\a\b\f\n\r\t\v\x1b", c) >= 0:
			out.WriteString(`\` + string("abfnrtvE"[strings.IndexByte("\a\b\f\n\r\t\v\x1b", c)]))
		case c < ' ' || c == 0x7f:
			out.WriteString(`\` + strconv.FormatInt(int64(c)+01000, 8)[1:])
		default:
			out.WriteByte(c)
		}
	}
	return out.String() + "'"
}

func mapFirst(s string, f func(rune) rune) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(f(r)) + s[size:]
}

// edit applies the operators that change each value: # % / ^ and the like.
func (sh *Shell) edit(p *parameter, values []string) []string {
	apply := sh.editor(p)
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = value
		if value != "" || p.op[0] == '/' {
			out[i] = apply(sh.known(value))
			sh.grow(len(out[i]))
		}
	}
	return out
}

func (sh *Shell) editor(p *parameter) func(string) string {
	m := sh.matcher()
	if p.op[0] == '/' {
		return sh.replacer(m, p)
	}
	pattern := sh.known(sh.expandPattern(p.word))
	switch p.op {
	case "#", "##":
		return func(s string) string { return trimPrefix(m, pattern, s, p.op == "##") }
	case "%", "%%":
		return func(s string) string { return trimSuffix(m, pattern, s, p.op == "%%") }
	}
	change := map[byte]func(rune) rune{'^': unicode.ToUpper, ',': unicode.ToLower, '~': toggle}[p.op[0]]
	return func(s string) string {
		if len(p.op) == 1 {
			return mapFirst(s, func(r rune) rune { return changeMatching(m, pattern, change, r) })
		}
		return strings.Map(func(r rune) rune { return changeMatching(m, pattern, change, r) }, s)
	}
}

func toggle(r rune) rune {
	if unicode.IsUpper(r) {
		return unicode.ToLower(r)
	}
	return unicode.ToUpper(r)
}

func changeMatching(m *matcher, pattern string, change func(rune) rune, r rune) rune {
	if pattern == "" || m.match(pattern, string(r)) {
		return change(r)
	}
	return r
}

func (sh *Shell) matcher() *matcher {
	return &matcher{cost: sh.charge, extglob: sh.options["extglob"]}
}

// trimPrefix removes the shortest or longest match at the start of s.
func trimPrefix(m *matcher, pattern, s string, longest bool) string {
	if !hasPattern(pattern, m.extglob) {
		return strings.TrimPrefix(s, plainPattern(pattern))
	}
	best := -1
	for i := 0; i <= len(s); i++ {
		if (i == len(s) || utf8.RuneStart(s[i])) && m.match(pattern, s[:i]) {
			best = i
			if !longest {
				break
			}
		}
	}
	return s[max(best, 0):]
}

// trimSuffix removes the shortest or longest match at the end of s.
func trimSuffix(m *matcher, pattern, s string, longest bool) string {
	if !hasPattern(pattern, m.extglob) {
		return strings.TrimSuffix(s, plainPattern(pattern))
	}
	best := -1
	for i := len(s); i >= 0; i-- {
		if (i == len(s) || utf8.RuneStart(s[i])) && m.match(pattern, s[i:]) {
			best = i
			if !longest {
				break
			}
		}
	}
	if best < 0 {
		return s
	}
	return s[:best]
}

// replacer handles ${name/pattern/replacement}.
func (sh *Shell) replacer(m *matcher, p *parameter) func(string) string {
	patternText, replacementText := cutReplacement(p.word, p.op == "//")
	pattern := sh.known(sh.expandPattern(patternText))
	replacement := sh.expandReplacement(replacementText)
	anchor := byte(0)
	if p.op == "/#" || p.op == "/%" {
		anchor = p.op[1]
	}
	return func(s string) string {
		if pattern == "" {
			switch anchor {
			case '#':
				return replacement("") + s
			case '%':
				return s + replacement("")
			}
			return s
		}
		return sh.replace(m, pattern, s, replacement, anchor, p.op == "//")
	}
}

func (sh *Shell) replace(m *matcher, pattern, s string, replacement func(string) string, anchor byte, all bool) string {
	if s == "" {
		if m.match(pattern, "") {
			return replacement("")
		}
		return s
	}
	if !hasPattern(pattern, m.extglob) && anchor == 0 {
		plain := plainPattern(pattern)
		n := 1
		if all {
			n = -1
		}
		sh.charge(len(s)/8 + 1)
		if strings.Count(s, plain)*len(replacement(plain)) > maxText {
			sh.exceeded("memory")
		}
		return strings.Replace(s, plain, replacement(plain), n)
	}
	var out strings.Builder
	for s != "" {
		end := m.longest(pattern, s, anchor == '%')
		if end > 0 {
			text := replacement(s[:end])
			sh.grow(len(text))
			out.WriteString(text)
			if s = s[end:]; !all {
				break
			}
			continue
		}
		if anchor == '#' {
			break
		}
		_, size := utf8.DecodeRuneInString(s)
		out.WriteString(s[:size])
		s = s[size:]
	}
	return out.String() + s
}

// longest returns the length of the longest prefix of s that matches, 0 when
// none does; with whole only all of s counts.
func (m *matcher) longest(pattern, s string, whole bool) int {
	for end := len(s); end > 0; end-- {
		if (end == len(s) || utf8.RuneStart(s[end])) && m.match(pattern, s[:end]) {
			return end
		}
		if whole {
			break
		}
	}
	return 0
}

// cutReplacement splits pattern/replacement at the first unquoted slash; the
// pattern of a global replacement may start with one.
func cutReplacement(text string, global bool) (pattern, replacement string) {
	p := &parser{src: text}
	for i := 0; i < len(text); {
		switch text[i] {
		case '\\':
			i += 2
		case '\'':
			i = p.skipSingle(i)
		case '"':
			i = p.skipDouble(i)
		case '$':
			i = p.skipDollar(i, false)
		case '`':
			i = p.skipBackquote(i)
		case '/':
			if i == 0 && global {
				i++
				continue
			}
			return text[:i], text[i+1:]
		default:
			i++
		}
	}
	return text, ""
}

// expandReplacement returns what stands for a match: an unquoted & is the
// match itself, as with bash 5.2's patsub_replacement.
func (sh *Shell) expandReplacement(text string) func(match string) string {
	f := sh.expandOne(text, false)
	if !sh.options["patsub_replacement"] || strings.IndexByte(string(f.text), '&') < 0 {
		plain := string(f.text)
		return func(string) string { return plain }
	}
	return func(match string) string {
		var out strings.Builder
		for i := 0; i < len(f.text); i++ {
			switch c := f.text[i]; {
			case c == '\\' && !f.quoted[i] && i+1 < len(f.text) && (f.text[i+1] == '&' || f.text[i+1] == '\\'):
				i++
				out.WriteByte(f.text[i])
			case c == '&' && !f.quoted[i]:
				out.WriteString(match)
			default:
				out.WriteByte(c)
			}
		}
		return out.String()
	}
}
