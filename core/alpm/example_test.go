package alpm_test

import (
	"fmt"

	"ahriman/core/alpm"
)

func ExampleVercmp() {
	fmt.Println(alpm.Vercmp("1.0rc1-1", "1.0-1"), alpm.Vercmp("2.0", "2_0"), alpm.Vercmp("1:0.1", "99"))
	// Output: -1 0 1
}

func ExampleRelation_SatisfiedBy() {
	need, _ := alpm.ParseRelation("libx.so=1-64")
	offer, _ := alpm.ParseRelation("libx.so=1-64")
	fmt.Println(need.SatisfiedBy("x", "1.4-2", []alpm.Relation{offer}))
	// Output: true
}

func ExampleNextRelease() {
	next, _ := alpm.NextRelease("1:2.0-3")
	fmt.Println(next)
	// Output: 1:2.0-3.1
}
