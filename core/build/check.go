package build

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// minFreeDisk is what a build needs of disk at least, in bytes.
const minFreeDisk = 1 << 30

// Lack is something that builds need and this machine has not.
type Lack struct {
	What string // "makepkg", "disk", "sandbox", …
	Why  string // "is not installed", …
	// Fatal says that nothing can be built without it; else only some packages
	// cannot, or builds are less apart.
	Fatal bool
	Hint  string // what to do about it; empty: nothing that is known
}

func (l Lack) String() string { return l.What + " " + l.Why }

// needed are the programs that makepkg and most PKGBUILDs call; those without
// which there is no package first.
func needed() (fatal, usual []string) {
	return []string{"makepkg", "bash", "bsdtar", "fakeroot", "zstd"}, []string{"gcc", "make", "strip", "patch", "git", "gpg", "xz"}
}

const installHint = "base-devel, or what your distribution has in its place, is what builds need"

// Lacks looks for what builds need on this machine: programs, room on the disk,
// isolation.
func (l *Local) Lacks(ctx context.Context) ([]Lack, error) {
	var lacks []Lack
	fatal, usual := needed()
	for _, name := range slices.Concat(fatal, usual) {
		if _, err := find(name, buildPath()); err != nil {
			lacks = append(lacks, Lack{What: name, Why: "is not installed", Fatal: slices.Contains(fatal, name), Hint: installHint})
		}
	}
	if l.config.Builder == Devtools {
		if _, err := find("archbuild", buildPath()); err != nil {
			lacks = append(lacks, Lack{What: "archbuild", Why: "is not installed", Fatal: true, Hint: installHint})
		}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(l.dir, &disk); err != nil {
		return nil, fmt.Errorf("asking for the room in %s: %w", l.dir, err)
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < minFreeDisk {
		lacks = append(lacks, Lack{What: "disk", Why: fmt.Sprintf("has only %d MiB free in %s", free>>20, l.dir), Fatal: true})
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := l.probe(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		lacks = append(lacks, Lack{What: "sandbox", Why: "is not to be had: " + err.Error(), Fatal: !refused(err) && !l.config.NoNamespaces})
	}
	return lacks, nil
}
