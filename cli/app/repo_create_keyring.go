package app

import (
	"context"
	"errors"
	"path/filepath"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/trigger"
	"ahriman/core/update"
)

// createFlags are those of the commands that make packages of the configuration.
type createFlags struct {
	Now  bool `short:"n" help:"build and publish what was made at once"`
	JSON bool `name:"json" help:"print one object a line: base, version, path; with --now events"`
}

// repoCreateKeyring makes the package of the repository's keys.
type repoCreateKeyring struct{ createFlags }

// Help has the examples.
func (repoCreateKeyring) Help() string {
	return `Whoever installs the package has its keys in pacman's keyring: pacman-key --populate is run. Which packages are made says target in the section keyring; without more in the section it names, the key of the section sign is the trusted one, and those that the section sign has for single packages, and those of users, are the packagers'. The keys are taken from gpg's keyring. The trusted keys should have signed those of the packagers, or pacman does not accept these.

The sources, a PKGBUILD and the keys, are put into cache/, where package-add finds them by name. The names of those that are other than before are printed. With ahriman.core.support.KeyringTrigger in build.triggers each update makes them, and builds what is other than the published.

Examples, after target = keyring-generator in the section keyring: make the package aur-keyring, build and publish it; the same in two steps.

    ahriman repo-create-keyring --now
    ahriman repo-create-keyring | ahriman package-add --now -`
}

// Run makes the sources.
func (c *repoCreateKeyring) Run(ctx context.Context, env *Env, globals *Globals) error {
	return c.create(ctx, env, globals, "keyring", trigger.CreateKeyring)
}

// create makes the sources of the packages that the section's targets name, and
// builds them when that is asked for.
func (c *createFlags) create(ctx context.Context, env *Env, globals *Globals, section string,
	create func(context.Context, trigger.Options) ([]trigger.Created, error)) error {
	s, err := globals.single(env)
	if err != nil {
		return err
	}
	if section == "keyring" && len(s.Keyring) == 0 || section == "mirrorlist" && len(s.Mirrorlist) == 0 {
		return Hinted(errors.New("no package is configured"), "set target = "+section+"-generator in the section "+section)
	}
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return err
	}
	defer n.Close()
	made, err := create(ctx, n.triggerOptions())
	if err != nil {
		return err
	}
	if c.Now {
		return c.build(ctx, n, made)
	}
	out := env.Out()
	for _, m := range made {
		p := m.Package
		switch {
		case !m.Changed:
		case c.JSON:
			err = out.JSON(createdLine{p.Base, p.Version, filepath.Join(n.path("cache"), p.Base)})
		default:
			err = out.Println(p.Base)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// createdLine is what --json prints.
type createdLine struct {
	Base    string `json:"base"`
	Version string `json:"version"`
	Path    string `json:"path"` // of the sources
}

func (c *createFlags) build(ctx context.Context, n *node, made []trigger.Created) error {
	flow, err := n.flow(flowOptions{})
	if err != nil {
		return err
	}
	var bases []string
	for _, m := range made {
		if err := flow.Request(ctx, m.Package, update.Order{}); err != nil {
			return err
		}
		bases = append(bases, m.Package.Base)
	}
	_, err = n.update(ctx, update.Request{Bases: bases, Manual: true}, c.JSON, false)
	return err
}

// register makes a base known that was not before, so that updates look at its
// sources.
func (n *node) register(ctx context.Context, p source.Package) error {
	_, err := n.store.Package(ctx, n.settings.ID, p.Base)
	if errors.Is(err, store.ErrUnknownPackage) {
		return n.store.SetPackage(ctx, n.settings.ID, p, store.Unknown)
	}
	return err
}

// packagerKeys are the keys of users.
func (n *node) packagerKeys(ctx context.Context) ([]string, error) {
	users, err := n.store.Users(ctx)
	var keys []string
	for _, u := range users {
		if u.Key != "" {
			keys = append(keys, u.Key)
		}
	}
	return keys, err
}
