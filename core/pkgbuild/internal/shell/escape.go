package shell

import (
	"strconv"
	"strings"
)

// unescapeBackquote removes the backslashes that `…` needs inside.
func unescapeBackquote(text string, double bool) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) && (strings.IndexByte("$`\\", text[i+1]) >= 0 || double && text[i+1] == '"') {
			i++
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// ansiC decodes the inside of $'…'.
func ansiC(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 >= len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case '\'', '"', '?':
			out.WriteByte(c)
		case 'c':
			if i+1 < len(text) {
				i++
				out.WriteByte(text[i] & 0x1f)
			}
		default:
			var decoded string
			decoded, i = escape(text, i, false)
			out.WriteString(decoded)
		}
	}
	value, _, _ := strings.Cut(out.String(), "\x00")
	return value
}

// escape decodes one backslash escape whose letter is at i, and returns the
// text and the place of its last character. zero is echo's form: \0nnn.
func escape(text string, i int, zero bool) (string, int) {
	simpleEscapes := map[byte]string{'a': "\a", 'b': "\b", 'e': "\x1b", 'E': "\x1b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v", '\\': `\`}
	c := text[i]
	if s, ok := simpleEscapes[c]; ok {
		return s, i
	}
	digits := func(start, limit, base int) (int64, int) {
		j := start
		for j < len(text) && j < start+limit {
			if _, err := strconv.ParseUint(text[j:j+1], base, 8); err != nil {
				break
			}
			j++
		}
		n, err := strconv.ParseInt(text[start:j], base, 64)
		if err != nil {
			return 0, start - 1
		}
		return n, j - 1
	}
	switch {
	case c == 'x':
		if n, end := digits(i+1, 2, 16); end > i {
			return string([]byte{byte(n)}), end
		}
	case c == 'u', c == 'U':
		limit := 4
		if c == 'U' {
			limit = 8
		}
		if n, end := digits(i+1, limit, 16); end > i {
			return string(rune(n)), end
		}
	case zero && c == '0':
		n, end := digits(i, 4, 8)
		return string([]byte{byte(n)}), end
	case '0' <= c && c <= '7' && !zero:
		n, end := digits(i, 3, 8)
		return string([]byte{byte(n)}), end
	}
	return text[i-1 : i+1], i
}
