package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// SandboxMain runs the first process of a build's sandbox when args, the
// process's arguments without its name, ask for it; it then reports true and the
// process must exit with status at once. Programs that use Local, and the
// TestMain of their tests, call it first.
func SandboxMain(args []string) (status int, handled bool) {
	if len(args) != 1 || args[0] != sandboxArgument {
		return 0, false
	}
	runtime.LockOSThread() // namespaces and privileges belong to threads
	// The build may send us signals, and has no business to end us by one. They
	// are caught, not ignored, since what is ignored stays so in children.
	signal.Notify(make(chan os.Signal, 1))
	report := sandboxMain()
	out := os.NewFile(reportFD, "report")
	if err := json.NewEncoder(out).Encode(report); err != nil {
		return 1, true
	}
	if report.Setup != "" {
		return 1, true
	}
	return report.Status, true
}

// sandboxMain sets the sandbox up and runs its commands one after the other,
// until one fails.
func sandboxMain() sandboxReport {
	control := os.NewFile(controlFD, "control")
	decoder := json.NewDecoder(control)
	var spec sandboxSpec
	if err := decoder.Decode(&spec); err != nil {
		return sandboxReport{Setup: "reading what to do: " + err.Error()}
	}
	supervised := spec.Mode == modeSupervise
	go func() {
		// Whoever started us is gone, or wants us to end.
		_, _ = io.Copy(io.Discard, control)
		if supervised {
			endDescendants()
		}
		os.Exit(1)
	}()
	if err := prepareProcess(spec); err != nil {
		return setupFailed(err)
	}
	switch spec.Mode {
	case modeIsolated, modeProbe:
		if err := enterRoot(&spec); err != nil {
			return setupFailed(err)
		}
	case modeSupervise:
		if err := layersInEnvironment(&spec); err != nil {
			return setupFailed(err)
		}
	}
	return runCommands(spec)
}

// setupFailed reports why the build did not begin.
func setupFailed(err error) sandboxReport {
	report := sandboxReport{Setup: err.Error()}
	errors.As(err, &report.Errno)
	return report
}

// runCommands runs the commands of a sandbox that is set up.
func runCommands(spec sandboxSpec) sandboxReport {
	var report sandboxReport
	for i, c := range spec.Commands {
		report.Phase = i
		if c.Offline {
			if err := dropNetwork(); err != nil {
				report.Setup = "turning the network off: " + err.Error()
				return report
			}
		}
		status, err := runCommand(spec, c)
		endDescendants()
		if err != nil {
			report.Setup = err.Error()
			return report
		}
		if status.Signaled() {
			report.Signal = int(status.Signal())
		}
		report.Status = status.ExitStatus()
		if report.Signal != 0 || report.Status != 0 {
			return report
		}
	}
	return report
}

// prepareProcess gives up what the build must not inherit.
func prepareProcess(spec sandboxSpec) error {
	// Descriptors that whoever started ahriman left open.
	if err := unix.CloseRange(controlFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("closing descriptors: %w", err)
	}
	// A keyring of the session that started ahriman.
	_, _ = unix.KeyctlJoinSessionKeyring("")
	if !spec.Privileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("giving up privileges: %w", err)
		}
	}
	if spec.Mode == modeSupervise {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("becoming the reaper of the build: %w", err)
		}
	}
	// When memory runs out the build goes first, not what started it.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	syscall.Umask(0o022)
	set := func(resource int, value uint64) {
		limit := unix.Rlimit{Cur: value, Max: value}
		_ = unix.Setrlimit(resource, &limit)
	}
	set(unix.RLIMIT_CORE, 0)
	if spec.Limits.FileSize > 0 {
		set(unix.RLIMIT_FSIZE, spec.Limits.FileSize)
	}
	return nil
}

// runCommand runs one command to its end, reaping whatever else ends meanwhile.
func runCommand(spec sandboxSpec, c command) (syscall.WaitStatus, error) {
	null, err := os.Open("/dev/null")
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attributes := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Environ, Files: []uintptr{null.Fd(), 1, 2}}
	if spec.Mode != modeSupervise {
		// makepkg refuses root, so its user gets back the id it has outside.
		attributes.Sys = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: spec.UID, HostID: 0, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: spec.GID, HostID: 0, Size: 1}},
		}
	}
	path, err := find(c.Args[0], spec.Environ)
	if err != nil {
		return 0, err
	}
	pid, err := syscall.ForkExec(path, c.Args, attributes)
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", c.Args[0], err)
	}
	if spec.Limits.Processes > 0 {
		limit := unix.Rlimit{Cur: spec.Limits.Processes, Max: spec.Limits.Processes}
		_ = unix.Prlimit(pid, unix.RLIMIT_NPROC, &limit, nil)
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, fmt.Errorf("waiting for %s: %w", c.Args[0], err)
		case ended == pid:
			return status, nil
		}
	}
}

// find looks a program up in the PATH of environ.
func find(name string, environ []string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, variable := range environ {
		if len(variable) < 5 || variable[:5] != "PATH=" {
			continue
		}
		for _, dir := range filepath.SplitList(variable[5:]) {
			path := filepath.Join(dir, name)
			if unix.Access(path, unix.X_OK) == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// dropNetwork enters a network namespace with nothing but a loopback device.
func dropNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}
