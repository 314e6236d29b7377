package alpm

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// cpuTime returns what this process, or its children, used of the processor:
// on a busy machine it says more than the clock.
func cpuTime(tb testing.TB, who int) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU adds processor time per operation to a benchmark's figures; call
// the result when the loop has ended.
func reportCPU(b *testing.B, who int) func() {
	start := cpuTime(b, who)
	return func() {
		b.ReportMetric(float64((cpuTime(b, who)-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	}
}

func BenchmarkReadDatabase(b *testing.B) {
	packages := samplePackages(15_000, 0)
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		var db bytes.Buffer
		if err := WriteDatabase(&db, packages, DatabaseOptions{Compression: c}); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("packages=15000/%s", "tar"+c.Extension()), func(b *testing.B) {
			b.SetBytes(int64(db.Len()))
			defer reportCPU(b, syscall.RUSAGE_SELF)()
			for b.Loop() {
				got, err := ReadDatabase(bytes.NewReader(db.Bytes()))
				if err != nil || len(got) != len(packages) {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
