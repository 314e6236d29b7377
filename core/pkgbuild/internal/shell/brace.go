package shell

import (
	"strconv"
	"strings"
)

// maxBraces bounds the words one word may become.
const maxBraces = 20_000

// expandBraces performs brace expansion on a word as written.
func (sh *Shell) expandBraces(text string) []string {
	if strings.IndexByte(text, '{') < 0 || !sh.flags['B'] {
		return []string{text}
	}
	if sh.evalDepth++; sh.evalDepth > maxNesting {
		sh.exceeded("depth of braces")
	}
	defer func() { sh.evalDepth-- }()
	p := &parser{src: text, extglob: true}
	for i := 0; i < len(text); {
		if text[i] != '{' {
			i = skipPlain(p, i)
			continue
		}
		if items, end, ok := sh.braceItems(p, i); ok {
			return sh.joinBraces(text[:i], items, text[end:])
		}
		i++
	}
	return []string{text}
}

func (sh *Shell) joinBraces(prefix string, items []string, suffix string) []string {
	var out []string
	suffixes := sh.expandBraces(suffix)
	if len(items)*len(suffixes) > maxBraces {
		sh.exceeded("brace expansion")
	}
	for _, item := range items {
		for _, rest := range suffixes {
			sh.grow(len(prefix) + len(item) + len(rest))
			out = append(out, prefix+item+rest)
		}
	}
	return out
}

// skipPlain returns the place after the quoted text, expansion or character
// at i.
func skipPlain(p *parser, i int) int {
	switch p.src[i] {
	case '\\':
		return min(i+2, len(p.src))
	case '\'':
		return p.skipSingle(i)
	case '"':
		return p.skipDouble(i)
	case '`':
		return p.skipBackquote(i)
	case '$':
		return p.skipDollar(i, false)
	}
	return i + 1
}

// braceItems parses the braces at i and returns what they stand for.
func (sh *Shell) braceItems(p *parser, i int) (items []string, end int, ok bool) {
	depth, start := 0, i+1
	var parts []string
	for j := i; j < len(p.src); {
		switch p.src[j] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				parts = append(parts, p.src[start:j])
				return sh.braceList(parts, j+1)
			}
		case ',':
			if depth == 1 {
				parts = append(parts, p.src[start:j])
				start = j + 1
			}
		}
		j = skipPlain(p, j)
		sh.charge(1)
	}
	return nil, 0, false
}

func (sh *Shell) braceList(parts []string, end int) ([]string, int, bool) {
	if len(parts) == 1 {
		items, ok := sh.braceRange(parts[0])
		return items, end, ok
	}
	var items []string
	for _, part := range parts {
		if part == "" {
			items = append(items, "")
			continue
		}
		items = append(items, sh.expandBraces(part)...)
		if len(items) > maxBraces {
			sh.exceeded("brace expansion")
		}
	}
	return items, end, true
}

// braceRange expands x..y and x..y..step.
func (sh *Shell) braceRange(text string) ([]string, bool) {
	parts := strings.Split(text, "..")
	if len(parts) != 2 && len(parts) != 3 {
		return nil, false
	}
	step := int64(1)
	if len(parts) == 3 {
		n, err := strconv.ParseInt(parts[2], 10, 32)
		if err != nil {
			return nil, false
		}
		step = max(n, -n, 1)
	}
	from, err1 := strconv.ParseInt(parts[0], 10, 64)
	to, err2 := strconv.ParseInt(parts[1], 10, 64)
	letters := false
	if err1 != nil || err2 != nil {
		if len(parts[0]) != 1 || len(parts[1]) != 1 || !isLetter(parts[0][0]) || !isLetter(parts[1][0]) {
			return nil, false
		}
		from, to, letters = int64(parts[0][0]), int64(parts[1][0]), true
	}
	distance := max(to, from) - min(to, from)
	if distance < 0 || distance/step >= maxBraces {
		sh.exceeded("brace expansion")
	}
	width := rangeWidth(parts[0], parts[1])
	var items []string
	for n := int64(0); n <= distance; n += step {
		value := from + n
		if from > to {
			value = from - n
		}
		if letters {
			items = append(items, quoteLetter(byte(value)))
		} else {
			items = append(items, padNumber(value, width))
		}
	}
	sh.charge(len(items))
	return items, true
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// quoteLetter protects the special characters between Z and a.
func quoteLetter(c byte) string {
	if isLetter(c) {
		return string(c)
	}
	return `\` + string(c)
}

// rangeWidth is the width to pad to when an end has leading zeros.
func rangeWidth(ends ...string) int {
	width, padded := 0, false
	for _, end := range ends {
		width = max(width, len(end))
		digits := strings.TrimLeft(end, "+-")
		padded = padded || len(digits) > 1 && digits[0] == '0'
	}
	if !padded {
		return 0
	}
	return width
}

func padNumber(n int64, width int) string {
	text := strconv.FormatInt(max(n, -n), 10)
	sign := ""
	if n < 0 {
		sign = "-"
	}
	if missing := width - len(text) - len(sign); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	return sign + text
}
