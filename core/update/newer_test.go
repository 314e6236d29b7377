package update_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/update"
)

// upstream is a git repository with one PKGBUILD.
type upstream struct {
	t   *testing.T
	dir string
}

func (u upstream) git(args ...string) string {
	u.t.Helper()
	out, err := exec.Command("git", append([]string{"-C", u.dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...).CombinedOutput()
	if err != nil {
		u.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (u upstream) commit(text string) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.git("add", ".")
	u.git("commit", "-qm", "x")
}

// What was added by the address of a git repository is newer when that has
// another commit than the one that was built.
func TestNewerInGit(t *testing.T) {
	f := newFixture(t)
	u := upstream{t, t.TempDir()}
	u.git("init", "-q", "-b", "main")
	u.commit(pkgbuildOf("tool", "1"))
	u.git("branch", "other")
	added, err := f.flow().Add(t.Context(), "git+file://"+u.dir+"#branch=main", source.Auto, update.Order{})
	if err != nil || len(added) != 1 {
		t.Fatal(added, err)
	}
	request := update.Request{Local: true, Increment: true, VCS: true}
	update := func(want ...string) {
		t.Helper()
		outcome, events, err := f.runAUR(request)
		if request.Manual = false; err != nil && len(outcome.Unavailable) == 0 {
			t.Error(err)
		}
		for _, o := range outcome.Unchanged {
			events = append(events, "left "+o.Base+": "+o.Reason)
		}
		for _, reason := range outcome.Unavailable {
			events = append(events, "unavailable: "+reason[:min(len(reason), 40)])
		}
		f.expect("events", events, want)
	}
	request.Manual = true
	update("published tool 1-1")
	update()
	u.git("checkout", "-q", "other")
	u.commit(pkgbuildOf("tool", "9")) // on a branch that nobody asked for
	u.git("checkout", "-q", "main")
	update()
	u.commit(pkgbuildOf("tool", "2"))
	plan, _, err := f.flow().Plan(t.Context(), request)
	if err != nil || plan.Due["tool"].Reason != "newer than the published 1-1" {
		t.Errorf("plan: %+v, %v", plan.Due, err)
	}
	request.Local = false
	update()
	request.Local = true
	update("published tool 2-1")
	update()

	// The version stays: its release is raised, or it is left.
	u.commit(pkgbuildOf("tool", "2", "pkgdesc=new"))
	request.Increment = false
	update("left tool: 2-1 is published already")
	request.Increment = true
	update("published tool 2-1.1")
	update()
	u.commit(pkgbuildOf("tool", "1", "pkgdesc=older"))
	update("left tool: older than the published 2-1.1")

	// Nobody knows what was built: the version tells.
	id := f.config.Repository.ID()
	if err := f.store.SetChanges(t.Context(), id, "tool", store.Changes{}); err != nil {
		t.Fatal(err)
	}
	update()
	u.commit(pkgbuildOf("tool", "3"))
	update("published tool 3-1")

	if err := os.RemoveAll(u.dir); err != nil {
		t.Fatal(err)
	}
	update("unavailable: looking what the sources of tool are at:"[:len("unavailable: ")+40])
}
