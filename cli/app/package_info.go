package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
)

// packageInfo prints what package files say.
type packageInfo struct {
	Check bool     `help:"compare each file with the package's own .MTREE, and its name with .PKGINFO"`
	List  bool     `name:"files" help:"print the paths it holds instead, one a line"`
	Build bool     `help:"print the build environment, .BUILDINFO, too"`
	Mtree bool     `help:"print the entries of .MTREE too"`
	MD5   bool     `name:"md5" help:"compute the file's MD5 too"`
	JSON  bool     `help:"print one object a line, with files and build environment"`
	Files []string `arg:"" name:"file" complete:"files" help:"package files; - for names from standard input"`
}

// Help has the examples.
func (packageInfo) Help() string {
	return `The file is read once, to its end, whatever it is packed with, and nothing of it is run or unpacked to disk. Its size and SHA-256 are of the file itself. A signature is read where FILE.sig stands beside FILE; it is not verified.

With --check each entry's type, owner, mode, time, size, SHA-256 and link are compared with .MTREE. Differences are printed one a line, and the file counts as failed.

Examples: one package; names and digests of all; is what was downloaded whole?

    ahriman package-info foo-1.0-1-any.pkg.tar.zst
    ahriman package-info --json *.pkg.tar.zst | jq -r '[.name, .version, .sha256] | @tsv'
    ahriman build foo | ahriman package-info --check -`
}

// packageInfoLine is what --json prints.
type packageInfoLine struct {
	Path           string            `json:"path"` // as it was given
	FileName       string            `json:"filename"`
	CompressedSize int64             `json:"compressed_size"` // bytes
	SHA256         string            `json:"sha256"`
	MD5            string            `json:"md5,omitempty"`
	Signature      []byte            `json:"signature,omitempty"` // base64
	Name           string            `json:"name"`
	Base           string            `json:"base"`
	Version        string            `json:"version"`
	Description    string            `json:"description"`
	URL            string            `json:"url"`
	BuildDate      int64             `json:"build_date"` // unix seconds
	Packager       string            `json:"packager"`
	InstalledSize  int64             `json:"installed_size"` // bytes
	Architecture   string            `json:"architecture"`
	Licenses       []string          `json:"licenses"`
	Groups         []string          `json:"groups"`
	Provides       []string          `json:"provides"`
	Conflicts      []string          `json:"conflicts"`
	Replaces       []string          `json:"replaces"`
	Backup         []string          `json:"backup"`
	Depends        []string          `json:"depends"`
	OptDepends     []string          `json:"opt_depends"`
	MakeDepends    []string          `json:"make_depends"`
	CheckDepends   []string          `json:"check_depends"`
	XData          []string          `json:"xdata"`
	Install        bool              `json:"install"`
	Changelog      bool              `json:"changelog"`
	Files          []string          `json:"files"`
	Build          *alpm.BuildInfo   `json:"build,omitempty"`
	Mtree          []alpm.MtreeEntry `json:"mtree,omitempty"`
	Mismatches     []alpm.Mismatch   `json:"mismatches,omitempty"` // with --check
}

// Run prints each file.
func (c *packageInfo) Run(ctx context.Context, env *Env) error {
	outcome := NewOutcome(env, c.JSON)
	for item, err := range outcome.Items(c.Files, "path") {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := c.show(env, item.Text)
		if isOutput(err) {
			return err
		}
		if err != nil {
			outcome.Fail(item.Text, err)
			continue
		}
		outcome.Done()
	}
	return outcome.Err()
}

func (c *packageInfo) show(env *Env, path string) error {
	detail := c.JSON || c.Build || c.Mtree
	a, err := alpm.OpenArchive(path, alpm.ReadOptions{MD5: c.MD5, Detail: detail, Check: c.Check})
	if errors.Is(err, fs.ErrNotExist) {
		return Hinted(err, "files are what it reads; package-status --info shows what the repository has")
	}
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		err = env.Out().JSON(c.line(path, a))
	case c.List:
		err = printLines(env, a.Files)
	case !c.Check || c.Build || c.Mtree:
		err = c.print(env, a)
	}
	if err != nil || !c.Check {
		return err
	}
	return c.verdict(env, a)
}

// verdict prints what --check found and makes it a failure.
func (c *packageInfo) verdict(env *Env, a *alpm.Archive) error {
	err := a.CheckFileName()
	if len(a.Mismatches) == 0 {
		return err
	}
	if !c.JSON {
		for _, m := range a.Mismatches {
			if err := env.Out().Println(a.FileName+":", m); err != nil {
				return err
			}
		}
	}
	return errors.Join(fmt.Errorf("checking %s: %d differences from its .MTREE", a.FileName, len(a.Mismatches)), err)
}

