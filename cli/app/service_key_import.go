package app

import (
	"context"
	"errors"

	"ahriman/sign"
	"ahriman/transport/api"
)

// serviceKeyImport takes a public key from a keyserver.
type serviceKeyImport struct {
	KeyServer string `default:"keyserver.ubuntu.com" placeholder:"KEY_SERVER" complete:"none" help:"host, or address with https, http, hkps or hkp"`
	Key       string `arg:"" complete:"none" help:"fingerprint, or key ID of at least 16 digits"`
}

// Help has the examples.
func (*serviceKeyImport) Help() string {
	return `Adds a public key to gpg's keyring ($GNUPGHOME, or ~/.gnupg) of the user who runs this: makepkg checks signed sources against it.

Examples: a key of validpgpkeys; from another server.

    ahriman service-key-import 8BE91E5A773FB48AC05CC1EDBED105AED6246B39
    ahriman service-key-import --key-server hkps://keys.openpgp.org 8BE91E5A773FB48A`
}

// Run fetches and imports the key.
func (c *serviceKeyImport) Run(ctx context.Context, env *Env) error {
	err := importKey(ctx, env, c.Key, c.KeyServer)
	if errors.Is(err, sign.ErrKeyNotFound) {
		return Hinted(err, "another server may have it: --key-server hkps://keys.openpgp.org")
	}
	return err
}

func importKey(ctx context.Context, env *Env, key, server string) error {
	armored, err := sign.Keyserver(server).Fetch(ctx, key)
	if err != nil {
		return err
	}
	return newGPG(env, key).Import(ctx, armored)
}

// webKey is a key of a keyserver for a client of the web service.
func webKey(ctx context.Context, key, server string) (string, error) {
	armored, err := sign.Keyserver(server).Fetch(ctx, key)
	switch {
	case errors.Is(err, sign.ErrKeyNotFound):
		return "", api.Errorf(api.ErrNotFound, "%s", err)
	case err != nil:
		return "", api.Errorf(api.ErrBadRequest, "%s", err)
	}
	return string(armored), nil
}
