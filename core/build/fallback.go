package build

import (
	"path/filepath"
	"slices"
	"strings"
)

// layersInEnvironment unpacks the dependencies and, since nothing can be laid
// over the system without namespaces, tells compilers and the like of them by
// the usual variables.
func layersInEnvironment(spec *sandboxSpec) error {
	layers, err := unpackLayers(spec)
	if err != nil {
		return err
	}
	places := []struct{ variable, below string }{
		{"PATH", "usr/bin"},
		{"CPATH", "usr/include"},
		{"LIBRARY_PATH", "usr/lib"},
		{"LD_LIBRARY_PATH", "usr/lib"},
		{"PKG_CONFIG_PATH", "usr/lib/pkgconfig"},
		{"PKG_CONFIG_PATH", "usr/share/pkgconfig"},
		{"CMAKE_PREFIX_PATH", "usr"},
		{"XDG_DATA_DIRS", "usr/share"},
	}
	for _, place := range slices.Backward(places) {
		for _, layer := range slices.Backward(layers) {
			layer, err := filepath.EvalSymlinks(layer)
			if err != nil {
				return err
			}
			prepend(&spec.Environ, place.variable, filepath.Join(layer, place.below))
		}
	}
	return nil
}

// prepend puts dir in front of a variable that holds a list of directories.
func prepend(environ *[]string, variable, dir string) {
	for i, entry := range *environ {
		if value, ok := strings.CutPrefix(entry, variable+"="); ok {
			(*environ)[i] = variable + "=" + dir + ":" + value
			return
		}
	}
	*environ = append(*environ, variable+"="+dir)
}
