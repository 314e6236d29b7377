package pkgbuild

import (
	"io/fs"
	"regexp"
	"strings"
	"unicode/utf8"

	"ahriman/core/pkgbuild/internal/shell"
)

// makepkg is one reading of a PKGBUILD, step by step as makepkg 6.0.2 does it.
type makepkg struct {
	sh        *shell.Shell
	files     fs.FS
	dir       string
	functions map[string]map[declaration][]string
	findings  []Finding
}

// declaration is how a package function sets an attribute: the name and
// whether a list follows.
type declaration struct {
	name  string
	array bool
}

// run returns the metadata, or the first thing that stands in its way.
func (m *makepkg) run(script string) (info *Srcinfo, err error) {
	if err := m.source(script); err != nil {
		return nil, err
	}
	err = m.sh.Protect(func() {
		if m.value("pkgbase") == "" {
			m.sh.Set("pkgbase", m.value("pkgname"))
		}
		if m.lint(); len(m.findings) > 0 {
			m.sh.Fail(&LintError{m.findings})
		}
		m.setDirectories()
		info = m.srcinfo()
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// source runs the script. makepkg does so two functions deep, so that declare
// makes local variables there, and with extended patterns off.
func (m *makepkg) source(script string) error {
	m.sh.Push(nil)
	m.sh.Push(map[string]string{"shellopts": "shopt -s extglob"})
	m.sh.SetParameters([]string{m.dir + "/PKGBUILD"})
	if err := m.sh.Source("PKGBUILD", script); err != nil {
		return err
	}
	m.sh.Pop()
	m.sh.Pop()
	m.sh.SetParameters(nil)
	m.sh.SetOption("extglob", true)
	status, known := m.sh.Status()
	switch {
	case m.sh.Exited():
		return &LintError{[]Finding{{File: "PKGBUILD", Message: "calls exit"}}}
	case known && status != 0 && m.sh.Err() != nil:
		return m.sh.Err()
	case known && status != 0:
		return &LintError{[]Finding{{File: "PKGBUILD", Message: "its last command fails, so makepkg cannot source it"}}}
	case m.sh.Flag('u') || m.sh.Flag('e') || m.sh.Flag('n') || m.sh.Flag('f'):
		return &NeedsEvaluation{"PKGBUILD", 1, "options of set that stay on"}
	}
	for _, name := range essential {
		if m.sh.Defined(name) {
			_, line, _ := m.sh.Function(name)
			return &NeedsEvaluation{"PKGBUILD", line, "function " + name + " replaces makepkg's own"}
		}
	}
	return nil
}

// setDirectories sets what makepkg sets between its checks and the printing.
func (m *makepkg) setDirectories() {
	m.sh.Set("srcdir", m.dir+"/src")
	m.sh.Set("pkgdirbase", m.dir+"/pkg")
	m.sh.Set("pkgdir", m.dir+"/pkg/"+m.value("pkgbase"))
	m.sh.Set("basever", m.fullVersion())
}

// value is ${name}, known.
func (m *makepkg) value(name string) string {
	value, _ := m.sh.Lookup(name)
	if len(value.Values) == 0 {
		return ""
	}
	return m.sh.Text(value.Values[0])
}

// values is "${name[@]}", known.
func (m *makepkg) values(name string) []string {
	value, _ := m.sh.Lookup(name)
	for _, text := range value.Values {
		m.sh.Text(text)
	}
	return value.Values
}

func (m *makepkg) fullVersion() string {
	version := m.value("pkgver") + "-" + m.value("pkgrel")
	if epoch := strings.TrimLeft(m.value("epoch"), "0"); epoch != "" {
		return m.value("epoch") + ":" + version
	}
	return version
}

// overrideLine is a line of a function, as `declare -f` prints it, that
// makepkg takes for an override. It looks at lines only: conditions around
// them do not count.
var overrideLine = regexp.MustCompile(`(?m)^[ \t\r\v\f]* ([A-Za-z_][A-Za-z_0-9]*)\+?=(.).*$`)

// declarations returns the override lines of a package function, by what they
// set.
func (m *makepkg) declarations(function string) map[declaration][]string {
	if found, ok := m.functions[function]; ok {
		return found
	}
	found := map[declaration][]string{}
	text, line, ok := m.sh.Function(function)
	if !ok {
		text, line, _ = m.sh.Function("package")
	}
	if !utf8.ValidString(text) {
		m.sh.Fail(&NeedsEvaluation{"PKGBUILD", line, "text that is not UTF-8 in a package function"})
	}
	for _, match := range overrideLine.FindAllStringSubmatch(text, -1) {
		key := declaration{match[1], match[2] == "("}
		found[key] = append(found[key], strings.TrimLeft(match[0], " \t\r\v\f"))
	}
	m.functions[function] = found
	return found
}

// extract evaluates the override lines for an attribute, with its name
// replaced by that of the variable output, and reports whether there were any.
func (m *makepkg) extract(function, attribute string, array bool, output string) bool {
	lines := m.declarations(function)[declaration{attribute, array}]
	if len(lines) == 0 {
		return false
	}
	flag := "0"
	if array {
		flag = "1"
	}
	m.sh.Push(map[string]string{"funcname": function, "attr": attribute, "isarray": flag, "outputvar": output, "r": "1", "shellopts": "shopt -s extglob"})
	m.sh.SetParameters([]string{function, attribute, flag, output})
	_, line, ok := m.sh.Function(function)
	if !ok {
		_, line, _ = m.sh.Function("package")
	}
	for _, text := range lines {
		m.sh.Line(line)
		if err := m.sh.Eval(output + strings.TrimPrefix(text, attribute)); err != nil {
			m.sh.Fail(err)
		}
		if m.sh.Exited() {
			m.sh.Fail(&NeedsEvaluation{"PKGBUILD", line, "exit in a package function"})
		}
	}
	m.sh.SetParameters(nil)
	m.sh.Pop()
	return true
}

// global returns a global attribute's values and whether it has any.
func (m *makepkg) global(attribute string, array bool) ([]string, bool) {
	value, _ := m.sh.Lookup(attribute)
	if len(value.Values) == 0 {
		return nil, false
	}
	if array {
		return value.Values, true
	}
	if value.Values[0] == "" {
		return nil, false
	}
	return value.Values[:1], true
}

// attribute returns what is printed for an attribute: of the base when
// pkgname is empty, or else the override of that package.
func (m *makepkg) attribute(pkgname, attribute string, array bool) ([]string, bool) {
	values, ok := m.global(attribute, array)
	if pkgname == "" {
		return values, ok
	}
	function := "package_" + pkgname
	if len(m.declarations(function)[declaration{attribute, array}]) == 0 {
		return values, false
	}
	m.sh.Push(map[string]string{"pkgname": pkgname, "attrname": attribute, "outputvar": "outvalue"})
	m.sh.AssignLocal("outvalue", array, values)
	m.extract(function, attribute, array, "outvalue")
	result, _ := m.sh.Lookup("outvalue")
	m.sh.Pop()
	if !array && len(result.Values) == 0 {
		return []string{""}, true
	}
	return result.Values, true
}

// The attributes of each section in the order makepkg prints them.
var (
	baseStrings    = []string{"pkgdesc", "pkgver", "pkgrel", "epoch", "url", "install", "changelog"}
	baseArrays     = append([]string{"arch", "groups", "license", "checkdepends", "makedepends", "depends", "optdepends", "provides", "conflicts", "replaces", "noextract", "options", "backup", "source", "validpgpkeys"}, sumKeys()...)
	packageStrings = []string{"pkgdesc", "url", "install", "changelog"}
	packageArrays  = []string{"arch", "groups", "license", "checkdepends", "depends", "optdepends", "provides", "conflicts", "replaces", "options", "backup"}
	archArrays     = append([]string{"source", "provides", "conflicts", "depends", "replaces", "optdepends", "makedepends", "checkdepends"}, sumKeys()...)
)

func sumKeys() []string {
	keys := make([]string, len(sumNames))
	for i, name := range sumNames {
		keys[i] = name + "sums"
	}
	return keys
}

func (m *makepkg) srcinfo() *Srcinfo {
	info := &Srcinfo{Preamble: m.sh.Output(), Base: m.value("pkgbase"), Fields: m.section("", baseStrings, baseArrays)}
	for _, name := range m.values("pkgname") {
		info.Packages = append(info.Packages, Package{Name: name, Fields: m.section(name, packageStrings, packageArrays)})
	}
	return info
}

func (m *makepkg) section(pkgname string, strings, arrays []string) []Field {
	var fields []Field
	add := func(key string, array bool) {
		if values, ok := m.attribute(pkgname, key, array); ok {
			fields = append(fields, Field{key, m.printed(values)})
		}
	}
	for _, key := range strings {
		add(key, false)
	}
	for _, key := range arrays {
		add(key, true)
	}
	arches, _ := m.attribute(pkgname, "arch", true)
	for _, arch := range arches {
		if m.sh.Text(arch) == "any" {
			continue
		}
		for _, key := range archArrays {
			add(key+"_"+arch, true)
		}
	}
	return fields
}

// printed returns the values as they are printed: each run of white space is
// one blank, and one blank at each end goes.
func (m *makepkg) printed(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	out := make([]string, len(values))
	for i, value := range values {
		out[i] = normalize(m.sh.Text(value))
	}
	return out
}

func normalize(value string) string {
	if strings.IndexFunc(value, isSpace) < 0 {
		return value
	}
	var out strings.Builder
	blank := false
	for _, r := range value {
		if isSpace(r) {
			blank = true
			continue
		}
		if blank && out.Len() > 0 {
			out.WriteByte(' ')
		}
		blank = false
		out.WriteRune(r)
	}
	return out.String()
}

// isSpace is iswspace of glibc's C.UTF-8.
func isSpace(r rune) bool {
	switch {
	case r == ' ', '\t' <= r && r <= '\r', r == 0x1680, r == 0x2028, r == 0x2029, r == 0x205f, r == 0x3000:
		return true
	}
	return 0x2000 <= r && r <= 0x200a && r != 0x2007
}
