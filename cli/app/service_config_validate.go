package app

import (
	"fmt"

	"ahriman/cli/ui"
	"ahriman/core/config"
)

// serviceConfigValidate prints what is wrong with the configuration.
type serviceConfigValidate struct {
	ExitCode bool `name:"exit-code" short:"e" help:"fail when there are errors"`
	JSON     bool `help:"print one object a line"`
}

// Help has the examples.
func (serviceConfigValidate) Help() string {
	return `Prints one line a finding: FILE:LINE: error or warning, [section] option, and what is wrong. Unknown sections and options, values that do not parse, missing ones that are required, paths that cannot be read, triggers that do not exist, and settings that do not fit together are errors; what is known but has no effect here is a warning. All repositories are looked at. Nothing is printed when all is well.

A file that cannot be read at all is always a failure.

Examples: what is wrong; refuse to start with a broken configuration.

    ahriman service-config-validate
    ahriman config-validate -e && ahriman web`
}

// Run prints the findings.
func (c *serviceConfigValidate) Run(env *Env, globals *Globals) error {
	file, err := globals.configuration(env)
	if err != nil {
		return err
	}
	out := env.Out()
	broken := 0
	for _, finding := range file.Validate() {
		if finding.Level == config.Error {
			broken++
		}
		if globals.Quiet && finding.Level != config.Error {
			continue
		}
		if err := c.print(out, finding); err != nil {
			return err
		}
	}
	if c.ExitCode && broken > 0 {
		return &Reported{fmt.Errorf("the configuration has %d errors", broken)}
	}
	return nil
}

func (c *serviceConfigValidate) print(out *ui.Output, finding config.Finding) error {
	if c.JSON {
		return out.JSON(finding)
	}
	return out.Println(finding.String())
}
