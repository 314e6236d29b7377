package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/store"
	"ahriman/sign"
)

// signCommand signs package files, or packages of the repository.
type signCommand struct {
	Key      string   `placeholder:"ID" help:"key to sign with, as gpg --local-user takes it; sign.key when it is empty"`
	JSON     bool     `help:"print one object a line: path, base, signed"`
	Packages []string `arg:"" optional:"" name:"file" complete:"files" help:"package files, or package bases of the repository; - for standard input"`
}

// Help has the examples.
func (signCommand) Help() string {
	return `A signature is written beside each file, with .sig after its name, by gpg and its agent: the key must be in the keyring of the user who runs this, without a passphrase or unlocked. A good signature by the same key that is there already is left as it is. The paths are printed once signed, for the next command of a pipeline.

An argument that is an existing file, or a name with .pkg.tar in it, is a file; anything else is a package base, of which the published packages are signed. Without arguments all packages of the repository are. With sign.key_BASE a base has a key of its own.

Examples: what a build made, on its way to the master; one file, with another key; packages published before signing was configured.

    ahriman build foo | ahriman sign - | ahriman upload -
    ahriman sign --key 0123456789ABCDEF foo-1.0-1-any.pkg.tar.zst
    ahriman sign`
}

// signLine is what --json prints.
type signLine struct {
	Path   string `json:"path"`
	Base   string `json:"base,omitempty"` // of a published package
	Signed bool   `json:"signed"`         // false: it had a good signature
}

// Run signs the files as they come, then the bases at once.
func (c *signCommand) Run(ctx context.Context, env *Env, globals *Globals) error {
	if c.Key == "" {
		if _, err := globals.configuration(env); err != nil { // once, not for each file
			return err
		}
	}
	keys := &signingKeys{env: env, globals: globals, key: c.Key}
	outcome := NewOutcome(env, c.JSON)
	var bases []string
	for item, err := range outcome.Items(c.Packages, "path", "base", "name") {
		if err != nil {
			return err
		}
		if !isPackageFile(item.Text) {
			bases = append(bases, item.Text)
			continue
		}
		err = c.signFile(ctx, env, keys, item.Text)
		switch {
		case ctx.Err() != nil, isOutput(err):
			return err
		case err != nil:
			outcome.Fail(item.Text, err)
		default:
			outcome.Done()
		}
	}
	if len(bases) > 0 || len(c.Packages) == 0 {
		if err := c.signPublished(ctx, env, keys, bases, outcome); err != nil {
			return err
		}
	}
	return outcome.Err()
}

// isPackageFile tells a file from a package base.
func isPackageFile(text string) bool {
	if strings.Contains(filepath.Base(text), ".pkg.tar") {
		return true
	}
	info, err := os.Stat(text)
	return err == nil && info.Mode().IsRegular()
}

func (c *signCommand) signFile(ctx context.Context, env *Env, keys *signingKeys, path string) error {
	if packageFile, ok := strings.CutSuffix(path, ".sig"); ok {
		return Hinted(fmt.Errorf("signing %s: it is a signature", path), "sign "+packageFile)
	}
	g, err := keys.forFile(ctx, path)
	if err != nil {
		return err
	}
	signed, err := g.SignFile(ctx, path)
	if err != nil {
		return err
	}
	return c.print(env, signLine{Path: path, Signed: signed})
}

func (c *signCommand) print(env *Env, line signLine) error {
	if c.JSON {
		return env.Out().JSON(line)
	}
	return env.Out().Println(line.Path)
}

