package source

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Inputs are what decides how a package comes out. Two builds with equal inputs
// need not both run.
type Inputs struct {
	Tree         string   // TreeDigest of the sources, patches applied
	Architecture string   // CARCH
	Flags        []string // of the builder, in order
	Dependencies []string // SHA-256 of the package files it is built against, any order
}

// inputVersion changes when the meaning of Digest does.
const inputVersion = "ahriman-inputs-1"

// Digest returns the SHA-256 of the inputs in hex.
func (i Inputs) Digest() string {
	dependencies := slices.Sorted(slices.Values(i.Dependencies))
	flags := i.Flags
	if flags == nil {
		flags = []string{}
	}
	sum := sha256.New()
	// Strings and lists of strings cannot fail to encode.
	_ = json.NewEncoder(sum).Encode([]any{inputVersion, i.Tree, i.Architecture, flags, slices.Compact(dependencies)})
	return hex.EncodeToString(sum.Sum(nil))
}
