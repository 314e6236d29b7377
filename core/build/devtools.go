package build

import (
	"cmp"
	"context"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
)

// devtools builds with archbuild, which makes its own chroot and installs what
// the package depends on there.
func (j *job) devtools(ctx context.Context) error {
	l := j.local
	dirs := below(j.dir)
	args := j.archbuild()
	// Keys that sources are signed with are in the keyring of who builds.
	if entry, err := user.LookupId(strconv.Itoa(l.who.uid)); err == nil {
		dirs.home = entry.HomeDir
	}
	environ := append(environ(dirs, j.spec.SourceDate), "PKGDEST="+dirs.pkgdest, "SRCDEST="+dirs.srcdest, "PKGEXT=.pkg.tar.zst", "MAKEFLAGS="+l.config.makeFlags())
	if packager := cmp.Or(j.spec.Packager, l.config.Packager); packager != "" {
		environ = append(environ, "PACKAGER="+packager)
	}
	// Its own caller gives it sudo, so it cannot run without privileges to
	// gain: it is only watched over.
	run := &launch{spec: l.spec(modeSupervise, j.dir, dirs), who: l.who, output: j.log}
	run.spec.Privileges, run.spec.Environ, run.spec.Commands = true, environ, []command{{Args: args}}
	report, err := run.run(ctx)
	if err != nil {
		return err
	}
	if reason := report.describe(args); reason != "" {
		return j.failed("%s", reason)
	}
	return nil
}

// archbuild returns the command line of devtools: archbuild's flags, then those
// of makechrootpkg, then makepkg's.
func (j *job) archbuild() []string {
	config := j.local.config
	command := config.ArchbuildCommand
	if _, err := find(command, buildPath()); command == "" || err != nil {
		command = "extra-" + j.spec.Architecture + "-build"
	}
	args := append(slices.Clone(config.Wrapper), command)
	if config.Chroot != "" {
		args = append(args, "-r", config.Chroot)
	}
	args = append(append(args, config.ArchbuildFlags...), "--")
	for _, file := range j.spec.Dependencies {
		if absolute, err := filepath.Abs(file); err == nil {
			file = absolute
		}
		args = append(args, "-I", file)
	}
	args = append(append(args, config.MakechrootpkgFlags...), "--")
	return append(args, config.MakepkgFlags...)
}
