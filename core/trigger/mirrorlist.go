package trigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
)

// newMirrorlist is newKeyring for lists of mirrors.
func newMirrorlist(options Options) (trigger, error) {
	var errs []error
	for _, target := range options.Settings.Mirrorlist {
		_, err := mirrorlistPackage(target, options.Settings.ID)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil || len(errs) == 0 {
		return trigger{}, err
	}
	return trigger{onStart: func(ctx context.Context) error {
		_, err := CreateMirrorlist(ctx, options)
		return err
	}}, nil
}

// CreateMirrorlist is CreateKeyring for mirrorlist.target.
func CreateMirrorlist(ctx context.Context, options Options) ([]Created, error) {
	return create(ctx, options, options.Settings.Mirrorlist, func(t config.PackageTarget) (*maintenance, error) {
		return mirrorlistPackage(t, options.Settings.ID)
	})
}

// mirrorlistPackage is a package with a file for Include in pacman.conf(5).
func mirrorlistPackage(t config.PackageTarget, id alpm.RepositoryID) (*maintenance, error) {
	c := t.Mirrorlist
	if len(c.Servers) == 0 {
		return nil, &NameError{Name: "mirrorlist.target " + t.Name, Problem: "has no servers", Advice: "set servers in the section " + t.Name}
	}
	file := cmp.Or(c.Path, "/etc/pacman.d/"+id.Name+"-mirrorlist")
	if !path.IsAbs(file) || path.Clean(file) != file || strings.ContainsAny(file, "\n\"$`\\") {
		return nil, &NameError{Name: "mirrorlist.target " + t.Name, Problem: fmt.Sprintf("has the path %q", file), Advice: "path is absolute: /etc/pacman.d/" + id.Name + "-mirrorlist"}
	}
	var list strings.Builder
	list.WriteString("# Mirrors of " + id.Name + "\n")
	for _, server := range c.Servers {
		list.WriteString("Server = " + server + "\n")
	}
	return &maintenance{
		name:        cmp.Or(c.Package, id.Name+"-mirrorlist"),
		description: cmp.Or(c.Description, id.Name+" mirror list for use by pacman"),
		homepage:    c.Homepage, licenses: c.License,
		files:   map[string]string{"mirrorlist": list.String()},
		backup:  file[1:],
		install: []string{fmt.Sprintf(`install -Dm644 mirrorlist "$pkgdir%s"`, file)},
	}, nil
}