func (c *packageInfo) line(path string, a *alpm.Archive) packageInfoLine {
	line := packageInfoLine{
		Path: path, FileName: a.FileName, CompressedSize: a.CompressedSize, SHA256: a.SHA256, MD5: a.MD5, Signature: a.Signature,
		Name: a.Name, Base: a.Base, Version: a.Version, Description: a.Description, URL: a.URL, BuildDate: a.BuildDate,
		Packager: a.Packager, InstalledSize: a.Size, Architecture: a.Architecture,
		Licenses: orEmpty(a.Licenses), Groups: orEmpty(a.Groups), Provides: orEmpty(a.Provides), Conflicts: orEmpty(a.Conflicts),
		Replaces: orEmpty(a.Replaces), Backup: orEmpty(a.Backup), Depends: orEmpty(a.Depends), OptDepends: orEmpty(a.OptDepends),
		MakeDepends: orEmpty(a.MakeDepends), CheckDepends: orEmpty(a.CheckDepends), XData: orEmpty(a.XData),
		Install: a.Install, Changelog: a.Changelog, Files: orEmpty(a.Files), Build: a.Build, Mismatches: a.Mismatches,
	}
	if c.Mtree {
		line.Mtree = a.Mtree
	}
	return line
}

// orEmpty makes an empty JSON list of none.
func orEmpty(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

func printLines(env *Env, lines []string) error {
	for _, line := range lines {
		if err := env.Out().Println(line); err != nil {
			return err
		}
	}
	return nil
}

// print writes "key: value" lines, a list's values one a line.
func (c *packageInfo) print(env *Env, a *alpm.Archive) error {
	pairs := infoPairs(a)
	if c.Build && a.Build != nil {
		pairs = append(pairs, buildPairs(a.Build)...)
	}
	for _, p := range pairs {
		for _, value := range p.values {
			if value == "" {
				continue
			}
			if err := env.Out().Println(fmt.Sprintf("%-17s %s", p.key+":", value)); err != nil {
				return err
			}
		}
	}
	if !c.Mtree {
		return nil
	}
	for _, e := range a.Mtree {
		if err := env.Out().Println(mtreeLine(&e)); err != nil {
			return err
		}
	}
	return nil
}

type infoPair struct {
	key    string
	values []string
}

func infoPairs(a *alpm.Archive) []infoPair {
	one := func(key, value string) infoPair { return infoPair{key, []string{value}} }
	signed := "no"
	if a.Signature != nil {
		signed = strconv.Itoa(len(a.Signature)) + " bytes, not verified"
	}
	return []infoPair{
		one("file", a.FileName), one("compressed size", strconv.FormatInt(a.CompressedSize, 10)),
		one("sha256", a.SHA256), one("md5", a.MD5), one("signature", signed),
		one("name", a.Name), one("base", a.Base), one("version", a.Version), one("description", a.Description), one("url", a.URL),
		one("build date", isoTime(a.BuildDate)), one("packager", a.Packager), one("installed size", strconv.FormatInt(a.Size, 10)),
		one("architecture", a.Architecture),
		{"license", a.Licenses}, {"group", a.Groups}, {"provides", a.Provides}, {"conflicts", a.Conflicts}, {"replaces", a.Replaces},
		{"backup", a.Backup}, {"depends", a.Depends}, {"opt depends", a.OptDepends}, {"make depends", a.MakeDepends},
		{"check depends", a.CheckDepends}, {"xdata", a.XData}, one("files", strconv.Itoa(len(a.Files))),
	}
}

func buildPairs(b *alpm.BuildInfo) []infoPair {
	one := func(key, value string) infoPair { return infoPair{key, []string{value}} }
	return []infoPair{
		one("pkgbuild sha256", b.PkgbuildSHA256), one("build directory", b.BuildDirectory), one("start directory", b.StartDirectory),
		one("build tool", strings.TrimSpace(b.Tool+" "+b.ToolVersion)), {"build env", b.Environment}, {"option", b.Options}, {"installed", b.Installed},
	}
}

func isoTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

func mtreeLine(e *alpm.MtreeEntry) string {
	line := fmt.Sprintf("%-4s %04o %d:%d %s", e.Type, max(e.Mode, 0), e.UID, e.GID, isoTime(e.Time))
	if e.Type == "file" {
		line += fmt.Sprintf(" %d %s", e.Size, e.SHA256)
	}
	line += " " + e.Path
	if e.Link != "" {
		line += " -> " + e.Link
	}
	return line
}
