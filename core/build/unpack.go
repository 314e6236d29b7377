package build

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
)

// Limits on one unpacked dependency.
const (
	maxUnpacked = 64 << 30
	maxEntries  = 2 << 20
	maxMetadata = 1 << 20
)

// unpackCached unpacks a package file below cache, once for each content.
func unpackCached(file *os.File, cache string) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("reading: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading: %w", err)
	}
	dir := filepath.Join(cache, hex.EncodeToString(sum.Sum(nil)))
	if _, err := os.Lstat(dir); err == nil {
		return dir, nil
	}
	temporary, err := os.MkdirTemp(cache, ".unpack-")
	if err != nil {
		return "", err
	}
	if err := unpack(file, temporary); err != nil {
		return "", err
	}
	if err := os.Chmod(temporary, 0o755); err != nil {
		return "", err
	}
	// Another job may have been quicker: the content is the same.
	if err := os.Rename(temporary, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

// unpack writes a package's files below dir and never beside it, and its
// entry for pacman's local database below var/lib/pacman/local. Devices and
// the like are left out; owners are the caller.
func unpack(r io.Reader, dir string) error {
	plain, err := alpm.Decompress(r)
	if err != nil {
		return fmt.Errorf("decompressing: %w", err)
	}
	defer plain.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(io.LimitReader(plain, maxUnpacked))
	u := unpacker{root: root}
	for count := 0; ; count++ {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading archive: %w", err)
		}
		if count == maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		if err := u.entry(header, archive); err != nil {
			return fmt.Errorf("unpacking %q: %w", header.Name, err)
		}
	}
	if err := u.register(); err != nil {
		return err
	}
	return u.directoryTimes()
}

type unpacker struct {
	root    *os.Root
	pkginfo []byte
	times   []dirTime // of directories, set once all is in them
}

type dirTime struct {
	name string
	time time.Time
}

// entry unpacks one member.
func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(strings.TrimPrefix(header.Name, "./"), "/")
	if name == "" {
		return nil
	}
	if !fs.ValidPath(name) || name == "." {
		return errors.New("path leaves the package")
	}
	if strings.HasPrefix(name, ".") && !strings.Contains(name, "/") {
		if name == ".PKGINFO" {
			data, err := io.ReadAll(io.LimitReader(content, maxMetadata))
			u.pkginfo = data
			return err
		}
		return nil
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	// Readable and removable by the owner, no set-id bits.
	mode := header.FileInfo().Mode().Perm() | 0o600
	switch header.Typeflag {
	case tar.TypeDir:
		u.times = append(u.times, dirTime{name, header.ModTime})
		err := u.root.Mkdir(name, mode|0o700)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	case tar.TypeReg:
		return u.file(name, mode, header, content)
	case tar.TypeSymlink:
		return u.link(name, header.Linkname)
	case tar.TypeLink:
		target := strings.TrimPrefix(header.Linkname, "./")
		if !fs.ValidPath(target) {
			return errors.New("hard link leaves the package")
		}
		return u.root.Link(target, name)
	}
	return nil
}

// file unpacks a regular file.
func (u *unpacker) file(name string, mode fs.FileMode, header *tar.Header, content io.Reader) error {
	file, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Chmod(mode) // umask
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return u.root.Chtimes(name, header.ModTime, header.ModTime)
}

// link unpacks a symbolic link, which may point anywhere: nothing of ours
// follows it. One that would stand for a directory of the host (usr/lib64 of
// Arch's filesystem package, on a host where that is a directory) is left out.
func (u *unpacker) link(name, target string) error {
	if info, err := os.Lstat("/" + name); err == nil && info.IsDir() {
		return nil
	}
	return u.root.Symlink(target, name)
}

// directoryTimes sets the directories' modification times.
func (u *unpacker) directoryTimes() error {
	for _, d := range u.times {
		if err := u.root.Chtimes(d.name, d.time, d.time); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("setting time of %q: %w", d.name, err)
		}
	}
	return nil
}

// localDB is where the entries for pacman's local database stand in a layer.
const localDB = "var/lib/pacman/local"

// register writes the package's entry of pacman's local database, so that
// makepkg's dependency check and .BUILDINFO know of it.
func (u *unpacker) register() error {
	if u.pkginfo == nil {
		return errors.New("no .PKGINFO: not a package")
	}
	info, err := alpm.ParsePkginfo(bytes.NewReader(u.pkginfo))
	if err != nil {
		return err
	}
	name := info.Name + "-" + info.Version
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return fmt.Errorf(".PKGINFO names no package: %q", name)
	}
	dir := path.Join(localDB, name)
	if err := u.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := u.root.WriteFile(path.Join(dir, "desc"), localDesc(info), 0o644); err != nil {
		return err
	}
	return u.root.WriteFile(path.Join(dir, "files"), nil, 0o644)
}

// localDesc turns .PKGINFO into the desc file of pacman's local database.
func localDesc(info alpm.Info) []byte {
	var b bytes.Buffer
	for _, field := range []struct {
		section string
		values  []string
	}{
		{"NAME", []string{info.Name}}, {"VERSION", []string{info.Version}}, {"BASE", []string{info.Base}},
		{"DESC", []string{info.Description}}, {"ARCH", []string{info.Architecture}},
		{"BUILDDATE", []string{strconv.FormatInt(info.BuildDate, 10)}}, {"PACKAGER", []string{info.Packager}},
		{"SIZE", []string{strconv.FormatInt(info.Size, 10)}}, {"REPLACES", info.Replaces},
		{"DEPENDS", info.Depends}, {"CONFLICTS", info.Conflicts}, {"PROVIDES", info.Provides},
	} {
		if values := strings.Join(field.values, "\n"); values != "" {
			fmt.Fprintf(&b, "%%%s%%\n%s\n\n", field.section, values)
		}
	}
	return b.Bytes()
}