// signPublished signs what is published of the bases, of all without any, in each
// repository that is selected. A base that none has fails alone.
func (c *signCommand) signPublished(ctx context.Context, env *Env, keys *signingKeys, bases []string, outcome *Outcome) error {
	all, err := keys.globals.settings(env)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, s := range all {
		r, err := keys.globals.openRepository(s, databaseSigner(env, s))
		if err != nil {
			return err
		}
		published, err := publishedBases(ctx, r)
		if err != nil {
			return err
		}
		maps.Copy(known, published)
		here := those(bases, published)
		if len(here) == 0 && len(bases) > 0 {
			continue
		}
		p, err := r.SignPackages(ctx, here, func(ctx context.Context, base, path string) (bool, error) {
			g, err := keys.forBase(s, base)
			if err != nil {
				return false, err
			}
			return g.SignFile(ctx, path)
		})
		if err != nil {
			return err
		}
		outcome.Done()
		warnCleanUp(env, p)
		for _, e := range p.Added {
			if err := c.print(env, signLine{Path: filepath.Join(r.Published(), e.FileName), Base: e.Base, Signed: true}); err != nil {
				return err
			}
		}
	}
	for _, base := range bases {
		if !known[base] {
			outcome.Fail(base, Hinted(fmt.Errorf("signing %s: %w", base, repository.ErrUnknownBase), "a file's name has .pkg.tar in it; package-status lists the bases"))
		}
	}
	return nil
}

// warnCleanUp says what is still there of old generations after a publication.
func warnCleanUp(env *Env, p *repository.Publication) {
	if p.CleanUp != nil {
		env.Warn("cleaning up after the publication: %s", p.CleanUp)
	}
}

// databaseSigner signs the repository's databases; nil where they are not signed.
func databaseSigner(env *Env, s *config.Settings) repository.Signer {
	if !s.Sign.Database() {
		return nil
	}
	return newGPG(env, s.Sign.Key)
}

func newGPG(env *Env, key string) *sign.GPG {
	return sign.NewGPG(sign.Config{Key: key, Home: env.Getenv("GNUPGHOME")})
}

// signingKeys chooses the key for a package and keeps one signer for each key.
type signingKeys struct {
	env     *Env
	globals *Globals
	key     string    // of the command line; it goes before all others
	users   *store.DB // whose keys sign what they packaged; nil: not looked for

	mu       sync.Mutex
	settings *config.Settings // for files; read when they are needed
	signers  map[string]*sign.GPG
}

// forFile needs no configuration when the command line has a key.
func (k *signingKeys) forFile(ctx context.Context, path string) (*sign.GPG, error) {
	if k.key != "" {
		return k.signer(k.key), nil
	}
	if k.settings == nil {
		s, err := k.globals.single(k.env)
		if err != nil {
			return nil, err
		}
		k.settings = s
	}
	keys, err := k.userKeys(ctx)
	if err != nil {
		return nil, err
	}
	var info alpm.Info
	if len(keys)+len(k.settings.Sign.Keys) > 0 {
		if info, err = alpm.ReadInfo(path); err != nil {
			return nil, err
		}
	}
	if key := keys[info.Packager]; key != "" {
		return k.signer(key), nil
	}
	return k.forBase(k.settings, info.Base)
}

// userKeys returns the keys of users by what they put into packages as the
// packager.
func (k *signingKeys) userKeys(ctx context.Context) (map[string]string, error) {
	if k.users == nil {
		return nil, nil
	}
	users, err := k.users.Users(ctx)
	if err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, u := range users {
		if u.Packager != "" && u.Key != "" {
			keys[u.Packager] = u.Key
		}
	}
	return keys, nil
}

func (k *signingKeys) forBase(s *config.Settings, base string) (*sign.GPG, error) {
	key := k.key
	if key == "" {
		key = s.Sign.Keys[base]
	}
	if key == "" {
		key = s.Sign.Key
	}
	if key == "" {
		return nil, Hinted(errors.New("there is no key to sign with"), "set key in the section sign, or give --key")
	}
	return k.signer(key), nil
}

func (k *signingKeys) signer(key string) *sign.GPG {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signers == nil {
		k.signers = make(map[string]*sign.GPG)
	}
	if k.signers[key] == nil {
		k.signers[key] = newGPG(k.env, key)
	}
	return k.signers[key]
}
