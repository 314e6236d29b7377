package alpm

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// childDatabase names the database that TestReadDatabaseChild reads.
const childDatabase = "AHRIMAN_TEST_DATABASE"

// TestReadDatabaseMemory reads 15,000 packages in a process of its own and looks
// at the most memory it had. The goal: 150 MB.
func TestReadDatabaseMemory(t *testing.T) {
	limit := int64(150e6)
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		limit *= 3 // the race detector's own
	}
	for _, c := range []Compression{Gzip, Zstd} {
		var db bytes.Buffer
		if err := WriteDatabase(&db, samplePackages(15_000, 0), DatabaseOptions{Compression: c}); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReadDatabaseChild$", "-test.v")
		cmd.Env = append(os.Environ(), childDatabase+"="+writeFile(t, t.TempDir(), "r.db", db.String()))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, figure, _ := strings.Cut(string(out), "peak ")
		peak, err := strconv.ParseInt(strings.Fields(figure + " ?")[0], 10, 64)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s: %s", c, strings.SplitN(figure, "\n", 2)[0])
		if peak > limit {
			t.Errorf("%s: %d bytes at most, want %d", c, peak, limit)
		}
	}
}

// TestReadDatabaseChild is the process of TestReadDatabaseMemory.
func TestReadDatabaseChild(t *testing.T) {
	path := os.Getenv(childDatabase)
	if path == "" {
		t.Skip("only as a child of TestReadDatabaseMemory")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	start := time.Now()
	packages, err := ReadDatabase(f)
	if err != nil || len(packages) != 15_000 {
		t.Fatal(len(packages), err)
	}
	fmt.Printf("peak %d bytes, %v, %v of processor\n", peakMemory(t), time.Since(start), cpuTime(t, 0))
}

// peakMemory returns the largest resident size this process had, in bytes.
func peakMemory(t *testing.T) int64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return 0
}
