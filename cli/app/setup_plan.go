package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"ahriman/core/config"
	"ahriman/core/repository"
)

// setupStep is one thing that is not as it should be.
type setupStep struct {
	action  string // create, write, link, publish, own
	path    string
	content []byte // of a file
	do      func(ctx context.Context) error
}

// plan lists what is to be done, in order.
func (s *setup) plan() ([]setupStep, error) {
	var steps []setupStep
	if s.missing {
		steps = append(steps, s.write(s.main, mainFile(), 0o644))
	}
	overrides, err := s.overrides()
	if err != nil {
		return nil, err
	}
	pacman, err := s.pacman()
	if err != nil {
		return nil, err
	}
	for _, directory := range s.directories() {
		if _, err := os.Stat(directory); errors.Is(err, fs.ErrNotExist) {
			steps = append(steps, setupStep{action: "create", path: directory, do: func(context.Context) error {
				return os.MkdirAll(directory, 0o755)
			}})
		}
	}
	steps = append(steps, overrides...)
	steps = append(steps, pacman...)
	if step, ok := s.publish(); ok {
		steps = append(steps, step)
	}
	if step, ok := s.own(len(steps) > 0); ok {
		steps = append(steps, step)
	}
	return steps, nil
}

func mainFile() []byte {
	return []byte("; Written by ahriman service-setup. ahriman.ini.d holds the files that add to this one.\n" +
		"[settings]\ninclude = ahriman.ini.d\n")
}

// directories are those of a node below repository.root, and where files go.
func (s *setup) directories() []string {
	root, id := s.settings.Repository.Root, s.id
	return []string{
		s.include(),
		root,
		filepath.Join(root, "archive", "packages"),
		filepath.Join(root, "cache"),
		filepath.Join(root, "chroot", id.Name),
		filepath.Join(root, "packages", id.Name, id.Architecture),
		filepath.Join(root, "pacman", id.Name, id.Architecture),
	}
}

// include is the directory of overrides.
func (s *setup) include() string {
	if len(s.settings.Main.Include) == 0 {
		return filepath.Join(filepath.Dir(s.main), "ahriman.ini.d")
	}
	return s.settings.Main.Include[0]
}

// target is the file of overrides; it begins with digits that sort before what
// an operator adds.
func (s *setup) target() string {
	return filepath.Join(s.include(), "00-setup-overrides-"+identifier(s.id)+".ini")
}

// overrides is the step that writes the file, when it is to be.
func (s *setup) overrides() ([]setupStep, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "; Written by ahriman service-setup for %s, which replaces it the next time.\n"+
		"; Other files in this directory add to it.\n", s.id)
	suffix := ":" + s.id.Name + ":" + s.id.Architecture
	s.section(&text, "build"+suffix, "packager", s.Packager, "make_flags", s.jobs(), "user", s.BuildAsUser, "server", s.Server)
	s.section(&text, "sign"+suffix, "target", s.signs(), "key", s.SignKey)
	port := ""
	if s.WebPort > 0 {
		port = strconv.Itoa(s.WebPort)
	}
	socket := s.WebUnixSocket
	if socket != "" {
		absolute, err := filepath.Abs(socket)
		if err != nil {
			return nil, err
		}
		socket = absolute
	}
	s.section(&text, "web", "port", port, "unix_socket", socket)
	salt, err := s.salt()
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(0o644)
	if salt != "" {
		mode = 0o640
	}
	s.section(&text, "auth", "salt", salt)
	return s.changed(s.target(), text.Bytes(), mode), nil
}

// section writes a section with those of its options that are not empty.
func (s *setup) section(text *bytes.Buffer, name string, options ...string) {
	heading := "\n[" + name + "]\n"
	for i := 0; i < len(options); i += 2 {
		if options[i+1] != "" {
			fmt.Fprintf(text, "%s%s = %s\n", heading, options[i], strings.ReplaceAll(options[i+1], "$", "$$"))
			heading = ""
		}
	}
}

