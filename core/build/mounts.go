package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hostDirectories are what a build sees of the host; everything else (home
// directories, /var, /run, …) is not there.
func hostDirectories() []string {
	return []string{"usr", "etc", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32"}
}

// maxLayers is how many directories one overlay is made of at most: the kernel
// takes 500, and their names must fit into a page.
const maxLayers = 400

// newRoot builds the file system of a sandbox.
type newRoot struct {
	dir     string   // where it is mounted
	scratch string   // the job's directory
	layers  []string // unpacked packages
	short   int      // number of the next short name for a layer
}

// enterRoot builds the root directory of the sandbox and makes it this
// process's.
func enterRoot(spec *sandboxSpec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	layers, err := unpackLayers(spec)
	if err != nil {
		return err
	}
	r := &newRoot{scratch: spec.Scratch, layers: layers}
	r.dir = r.scratch + "/root"
	if err := unix.Mount("tmpfs", r.dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=16m"); err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"laying out the system", r.system},
		{"laying out devices", r.devices},
		{"laying out the build's directories", r.own},
		{"laying out pacman's database", func() error { return r.pacman(spec.PacmanDB) }},
		{"hiding", func() error { return r.hide(spec.Hidden) }},
		{"naming the build's user", func() error { return r.accounts(spec.UID, spec.GID) }},
		{"changing the root", r.pivot},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := unix.Sethostname([]byte("ahriman")); err != nil {
		return fmt.Errorf("naming the sandbox: %w", err)
	}
	return nil
}

// unpackLayers unpacks the packages whose files this process was given.
func unpackLayers(spec *sandboxSpec) ([]string, error) {
	var layers []string
	for i, name := range spec.Names {
		file := os.NewFile(uintptr(firstLayerFD+i), name)
		dir, err := unpackCached(file, spec.Layers)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("unpacking dependency %s: %w", name, err)
		}
		layers = append(layers, dir)
	}
	return layers, nil
}

// system lays the layers over the host's directories, all read-only.
func (r *newRoot) system() error {
	for _, name := range hostDirectories() {
		info, err := os.Lstat("/" + name)
		if err != nil {
			continue
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink("/" + name)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, r.dir+"/"+name); err != nil {
				return err
			}
			continue
		}
		if err := r.compose(name); err != nil {
			return err
		}
	}
	return r.resolver()
}

// compose lays out one directory of the host with what the layers have of it.
func (r *newRoot) compose(name string) error {
	target := r.dir + "/" + name
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	var lower []string
	for _, layer := range r.layers {
		if info, err := os.Lstat(layer + "/" + name); err == nil && info.IsDir() {
			lower = append(lower, layer+"/"+name)
		}
	}
	if len(lower) == 0 {
		return bind("/"+name, target, true)
	}
	err := r.overlay(append(lower, "/"+name), target)
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	// Something is mounted below, as a container's /etc/resolv.conf is, and
	// may not be uncovered: put the directory together from its parts.
	return r.composeParts(name, lower)
}

// composeParts lays out a directory entry by entry.
func (r *newRoot) composeParts(name string, lower []string) error {
	seen := map[string]bool{}
	for _, dir := range append(lower, "/"+name) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if seen[entry.Name()] {
				continue
			}
			seen[entry.Name()] = true
			if err := r.composePart(dir, path.Join(name, entry.Name()), entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// composePart lays out the entry that dir has of name.
func (r *newRoot) composePart(dir, name string, entry fs.DirEntry) error {
	source, target := dir+"/"+path.Base(name), r.dir+"/"+name
	switch {
	case entry.Type()&fs.ModeSymlink != 0:
		link, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(link, target)
	case entry.IsDir():
		if info, err := os.Lstat("/" + name); err == nil && info.IsDir() {
			return r.compose(name)
		}
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		return bind(source, target, true)
	case entry.Type().IsRegular():
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
		return bind(source, target, true)
	}
	return nil
}

// overlay mounts the directories over each other, the first on top, read-only.
func (r *newRoot) overlay(lower []string, target string) error {
	if len(lower) > maxLayers {
		return fmt.Errorf("%d packages to lay over /%s, at most %d", len(lower)-1, filepath.Base(target), maxLayers-1)
	}
	// Short names: the option string must fit into a page.
	short := r.scratch + "/names"
	if err := os.MkdirAll(short, 0o755); err != nil {
		return err
	}
	names := make([]string, len(lower))
	for i, dir := range lower {
		names[i] = strconv.Itoa(r.short)
		r.short++
		if err := os.Symlink(dir, short+"/"+names[i]); err != nil {
			return err
		}
	}
	if err := os.Chdir(short); err != nil {
		return err
	}
	defer func() { _ = os.Chdir("/") }()
	err := unix.Mount("overlay", target, "overlay", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "lowerdir="+strings.Join(names, ":"))
	if err != nil {
		return fmt.Errorf("overlay of %d directories: %w", len(lower), err)
	}
	return nil
}

// resolver makes sure that /etc/resolv.conf, often a link out of /etc, works.
func (r *newRoot) resolver() error {
	real, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil || strings.HasPrefix(real, "/etc/") || strings.HasPrefix(real, "/usr/") {
		return nil
	}
	if err := os.MkdirAll(r.dir+path.Dir(real), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(r.dir+real, nil, 0o644); err != nil {
		return err
	}
	return bind(real, r.dir+real, true)
}

// devices makes /dev and /proc.
func (r *newRoot) devices() error {
	dev := r.dir + "/dev"
	for _, dir := range []string{dev, dev + "/pts", dev + "/shm", r.dir + "/proc", r.dir + "/sys/devices/system/cpu"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := os.WriteFile(dev+"/"+name, nil, 0o644); err != nil {
			return err
		}
		if err := bind("/dev/"+name, dev+"/"+name, false); err != nil {
			return err
		}
	}
	links := map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}
	for name, target := range links {
		if err := os.Symlink(target, dev+"/"+name); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", dev+"/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return fmt.Errorf("mounting devpts: %w", err)
	}
	if err := unix.Mount("proc", r.dir+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting proc: %w", err)
	}
	if _, err := os.Stat("/sys/devices/system/cpu"); err == nil {
		return bind("/sys/devices/system/cpu", r.dir+"/sys/devices/system/cpu", true)
	}
	return nil
}

// own binds the job's own directories, the only ones it may write to.
func (r *newRoot) own() error {
	inside := insideDirectories()
	writable := map[string]string{"/tmp": inside.tmp, "/vartmp": "/var/tmp", "/shm": "/dev/shm"}
	for _, dir := range []string{inside.startdir, inside.build, inside.pkgdest, inside.srcdest} {
		writable[dir] = dir
	}
	for source, dir := range writable {
		if err := os.MkdirAll(r.dir+dir, 0o755); err != nil {
			return err
		}
		if err := bind(r.scratch+source, r.dir+dir, false); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/run", "/home", "/root", "/mnt", "/srv", "/var/cache", "/var/log"} {
		if err := os.MkdirAll(r.dir+dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(r.dir+inside.conf, nil, 0o644); err != nil {
		return err
	}
	return bind(r.scratch+inside.conf, r.dir+inside.conf, true)
}

// pacman lays the layers' packages over pacman's database of installed ones.
func (r *newRoot) pacman(database string) error {
	target := r.dir + "/" + localDB
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	var lower []string
	for _, layer := range r.layers {
		lower = append(lower, layer+"/"+localDB)
	}
	if _, err := os.Stat(database + "/local/ALPM_DB_VERSION"); err == nil {
		lower = append(lower, database+"/local")
	} else {
		// No pacman here: an empty database, in the version that libalpm
		// has had since pacman 4.2.
		empty := r.scratch + "/pacman"
		if err := os.Mkdir(empty, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(empty+"/ALPM_DB_VERSION", []byte("9\n"), 0o644); err != nil {
			return err
		}
		lower = append(lower, empty)
	}
	if len(lower) == 1 {
		return bind(lower[0], target, true)
	}
	return r.overlay(lower, target)
}

// hide covers those of the paths that the build would otherwise see.
func (r *newRoot) hide(paths []string) error {
	for _, path := range paths {
		top, rest, _ := strings.Cut(strings.TrimPrefix(filepath.Clean(path), "/"), "/")
		seen := false
		for _, name := range hostDirectories() {
			seen = seen || name == top
		}
		if !seen || rest == "" {
			continue
		}
		info, err := os.Lstat(r.dir + path)
		if err != nil {
			continue
		}
		if info.IsDir() {
			err = unix.Mount("tmpfs", r.dir+path, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "mode=0,size=4k")
		} else {
			err = bind("/dev/null", r.dir+path, true)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// accounts covers the host's list of users by one that holds the builder.
func (r *newRoot) accounts(uid, gid int) error {
	build := insideDirectories().build
	files := map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0:root:/root:/bin/bash\nbuilduser:x:%d:%d::%s:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n", uid, gid, build),
		"group":  fmt.Sprintf("root:x:0:\nbuilduser:x:%d:\nnobody:x:65534:\n", gid),
	}
	for name, content := range files {
		source := r.scratch + "/" + name
		if err := os.WriteFile(source, []byte(content), 0o644); err != nil {
			return err
		}
		if _, err := os.Lstat(r.dir + "/etc/" + name); err != nil {
			continue
		}
		if err := bind(source, r.dir+"/etc/"+name, true); err != nil {
			return fmt.Errorf("/etc/%s: %w", name, err)
		}
	}
	return nil
}

// pivot makes the new root the root and drops the old one.
func (r *newRoot) pivot() error {
	if err := os.Chdir(r.dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	attributes := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(unix.AT_FDCWD, "/", 0, attributes)
}

// bind mounts source, with all that is mounted below it, on target.
func bind(source, target string, readOnly bool) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("binding %s: %w", source, err)
	}
	attributes := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if readOnly {
		attributes.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, attributes); err != nil {
		return fmt.Errorf("binding %s: %w", source, err)
	}
	return nil
}
