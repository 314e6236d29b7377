package pkgbuild

import "testing"

// The two benchmarks read the same packages, of testdata, in one run; each
// iteration is one package:
//
//	go test ./core/pkgbuild -run '^$' -bench . -benchmem

// BenchmarkEvaluate reads packages here.
func BenchmarkEvaluate(b *testing.B) {
	dirs := packageDirectories(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := Evaluate(b.Context(), dirs[i%len(dirs)], Options{}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkMakepkg runs makepkg --printsrcinfo.
func BenchmarkMakepkg(b *testing.B) {
	judge := newJudge(b)
	dirs := packageDirectories(b)
	i := 0
	for b.Loop() {
		if _, accepted, err := judge.printsrcinfo(b.Context(), dirs[i%len(dirs)]); err != nil || !accepted {
			b.Fatalf("%s: accepted %v, %v", dirs[i%len(dirs)], accepted, err)
		}
		i++
	}
}
