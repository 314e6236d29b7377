package alpm

// RepositoryID names one repository: pacman's section name and the
// architecture it serves. A root of ours holds any number of them.
type RepositoryID struct {
	Name         string // as in pacman.conf's [name]
	Architecture string // as in $arch: x86_64, aarch64, …
}

// String returns "name/architecture", which is also the path below
// repository/, packages/ and generations/.
func (id RepositoryID) String() string { return id.Name + "/" + id.Architecture }

// Info is the metadata of one package, as .PKGINFO holds it. A repository
// database's desc holds all of it but Backup and XData.
type Info struct {
	Name         string // pkgname
	Base         string // pkgbase; the name when the file has none
	BaseImplied  bool   // the file has no pkgbase (it is older than pacman 4.2)
	Version      string // full: [epoch:]pkgver-pkgrel
	Description  string
	URL          string
	BuildDate    int64 // unix seconds
	Packager     string
	Size         int64 // installed bytes
	Architecture string
	Licenses     []string
	Replaces     []string
	Groups       []string
	Conflicts    []string
	Provides     []string
	Backup       []string
	Depends      []string
	OptDepends   []string
	MakeDepends  []string
	CheckDepends []string
	XData        []string // "pkgtype=split" and the like
}

// Package is one package file, or one entry of a repository database.
type Package struct {
	Info
	FileName       string   // base name, "foo-1.0-1-any.pkg.tar.zst"
	CompressedSize int64    // bytes of the file
	SHA256         string   // hex
	MD5            string   // hex; empty where it was not computed
	Signature      []byte   // detached binary signature, nil without one
	Files          []string // as in %FILES%: sorted, directories end in "/", what is not printable escaped
}
