package build

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// scratchPrefix begins the names of the directories that Locals work in.
const scratchPrefix = "ahriman-build-"

// openScratch makes a directory below base that is locked while this process
// lives, and removes those that dead processes left there.
func openScratch(base string, who identity) (string, *os.File, error) {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", nil, fmt.Errorf("creating scratch directory: %w", err)
	}
	if err := reachable(base, who); err != nil {
		return "", nil, err
	}
	sweep(base)
	// It gets its name once it is locked: others may remove what is not.
	young, err := os.MkdirTemp(base, "."+scratchPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("creating scratch directory: %w", err)
	}
	dir := filepath.Join(base, filepath.Base(young)[1:])
	lock, err := os.Open(young)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_SH)
	}
	if err == nil {
		err = os.Rename(young, dir)
	}
	// Others need to pass, as the build's user does, but not to look.
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err == nil {
		err = makeDir(filepath.Join(dir, "layers"), 0o755, who)
	}
	if err != nil {
		return "", nil, fmt.Errorf("preparing scratch directory: %w", err)
	}
	return dir, lock, nil
}

// reachable reports whether who builds may pass through all directories down to
// base. Only root can build as somebody else.
func reachable(base string, who identity) error {
	if os.Geteuid() != 0 {
		return nil
	}
	base, err := filepath.Abs(base)
	if err == nil {
		base, err = filepath.EvalSymlinks(base)
	}
	for dir := base; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		var info fs.FileInfo
		if info, err = os.Stat(dir); err != nil {
			break
		}
		stat, bit := info.Sys().(*syscall.Stat_t), fs.FileMode(0o001)
		switch {
		case int(stat.Uid) == who.uid:
			bit = 0o100
		case int(stat.Gid) == who.gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return fmt.Errorf("scratch directory %s: uid %d, which builds, may not enter %s", base, who.uid, dir)
		}
	}
	return err
}

// sweep removes scratch directories whose process is gone. Builds of one that was
// killed may take a moment to follow it, and keep its directory until then: that
// is why it is looked for again and again.
func sweep(base string) {
	old, err := filepath.Glob(filepath.Join(base, scratchPrefix+"*"))
	if err != nil {
		return
	}
	young, err := filepath.Glob(filepath.Join(base, "."+scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range append(old, young...) {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			continue
		}
		// A young one may not be locked yet.
		if filepath.Base(dir)[0] == '.' && time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = removeTree(dir)
		}
		lock.Close()
	}
}

// makeDir makes a directory that belongs to who builds.
func makeDir(path string, mode fs.FileMode, who identity) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return own(path, who)
}

// own gives path to who builds, which only root can and has to.
func own(path string, who identity) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, who.uid, who.gid)
}

// removeTree removes what a build left, however hostile: directories without
// permissions or deeper than a process may open.
func removeTree(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	defer stop()
	for _, args := range [][]string{{"chmod", "-R", "u+rwX", "--", dir}, {"rm", "-rf", "--", dir}} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		// Its errors show in what is left.
		_ = cmd.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing scratch directory: %w", err)
	}
	return nil
}

// copyFile copies a regular file of at most limit bytes.
func copyFile(source, target string, limit int64, who identity) (int64, error) {
	in, err := os.OpenFile(source, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is no regular file", source)
	}
	if info.Size() > limit {
		return 0, fmt.Errorf("%s has more than %d bytes", source, limit)
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, limit))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = own(target, who)
	}
	if err == nil {
		err = os.Chtimes(target, info.ModTime(), info.ModTime())
	}
	return n, err
}
