package pkgbuild

import (
	"fmt"
	"strings"
)

// SyntaxError is text that is no valid PKGBUILD or .SRCINFO. bash or makepkg
// would refuse it too.
type SyntaxError struct {
	File    string
	Line    int // from 1
	Message string
}

// Error returns "file:line: message".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// NeedsEvaluation says that the answer depends on something outside the
// package directory: a command's output, another file, the environment. Only
// running makepkg, in a sandbox, can tell.
type NeedsEvaluation struct {
	File string // base name, relative to the package directory
	Line int    // from 1
	What string // what was met: "command pacman", "reading /etc/passwd"
}

// Error returns "file:line: needs evaluation: what".
func (e *NeedsEvaluation) Error() string {
	return fmt.Sprintf("%s:%d: needs evaluation: %s", e.File, e.Line, e.What)
}

// LimitError says that a PKGBUILD asked for more time, memory or depth than
// [Options] allow. Real packages stay far below the default limits.
type LimitError struct {
	File string
	Line int
	What string // which limit: "statements", "memory", "function depth", …
}

// Error returns "file:line: limit reached: what".
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s:%d: limit reached: %s", e.File, e.Line, e.What)
}

// Finding is one thing that makepkg refuses about a PKGBUILD's metadata.
type Finding struct {
	File    string
	Line    int    // of the variable or function concerned, 0 when there is none
	Key     string // pkgver, depends, package, …
	Message string
}

// String returns "file:line: message", without the line when it is unknown.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// LintError is a PKGBUILD that runs and that makepkg refuses: bad names or
// versions, missing files, arrays that should be strings, and so on.
type LintError struct {
	Findings []Finding // at least one, in the order makepkg checks
}

// Error returns the findings, one a line.
func (e *LintError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, finding := range e.Findings {
		lines[i] = finding.String()
	}
	return strings.Join(lines, "\n")
}
