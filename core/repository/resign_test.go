package repository_test

import (
	"context"
	"errors"
	"testing"

	"ahriman/core/repository"
)

func TestSignPackages(t *testing.T) {
	home, g := signer(t)
	r := open(t, repository.Options{Signer: g})
	dir := t.TempDir()
	publish(t, r, repository.Change{Add: []string{
		testPackage{name: "a", version: "1-1"}.write(t, dir),
		testPackage{name: "b", version: "1-1", base: "base"}.write(t, dir),
		testPackage{name: "c", version: "1-1", base: "base"}.write(t, dir),
	}})
	c := newClient(t, fileServer(r), home.Dir)
	c.pacman("-Sy")
	if out, err := c.try("-Sw", "b"); err == nil {
		t.Fatalf("took an unsigned package:\n%s", out)
	}
	sign := func(ctx context.Context, base, path string) (bool, error) { return g.SignFile(ctx, path) }
	for _, test := range []struct {
		bases []string
		want  int
	}{{[]string{"base"}, 2}, {[]string{"base"}, 0}, {nil, 1}, {nil, 0}} {
		p, err := r.SignPackages(t.Context(), test.bases, sign)
		if err != nil || len(p.Added) != test.want || p.Changed != (test.want > 0) {
			t.Errorf("bases %v: %+v, %v", test.bases, p, err)
		}
	}
	c.pacman("-Sy")
	c.pacman("-Sw", "a", "b", "c")
	if _, err := r.SignPackages(t.Context(), []string{"b"}, sign); !errors.Is(err, repository.ErrUnknownBase) {
		t.Errorf("an unknown base: %v", err)
	}
	refuse := errors.New("no key")
	_, err := r.SignPackages(t.Context(), nil, func(context.Context, string, string) (bool, error) { return false, refuse })
	if !errors.Is(err, refuse) {
		t.Errorf("got %v", err)
	}
	other, second := signer(t) // another key replaces the signature
	p, err := r.SignPackages(t.Context(), []string{"a"}, func(ctx context.Context, base, path string) (bool, error) { return second.SignFile(ctx, path) })
	if err != nil || len(p.Added) != 1 {
		t.Errorf("with another key: %+v, %v", p, err)
	}
	other.GPG("--verify", r.Published()+"/a-1-1-any.pkg.tar.zst.sig", r.Published()+"/a-1-1-any.pkg.tar.zst")
}
