package shell

import (
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

type kind uint8

const (
	scalar kind = iota
	indexed
	associative
)

// variable is one shell variable. An indexed array keeps its indices sorted.
type variable struct {
	kind     kind
	set      bool // has a value; a declared variable may have none
	exported bool
	readonly bool
	integer  bool
	lower    bool
	upper    bool
	nameref  bool
	value    string
	indices  []int
	values   []string
	table    map[string]string
	keys     []string // of table, in order of insertion
	line     int      // of the last assignment
}

func (v *variable) clone() *variable {
	c := *v
	c.indices = slices.Clone(v.indices)
	c.values = slices.Clone(v.values)
	c.keys = slices.Clone(v.keys)
	c.table = maps.Clone(v.table)
	return &c
}

// element returns the value at an index and whether there is one.
func (v *variable) element(index int) (string, bool) {
	if v.kind == scalar {
		return v.value, v.set && index == 0
	}
	if i, ok := slices.BinarySearch(v.indices, index); ok {
		return v.values[i], true
	}
	return "", false
}

// toArray turns a scalar into an indexed array whose element 0 it is.
func (v *variable) toArray() {
	if v.kind != scalar {
		return
	}
	v.kind = indexed
	v.indices, v.values = nil, nil
	if v.set {
		v.indices, v.values = []int{0}, []string{v.value}
	}
	v.value = ""
}

func (v *variable) setElement(index int, value string) {
	v.toArray()
	v.set = true
	if n := len(v.indices); n == 0 || v.indices[n-1] < index {
		v.indices, v.values = append(v.indices, index), append(v.values, value)
		return
	}
	i, ok := slices.BinarySearch(v.indices, index)
	if ok {
		v.values[i] = value
		return
	}
	v.indices, v.values = slices.Insert(v.indices, i, index), slices.Insert(v.values, i, value)
}

func (v *variable) setKey(key, value string) {
	if v.table == nil {
		v.table = map[string]string{}
	}
	if _, ok := v.table[key]; !ok {
		v.keys = append(v.keys, key)
	}
	v.table[key] = value
	v.set = true
}

// next is the index after the last, where "+=" appends.
func (v *variable) next() int {
	if n := len(v.indices); n > 0 {
		return v.indices[n-1] + 1
	}
	return 0
}

func (v *variable) clear() {
	v.value, v.indices, v.values, v.table, v.keys = "", nil, nil, nil, nil
}

// list returns all values of the variable in bash's order.
func (v *variable) list() []string {
	switch {
	case v.kind == indexed:
		return v.values
	case v.kind == associative:
		keys := v.sortedKeys()
		values := make([]string, len(keys))
		for i, key := range keys {
			values[i] = v.table[key]
		}
		return values
	case v.set:
		return []string{v.value}
	}
	return nil
}

// subscripts returns the indices or keys, as ${!name[@]} does.
func (v *variable) subscripts() []string {
	switch {
	case v.kind == indexed:
		out := make([]string, len(v.indices))
		for i, index := range v.indices {
			out[i] = strconv.Itoa(index)
		}
		return out
	case v.kind == associative:
		return v.sortedKeys()
	case v.set:
		return []string{"0"}
	}
	return nil
}

// sortedKeys returns the keys in the order of bash's hash table: by bucket of
// the 32-bit FNV-1 hash, the newest of a bucket first. The table starts with
// 1024 buckets and quadruples when it holds twice as many entries.
func (v *variable) sortedKeys() []string {
	buckets := uint32(1024)
	for len(v.keys) >= int(buckets)*2 {
		buckets *= 4
	}
	type entry struct {
		key    string
		bucket uint32
		order  int
	}
	entries := make([]entry, len(v.keys))
	for i, key := range v.keys {
		hash := uint32(2166136261)
		for j := 0; j < len(key); j++ {
			hash *= 16777619
			hash ^= uint32(key[j])
		}
		entries[i] = entry{key, hash & (buckets - 1), i}
	}
	sort.Slice(entries, func(i, j int) bool {
		if entries[i].bucket != entries[j].bucket {
			return entries[i].bucket < entries[j].bucket
		}
		return entries[i].order > entries[j].order
	})
	keys := make([]string, len(entries))
	for i := range entries {
		keys[i] = entries[i].key
	}
	return keys
}

// scope holds the variables of the shell or the locals of one function call.
type scope map[string]*variable

// resolve follows name references.
func (sh *Shell) resolve(name string) string {
	for range 10 {
		v := sh.find(name)
		if v == nil || !v.nameref || !isName(v.value) {
			return name
		}
		name = v.value
	}
	return name
}

// find returns the variable a name means here, nil without one.
func (sh *Shell) find(name string) *variable {
	for i := len(sh.scopes) - 1; i >= 0; i-- {
		if v, ok := sh.scopes[i][name]; ok {
			return v
		}
	}
	return nil
}

// lookup is find behind name references.
func (sh *Shell) lookup(name string) *variable { return sh.find(sh.resolve(name)) }

// assignable returns the variable to assign to, made in the global scope when
// there is none.
func (sh *Shell) assignable(name string) *variable {
	name = sh.resolve(name)
	v := sh.find(name)
	if v == nil {
		v = &variable{}
		sh.scopes[0][name] = v
	}
	if v.readonly {
		sh.fatal(name + ": readonly variable")
	}
	v.line = sh.line
	return v
}

// local returns the variable of a name in the innermost scope, new when it is
// not there.
func (sh *Shell) local(name string) *variable {
	inner := sh.scopes[len(sh.scopes)-1]
	v, ok := inner[name]
	if !ok {
		v = &variable{}
		inner[name] = v
	}
	v.line = sh.line
	return v
}

// store assigns one value to a variable or one of its elements.
func (sh *Shell) store(v *variable, subscript string, hasSubscript bool, value string, appends bool) {
	old := ""
	index := 0
	switch {
	case v.kind == associative:
		key := "0"
		if hasSubscript {
			key = sh.known(sh.expandString(subscript))
		}
		if old = v.table[key]; appends {
			value = sh.appended(v, old, value)
		}
		v.setKey(key, sh.converted(v, value, appends))
		return
	case hasSubscript:
		index = sh.index(v, subscript)
		old, _ = v.element(index)
	case v.kind == indexed:
		old, _ = v.element(0)
	default:
		old = v.value
	}
	if appends {
		value = sh.appended(v, old, value)
	}
	value = sh.converted(v, value, appends)
	if hasSubscript || v.kind == indexed {
		sh.charge(1)
		v.setElement(index, value)
		sh.checkCount(len(v.values))
		return
	}
	v.value, v.set = value, true
}

func (sh *Shell) appended(v *variable, old, value string) string {
	if v.integer {
		return strconv.FormatInt(sh.arithmetic(old)+sh.arithmetic(value), 10)
	}
	sh.grow(len(old) + len(value))
	return old + value
}

func (sh *Shell) converted(v *variable, value string, done bool) string {
	switch {
	case v.integer && !done:
		return strconv.FormatInt(sh.arithmetic(value), 10)
	case v.lower:
		return strings.ToLower(sh.known(value))
	case v.upper:
		return strings.ToUpper(sh.known(value))
	}
	return value
}

// index evaluates a subscript of an indexed array; negative ones count from
// the end.
func (sh *Shell) index(v *variable, subscript string) int {
	n := sh.arithmetic(sh.expandString(subscript))
	if n < 0 && v != nil {
		n += int64(v.next())
	}
	if n < 0 {
		sh.fatal("bad array subscript")
	}
	if n > maxElements*64 {
		sh.exceeded("array index")
	}
	return int(n)
}

// Set gives a global variable a value, as the environment or makepkg.conf
// would.
func (sh *Shell) Set(name, value string) {
	sh.scopes[0][name] = &variable{set: true, value: value}
}

// SetArray gives a global array its values.
func (sh *Shell) SetArray(name string, values []string) {
	v := &variable{kind: indexed, set: true}
	for i, value := range values {
		v.setElement(i, value)
	}
	sh.scopes[0][name] = v
}

// SetUnknown makes a global variable whose value nobody here can know: what
// comes to depend on it needs evaluation.
func (sh *Shell) SetUnknown(name, what string) {
	sh.Set(name, sh.unknownText(what))
}
