package httpserver

import (
	"maps"
	"slices"
)

// Described returns the methods and paths that the description of the API knows.
func Described() []string { return slices.Sorted(maps.Keys(texts())) }
