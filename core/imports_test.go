// Package core_test checks the rules that hold the rooms apart, by reading the
// imports of every file of the module.
package core_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says, for each folder, which folders of ours its packages may import;
// the longest folder that matches a package decides. Every folder may import
// what is below itself. Tests and test-support packages (buildtest, …) may
// import more: they are held to third-party rules only.
func layers() map[string][]string {
	return map[string][]string{
		"cli/ahriman":       {"cli/app"},
		"cli/app":           {"cli/ui", "core", "sign", "transport"},
		"cli/generate":      {"cli/app"},
		"cli/ui":            {},
		"core/alpm":         {},
		"core/backup":       {"core/internal"},
		"core/config":       {"core/alpm", "core/internal"},
		"core/distribution": {"core/alpm", "core/internal"},
		"core/internal":     {},
		"core/pkgbuild":     {"core/alpm"},
		"core/tree":         {"core/alpm"},
		"core/source":       {"core/alpm", "core/pkgbuild", "core/internal"},
		"core/build":        {"core/alpm", "core/source", "core/pkgbuild", "core/internal"},
		"core/repository":   {"core/alpm", "core/internal"},
		"core/store":        {"core/alpm", "core/source", "core/internal"},
		"core/schedule":     {"core/alpm", "core/tree", "core/build", "core/source"},
		"core/trigger":      {"core"},
		"core/update":       {"core"},
		"sign":              {"core"},
		"transport/api":     {"core"},
		"transport":         {"core", "transport", "sign"},
	}
}

// modules says which third-party module belongs to which folders: nothing else
// may import it, so that it can be replaced in one place.
func modules() map[string][]string {
	return map[string][]string{
		"github.com/alecthomas/kong":        {"cli/app", "cli/generate"},
		"github.com/olekukonko/tablewriter": {"cli/ui"},
		"github.com/schollz/progressbar":    {"cli/ui"},
		"github.com/klauspost/compress":     {"core/alpm", "core/repository"},
		"github.com/ulikunitz/xz":           {"core/alpm"},
		"github.com/mikelolasagasti/xz":     {"core/alpm"},
		"github.com/pierrec/lz4":            {"core/alpm"},
		"modernc.org/sqlite":                {"core/store"},
		"github.com/ProtonMail/go-crypto":   {"sign"},
		"github.com/pkg/sftp":               {"transport"},
		"golang.org/x/crypto":               {"transport", "core/store", "sign"},
		"golang.org/x/term":                 {"cli/ui", "cli/app"},
		"github.com/prometheus":             {"transport"},
		"github.com/google/uuid":            {"cli/app", "core", "transport"},
		"golang.org/x/sys":                  {"cli", "core", "transport", "sign"},
		"golang.org/x/sync":                 {"cli", "core", "transport", "sign"},
	}
}

// testModules are for tests alone.
func testModules() []string {
	return []string{"github.com/google/go-cmp", "github.com/rogpeppe/go-internal"}
}

type file struct {
	name   string // slash-separated, from the module's root
	folder string
	test   bool // a test, or a package that is only for tests
	syntax *ast.File
}

func (f file) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, name)
		}
	}
	return paths
}

func readModule(t *testing.T) []file {
	t.Helper()
	var files []file
	root := filepath.Join("..")
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || entry.Name() == "dist") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(filepath.ToSlash(name), "../")
		folder := path.Dir(name)
		test := strings.HasSuffix(name, "_test.go") || strings.HasSuffix(folder, "test")
		files = append(files, file{name: name, folder: folder, test: test, syntax: syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found %d files in the module", len(files))
	}
	return files
}

// within tells whether a package lies in a folder.
func within(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

func TestLayers(t *testing.T) {
	for _, f := range readModule(t) {
		if f.test {
			continue
		}
		for _, name := range f.imports() {
			if target, ok := strings.CutPrefix(name, "ahriman/"); ok {
				checkLayer(t, f, target)
			}
		}
	}
}

func checkLayer(t *testing.T, f file, target string) {
	t.Helper()
	room := ""
	for folder := range layers() {
		if within(f.folder, folder) && len(folder) > len(room) {
			room = folder
		}
	}
	if room == "" {
		t.Errorf("%s: %s is no room of design: add it to layers", f.name, f.folder)
		return
	}
	if within(target, room) {
		return
	}
	if !slices.ContainsFunc(layers()[room], func(folder string) bool { return within(target, folder) }) {
		t.Errorf("%s: %s must not import %s", f.name, room, target)
	}
}

func TestModules(t *testing.T) {
	for _, f := range readModule(t) {
		for _, name := range f.imports() {
			if err := checkModule(f, name); err != nil {
				t.Error(err)
			}
		}
	}
}

func checkModule(f file, name string) error {
	first, _, _ := strings.Cut(name, "/")
	if !strings.Contains(first, ".") {
		return nil // the standard library's and ours
	}
	for _, module := range testModules() {
		if within(name, module) {
			if f.test {
				return nil
			}
			return fmt.Errorf("%s: %s is for tests", f.name, module)
		}
	}
	for module, folders := range modules() {
		if !within(name, module) {
			continue
		}
		if f.test || slices.ContainsFunc(folders, func(folder string) bool { return within(f.folder, folder) }) {
			return nil
		}
		return fmt.Errorf("%s: %s belongs to %s", f.name, module, strings.Join(folders, ", "))
	}
	return fmt.Errorf("%s: %s belongs to no room: add it to modules", f.name, name)
}

// TestNothingRunsAtStart forbids init functions: main builds the parts.
func TestNothingRunsAtStart(t *testing.T) {
	for _, f := range readModule(t) {
		for _, declaration := range f.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s: an init function", f.name)
			}
		}
	}
}

// TestPackageComments wants one comment per package, which begins as go doc
// expects.
func TestPackageComments(t *testing.T) {
	comments := map[string]int{}
	for _, f := range readModule(t) {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		comments[f.folder] += 0
		if f.syntax.Doc == nil {
			continue
		}
		comments[f.folder]++
		name := f.syntax.Name.Name
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(f.folder) + " "
		}
		if !strings.HasPrefix(f.syntax.Doc.Text(), want) {
			t.Errorf("%s: the package's comment does not begin with %q", f.name, want)
		}
	}
	for folder, n := range comments {
		if n != 1 {
			t.Errorf("%s: %d package comments, want 1", folder, n)
		}
	}
}

// TestExportedAreDocumented wants a comment on every exported function, type,
// and group of constants or variables.
func TestExportedAreDocumented(t *testing.T) {
	for _, f := range readModule(t) {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		for _, declaration := range f.syntax.Decls {
			if name := undocumented(declaration); name != "" {
				t.Errorf("%s: %s has no comment", f.name, name)
			}
		}
	}
}

// undocumented returns the first exported name of a declaration that has no
// comment of its own or of its group. Methods that implement what the standard
// library documents (Error, String, Unwrap, …) need none.
func undocumented(declaration ast.Decl) string {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && d.Recv == nil {
			return d.Name.Name
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return ""
		}
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Doc == nil && s.Name.IsExported() {
					return s.Name.Name
				}
			case *ast.ValueSpec:
				if s.Doc == nil && s.Comment == nil && s.Names[0].IsExported() {
					return s.Names[0].Name
				}
			}
		}
	}
	return ""
}
