package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// commandLine is the grammar as completions and manual pages want it.
type commandLine struct {
	help     string
	globals  []option
	commands []command // visible ones, in the order of the grammar
	groups   []group
}

// group is what the help puts under one title.
type group struct {
	title    string
	commands []command
}

type command struct {
	name      string
	aliases   []string
	help      string
	detail    string // the text of its Help method
	unsafe    bool
	options   []option
	arguments []argument
}

func (c command) names() []string { return append([]string{c.name}, c.aliases...) }

// value is what an option or argument takes.
type value struct {
	help   string // with defaults
	kind   string // packages, files, …; enum; none
	enum   []string
	many   bool // may be given again
	holder string
}

type option struct {
	value
	long    string
	no      string // the negated form, "no-…", empty without one
	short   string
	takes   bool // a value follows
	need    bool
	environ string
}

// spellings are all forms: -e --exit-code --no-exit-code.
func (o option) spellings() []string {
	var all []string
	if o.short != "" {
		all = append(all, "-"+o.short)
	}
	all = append(all, "--"+o.long)
	if o.no != "" {
		all = append(all, "--"+o.no)
	}
	return all
}

type argument struct {
	value
	name string
	need bool
}

func newCommandLine(model *kong.Application) *commandLine {
	line := &commandLine{help: model.Help, globals: options(model.Flags)}
	for _, node := range model.Leaves(true) {
		c := command{
			name: node.Name, aliases: node.Aliases, help: node.Help, detail: node.Detail,
			unsafe: node.Tag.Has("unsafe"), options: options(node.Flags),
		}
		for _, p := range node.Positional {
			c.arguments = append(c.arguments, argument{value: newValue(p), name: p.Name, need: p.Required})
		}
		line.commands = append(line.commands, c)
		title := "Commands"
		if g := node.ClosestGroup(); g != nil {
			title = strings.TrimSuffix(g.Title, ":")
		}
		i := slices.IndexFunc(line.groups, func(g group) bool { return g.title == title })
		if i < 0 {
			i = len(line.groups)
			line.groups = append(line.groups, group{title: title})
		}
		line.groups[i].commands = append(line.groups[i].commands, c)
	}
	return line
}

func options(flags []*kong.Flag) []option {
	var all []option
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		o := option{
			value: newValue(flag.Value), long: flag.Name, need: flag.Required,
			takes: !flag.IsBool() && !flag.IsCounter(), environ: flag.Tag.Get("environ"),
		}
		if flag.Short != 0 {
			o.short = string(flag.Short)
		}
		if flag.IsBool() && flag.Tag.Negatable != "" {
			o.no = "no-" + flag.Name
		}
		o.many = o.many || flag.IsCounter()
		if o.takes {
			o.holder = placeholder(flag)
		}
		all = append(all, o)
	}
	return all
}

// placeholder is a word in capitals for an option's value; kong's own would be
// the default, where there is one.
func placeholder(flag *kong.Flag) string {
	if flag.PlaceHolder != "" {
		return flag.PlaceHolder
	}
	return strings.ToUpper(flag.Name)
}

func newValue(v *kong.Value) value {
	made := value{help: v.Help, many: v.IsCumulative(), kind: "none"}
	if v.HasDefault && v.Default != "" && !v.IsBool() {
		made.help += " (default " + v.Default + ")"
	}
	kind := v.Tag.Get("complete")
	switch {
	case kind != "":
		made.kind = kind
	case v.Enum != "":
		made.kind = "enum"
		made.enum = slices.DeleteFunc(v.EnumSlice(), func(word string) bool { return word == "" }) // which stands for none
	case v.Tag.Type == "path" || v.Tag.Type == "existingfile" || v.Tag.Type == "filecontent":
		made.kind = "files"
	case v.Tag.Type == "existingdir":
		made.kind = "directories"
	case v.Flag == nil && (v.Name == "package" || v.Name == "base"):
		made.kind = "packages"
	}
	return made
}
