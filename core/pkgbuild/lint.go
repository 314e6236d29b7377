package pkgbuild

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
)

// Groups of attributes, as makepkg's checks know them.
var (
	arrayAttributes  = append([]string{"arch", "backup", "checkdepends", "conflicts", "depends", "groups", "license", "makedepends", "noextract", "optdepends", "options", "provides", "replaces", "source", "validpgpkeys"}, sumKeys()...)
	stringAttributes = []string{"changelog", "epoch", "install", "pkgbase", "pkgdesc", "pkgrel", "pkgver", "url"}
	archAttributes   = append([]string{"checkdepends", "conflicts", "depends", "makedepends", "optdepends", "provides", "replaces", "source"}, sumKeys()...)
	overridable      = []string{"pkgdesc", "arch", "url", "license", "groups", "depends", "optdepends", "provides", "conflicts", "replaces", "backup", "options", "install", "changelog"}
	knownOptions     = []string{"strip", "debug", "docs", "libtool", "staticlibs", "emptydirs", "zipman", "purge", "ccache", "distcc", "buildflags", "makeflags", "lto"}
)

// lint runs makepkg's checks in its order; what they refuse is in findings.
func (m *makepkg) lint() {
	m.sh.Push(nil)
	defer m.sh.Pop()
	m.lintArch()
	m.lintArchSpecific()
	m.lintBackup()
	m.lintFiles("changelog")
	m.lintVersion()
	m.lintNames()
	for _, key := range []string{"checkdepends", "conflicts", "depends"} {
		m.lintRelations(key)
	}
	m.lintFiles("install")
	m.lintRelations("makedepends")
	m.lintRelations("optdepends")
	m.lintOptions()
	m.lintPackageFunctions()
	m.lintPackageVariables()
	m.lintRelations("provides")
	if value, _ := m.sh.Lookup("source"); value.Sparse {
		m.refuse("source", "source is a sparse array")
	}
	m.lintKinds()
}

// refuse notes a finding about a variable.
func (m *makepkg) refuse(key, format string, args ...any) {
	value, _ := m.sh.Lookup(key)
	m.findings = append(m.findings, Finding{"PKGBUILD", value.Line, key, fmt.Sprintf(format, args...)})
}

func (m *makepkg) lintArch() {
	arches := m.values("arch")
	if slices.Contains(arches, "any") {
		if len(arches) > 1 {
			m.refuse("arch", "arch cannot have any beside other architectures")
		}
		return
	}
	for _, arch := range arches {
		if strings.IndexFunc(arch, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) >= 0 {
			m.refuse("arch", "arch contains invalid characters: %q", arch)
		}
	}
	for _, name := range m.values("pkgname") {
		m.attribute(name, "arch", true)
	}
}

// words is ${name[@]} without quotes.
func (m *makepkg) words(name string) []string {
	return strings.Fields(strings.Join(m.values(name), " "))
}

func (m *makepkg) lintArchSpecific() {
	all := slices.Concat(arrayAttributes, stringAttributes)
	for _, arch := range m.words("arch") {
		for _, key := range all {
			if m.archForbidden(key, arch) && m.declared(key+"_"+arch) {
				m.refuse(key+"_"+arch, "%s cannot be for one architecture: %s_%s", key, key, arch)
			}
			for _, name := range m.words("pkgname") {
				if m.archForbidden(key, arch) && m.setIn(name, key+"_"+arch) {
					m.refuseIn(name, key+"_"+arch, "%s cannot be for one architecture: %s_%s", key, key, arch)
				}
			}
		}
	}
}

func (m *makepkg) archForbidden(key, arch string) bool {
	return arch == "any" || !slices.Contains(archAttributes, key)
}

func (m *makepkg) declared(name string) bool {
	_, ok := m.sh.Lookup(name)
	return ok
}

// setIn reports whether a package function sets an attribute in any form.
func (m *makepkg) setIn(pkgname, key string) bool {
	m.sh.Push(nil)
	defer m.sh.Pop()
	m.sh.AssignLocal("out", false, nil)
	function := "package_" + pkgname
	return m.extract(function, key, false, "out") || m.extract(function, key, true, "out")
}

// refuseIn notes a finding about a package function.
func (m *makepkg) refuseIn(pkgname, key, format string, args ...any) {
	_, line, ok := m.sh.Function("package_" + pkgname)
	if !ok {
		_, line, _ = m.sh.Function("package")
	}
	m.findings = append(m.findings, Finding{"PKGBUILD", line, key, fmt.Sprintf(format, args...)})
}

// collect gathers an array over the base and all package functions, and
// calls each with every entry.
func (m *makepkg) collect(keys ...string) []string {
	m.sh.Push(nil)
	defer m.sh.Pop()
	m.sh.AssignLocal("list", true, nil)
	var all []string
	for _, key := range keys {
		if values, ok := m.global(key, true); ok {
			m.sh.AssignLocal("list", true, values)
			all = append(all, values...)
		}
	}
	for _, name := range m.values("pkgname") {
		for _, key := range keys {
			if m.extract("package_"+name, key, true, "list") {
				list, _ := m.sh.Lookup("list")
				all = append(all, list.Values...)
			}
		}
	}
	for _, value := range all {
		m.sh.Text(value)
	}
	return all
}

