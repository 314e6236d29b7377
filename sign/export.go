package sign

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// PublicKeys returns public keys of gpg's keyring, armored in one block, and
// their fingerprints in the order of the names: fingerprints, key IDs, or
// whatever else gpg takes for one. The error is ErrNoPublicKey for a name that
// is no key's, or that of several.
func (g *GPG) PublicKeys(ctx context.Context, names []string) (armored []byte, fingerprints []string, err error) {
	for _, name := range names {
		fingerprint, err := g.fingerprint(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		fingerprints = append(fingerprints, fingerprint)
	}
	armored, err = g.run(ctx, nil, maxKeyring, append([]string{"--armor", "--export", "--"}, fingerprints...)...)
	if err == nil && len(armored) > maxKeyring {
		err = fmt.Errorf("more than %d bytes", maxKeyring)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("exporting keys: %w", err)
	}
	return armored, fingerprints, nil
}

// fingerprint reads a listing (see DETAILS in gpg's documentation).
func (g *GPG) fingerprint(ctx context.Context, name string) (string, error) {
	list, err := g.run(ctx, nil, maxListing, "--with-colons", "--list-keys", "--", name)
	var failed *gpgError
	if err != nil && !errors.As(err, &failed) {
		return "", err
	}
	var found []string
	primary := false
	for line := range strings.Lines(string(list)) {
		fields := strings.Split(line, ":")
		switch {
		case fields[0] == "pub":
			primary = true
		case fields[0] == "fpr" && primary && len(fields) > 9:
			found = append(found, fields[9])
			primary = false
		}
	}
	if len(found) != 1 {
		return "", &KeyError{name, ErrNoPublicKey}
	}
	return found[0], nil
}
