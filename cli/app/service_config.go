package app

import (
	"fmt"
	"strings"

	"ahriman/cli/ui"
	"ahriman/core/alpm"
	"ahriman/core/config"
)

// serviceConfig prints the configuration as a repository sees it.
type serviceConfig struct {
	Section  string `arg:"" optional:"" complete:"sections" help:"print this section only"`
	Key      string `arg:"" optional:"" help:"print the value of this option only, or its default"`
	Defaults bool   `help:"print options that are not set too, with what counts then"`
	Info     bool   `negatable:"" help:"print first which files were read"`
	Secure   bool   `negatable:"" default:"true" help:"hide passwords, tokens and other secrets"`
	JSON     bool   `help:"print one object a line, with the file and line that set the option"`
}

// Help has the examples.
func (serviceConfig) Help() string {
	return `Prints what counts for the repository that -r and -a choose, or for each: included files and the environment are read, sections such as build:x86_64 merged, references replaced. What it prints can be read as a configuration again, except for secrets.

Examples: everything; one section; one value, for a script; where it is set.

    ahriman service-config
    ahriman service-config build
    ahriman -r aur -a x86_64 service-config build packager
    ahriman service-config --json | jq 'select(.key == "packager") | .file, .line'`
}

// configLine is what --json prints.
type configLine struct {
	Repository   string `json:"repository,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Section      string `json:"section"`
	Key          string `json:"key"`
	Value        string `json:"value"`
	File         string `json:"file,omitempty"` // "environment" for a variable; missing for a default
	Line         int    `json:"line,omitempty"`
	Default      bool   `json:"default,omitempty"`
	Hidden       bool   `json:"hidden,omitempty"` // a secret, without its value
}

// Run prints the sections of each repository.
func (c *serviceConfig) Run(env *Env, globals *Globals) error {
	file, err := globals.configuration(env)
	if err != nil {
		return err
	}
	ids := []alpm.RepositoryID{{}} // a configuration is there before its repositories are
	if chosen, err := file.Select(globals.Repository, globals.Architecture); err == nil {
		ids = chosen
	} else if globals.Repository != "" || globals.Architecture != "" {
		return err
	}
	out := env.Out()
	if c.Info && !c.JSON {
		for _, path := range file.Files() {
			if err := out.Println("# " + path); err != nil {
				return err
			}
		}
	}
	for _, id := range ids {
		if len(ids) > 1 && !c.JSON && c.Key == "" {
			if err := out.Println("# repository " + id.String()); err != nil {
				return err
			}
		}
		if err := c.show(out, file, id); err != nil {
			return err
		}
	}
	return nil
}

func (c *serviceConfig) show(out *ui.Output, file *config.File, id alpm.RepositoryID) error {
	sections := file.Sections(id)
	if c.Defaults {
		sections = file.Known(id)
	}
	if c.Section != "" {
		sections = []string{c.Section}
	}
	for _, section := range sections {
		options, err := file.Options(id, section)
		if err != nil {
			return err
		}
		if c.Defaults || c.Key != "" {
			defaults, err := file.Defaults(id, section)
			if err != nil {
				return err
			}
			options = append(options, defaults...)
		}
		if err := c.print(out, id, section, options); err != nil {
			return err
		}
	}
	return nil
}

// print writes one section, or the value of one option in it.
func (c *serviceConfig) print(out *ui.Output, id alpm.RepositoryID, section string, options []config.Option) error {
	if c.Section != "" && len(options) == 0 {
		return Hinted(fmt.Errorf("the configuration has no section %s", section), "ahriman service-config lists them")
	}
	found := false
	if c.Key == "" && !c.JSON {
		if err := out.Println("[" + section + "]"); err != nil {
			return err
		}
	}
	for _, o := range options {
		if c.Key != "" && !strings.EqualFold(o.Key, c.Key) {
			continue
		}
		found = true
		if err := c.printOption(out, id, o); err != nil {
			return err
		}
	}
	if c.Key != "" && !found {
		return fmt.Errorf("option %s of section %s is not set", c.Key, section)
	}
	if c.Key == "" && !c.JSON {
		return out.Println()
	}
	return nil
}

func (c *serviceConfig) printOption(out *ui.Output, id alpm.RepositoryID, o config.Option) error {
	hidden := false
	if c.Secure {
		o.Value, hidden = config.Redact(o.Value), o.Secret
	}
	switch {
	case c.JSON:
		line := configLine{Repository: id.Name, Architecture: id.Architecture, Section: o.Section, Key: o.Key,
			Value: o.Value, File: o.File, Line: o.Line, Default: o.Default, Hidden: hidden}
		if hidden {
			line.Value = ""
		}
		return out.JSON(line)
	case hidden:
		o.Value = "***"
	}
	if c.Key != "" {
		return out.Println(o.Value)
	}
	// As in the file, where a value may have several lines and a dollar is two.
	value := strings.ReplaceAll(o.Value, "$", "$$")
	for i, line := range strings.Split(value, "\n") {
		if i == 0 {
			line = o.Key + " = " + line
		} else {
			line = "  " + line
		}
		if err := out.Println(line); err != nil {
			return err
		}
	}
	return nil
}
