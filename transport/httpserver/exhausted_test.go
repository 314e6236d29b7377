package httpserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ahriman/transport/api"

	"golang.org/x/sys/unix"
)

// inside runs a test again in a process of its own, and reports what it says;
// there it returns true.
func inside(t *testing.T, attributes *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv("AHRIMAN_INSIDE") != "" {
		return true
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), "AHRIMAN_INSIDE=1")
	command.SysProcAttr = attributes
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// refused fails the test unless the answer is an error of the server's with a
// reason.
func (n *node) refused(what string, a answer) {
	n.t.Helper()
	var refusal api.ErrorBody
	if err := json.Unmarshal(a.body, &refusal); a.status < 500 || err != nil || refusal.Error == "" {
		n.t.Errorf("%s: %d %s, want 5xx and a reason", what, a.status, a.body)
	}
}

// publishFoo uploads foo and publishes it, and returns a check that it is served
// and nothing waits.
func (n *node) publishFoo() (unharmed func()) {
	n.t.Helper()
	foo := packageFile(n.t, fooFile, nil)
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fooFile, foo}), 201)
	n.publish(fooFile)
	os.Remove(filepath.Join(n.repo.Waiting(), fooFile))
	return func() {
		n.t.Helper()
		if got := n.do("GET", "/repo/refrepo/x86_64/"+fooFile, nil); got.status != 200 || sum(got.body) != sum(foo) {
			n.t.Errorf("what is published: %d", got.status)
		}
		n.want(n.do("GET", api.PathStatus, nil), 200)
		n.sameWaiting(map[string]string{})
	}
}

// TestFullDisk is a master on a disk of 8 MiB.
func TestFullDisk(t *testing.T) {
	if !inside(t, &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}) {
		return
	}
	disk, err := os.MkdirTemp("", "disk") // t.TempDir is to be on it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(disk) })
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatalf("mounting a disk of 8 MiB, which needs user namespaces: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	t.Setenv("TMPDIR", disk)
	n := start(t, nil)
	unharmed := n.publishFoo()
	big := packageFile(t, barFile, make([]byte, 16<<20))
	n.refused("a form", n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, barFile, big}))
	unharmed()
	n.refused("a piece", n.do("PUT", piecePath("1")+"?size="+size(big), strings.NewReader(string(big)), worker()...))
	unharmed()

	// Now nothing fits any more, the store's changes neither.
	hog, err := os.Create(filepath.Join(disk, "hog"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(hog, zeroes{}); err == nil {
		t.Fatal("the disk has no end")
	}
	small := packageFile(t, barFile, nil)
	n.refused("a form", n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, barFile, small}))
	unharmed()
	changes := api.Path(api.PathChanges, "foo")
	body := `{"changes":"` + strings.Repeat("x", 1<<20) + `"}`
	n.refused("a change", n.do("POST", changes, strings.NewReader(body), worker()...))
	unharmed()
	if err := os.Remove(hog.Name()); err != nil {
		t.Fatal(err)
	}
	hog.Close()
	n.want(n.do("POST", changes, strings.NewReader(body), worker()...), 204)
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, barFile, small}), 201)
}

// TestNoHandles is a master that cannot open a file any more.
func TestNoHandles(t *testing.T) {
	if !inside(t, nil) {
		return
	}
	n := start(t, nil)
	unharmed := n.publishFoo()
	n.client.Transport = &http.Transport{MaxConnsPerHost: 1} // which is open then
	n.want(n.do("GET", api.PathStatus, nil, worker()...), 200)

	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: 256}); err != nil {
		t.Fatal(err)
	}
	var hogs []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		hogs = append(hogs, fd)
	}
	bar := packageFile(t, barFile, nil)
	n.refused("a form", n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, barFile, bar}))
	n.refused("a piece", n.do("PUT", piecePath("1")+"?size="+size(bar), strings.NewReader(string(bar)), worker()...))
	n.refused("a file", n.do("GET", "/repo/refrepo/x86_64/"+fooFile, nil))
	n.want(n.do("GET", api.PathStatus, nil), 200)
	for _, fd := range hogs {
		unix.Close(fd)
	}
	unharmed()
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, barFile, bar}), 201)
}
