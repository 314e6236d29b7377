package build_test

import (
	"os"
	"path/filepath"
	"testing"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
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

// local returns a Local that must leave nothing in its scratch directory.
func local(t *testing.T, config build.Config) *build.Local {
	t.Helper()
	config.User = user()
	config.Scratch = passable(t)
	if config.Output == "" {
		config.Output = t.TempDir()
	}
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

// passable returns a temporary directory that others can get to.
func passable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLocal(t *testing.T) {
	buildtest.Run(t, buildtest.Options{}, func(t *testing.T) build.Runner {
		l := local(t, build.Config{})
		if _, err := l.Isolation(t.Context()); err != nil {
			t.Fatalf("this machine has no namespaces to test with: %v", err)
		}
		return l
	})
}

func TestLocalWithoutNamespaces(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	buildtest.Run(t, buildtest.Options{Shared: true}, func(t *testing.T) build.Runner {
		return local(t, build.Config{NoNamespaces: true})
	})
}
