package pkgbuild

import (
	"strings"
	"unicode"
)

// The checks of single values, after makepkg's lint_pkgbuild. Each returns
// what is wrong.

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func checkEpoch(epoch, where string) []string {
	if !isDigits(epoch) {
		return []string{where + " must be an integer, not " + epoch}
	}
	return nil
}

func checkPkgrel(rel, where string) []string {
	major, minor, dotted := strings.Cut(rel, ".")
	switch {
	case rel == "":
		return []string{where + " is empty"}
	case major == "" || !isDigits(major) || dotted && (minor == "" || !isDigits(minor)):
		return []string{where + " must be of the form integer[.integer], not " + rel}
	}
	return nil
}

func checkPkgver(version, where string) []string {
	switch {
	case version == "":
		return []string{where + " is empty"}
	case strings.IndexFunc(version, func(r rune) bool { return isSpace(r) || strings.ContainsRune("/:-", r) }) >= 0:
		return []string{where + " contains a colon, slash, hyphen or white space: " + version}
	case !isASCII(version):
		return []string{where + " contains characters outside ASCII: " + version}
	}
	return nil
}

// checkFullVersion checks [epoch:]pkgver[-pkgrel].
func checkFullVersion(version, where string) (messages []string) {
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		messages = append(messages, checkEpoch(epoch, "epoch in "+where)...)
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i > 0 {
		messages = append(messages, checkPkgrel(version[i+1:], "pkgrel in "+where)...)
		version = version[:i]
	}
	return append(messages, checkPkgver(version, "pkgver in "+where)...)
}

func checkName(name, where string) (messages []string) {
	if name == "" {
		return []string{where + " has an empty name"}
	}
	if name[0] == '-' {
		messages = append(messages, where+" starts with a hyphen: "+name)
	}
	if name[0] == '.' {
		messages = append(messages, where+" starts with a dot: "+name)
	}
	if !isASCII(name) {
		return append(messages, where+" contains characters outside ASCII: "+name)
	}
	if strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+_.@-", r)
	}) >= 0 {
		messages = append(messages, where+" contains invalid characters: "+name)
	}
	return messages
}

// checkRelation checks one entry of depends, provides and their like.
func checkRelation(entry, key string) []string {
	var name, version string
	versioned := false
	switch key {
	case "provides":
		if strings.ContainsAny(entry, "<>") {
			return []string{"provides cannot compare versions: " + entry}
		}
		name = entry
		if i := strings.LastIndexByte(entry, '='); i >= 0 {
			name, version, versioned = entry[:i], entry[i+1:], true
		}
	case "optdepends":
		entry = optional(entry)
		name, version, versioned = splitRelation(entry)
	default:
		name, version, versioned = splitRelation(entry)
	}
	messages := checkName(name, key)
	if versioned && (version != "" || key != "depends") {
		messages = append(messages, checkFullVersion(version, key)...)
	}
	return messages
}

// optional returns an optdepends entry without its reason.
func optional(entry string) string {
	for i, r := range entry {
		if r == ':' && i+1 < len(entry) && strings.IndexFunc(entry[i+1:], isSpace) == 0 {
			return entry[:i]
		}
	}
	return entry
}

func splitRelation(entry string) (name, version string, versioned bool) {
	i := strings.IndexAny(entry, "<>=")
	if i < 0 {
		return entry, "", false
	}
	rest := entry[i:]
	for _, op := range []string{">=", "<=", "<", ">", "="} {
		if after, ok := strings.CutPrefix(rest, op); ok {
			return entry[:i], after, true
		}
	}
	return entry[:i], "", true
}
