package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Limits bound a tree of sources. A zero field stands for its default.
type Limits struct {
	Bytes int64 // of all files together; default 8 GiB
	Files int   // files, directories and links; default 100,000
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 8 << 30
	}
	if l.Files <= 0 {
		l.Files = 100_000
	}
	return l
}

// ErrUnsafe says that a tree of sources holds what may not be taken over: a
// link that leaves it, a device, a path outside.
var ErrUnsafe = errors.New("unsafe source tree")

// ErrTooLarge says that a tree of sources is over its limits.
var ErrTooLarge = errors.New("source tree too large")

// CopyOptions say how Copy works.
type CopyOptions struct {
	Limits Limits
	// Created is called with the path of each file, directory and link that
	// Copy makes, to change its owner; nil: nothing is done.
	Created func(path string) error
}

// left reports whether a tree's entry does not belong to the sources: what git
// and makepkg keep beside a PKGBUILD.
func left(name string) bool { return name == ".git" || name == "src" || name == "pkg" }

// Copy copies the sources below from into the directory to, which exists.
// Contents, modes and times are kept. Links must stay within the tree
// (ErrUnsafe); .git, src and pkg at its top are left out.
func Copy(ctx context.Context, from, to string, options CopyOptions) error {
	source, err := os.OpenRoot(from)
	if err != nil {
		return fmt.Errorf("opening sources: %w", err)
	}
	defer source.Close()
	target, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("opening target of sources: %w", err)
	}
	defer target.Close()
	return walk(ctx, source, options.Limits, func(name string, info fs.FileInfo) error {
		var err error
		switch {
		case info.IsDir():
			err = target.Mkdir(name, 0o755)
		case info.Mode()&fs.ModeSymlink != 0:
			err = copyLink(source, target, name)
		default:
			err = copyFile(source, target, name, info)
		}
		if err == nil && options.Created != nil {
			err = options.Created(filepath.Join(to, name))
		}
		return err
	})
}

// walk calls visit for each entry of a tree of sources, parents first, in the
// order of their names, once it is known to be safe and within limits.
func walk(ctx context.Context, root *os.Root, limits Limits, visit func(name string, info fs.FileInfo) error) error {
	limits = limits.withDefaults()
	var bytes int64
	var files int
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		if left(name) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		if files++; files > limits.Files {
			return fmt.Errorf("%w: more than %d files", ErrTooLarge, limits.Files)
		}
		switch {
		case info.IsDir():
		case info.Mode()&fs.ModeSymlink != 0:
			if err := checkLink(root, name); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			if bytes += info.Size(); bytes > limits.Bytes {
				return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limits.Bytes)
			}
		default:
			return fmt.Errorf("%w: %s is no file, but %v", ErrUnsafe, name, info.Mode().Type())
		}
		return visit(name, info)
	})
}

// checkLink reports a link that leaves the tree.
func checkLink(root *os.Root, name string) error {
	target, err := root.Readlink(name)
	if err != nil {
		return err
	}
	return safeLink(name, target)
}

// safeLink reports whether a link of that name may point to target.
func safeLink(name, target string) error {
	if path.IsAbs(target) || !fs.ValidPath(path.Join(path.Dir(name), target)) {
		return fmt.Errorf("%w: link %s leaves it for %s", ErrUnsafe, name, target)
	}
	// A link through another link may still leave; whoever follows it goes
	// through os.Root, which does not let it.
	return nil
}

func copyLink(from, to *os.Root, name string) error {
	target, err := from.Readlink(name)
	if err != nil {
		return err
	}
	return to.Symlink(target, name)
}

func copyFile(from, to *os.Root, name string, info fs.FileInfo) error {
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := writeFile(to, name, fileMode(info.Mode()), in, info.Size()); err != nil {
		return err
	}
	return to.Chtimes(name, info.ModTime(), info.ModTime())
}

// fileMode is the mode a file of a source tree gets: what matters is whether
// it can be executed.
func fileMode(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// writeFile makes a file of at most limit bytes.
func writeFile(to *os.Root, name string, mode fs.FileMode, content io.Reader, limit int64) error {
	out, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(content, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: %s grew while it was read", ErrTooLarge, name)
	}
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// HasPKGBUILD reports whether dir is a directory with a PKGBUILD.
func HasPKGBUILD(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "PKGBUILD"))
	return err == nil && info.Mode().IsRegular()
}

// plainName reports whether name can be the name of a base: it names one entry
// of a directory, and no hidden one.
func plainName(name string) bool {
	return name != "" && !strings.ContainsAny(name, "/\x00") && !strings.HasPrefix(name, ".")
}
