package pkgbuild

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCollection compares Evaluate with the real makepkg over a directory of
// PKGBUILDs, however deep:
//
//	AHRIMAN_PKGBUILD_COLLECTION=/path go test ./core/pkgbuild -run TestCollection -v -timeout 2h
//
// The directory must be readable for an unprivileged user. makepkg takes most
// of a second a file; AHRIMAN_PKGBUILD_ANSWERS may name a directory that keeps
// its answers from run to run. AHRIMAN_PKGBUILD_CACHED=1 compares only those
// that are there.
func TestCollection(t *testing.T) {
	collection := os.Getenv("AHRIMAN_PKGBUILD_COLLECTION")
	if collection == "" {
		t.Skip("AHRIMAN_PKGBUILD_COLLECTION names no directory; nothing is compared")
	}
	answers := os.Getenv("AHRIMAN_PKGBUILD_ANSWERS")
	if answers == "" {
		answers = t.TempDir()
	}
	c := &comparison{t: t, judge: newJudge(t), answers: answers, cached: os.Getenv("AHRIMAN_PKGBUILD_CACHED") != ""}
	err := filepath.WalkDir(collection, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "PKGBUILD" {
			c.compare(collection, filepath.Dir(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.report()
}

type comparison struct {
	t       *testing.T
	judge   *judge
	answers string
	cached  bool

	accepted, same, evaluation, wrong, refused, lenient int
	elapsed, slowest                                    time.Duration
	slowestDir                                          string
}

func (c *comparison) compare(collection, dir string) {
	name, err := filepath.Rel(collection, dir)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".SRCINFO")); err == nil {
		c.t.Fatalf("%s has a .SRCINFO: delete those, so that nobody can copy from them", name)
	}
	want, accepted, ok := c.answer(name, dir)
	if !ok {
		return
	}
	start := time.Now()
	info, err := Evaluate(c.t.Context(), dir, Options{})
	took := time.Since(start)
	c.elapsed += took
	if took > c.slowest {
		c.slowest, c.slowestDir = took, name
	}
	c.count(name, info, err, want, accepted)
}

func (c *comparison) count(name string, info *Srcinfo, err error, want []byte, accepted bool) {
	var got bytes.Buffer
	if err == nil {
		if _, err := info.WriteTo(&got); err != nil {
			c.t.Fatal(err)
		}
	}
	var needs *NeedsEvaluation
	switch {
	case !accepted && err == nil:
		c.lenient++
		c.t.Logf("LENIENT %s: makepkg refuses it", name)
	case !accepted:
		c.refused++
	case errors.As(err, &needs):
		c.accepted++
		c.evaluation++
		c.t.Logf("EVALUATION %s: %v", name, err)
	case err != nil:
		c.accepted++
		c.wrong++
		c.t.Errorf("REFUSED %s: %v", name, err)
	case bytes.Equal(got.Bytes(), want):
		c.accepted++
		c.same++
	default:
		c.accepted++
		c.wrong++
		c.t.Errorf("WRONG %s:\n%s", name, firstDifferences(string(want), got.String()))
	}
}

// answer returns makepkg's output, kept or fresh.
func (c *comparison) answer(name, dir string) (out []byte, accepted, ok bool) {
	base := filepath.Join(c.answers, strings.ReplaceAll(name, "/", "__"))
	if status, err := os.ReadFile(base + ".rc"); err == nil {
		out, err := os.ReadFile(base + ".out")
		if err != nil {
			c.t.Fatal(err)
		}
		return out, strings.TrimSpace(string(status)) == "0", true
	}
	if c.cached {
		return nil, false, false
	}
	out, accepted, err := c.judge.printsrcinfo(c.t.Context(), dir)
	if err != nil {
		c.t.Fatalf("makepkg in %s: %v", name, err)
	}
	status := "1"
	if accepted {
		status = "0"
	}
	for suffix, content := range map[string][]byte{".out": out, ".rc": []byte(status)} {
		if err := os.WriteFile(base+suffix, content, 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	return out, accepted, true
}

func (c *comparison) report() {
	total := c.accepted + c.refused + c.lenient
	if total == 0 {
		c.t.Fatal("no PKGBUILD found")
	}
	percent := func(n int) string { return fmt.Sprintf("%d (%.2f %%)", n, 100*float64(n)/float64(max(c.accepted, 1))) }
	c.t.Logf("files %d, accepted by makepkg %d: same %s, needs evaluation %s, wrong %s; refused by both %d, by makepkg alone %d; %v a file, slowest %v (%s)",
		total, c.accepted, percent(c.same), percent(c.evaluation), percent(c.wrong), c.refused, c.lenient,
		c.elapsed/time.Duration(total), c.slowest, c.slowestDir)
}

func firstDifferences(want, got string) string {
	lines := strings.Split(cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" || line[0] != '+' && line[0] != '-' })
	return strings.Join(lines[:min(12, len(lines))], "\n")
}
