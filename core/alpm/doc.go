// Package alpm reads and writes pacman's formats: versions, relations, package
// files and repository databases. It holds no policy, and runs no program.
//
// # Versions
//
// A version is [epoch:]pkgver[-pkgrel] (alpm-package-version(7), PKGBUILD(5)).
// Vercmp compares two as vercmp(8) does: first the epoch, 0 when there is none,
// then pkgver, then pkgrel where both have one. Each of them is compared run by
// run, a run being digits or letters (of ASCII) and all else a separator:
// separators are passed over, but a longer row of them is newer; numbers compare
// without leading zeros and without a limit; digits are newer than letters; when
// one version has ended, a tail of letters is older and any other tail newer.
//
//	1.0a < 1.0rc < 1.0 < 1.0.a < 1.0.1 < 1:0    2.0 = 2_0    2_a < 2___a
//
// A pkgrel may be N or N.M; NextRelease makes the next rebuild's.
//
// # Relations
//
// depends, provides, conflicts, replaces and optdepends hold relations
// (alpm-package-relation(7)): a name, perhaps followed by one of < <= = >= > and
// a version. A version without pkgrel stands for each pkgrel. provides may carry
// "=version"; what is provided without a version satisfies no relation that has
// one. Sonames are names: "libx.so=1-64" (name libx.so, version 1-64), and
// "lib:libx.so.1" since 2024. An optional dependency gives a reason: "name: why".
//
// # Package files
//
// A package file (alpm-package(7)) is a tar archive, packed or not, called
// name-version-architecture.pkg.tar[.zst]; its detached, binary OpenPGP
// signature of 16 KiB at most stands beside it with ".sig" added. Among its
// first entries are
//
//	.PKGINFO    PKGINFO(5): "key = value" lines, some keys repeated; singular
//	            names (depend, license), where .SRCINFO has plural ones
//	.BUILDINFO  BUILDINFO(5): the same syntax; where and with what it was built
//	.MTREE      alpm-mtree(5), mtree(5): gzip; type, owner, mode, time, size,
//	            digest and link target of each other entry
//	.INSTALL    a script that pacman runs, optional
//	.CHANGELOG  text, optional
//
// and then what is installed. ReadPackage and OpenPackage read one in a single
// pass and give a Package, which is what a database needs; ReadArchive and
// OpenArchive give an Archive, with the rest and a check of each file against
// .MTREE; ReadInfo gives .PKGINFO alone and stops there.
//
// # Repository databases
//
// A database (alpm-repo-db(7)) is a packed tar archive with one directory
// name-version per package. It holds the file desc (alpm-repo-desc(5)), and in
// REPO.files beside REPO.db also the file files (alpm-repo-files(5)). Both are
// sections: a line %KEY%, values one a line, an empty line; unknown sections are
// passed over. In order: FILENAME NAME BASE VERSION DESC GROUPS CSIZE ISIZE
// MD5SUM SHA256SUM PGPSIG URL LICENSE ARCH BUILDDATE PACKAGER REPLACES CONFLICTS
// PROVIDES DEPENDS OPTDEPENDS MAKEDEPENDS CHECKDEPENDS; those without a value
// are left out. Since pacman 6.1 repo-add(8) writes no MD5SUM, and PGPSIG (base64
// of the signature) only when asked to; see Dialect.
//
// FILES lists paths relative to the root in byte order, directories with a slash
// at their end, and without those that begin with a dot. bsdtar(1) prints them
// for repo-add, so what is not printable in UTF-8 stands as an escape and a
// backslash is doubled. Package.Files is in that form everywhere.
//
// ReadDatabase takes whatever repo-add of any age or another program wrote.
// WriteDatabase writes desc and files byte for byte as repo-add does, white space
// and all; UpdateDatabase changes some packages of a database and keeps the other
// entries' bytes, in one stream.
//
// # Trust
//
// All that is read is bounded in count, size and ratio (Limits), and what is at
// fault gives an error that wraps ErrFormat. Names, versions, architectures and
// file names that are returned hold no slash and no white space, and names and
// file names begin with no dot, so that they can stand in a path. Signatures are
// read and never verified here.
package alpm