// jobs keeps flags of make that are set elsewhere: only the number of jobs is
// ours.
func (s *setup) jobs() string {
	if !s.MakeflagsJobs {
		return ""
	}
	return "-j" + strconv.Itoa(runtime.NumCPU())
}

func (s *setup) signs() string {
	var words []string
	for _, target := range s.SignTarget {
		switch target {
		case "disabled":
			return target // not an empty value, which would let a more general section through
		case "packages":
			words = append(words, "package")
		case "repository":
			words = append(words, "repository")
		}
	}
	return strings.Join(words, " ")
}

// salt returns the salt to write: another one would make all passwords wrong,
// so that one written before stays, and one set elsewhere is left there.
func (s *setup) salt() (string, error) {
	options, err := s.file.Options(s.id, "auth")
	if err != nil {
		return "", err
	}
	for _, o := range options {
		switch {
		case o.Key != "salt" || o.Value == "":
		case o.File == s.target():
			return o.Value, nil
		default:
			return "", nil
		}
	}
	if !s.GenerateSalt {
		return "", nil
	}
	return rand.Text(), nil
}

// changed is the step that writes a file, unless it has that content already.
func (s *setup) changed(path string, content []byte, mode fs.FileMode) []setupStep {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return []setupStep{s.write(path, content, mode)}
}

func (s *setup) write(path string, content []byte, mode fs.FileMode) setupStep {
	return setupStep{action: "write", path: path, content: content, do: func(context.Context) error {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := config.WriteFile(path, content, mode); err != nil {
			return err
		}
		if mode&0o007 == 0 && s.owner != nil { // the builder's group reads it
			return os.Chown(path, 0, s.owner.gid)
		}
		return nil
	}}
}

// publish is the step that makes the repository, empty and without signature:
// pacman refuses to work with one that is not there.
func (s *setup) publish() (setupStep, bool) {
	open := func() (*repository.Repository, error) {
		return repository.Open(repository.Options{Root: s.settings.Repository.Root, ID: s.id})
	}
	r, err := open()
	if err == nil {
		if _, err := os.Stat(r.Published()); err == nil {
			return setupStep{}, false
		}
	}
	path := repository.PublishedPath(s.settings.Repository.Root, s.id)
	return setupStep{action: "publish", path: path, do: func(ctx context.Context) error {
		r, err := open()
		if err != nil {
			return err
		}
		_, err = r.Publish(ctx, repository.Change{})
		return err
	}}, true
}

// own is the step that gives what root owns below the root to the builder.
// changed says that other steps may leave files of root's there.
func (s *setup) own(changed bool) (setupStep, bool) {
	root := s.settings.Repository.Root
	if s.owner == nil || !changed && !rootOwns(root) {
		return setupStep{}, false
	}
	return setupStep{action: "own", path: root, do: func(ctx context.Context) error {
		return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			info, err := entry.Info()
			if err != nil || !ownedByRoot(info) {
				return err
			}
			return os.Lchown(path, s.owner.uid, s.owner.gid)
		})
	}}, true
}

// rootOwns tells whether anything below the directory belongs to root.
func rootOwns(directory string) bool {
	found := errors.New("found")
	err := filepath.WalkDir(directory, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err == nil && ownedByRoot(info) {
			return found
		}
		return nil
	})
	return err != nil
}

func ownedByRoot(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0
}

func isRoot() bool { return os.Geteuid() == 0 }

// ownerOf is who owns the root already, or the user ahriman, or nil.
func ownerOf(root string) *owner {
	if info, err := os.Stat(root); err == nil && !ownedByRoot(info) {
		stat := info.Sys().(*syscall.Stat_t)
		return &owner{name: strconv.Itoa(int(stat.Uid)), uid: int(stat.Uid), gid: int(stat.Gid)}
	}
	entry, err := user.Lookup("ahriman")
	if err != nil {
		return nil
	}
	uid, err := strconv.Atoi(entry.Uid)
	if err != nil || uid == 0 {
		return nil
	}
	gid, err := strconv.Atoi(entry.Gid)
	if err != nil {
		return nil
	}
	return &owner{name: entry.Username, uid: uid, gid: gid}
}
