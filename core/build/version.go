package build

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// versionTimeout bounds how long sources may take to be fetched and their
// pkgver() to run, where build.timeout does not bound it further.
const versionTimeout = 30 * time.Minute

// Version returns the version, epoch and pkgrel included, that the PKGBUILD in
// dir has once its sources are fetched and its pkgver() has run: what a VCS
// package would be if it were built now. It runs in the sandbox, within the
// disk limit of a build, and reaches the network as build.network allows a
// build to: with Sources, only to fetch. Neither prepare() runs nor are
// signatures and checksums verified: nothing of it is kept. dir is not changed.
// The error is a *Failure when the package is at fault, an upstream that does
// not answer included.
func (l *Local) Version(ctx context.Context, dir, architecture string) (string, error) {
	limit := versionTimeout
	if l.config.Timeout > 0 {
		limit = min(limit, l.config.Timeout)
	}
	ctx, stop := context.WithTimeoutCause(ctx, limit, timeoutError{limit})
	defer stop()
	scratch, done, err := l.layOut(ctx, dir, "version-")
	if err != nil {
		return "", err
	}
	defer done()
	disk, err := diskLimit(scratch, l.config.DiskLimit)
	if err != nil {
		return "", err
	}
	ctx, unwatch := l.watch(ctx, scratch, disk)
	defer unwatch()
	info, err := l.evaluate(ctx, evaluation{
		dir: dir, scratch: scratch, architecture: architecture, fileSize: uint64(disk), processes: uint64(l.config.ProcessLimit),
		commands: l.versionCommands,
	})
	var timeout timeoutError
	var limited limitError
	if cause := context.Cause(ctx); errors.As(cause, &timeout) || errors.As(cause, &limited) {
		return "", &Failure{Base: dir, Reason: cause.Error()}
	}
	if err != nil {
		return "", err
	}
	return info.Version(), nil
}

// versionCommands fetch the sources, run pkgver() and print what came of it.
func (l *Local) versionCommands(mode string, dirs directories) ([]command, error) {
	// Standard output is the .SRCINFO's.
	makepkg := func(arguments string) []string {
		return []string{"/bin/sh", "-c", "exec makepkg --config " + quote(dirs.conf) + " --nodeps --noconfirm --nocolor --ignorearch --skipinteg " + arguments + " >&2 </dev/null"}
	}
	look := command{Args: makepkg("--nobuild --noprepare")}
	if l.config.Network == Always {
		return []command{look, printSrcinfo(mode, dirs)}, nil
	}
	if mode == modeSupervise {
		return nil, fmt.Errorf("build.network = sources needs namespaces, which are not available")
	}
	look.Offline = true // makepkg goes on with what is there when it cannot fetch
	return []command{{Args: makepkg("--verifysource")}, look, printSrcinfo(mode, dirs)}, nil
}

// watch ends the context it returns when dir outgrows limit, in bytes. The
// caller calls done.
func (l *Local) watch(ctx context.Context, dir string, limit int64) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchDisk(ctx, dir, limit, func(reason string) { cancel(limitError{reason}) })
	}()
	return ctx, func() {
		cancel(nil)
		<-watched
	}
}
