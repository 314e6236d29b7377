package alpm

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVercmp(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"1.0a", "1.0", -1}, {"1.0", "1.0.a", -1}, {"1.0.a", "1.0.1", -1},
		{"2.0", "2_0", 0}, {"2___a", "2_a", 1}, {"1.0", "1.0-1", 0}, {"1.0-1", "1.0-1.1", -1},
		{"1:1", "2", 1}, {"0:1", "1", 0}, {":1", "1", 0}, {"1", "01", 0}, {"", "", 0}, {"", "1", -1}, {"", "a", 1},
		{"99999999999999999999999", "99999999999999999999998", 1}, {"1-2-3", "1-2-4", -1},
		{"a:1", "1", -1}, {"1.0.", "1.0", 1}, {"1.", "1.a", 1},
	}
	for _, test := range tests {
		if got := Vercmp(test.a, test.b); got != test.want {
			t.Errorf("Vercmp(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := Vercmp(test.b, test.a); got != -test.want {
			t.Errorf("Vercmp(%q, %q) = %d, want %d", test.b, test.a, got, -test.want)
		}
	}
}

// realVersions returns the versions in testdata, of Arch and Debian packages
// and of vercmp(8)'s own page.
func realVersions(tb testing.TB) []string {
	tb.Helper()
	f, err := os.Open("testdata/versions.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var versions []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		versions = append(versions, lines.Text())
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return versions
}

// mutate changes a version in one to three places.
func mutate(r *rand.Rand, version string) string {
	const alphabet = "0001239.....::--__++~^abzAZrc "
	b := []byte(version)
	for range 1 + r.IntN(3) {
		at := 0
		if len(b) > 0 {
			at = r.IntN(len(b))
		}
		c := alphabet[r.IntN(len(alphabet))]
		switch r.IntN(4) {
		case 0:
			b = slices.Insert(b, at, c)
		case 1:
			b = b[:at]
		case 2:
			b = append(b, c)
		case 3:
			if len(b) > 0 {
				b[at] = c
			}
		}
	}
	return string(b)
}

// versionPair draws two versions that are near each other as often as not.
func versionPair(r *rand.Rand, versions []string) [2]string {
	a := versions[r.IntN(len(versions))]
	b := a
	switch r.IntN(3) {
	case 0:
		b = versions[r.IntN(len(versions))]
	case 1:
		a = mutate(r, a)
		b = mutate(r, a)
	default:
		b = mutate(r, a)
	}
	return [2]string{a, b}
}

// TestVercmpAgrees compares with the real vercmp(8), one process a pair.
// AHRIMAN_VERCMP_PAIRS sets how many; AHRIMAN_VERCMP_SEED draws others.
func TestVercmpAgrees(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	program := need(t, "vercmp")
	count, seed := environNumber(t, "AHRIMAN_VERCMP_PAIRS", 10_000), environNumber(t, "AHRIMAN_VERCMP_SEED", 1)
	versions := realVersions(t)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	pairs := make(chan [2]string)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for pair := range pairs {
				if err := judge(program, pair); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range count {
		pair := versionPair(r, versions)
		if strings.HasPrefix(pair[0], "-") { // would be an option
			pair[0] = "0" + pair[0]
		}
		pairs <- pair
	}
	close(pairs)
	wg.Wait()
}

// judge reports where the real vercmp says something else.
func judge(program string, pair [2]string) error {
	out, err := exec.Command(program, pair[0], pair[1]).Output()
	if err != nil {
		return fmt.Errorf("vercmp %q %q: %w", pair[0], pair[1], err)
	}
	want, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return fmt.Errorf("vercmp %q %q: %w", pair[0], pair[1], err)
	}
	if got := Vercmp(pair[0], pair[1]); got != want {
		return fmt.Errorf("Vercmp(%q, %q) = %d, vercmp says %d", pair[0], pair[1], got, want)
	}
	return nil
}

func environNumber(t *testing.T, name string, fallback int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return fallback
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestSplitVersion(t *testing.T) {
	tests := map[string]Version{
		"1.0":       {Pkgver: "1.0"},
		"1.0-1":     {Pkgver: "1.0", Release: "1"},
		"2:1.0-1.2": {Epoch: "2", Pkgver: "1.0", Release: "1.2"},
		"a:1-2-3":   {Pkgver: "a:1-2", Release: "3"},
		"":          {},
	}
	for version, want := range tests {
		got := SplitVersion(version)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("SplitVersion(%q): -want +got\n%s", version, diff)
		}
		if got.String() != version {
			t.Errorf("SplitVersion(%q).String() = %q", version, got)
		}
	}
}

func TestNextRelease(t *testing.T) {
	tests := map[string]string{
		"1.0-1": "1.0-1.1", "1.0-1.1": "1.0-1.2", "3:1.0-2.9": "3:1.0-2.10",
		"1.0": "", "1.0-": "", "1.0-a": "", "1.0-1.": "", "1.0-1.2.3": "",
	}
	for version, want := range tests {
		got, err := NextRelease(version)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("NextRelease(%q) = %q, %v, want %q", version, got, err, want)
		}
		if err == nil && Vercmp(version, got) >= 0 {
			t.Errorf("NextRelease(%q) = %q is not newer", version, got)
		}
	}
}

func FuzzVersion(f *testing.F) {
	versions := realVersions(f)
	for i, v := range versions {
		f.Add(v, versions[(i*7+1)%len(versions)])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if Vercmp(a, b) != -Vercmp(b, a) {
			t.Errorf("Vercmp(%q, %q) = %d, other way round %d", a, b, Vercmp(a, b), Vercmp(b, a))
		}
		if Vercmp(a, a) != 0 {
			t.Errorf("%q is not itself", a)
		}
		next, err := NextRelease(a)
		if err == nil && Vercmp(a, next) >= 0 {
			t.Errorf("NextRelease(%q) = %q is not newer", a, next)
		}
		safe := SafeFileName(a)
		if again := SafeFileName(safe); again != safe {
			t.Errorf("SafeFileName(%q) = %q, and again %q", a, safe, again)
		}
		name, version, arch, ext, err := ParseFileName(a)
		info := Info{Name: name, Version: version, Architecture: arch}
		if err == nil && info.FileName(ext) != a {
			t.Errorf("%q put together again is %q", a, info.FileName(ext))
		}
	})
}
