package shell

import (
	"strings"
)

// Assignments, of one value and of lists.

// compoundText is the text of a list that eval gets.
func (sh *Shell) compoundText(elements []word) string {
	var parts []string
	for _, element := range elements {
		parts = append(parts, sh.expandField(element)...)
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// assignments runs a command that is only assignments and redirections.
func (sh *Shell) assignments(c *simple) {
	sh.setStatus(0)
	if len(c.redirects) > 0 {
		sh.redirected(c.redirects, func() {})
	}
	if sh.assignAll(c.assigns); sh.status != 0 {
		sh.errexit()
	}
}

func (sh *Shell) assignAll(assigns []arg) {
	for _, a := range assigns {
		sh.assign(a)
	}
}

func (sh *Shell) assign(a arg) {
	name, subscript, _, appends, _ := splitAssignment(a.text)
	if subscript != "" {
		subscript = subscript[1 : len(subscript)-1]
	}
	if a.compound {
		sh.assignList(sh.assignable(name), a.elements, appends)
		return
	}
	value := sh.assignmentValue(a)
	v := sh.assignable(name)
	sh.store(v, subscript, subscript != "", value, appends)
}

func (sh *Shell) assignmentValue(a arg) string {
	_, _, value, _, _ := splitAssignment(a.text)
	return sh.expandAssigned(value)
}

// expandAssigned expands the right side of an assignment, where ~ counts after
// colons too.
func (sh *Shell) expandAssigned(value string) string {
	if strings.Contains(value, ":~") && !strings.ContainsAny(value, "'\"$`\\") {
		parts := strings.Split(value, ":")
		for i := range parts {
			parts[i] = sh.expandString(parts[i])
		}
		return strings.Join(parts, ":")
	}
	return sh.expandString(value)
}

// assignList assigns the elements of name=(…).
func (sh *Shell) assignList(v *variable, elements []word, appends bool) {
	// The elements are expanded before the old value goes: a=("${a[@]}" x).
	fresh := &variable{kind: v.kind, integer: v.integer, lower: v.lower, upper: v.upper}
	if fresh.kind == scalar {
		fresh.kind = indexed
	}
	if appends {
		fresh.set = v.set
		if v.kind == scalar {
			v.toArray()
		}
		old := v.clone()
		fresh.indices, fresh.values, fresh.table, fresh.keys = old.indices, old.values, old.table, old.keys
	}
	next := fresh.next()
	var pending []string // keys and values of an associative array written plainly
	for _, element := range elements {
		sh.line = element.line
		subscript, value, adds, ok := splitElement(element.text)
		if ok {
			expanded := sh.expandAssigned(value)
			if fresh.kind == indexed {
				next = sh.index(fresh, subscript)
				sh.store(fresh, subscript, true, expanded, adds)
				next++
				continue
			}
			sh.store(fresh, subscript, true, expanded, adds)
			continue
		}
		for _, value := range sh.expandField(element) {
			if fresh.kind == associative {
				pending = append(pending, value)
				continue
			}
			sh.charge(1)
			fresh.setElement(next, sh.converted(fresh, value, false))
			next++
			sh.checkCount(len(fresh.values))
		}
	}
	for i := 0; i < len(pending); i += 2 {
		value := ""
		if i+1 < len(pending) {
			value = pending[i+1]
		}
		fresh.setKey(sh.known(pending[i]), value)
	}
	v.kind, v.set, v.value = fresh.kind, true, ""
	v.indices, v.values, v.table, v.keys = fresh.indices, fresh.values, fresh.table, fresh.keys
}

// splitElement takes [subscript]=value apart.
func splitElement(text string) (subscript, value string, appends, ok bool) {
	if text == "" || text[0] != '[' {
		return "", "", false, false
	}
	end := matchBracket(text, 0)
	if end < 1 {
		return "", "", false, false
	}
	rest := text[end+1:]
	if strings.HasPrefix(rest, "+=") {
		return text[1:end], rest[2:], true, true
	}
	if strings.HasPrefix(rest, "=") {
		return text[1:end], rest[1:], false, true
	}
	return "", "", false, false
}
