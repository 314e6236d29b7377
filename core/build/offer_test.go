package build_test

import (
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
