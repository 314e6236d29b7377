package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// sandboxArgument makes this program the first process of a sandbox.
const sandboxArgument = "ahriman-build-sandbox"

// The descriptors of a sandbox's first process.
const (
	controlFD    = 3 + iota // reads a sandboxSpec; its end ends the sandbox
	reportFD                // gets a sandboxReport
	firstLayerFD            // the first of the package files to unpack
)

// The modes of a sandbox's first process.
const (
	modeProbe     = "probe"     // set up what a build needs, and nothing else
	modeIsolated  = "isolated"  // namespaces
	modeSupervise = "supervise" // no namespaces: only leaves no process behind
)

// sandboxSpec is what the first process of a sandbox is to do.
type sandboxSpec struct {
	Mode     string
	UID, GID int      // who builds, as seen inside
	Scratch  string   // the job's directory
	Layers   string   // directory of unpacked packages
	Names    []string // of the layers, for messages; their files start at firstLayerFD
	Hidden   []string // absolute paths
	PacmanDB string
	Dir      string   // working directory of the commands
	Environ  []string // of the commands
	Commands []command
	Limits   limits
	// Privileges lets the commands gain privileges, as by sudo.
	Privileges bool
}

// command is one phase of a build.
type command struct {
	Args    []string
	Offline bool // without network
}

// limits are what a build may use.
type limits struct {
	Processes uint64
	FileSize  uint64 // bytes
}

// sandboxReport says how the sandbox ended.
type sandboxReport struct {
	Setup  string        `json:",omitempty"` // why the build did not begin
	Errno  syscall.Errno `json:",omitempty"` // what the kernel said then
	Phase  int           // of the command that ended last
	Status int           // its exit status
	Signal int           // the signal that ended it
}

// directories are the paths of one build, as the build sees them.
type directories struct {
	startdir, build, pkgdest, srcdest, tmp, conf, home string
}

// insideDirectories returns the paths in the sandbox; they are devtools', so
// that .BUILDINFO comes out alike.
func insideDirectories() directories {
	return directories{startdir: "/startdir", build: "/build", pkgdest: "/pkgdest", srcdest: "/srcdest", tmp: "/tmp", conf: "/makepkg.conf", home: "/build"}
}

// below returns the paths in the scratch directory, for a build without a
// sandbox and for whoever fills them.
func below(scratch string) directories {
	in := insideDirectories()
	return directories{
		startdir: scratch + in.startdir, build: scratch + in.build, pkgdest: scratch + in.pkgdest,
		srcdest: scratch + in.srcdest, tmp: scratch + in.tmp, conf: scratch + in.conf, home: scratch + in.home,
	}
}

// launch is one run of a sandbox.
type launch struct {
	spec   sandboxSpec
	who    identity // on this machine
	files  []string // package files to lay over the system
	output io.Writer
	errors io.Writer // nil: output
}

// errKilled says that a sandbox ended before it was to. Its namespaces went with
// it, so this is as final as any other end; were it taken for the loss of a
// worker, a hostile build could move from one to the next.
var errKilled = errors.New("the sandbox was killed, for want of memory or by the build")

// setupError says why a sandbox could not be set up.
type setupError struct {
	reason string
	errno  syscall.Errno // 0 where it was not the kernel
}

func (e *setupError) Error() string { return "setting up the sandbox: " + e.reason }
func (e *setupError) Unwrap() error { return e.errno }

// refused reports whether the kernel, or what confines us, does not allow the
// namespaces and mounts of a sandbox, as opposed to a lack that passes.
func refused(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EINVAL, syscall.ENODEV, syscall.ENOSPC, syscall.EUSERS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// run runs the sandbox to its end. When ctx ends it kills it; in any case no
// process of it is left when run returns.
func (l *launch) run(ctx context.Context) (sandboxReport, error) {
	var report sandboxReport
	var opened []*os.File
	defer func() {
		for _, file := range opened {
			file.Close()
		}
	}()
	open := func(path string) error {
		file, err := os.Open(path)
		if err == nil {
			opened = append(opened, file)
		}
		return err
	}
	controlRead, controlWrite, err := os.Pipe()
	if err != nil {
		return report, err
	}
	defer controlWrite.Close()
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		controlRead.Close()
		return report, err
	}
	defer reportRead.Close()
	opened = append(opened, controlRead, reportWrite)
	for _, path := range l.files {
		if err := open(path); err != nil {
			return report, fmt.Errorf("opening for the build: %w", err)
		}
	}
	for _, path := range l.files {
		l.spec.Names = append(l.spec.Names, filepath.Base(path))
	}

	cmd := exec.CommandContext(ctx, "/proc/self/exe", sandboxArgument)
	cmd.Args[0] = os.Args[0] // a program may go by its name
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Stdout, cmd.Stderr = l.output, l.errors
	if l.errors == nil {
		cmd.Stderr = l.output
	}
	cmd.ExtraFiles = opened
	cmd.SysProcAttr = l.attributes()
	cmd.Cancel = func() error {
		if l.spec.Mode == modeSupervise { // it has processes to end itself
			return controlWrite.Close()
		}
		return cmd.Process.Kill()
	}
	if err := cmd.Start(); err != nil {
		return report, fmt.Errorf("starting the sandbox: %w", err) // an Errno, below
	}
	for _, file := range opened {
		file.Close()
	}
	opened = nil
	if err := json.NewEncoder(controlWrite).Encode(l.spec); err != nil && ctx.Err() == nil {
		err = fmt.Errorf("instructing the sandbox: %w", err)
		controlWrite.Close()
		_ = cmd.Wait() // it ends with its control pipe
		return report, err
	}
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		return report, ctx.Err()
	}
	if err := json.NewDecoder(io.LimitReader(reportRead, 1<<16)).Decode(&report); err != nil {
		return report, fmt.Errorf("%w (%v)", errKilled, waitErr)
	}
	if report.Setup != "" {
		return report, &setupError{report.Setup, report.Errno}
	}
	return report, nil
}

// attributes returns how the first process of the sandbox is started. It is
// root in a user namespace of its own, which stands for who builds.
func (l *launch) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if l.spec.Mode == modeSupervise {
		if os.Geteuid() == 0 {
			attributes.Credential = &syscall.Credential{Uid: uint32(l.who.uid), Gid: uint32(l.who.gid)}
		}
		return attributes
	}
	attributes.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: l.who.uid, Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: l.who.gid, Size: 1}}
	if os.Geteuid() == 0 {
		attributes.GidMappingsEnableSetgroups = true
		attributes.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	}
	return attributes
}

// describe says how a command ended, "" when it was well.
func (r sandboxReport) describe(args []string) string {
	name := "build"
	if len(args) > 0 {
		name = filepath.Base(args[0])
	}
	switch {
	case r.Signal != 0:
		return name + ": killed by signal " + syscall.Signal(r.Signal).String()
	case r.Status != 0:
		text := name + ": exit status " + strconv.Itoa(r.Status)
		if name == "makepkg" {
			if meaning := makepkgStatus(r.Status); meaning != "" {
				text += " (" + meaning + ")"
			}
		}
		return text
	}
	return ""
}

// makepkgStatus gives the meaning of makepkg's exit statuses, from makepkg(8).
func makepkgStatus(status int) string {
	switch status {
	case 2:
		return "error in configuration file"
	case 3:
		return "invalid option"
	case 4:
		return "a function of the PKGBUILD failed"
	case 5:
		return "packaging failed"
	case 8:
		return "missing dependencies"
	case 12:
		return "the PKGBUILD is not valid"
	case 14:
		return "a directory is not writable"
	case 15:
		return "a needed program is missing"
	}
	return ""
}
