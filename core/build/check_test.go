package build_test

import (
	"testing"

	"ahriman/core/build"
)

func TestLacks(t *testing.T) {
	lacks, err := local(t, build.Config{}).Lacks(t.Context())
	if err != nil || len(lacks) > 0 {
		t.Errorf("this machine, whose tests build packages, lacks %v, %v", lacks, err)
	}
	lacks, err = local(t, build.Config{Builder: build.Devtools, NoNamespaces: true}).Lacks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, lack := range lacks {
		found[lack.What] = true
		if lack.What == "sandbox" && lack.Fatal {
			t.Errorf("builds go on without a sandbox: %v", lack)
		}
	}
	if !found["sandbox"] {
		t.Errorf("without namespaces: got %v", lacks)
	}
}
