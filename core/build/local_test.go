package build_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"ahriman/core/build"
)

func TestMain(m *testing.M) {
	if status, ok := build.SandboxMain(os.Args[1:]); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// user is who builds when tests run as root: nobody.
func user() string {
	if os.Geteuid() == 0 {
		return "65534"
	}
	return ""
}

func local(t *testing.T, config build.Config) *build.Local {
	t.Helper()
	config.User = user()
	config.Scratch = open(t, t.TempDir())
	config.Output = t.TempDir()
	l, err := build.NewLocal(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(config.Scratch)
		if err != nil || len(left) > 0 {
			t.Errorf("scratch after Close: %v, %v", left, err)
		}
	})
	return l
}

// open lets others pass through a test's directory, as they can through /tmp.
func open(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func pkgbuild(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBuild(t *testing.T) {
	l := local(t, build.Config{})
	dir := pkgbuild(t, "pkgname=foo\npkgver=1\npkgrel=1\narch=(any)\npackage() { id; cat /proc/mounts; ls -la / /build /dev; ps ax; env; install -Dm644 /dev/null \"$pkgdir/usr/x\"; }\n")
	if err := l.Start(t.Context(), build.Job{ID: "1", Base: "foo", Architecture: "x86_64", Source: dir}); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	result, err := l.Attach(t.Context(), "1", &log)
	t.Log(log.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result)
}
