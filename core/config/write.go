package config

import (
	"io/fs"

	"ahriman/core/internal/durable"
)

// WriteFile writes a file of configuration whole or not at all: who reads at
// the same time gets the old or the new one.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	return durable.Write(path, content, mode)
}
