package sshnode

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"ahriman/core/build"
	"ahriman/transport/sftpstore"
)

// program is this program, as it is put on workers.
type program struct {
	sftpstore.File
	path string
}

// machines is what uname -m says of the machines that a program may be for.
func machines(m elf.Machine) []string {
	return map[elf.Machine][]string{
		elf.EM_X86_64:  {"x86_64", "amd64"},
		elf.EM_AARCH64: {"aarch64", "arm64"},
		elf.EM_386:     {"i686", "i586", "i486", "i386", "x86_64"},
		elf.EM_ARM:     {"armv7l", "armv6l", "armv8l", "aarch64"},
		elf.EM_RISCV:   {"riscv64"},
	}[m]
}

// readProgram reads what is to be put on workers.
func readProgram(name string) (*program, error) {
	if name == "" {
		name = "/proc/self/exe" // also when another version has been put in its place
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the program for workers: %w", err)
	}
	defer file.Close()
	made := &program{path: name}
	if made.File, err = sftpstore.Digest(file); err != nil {
		return nil, fmt.Errorf("reading the program for workers: %w", err)
	}
	made.Mode = 0o755
	return made, nil
}

// UnfitError says that this program does not run on a worker.
type UnfitError struct {
	Worker, Machine string // the worker and what it is: "Linux riscv64"
	For             string // what the program is for
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("starting ahriman on %s: it is %s, and this ahriman is for Linux %s", e.Worker, e.Machine, e.For)
}

// Hint says what to do about it.
func (e *UnfitError) Hint() string {
	return "run ahriman web there, and name the worker by https://"
}

// install puts the program on the worker.
func (l *link) install(ctx context.Context, made *program, to place) error {
	file, err := os.Open(made.path)
	if err != nil {
		return fmt.Errorf("putting ahriman on %s: %w", l.config.Name, err)
	}
	defer file.Close()
	if err := l.fits(file, to); err != nil {
		return err
	}
	store := &sftpstore.Store{Connect: l.connect}
	moved, tell := l.moved, l.config.Progress
	if tell != nil {
		defer tell(build.Progress{})
	}
	store.Progress = func(bytes int64) {
		if moved != nil {
			moved()
		}
		if tell != nil {
			tell(build.Progress{What: "sending ahriman", Bytes: bytes, Of: made.Size})
		}
	}
	err = store.Put(ctx, file, path.Join(to.dir, programName), made.File)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sftpstore.ErrRefused):
		err = build.Unusable(&hinted{err, "its sshd_config needs: Subsystem sftp internal-sftp"})
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		full := errors.Is(err, syscall.ENOSPC)
		err = &hinted{err, "it needs " + to.dir + ": make it writable, with room, or let XDG_CACHE_HOME name another directory there"}
		if !full { // which may pass
			err = build.Unusable(err)
		}
	}
	return fmt.Errorf("putting ahriman on %s: %w", l.config.Name, err)
}

// programName is the program's file in its directory.
const programName = "ahriman"

// fits checks that the program is for such a machine.
func (l *link) fits(file *os.File, to place) error {
	parsed, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("reading the program for workers: %w", err)
	}
	names := machines(parsed.Machine)
	if len(names) == 0 {
		return errors.New("putting ahriman on workers: this machine's kind is not one that is known")
	}
	for _, name := range names {
		if to.system == "Linux" && to.machine == name {
			return nil
		}
	}
	return build.Unusable(&UnfitError{Worker: l.config.Name, Machine: to.system + " " + to.machine, For: names[0]})
}
