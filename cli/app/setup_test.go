package app

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSetupOwner: as root, all below the root belongs to who builds, what was
// there and belongs to another user apart; and the next run has nothing to do.
func TestSetupOwner(t *testing.T) {
	directory := t.TempDir()
	main, root := filepath.Join(directory, "ahriman.ini"), filepath.Join(directory, "root")
	if err := os.WriteFile(main, []byte("[repository]\nroot = root\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wanted := uint32(os.Geteuid())
	args := []string{"-c", main, "-r", "aur", "-a", "x86_64", "service-setup", "--packager", "Me", "--generate-salt"}
	if os.Geteuid() == 0 {
		wanted = 65534
		args = append(args, "--build-as-user", "65534")
		foreign := filepath.Join(root, "cache", "foreign")
		if err := os.MkdirAll(foreign, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(foreign, 1234, 1234); err != nil {
			t.Fatal(err)
		}
	}
	if code, stdout, stderr := runMain(t, args...); code != 0 || !strings.Contains(stdout, "publish ") {
		t.Fatalf("exit status %d\n%s%s", code, stdout, stderr)
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		uid := info.Sys().(*syscall.Stat_t).Uid
		if entry.Name() == "foreign" && uid == 1234 {
			return nil
		}
		if uid != wanted {
			t.Errorf("%s belongs to %d, want %d", path, uid, wanted)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(directory, "ahriman.ini.d", "00-setup-overrides-x86_64-aur.ini"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file with the salt: %v, %v", info, err)
	}
	if code, stdout, stderr := runMain(t, args...); code != 0 || stdout != "" {
		t.Errorf("the second run: exit status %d\n%s%s", code, stdout, stderr)
	}
}

func runMain(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Main(t.Context(), Env{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err})
	return code, out.String(), err.String()
}
