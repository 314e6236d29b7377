package api

import "slices"

// Access is a level of ahriman's users.
type Access string

// The levels, weakest first.
const (
	AccessUnauthorized Access = "unauthorized"
	AccessRead         Access = "read"
	AccessReporter     Access = "reporter"
	AccessFull         Access = "full"
)

// AccessLevels returns the levels, weakest first.
func AccessLevels() []Access {
	return []Access{AccessUnauthorized, AccessRead, AccessReporter, AccessFull}
}

// Allows reports whether someone of level a may do what needs level need. An
// unknown level allows nothing and is allowed to no one.
func (a Access) Allows(need Access) bool {
	levels := AccessLevels()
	have, want := slices.Index(levels, a), slices.Index(levels, need)
	return have >= 0 && want >= 0 && have >= want
}