func (m *makepkg) lintBackup() {
	for _, file := range m.collect("backup") {
		if strings.HasPrefix(file, "/") {
			m.refuse("backup", "backup entry starts with a slash: %s", file)
		}
	}
}

// lintFiles checks that the files which install or changelog name are there.
func (m *makepkg) lintFiles(key string) {
	m.sh.Push(nil)
	defer m.sh.Pop()
	files := m.values(key)
	m.sh.AssignLocal("file", false, nil)
	for _, name := range m.words("pkgname") {
		m.sh.AssignLocal("pkgname", false, []string{name})
		m.extract("package_"+name, key, false, "file")
		files = append(slices.Clone(files), m.value("file"))
	}
	for _, file := range slices.Compact(files) {
		if file != "" && !m.isFile(file) {
			m.refuse(key, "%s file %s does not exist or is not a regular file", key, file)
		}
	}
}

func (m *makepkg) isFile(name string) bool {
	name = strings.TrimPrefix(path.Clean(name), m.dir+"/")
	if path.IsAbs(name) || strings.HasPrefix(name, "../") {
		m.sh.Fail(&NeedsEvaluation{"PKGBUILD", 1, "looking at " + name})
	}
	info, err := fs.Stat(m.files, name)
	if err == nil {
		return info.Mode().IsRegular()
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) && strings.Contains(err.Error(), "escapes") {
		m.sh.Fail(&NeedsEvaluation{"PKGBUILD", 1, "looking at " + name})
	}
	return false
}

func (m *makepkg) lintVersion() {
	m.refuseAny("epoch", checkEpoch(m.value("epoch"), "epoch"))
	m.refuseAny("pkgrel", checkPkgrel(m.value("pkgrel"), "pkgrel"))
	m.refuseAny("pkgver", checkPkgver(m.value("pkgver"), "pkgver"))
}

func (m *makepkg) refuseAny(key string, messages []string) {
	for _, message := range messages {
		m.refuse(key, "%s", message)
	}
}

func (m *makepkg) lintNames() {
	names := m.values("pkgname")
	if strings.Join(names, "") == "" {
		m.refuse("pkgname", "pkgname is empty")
	} else {
		for _, name := range names {
			m.refuseAny("pkgname", checkName(name, "pkgname"))
		}
	}
	if base := m.value("pkgbase"); base != "" {
		m.refuseAny("pkgbase", checkName(base, "pkgbase"))
	}
}

// lintRelations checks the entries of an array of relations.
func (m *makepkg) lintRelations(key string) {
	keys := []string{key}
	for _, arch := range m.values("arch") {
		keys = append(keys, key+"_"+arch)
	}
	for _, entry := range m.collect(keys...) {
		m.refuseAny(key, checkRelation(entry, key))
	}
}

func (m *makepkg) lintOptions() {
	for _, option := range m.collect("options") {
		if !slices.Contains(knownOptions, strings.TrimPrefix(option, "!")) {
			m.refuse("options", "options contains unknown option %q", option)
		}
	}
}

func (m *makepkg) lintPackageFunctions() {
	names := m.values("pkgname")
	if len(names) == 1 {
		split := m.sh.Defined("package_" + names[0])
		switch single := m.sh.Defined("package"); {
		case single && split:
			m.refuseIn(names[0], "package", "both package and package_%s are defined", names[0])
		case m.sh.Defined("build") && !single && !split:
			m.refuse("package", "there is no package function")
		}
		return
	}
	if m.sh.Defined("package") {
		m.refuseIn("", "package", "package is one function too many for split package %s", m.value("pkgbase"))
	}
	for _, name := range names {
		if !m.sh.Defined("package_" + name) {
			m.refuse("pkgname", "there is no function package_%s", name)
		}
	}
}

func (m *makepkg) lintPackageVariables() {
	for _, name := range m.words("pkgname") {
		for _, key := range slices.Concat(arrayAttributes, stringAttributes) {
			if slices.Contains(overridable, key) {
				continue
			}
			forms := []string{key}
			for _, arch := range m.words("arch") {
				if arch != "any" {
					forms = append(forms, key+"_"+arch)
				}
			}
			for _, form := range forms {
				if m.setIn(name, form) {
					m.refuseIn(name, form, "%s cannot be set inside a package function", form)
				}
			}
		}
	}
}

// lintKinds checks that arrays are arrays and strings are none.
func (m *makepkg) lintKinds() {
	arrays := slices.Clone(arrayAttributes)
	for _, arch := range m.words("arch") {
		for _, key := range archAttributes {
			if arch != "any" {
				arrays = append(arrays, key+"_"+arch)
			}
		}
	}
	for _, key := range arrays {
		if value, ok := m.sh.Lookup(key); ok && !value.Array {
			m.refuse(key, "%s should be an array", key)
		}
	}
	for _, key := range stringAttributes {
		if value, ok := m.sh.Lookup(key); ok && value.Array {
			m.refuse(key, "%s should not be an array", key)
		}
	}
	m.sh.Push(nil)
	defer m.sh.Pop()
	m.sh.AssignLocal("out", false, nil)
	for _, name := range m.words("pkgname") {
		for _, key := range arrays {
			if m.extract("package_"+name, key, false, "out") {
				m.refuseIn(name, key, "%s should be an array", key)
			}
		}
		for _, key := range stringAttributes {
			if m.extract("package_"+name, key, true, "out") {
				m.refuseIn(name, key, "%s should not be an array", key)
			}
		}
	}
}
