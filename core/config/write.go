package config

import (
	"io/fs"

	"ahriman/core/internal/durable"
)

// WriteFile writes a small file, of configuration or another that someone waits
// for, whole or not at all: who reads at the same time gets the old or the new one.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	return durable.Write(path, content, mode)
}
