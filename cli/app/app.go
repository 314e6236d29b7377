// Package app is the command line: its grammar, one file a command, what they
// print and the statuses they exit with. It is the only package that wires the
// others together.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"ahriman/core/build"
	"ahriman/transport/sshdial"
)

// Main runs one command line to its end and returns the exit status.
func Main(ctx context.Context, env Env) int {
	// A build's sandbox is this program again, started by itself.
	if code, ok := build.SandboxMain(env.Args); ok {
		return code
	}
	env.Stdout, env.interrupted = &stdout{Writer: env.Stdout}, ctx.Done()
	env.sshDialer = sync.OnceValues(func() (*sshdial.Dialer, error) { return newSSHDialer(&env) })
	err := run(ctx, &env)
	code := status(ctx, err)
	complain(env.Stderr, err, code)
	return code
}

func run(ctx context.Context, env *Env) error {
	// The grammar takes longer to build than the rest of the start.
	if slices.Equal(env.Args, []string{"--version"}) || slices.Equal(env.Args, []string{"-V"}) {
		return printVersion(env.Stdout)
	}
	grammar := &Grammar{}
	exited := false
	parser, err := newParser(env, grammar, func(int) { exited = true })
	if err != nil {
		return err
	}
	bare := len(env.Args) == 0
	if bare {
		env.Args = []string{"--help"}
		parser.Stdout = env.Stderr
	}
	parsed, err := parser.Parse(joinNegative(env.Args))
	switch {
	case exited && bare:
		return &Reported{Usagef("no command given")}
	case exited: // by --help or --version, which have printed
		return nil
	case errors.Is(err, syscall.EPIPE): // the reader of --help, which kong writes past us, has enough
		return &outputError{err}
	case err != nil:
		return wrongUsage(err, parser.Model)
	}
	if err := checkOwner(env, &grammar.Globals, parsed.Selected()); err != nil {
		return err
	}
	if !grammar.Quiet {
		defer env.openBoard()()
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(env, &grammar.Globals)
	if unwritable := env.unwritable(); unwritable != nil && said(err) {
		return unwritable
	}
	return err
}

// joinNegative writes "--flag -1" as "--flag=-1": kong takes what begins with a
// hyphen for a flag, and no flag of ours is a digit.
func joinNegative(args []string) []string {
	joined := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		last := len(joined) - 1
		negative := len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9'
		if negative && last >= 0 && strings.HasPrefix(joined[last], "--") && !strings.Contains(joined[last], "=") {
			joined[last] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}

// Model returns the command line as kong sees it, for what is generated from
// it: manual pages and completions.
func Model() (*kong.Application, error) {
	parser, err := newParser(&Env{Stdout: io.Discard, Stderr: io.Discard}, &Grammar{}, func(int) {})
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

func newParser(env *Env, grammar *Grammar, exit func(int)) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("ahriman"),
		kong.Description("Keep a pacman repository and build its packages, on one machine or many."),
		kong.Writers(unwrap(env.Stdout), env.Stderr),
		kong.Exit(exit),
		kong.Resolvers(fromEnviron(env)),
		kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.ValueFormatter(describeValue),
		kong.ExplicitGroups(groups()),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Help = "show this help and exit"
			return nil
		}),
	)
}

// printHelp is kong's, but the help of a command has its own flags only.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	selected := ctx.Selected()
	if selected == nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	for _, flag := range ctx.Model.Flags {
		flag.Hidden = true
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nThe flags of all commands, such as -c, -r and -a: ahriman --help")
	return err
}

// unwrap gives kong the file below, whose width it asks for.
func unwrap(w io.Writer) io.Writer {
	if s, ok := w.(*stdout); ok {
		return s.Writer
	}
	return w
}

func groups() []kong.Group {
	return []kong.Group{
		{Key: "package", Title: "Packages:"},
		{Key: "repository", Title: "Repository:"},
		{Key: "distribution", Title: "Distribution and pipelines:"},
		{Key: "service", Title: "Service:"},
		{Key: "user", Title: "Users:"},
		{Key: "web", Title: "Web:"},
	}
}

// fromEnviron takes defaults from the environment that was passed in; kong's
// own env tag would read the process's.
func fromEnviron(env *Env) kong.ResolverFunc {
	return func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := flag.Tag.Get("environ")
		if name == "" {
			return nil, nil
		}
		if value := env.Getenv(name); value != "" {
			return value, nil
		}
		return nil, nil
	}
}

// describeValue is the help of a flag or argument, with its default and the
// environment variable that changes it.
func describeValue(value *kong.Value) string {
	var notes []string
	if value.HasDefault && !value.IsBool() && value.Default != "" {
		notes = append(notes, "default "+value.Default)
	}
	if name := value.Tag.Get("environ"); name != "" {
		notes = append(notes, "$"+name)
	}
	if len(notes) == 0 {
		return value.Help
	}
	return value.Help + " (" + strings.Join(notes, ", ") + ")"
}

// wrongUsage says what is wrong with the command line and where to look.
func wrongUsage(err error, model *kong.Application) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return &UsageError{Message: err.Error()}
	}
	message, guess, _ := strings.Cut(plainly(err.Error()), ", did you mean ")
	hint, usage := "ahriman --help lists the commands", "ahriman <command> [flags]"
	if selected := parse.Context.Selected(); selected != nil {
		usage = synopsis(selected)
		hint = fmt.Sprintf("ahriman %s --help", selected.Name)
	} else if word, ok := strings.CutPrefix(message, "unexpected argument "); ok {
		message = fmt.Sprintf("unknown command %q", word)
		guess = strings.Join(similar(word, model), " or ")
	} else if strings.HasPrefix(message, "expected one of ") {
		message = "no command given"
	}
	if guess != "" {
		hint = "did you mean " + strings.TrimSuffix(guess, "?") + "?"
	}
	return Hinted(&UsageError{Message: message, Usage: usage}, hint)
}

// plainly leaves out of kong's messages what is its own affair: the empty value
// that stands for no choice, and its name for the end of the command line.
func plainly(message string) string {
	if what, _, ok := strings.Cut(message, " value but got \"EOL\""); ok {
		what, _, _ = strings.Cut(what, ": expected ")
		return what + " needs a value"
	}
	return strings.Replace(message, `must be one of "",`, "must be one of ", 1)
}

// synopsis is one line: how a command is used, without its aliases.
func synopsis(command *kong.Node) string {
	words := []string{"ahriman", command.Name}
	if flags := command.FlagSummary(true); flags != "" {
		words = append(words, flags)
	}
	for _, argument := range command.Positional {
		words = append(words, argument.Summary())
	}
	return strings.Join(append(words, "[flags]"), " ")
}

// similar returns the commands, at most three, whose name or alias is a few
// letters away from the word or has it as a part.
func similar(word string, model *kong.Application) []string {
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	for _, command := range model.Children {
		if command.Hidden {
			continue
		}
		for _, name := range append([]string{command.Name}, command.Aliases...) {
			d := distance(word, name)
			if len(word) > 2 && strings.Contains(name, word) {
				d = min(d, 2)
			}
			if d <= max(1, len(word)/3) {
				found = append(found, candidate{name, d})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	var names []string
	for _, c := range found[:min(3, len(found))] {
		names = append(names, c.name)
	}
	return names
}

// distance is Levenshtein's: how many letters to insert, delete or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
