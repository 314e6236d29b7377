package build

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrRoot says that a build would run as root.
var ErrRoot = errors.New("refusing to build as root")

// Builder is the program that turns a PKGBUILD into packages.
type Builder string

// The builders that build.builder names.
const (
	Makepkg  Builder = "makepkg"  // in our own sandbox
	Devtools Builder = "devtools" // archbuild, which brings its own chroot
)

// Network says when a build reaches the network.
type Network string

// The values of build.network.
const (
	Always  Network = "always"  // during the whole build, as devtools
	Sources Network = "sources" // only until the sources are there
)

// Config is how Local builds. The zero value of each field but Root is usable.
type Config struct {
	Builder Builder // empty: Makepkg
	// Root is repository.root. It is hidden from builds, and its owner is who
	// builds when root asks and User is empty.
	Root string
	// User is build.user: a name, "uid", or "uid:gid".
	User string
	// Scratch is the directory below which a Local keeps what it needs while it
	// lives; empty: the system's directory for temporary files.
	Scratch string
	// Output receives a directory per job, named by its id, with its package
	// files and its log. Empty: below Scratch, and gone after Close.
	Output string

	Packager           string   // PACKAGER of jobs that name none
	MakeFlags          []string // MAKEFLAGS; -jN is added unless one is there
	MakepkgFlags       []string // nil: --nocolor --ignorearch
	ArchbuildFlags     []string
	MakechrootpkgFlags []string
	// ArchbuildCommand is the name, or the path, under which archbuild is called:
	// it takes repository and architecture from it. Where there is no such
	// program it is extra-ARCH-build, which devtools brings.
	ArchbuildCommand string
	Chroot           string   // directory of devtools' chroots
	Wrapper          []string // command put before archbuild
	Jobs             int      // builds at once, build.jobs: the processors are shared between them; 0: 1
	Network          Network
	Timeout          time.Duration // of one build; 0: none
	IncludeDebug     bool          // keep debug packages

	// Hidden are further paths that a build must not see: configuration files
	// and the like. A path that does not exist is no error.
	Hidden []string
	// PacmanDB is pacman's DBPath; empty: /var/lib/pacman. Where it has
	// installed packages, makepkg checks dependencies itself.
	PacmanDB string

	DiskLimit    int64 // bytes one build may fill; 0: half of what is free when it starts
	LogLimit     int64 // bytes of log kept at most; 0: 64 MiB
	ProcessLimit int   // processes and threads of one build; 0: 4096
	// NoNamespaces builds without isolation, as where the kernel has none.
	NoNamespaces bool

	Logger *slog.Logger // nil: nothing is logged
}

// DefaultBuilder is what builds when build.builder says nothing: devtools where
// it is installed.
func DefaultBuilder() Builder {
	if _, err := find("archbuild", buildPath()); err == nil {
		return Devtools
	}
	return Makepkg
}

// withDefaults returns the configuration with all defaults in place.
func (c Config) withDefaults() (Config, error) {
	switch c.Builder {
	case "":
		c.Builder = Makepkg
	case Makepkg, Devtools:
	default:
		return c, fmt.Errorf("unknown builder %q: makepkg or devtools", c.Builder)
	}
	switch c.Network {
	case "":
		c.Network = Always
	case Always, Sources:
	default:
		return c, fmt.Errorf("unknown network %q: always or sources", c.Network)
	}
	if c.Jobs <= 0 {
		c.Jobs = 1
	}
	if c.MakepkgFlags == nil {
		c.MakepkgFlags = []string{"--nocolor", "--ignorearch"}
	}
	if c.PacmanDB == "" {
		c.PacmanDB = "/var/lib/pacman"
	}
	if c.LogLimit <= 0 {
		c.LogLimit = DefaultLogLimit
	}
	if c.ProcessLimit <= 0 {
		c.ProcessLimit = 4096
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Scratch == "" {
		c.Scratch = os.TempDir()
	}
	return c, nil
}

// makeFlags returns MAKEFLAGS.
func (c Config) makeFlags() string {
	for _, flag := range c.MakeFlags {
		if strings.HasPrefix(flag, "-j") || strings.HasPrefix(flag, "--jobs") {
			return strings.Join(c.MakeFlags, " ")
		}
	}
	return strings.Join(append([]string{"-j" + strconv.Itoa(max(1, runtime.NumCPU()/c.Jobs))}, c.MakeFlags...), " ")
}

// identity is who builds.
type identity struct{ uid, gid int }

// builder finds who builds: the caller, or, when that is root, build.user or
// the owner of repository.root.
func (c Config) builder() (identity, error) {
	self := identity{os.Geteuid(), os.Getegid()}
	if self.uid != 0 {
		if c.User != "" {
			other, err := lookUp(c.User)
			if err != nil {
				return self, err
			}
			if other.uid != self.uid {
				return self, fmt.Errorf("building as %s: only root can change to another user", c.User)
			}
		}
		return self, nil
	}
	if c.User != "" {
		other, err := lookUp(c.User)
		if err == nil && other.uid == 0 {
			err = fmt.Errorf("%w: build.user is %s; name an unprivileged user", ErrRoot, c.User)
		}
		return other, err
	}
	info, err := os.Stat(c.Root)
	if err != nil {
		return self, fmt.Errorf("%w: set build.user, or give repository.root to an unprivileged user: %w", ErrRoot, err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Uid == 0 {
		return self, fmt.Errorf("%w: %s belongs to root; set build.user, or give the directory to an unprivileged user (chown)", ErrRoot, c.Root)
	}
	return identity{int(stat.Uid), int(stat.Gid)}, nil
}

// lookUp resolves a user's name, "uid", or "uid:gid".
func lookUp(name string) (identity, error) {
	first, second, both := strings.Cut(name, ":")
	if uid, err := strconv.Atoi(first); err == nil && uid >= 0 {
		gid := uid
		if both {
			if gid, err = strconv.Atoi(second); err != nil || gid < 0 {
				return identity{}, fmt.Errorf("reading build.user: %q is no uid:gid", name)
			}
		}
		return identity{uid, gid}, nil
	}
	entry, err := user.Lookup(name)
	if err != nil {
		return identity{}, fmt.Errorf("looking up build.user: %w", err)
	}
	uid, err := strconv.Atoi(entry.Uid)
	if err != nil {
		return identity{}, fmt.Errorf("looking up build.user: %w", err)
	}
	gid, err := strconv.Atoi(entry.Gid)
	if err != nil {
		return identity{}, fmt.Errorf("looking up build.user: %w", err)
	}
	return identity{uid, gid}, nil
}

// hidden returns the paths a build must not see, with links resolved.
func (c Config) hidden() []string {
	var paths []string
	for _, path := range append([]string{"/etc/ahriman.ini", "/etc/ahriman.ini.d", c.Root, c.Scratch, c.Output}, c.Hidden...) {
		if path == "" {
			continue
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(absolute); err == nil {
			absolute = real
		}
		paths = append(paths, absolute)
	}
	return paths
}
