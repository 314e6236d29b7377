package trigger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"ahriman/core/config"
)

// newKeyring makes the sources of keyring packages before a run, in which they
// are due where they are other than before.
func newKeyring(options Options) (trigger, error) {
	if len(options.Settings.Keyring) == 0 {
		return trigger{}, nil
	}
	return trigger{onStart: func(ctx context.Context) error {
		_, err := CreateKeyring(ctx, options)
		return err
	}}, nil
}

// CreateKeyring puts the sources of the packages that keyring.target names into
// cache/, where they are built from as local packages.
func CreateKeyring(ctx context.Context, options Options) ([]Created, error) {
	return create(ctx, options, options.Settings.Keyring, func(t config.PackageTarget) (*maintenance, error) {
		return keyringPackage(ctx, t.Keyring, options)
	})
}

// keyringPackage is a package that pacman-key(8) populates its keyring from.
func keyringPackage(ctx context.Context, c *config.KeyringGenerator, options Options) (*maintenance, error) {
	repository := options.Settings.ID.Name
	trusted, packagers := c.Trusted, c.Packagers
	if len(trusted) == 0 && options.Settings.Sign.Key != "" {
		trusted = []string{options.Settings.Sign.Key}
	}
	if len(packagers) == 0 {
		for _, key := range options.Settings.Sign.Keys {
			packagers = append(packagers, key)
		}
		if options.PackagerKeys != nil {
			users, err := options.PackagerKeys(ctx)
			if err != nil {
				return nil, err
			}
			packagers = append(packagers, users...)
		}
	}
	all := slices.Concat(trusted, packagers, c.Revoked)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 {
		return nil, &NameError{Name: "the keyring", Problem: "has no keys", Advice: "set trusted and packagers in its section, or key in the section sign"}
	}
	if options.PublicKeys == nil {
		return nil, &NameError{Name: "the keyring", Problem: "has no gpg to take its keys from"}
	}
	armored, fingerprints, err := options.PublicKeys(ctx, all)
	if err != nil {
		return nil, err
	}
	listing := func(keys []string, trust string) string {
		var lines []string
		for _, key := range keys {
			lines = append(lines, fingerprints[slices.Index(all, key)]+trust+"\n")
		}
		slices.Sort(lines)
		return strings.Join(slices.Compact(lines), "")
	}
	m := &maintenance{
		name:        cmp.Or(c.Package, repository+"-keyring"),
		description: cmp.Or(c.Description, repository+" PGP keyring"),
		homepage:    c.Homepage, licenses: c.License,
	}
	keyring := strings.TrimSuffix(m.name, "-keyring")
	m.files = map[string]string{
		keyring + ".gpg":     string(armored),
		keyring + "-trusted": listing(trusted, ":4:"), // fully, as gpg's ownertrust has it
		keyring + "-revoked": listing(c.Revoked, ""),
	}
	m.install = []string{fmt.Sprintf(`install -Dm644 -t "$pkgdir/usr/share/pacman/keyrings" %s.gpg %s-trusted %s-revoked`, keyring, keyring, keyring)}
	m.afterwards = []string{fmt.Sprintf("if usr/bin/pacman-key -l >/dev/null 2>&1; then\n\t\tusr/bin/pacman-key --populate %s\n\tfi", keyring)}
	return m, nil
}
