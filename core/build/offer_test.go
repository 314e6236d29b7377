package build_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/alpm"
	"ahriman/core/build"
)

func TestNeeded(t *testing.T) {
	offer := func(path, name, version string, depends, provides []string) build.Offer {
		return build.Offer{Path: path, Package: alpm.Package{Info: alpm.Info{Name: name, Version: version, Depends: depends, Provides: provides}}}
	}
	offers := []build.Offer{
		offer("new/lib", "lib", "2-1", []string{"base-lib"}, []string{"libx.so=2-64"}),
		offer("impostor", "other", "1-1", nil, []string{"lib=9"}),
		offer("old/lib", "lib", "1-1", nil, nil),
		offer("base", "base-lib", "1-1", []string{"lib"}, nil),
		offer("unneeded", "unneeded", "1-1", nil, nil),
	}
	for _, test := range []struct {
		needs []string
		want  []string
	}{
		{nil, nil},
		{[]string{"glibc"}, nil},
		{[]string{"lib"}, []string{"new/lib", "base"}},
		{[]string{"lib<2"}, []string{"old/lib"}},
		{[]string{"lib>=9"}, []string{"impostor"}},
		{[]string{"libx.so=2-64", "lib>=2"}, []string{"new/lib", "base"}},
		{[]string{"base-lib"}, []string{"base", "new/lib"}},
	} {
		var got []string
		for _, offer := range build.NewStock(offers).Needed(test.needs) {
			got = append(got, offer.Path)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.needs, diff)
		}
	}
}

// TestPrefer: what is added counts before what was there, a package of the name
// before one that only provides it.
func TestPrefer(t *testing.T) {
	offer := func(path, name string, provides ...string) build.Offer {
		return build.Offer{Path: path, Package: alpm.Package{Info: alpm.Info{Name: name, Version: "1-1", Provides: provides}}}
	}
	stock := build.NewStock([]build.Offer{offer("old/lib", "lib"), offer("old/font", "serif", "font")})
	for _, added := range []build.Offer{offer("fork", "fork", "lib", "font"), offer("new/font", "sans", "font"), offer("new/lib", "lib")} {
		stock.Prefer(added)
		want := map[string]string{"fork": "old/lib fork", "new/font": "old/lib new/font", "new/lib": "new/lib new/font"}[added.Path]
		needed := stock.Needed([]string{"lib", "font"})
		if got := needed[0].Path + " " + needed[1].Path; got != want {
			t.Errorf("with %s: %s, want %s", added.Path, got, want)
		}
	}
}

// BenchmarkStock is a build's share of a run that builds many: what it needs is
// taken from a large stock, and what it gives is added.
func BenchmarkStock(b *testing.B) {
	offer := func(i int) build.Offer {
		name := fmt.Sprint("package-", i)
		return build.Offer{Package: alpm.Package{Info: alpm.Info{
			Name: name, Version: "1-1", Depends: []string{fmt.Sprint("package-", i/2)}, Provides: []string{fmt.Sprintf("lib%d.so=1-64", i)},
		}}}
	}
	offers := make([]build.Offer, 3000)
	for i := range offers {
		offers[i] = offer(i)
	}
	stock := build.NewStock(offers)
	i := 0
	for b.Loop() {
		stock.Needed(offers[i%len(offers)].Depends)
		stock.Prefer(offer(i % len(offers)))
		i++
	}
}
