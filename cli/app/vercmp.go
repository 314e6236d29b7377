package app

import (
	"fmt"
	"strings"

	"ahriman/core/alpm"
)

// vercmp compares versions as pacman's program of that name does.
type vercmp struct {
	JSON     bool     `help:"print one object a line: a, b, result"`
	Versions []string `arg:"" name:"version" complete:"none" help:"two versions, or - for a pair a line from standard input"`
}

// Help has the examples.
func (vercmp) Help() string {
	return `Prints -1 when the first version is older, 0 when both are the same to pacman, 1 when the first is newer: first the epoch decides, then pkgver, then pkgrel where both have one. The two of a line are separated by white space.

Examples: two versions; each line of a list.

    ahriman vercmp 1.0rc1-1 1.0-1
    paste installed available | ahriman vercmp -`
}

// vercmpLine is what --json prints.
type vercmpLine struct {
	A      string `json:"a"`
	B      string `json:"b"`
	Result int    `json:"result"` // -1, 0 or 1
}

// Run prints one result a pair.
func (c *vercmp) Run(env *Env) error {
	if len(c.Versions) == 2 {
		return c.print(env, c.Versions[0], c.Versions[1])
	}
	if len(c.Versions) != 1 || c.Versions[0] != "-" {
		return Usagef("want two versions, or - for standard input")
	}
	outcome := NewOutcome(env, c.JSON)
	for item, err := range outcome.Items(c.Versions) {
		if err != nil {
			return err
		}
		words := strings.Fields(item.Text)
		if len(words) != 2 {
			outcome.Fail(item.Text, fmt.Errorf("comparing %q: want two versions", item.Text))
			continue
		}
		if err := c.print(env, words[0], words[1]); err != nil {
			return err
		}
		outcome.Done()
	}
	return outcome.Err()
}

func (c *vercmp) print(env *Env, a, b string) error {
	result := alpm.Vercmp(a, b)
	if c.JSON {
		return env.Out().JSON(vercmpLine{a, b, result})
	}
	return env.Out().Println(result)
}
