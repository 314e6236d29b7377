package pkgbuild

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// nobody is the unprivileged id that makepkg runs as when the tests are root.
const nobody = 65534

// makepkgConf is an x86_64 machine's makepkg.conf for the judge.
const makepkgConf = `DLAGENTS=('https::/usr/bin/curl -o %o %u')
VCSCLIENTS=('bzr::bzr' 'fossil::fossil' 'git::git' 'hg::mercurial' 'svn::subversion')
CARCH="x86_64"
CHOST="x86_64-pc-linux-gnu"
CFLAGS="-march=x86-64 -mtune=generic -O2 -pipe -fno-plt"
CXXFLAGS="$CFLAGS"
MAKEFLAGS="-j2"
BUILDENV=(!distcc color !ccache check !sign)
OPTIONS=(strip docs !libtool !staticlibs emptydirs zipman purge debug lto)
INTEGRITY_CHECK=(sha256)
COMPRESSGZ=(gzip -c -f -n)
COMPRESSZST=(zstd -c -z -q -)
PKGEXT='.pkg.tar.zst'
SRCEXT='.src.tar.gz'
`

// judge is the real makepkg, run without privileges and without a network.
type judge struct {
	directory string // for its configuration and build directory
	network   bool   // a namespace without one cannot be made here
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	if _, err := exec.LookPath("makepkg"); err != nil {
		t.Fatalf("these tests compare with the real makepkg: %v", err)
	}
	dir, err := os.MkdirTemp("", "pkgbuild-judge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "makepkg.conf"), []byte(makepkgConf), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return &judge{directory: dir, network: !canIsolate()}
}

// canIsolate reports whether a process can get a network namespace of its own.
func canIsolate() bool {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return cmd.Run() == nil
}

// printsrcinfo runs makepkg --printsrcinfo in dir; accepted is false when it
// refuses.
func (j *judge) printsrcinfo(ctx context.Context, dir string) (out []byte, accepted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "makepkg", "--config", filepath.Join(j.directory, "makepkg.conf"), "--printsrcinfo")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + j.directory, "LANG=C.UTF-8", "USER=nobody",
		"BUILDDIR=" + j.directory, "SRCDEST=" + j.directory, "PKGDEST=" + j.directory}
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if !j.network {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	var buf bytes.Buffer
	cmd.Stdout = &buf
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case err == nil:
		return buf.Bytes(), true, nil
	case errors.As(err, &exit):
		return nil, false, nil
	}
	return nil, false, err
}
