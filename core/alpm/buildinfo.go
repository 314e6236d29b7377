package alpm

import (
	"fmt"
	"io"
)

// BuildInfo is what a .BUILDINFO says about the environment a package was built
// in, as BUILDINFO(5) describes it. Format 1 lacks StartDirectory, Tool and
// ToolVersion. Its JSON has the file's own names.
type BuildInfo struct {
	Format         string   `json:"format"` // "1" or "2"
	Name           string   `json:"pkgname"`
	Base           string   `json:"pkgbase"`
	Version        string   `json:"pkgver"` // full: [epoch:]pkgver-pkgrel
	Architecture   string   `json:"pkgarch"`
	PkgbuildSHA256 string   `json:"pkgbuild_sha256sum"` // hex
	Packager       string   `json:"packager"`
	BuildDate      int64    `json:"builddate"` // unix seconds
	BuildDirectory string   `json:"builddir"`
	StartDirectory string   `json:"startdir"`
	Tool           string   `json:"buildtool"` // "makepkg", "devtools", …
	ToolVersion    string   `json:"buildtoolver"`
	Environment    []string `json:"buildenv"`  // BUILDENV
	Options        []string `json:"options"`   // OPTIONS
	Installed      []string `json:"installed"` // name-version-architecture of each installed package
}

// ParseBuildinfo reads a .BUILDINFO. Unknown keys are passed over; a key that
// may stand once and stands twice counts the last time.
func ParseBuildinfo(r io.Reader) (*BuildInfo, error) {
	b := new(BuildInfo)
	if err := scanPairs(r, b.set); err != nil {
		return nil, fmt.Errorf("reading .BUILDINFO: %w", err)
	}
	return b, nil
}

func (b *BuildInfo) set(key, value string) (err error) {
	switch key {
	case "format":
		b.Format = value
	case "pkgname":
		b.Name = value
	case "pkgbase":
		b.Base = value
	case "pkgver":
		b.Version = value
	case "pkgarch":
		b.Architecture = value
	case "pkgbuild_sha256sum":
		b.PkgbuildSHA256 = value
	case "packager":
		b.Packager = value
	case "builddate":
		b.BuildDate, err = parseNumber(key, value)
	case "builddir":
		b.BuildDirectory = value
	case "startdir":
		b.StartDirectory = value
	case "buildtool":
		b.Tool = value
	case "buildtoolver":
		b.ToolVersion = value
	case "buildenv":
		b.Environment = append(b.Environment, value)
	case "options":
		b.Options = append(b.Options, value)
	case "installed":
		b.Installed = append(b.Installed, value)
	}
	return err
}
