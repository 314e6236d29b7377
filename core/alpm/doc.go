// Package alpm reads and writes pacman's formats: versions, relations, package
// files and repository databases. It holds no policy.
package alpm
