package pkgbuild

import (
	"context"
)

// Options say for which machine a PKGBUILD is evaluated.
type Options struct {
	// Architecture is makepkg.conf's CARCH; "x86_64" when empty.
	Architecture string
}

// Evaluate reads dir/PKGBUILD and returns its metadata.
func Evaluate(ctx context.Context, dir string, options Options) (*Srcinfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, &NeedsEvaluation{File: "PKGBUILD", Line: 1, What: "the shell"}
}
