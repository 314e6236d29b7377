// Package pkgbuild reads the metadata of packages: PKGBUILD and .SRCINFO files.
package pkgbuild
