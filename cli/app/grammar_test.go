package app

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func commands(t *testing.T) map[string]*kong.Node {
	t.Helper()
	model, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[string]*kong.Node{}
	for _, node := range model.Children {
		if !node.Hidden {
			nodes[node.Name] = node
		}
	}
	return nodes
}

// TestContract compares the commands that exist with the Python ahriman's, which
// testdata/commands.tsv lists: name, aliases, flags and arguments. More flags
// are welcome, fewer are not.
func TestContract(t *testing.T) {
	table, err := os.ReadFile("testdata/commands.tsv")
	if err != nil {
		t.Fatal(err)
	}
	gaps, err := os.ReadFile("testdata/gaps.txt")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	have := commands(t)
	for line := range strings.Lines(string(table)) {
		cells := strings.Split(strings.TrimRight(line, "\n"), "\t")
		node := have[cells[0]]
		if node == nil {
			missing = append(missing, cells[0]+"\n")
			continue
		}
		t.Run(node.Name, func(t *testing.T) {
			var aliases []string
			for alias := range strings.SplitSeq(cells[1], ",") {
				// These names are shared: given arguments they are our own commands.
				if alias != "" && have[alias] == nil {
					aliases = append(aliases, alias)
				}
			}
			got := slices.Sorted(slices.Values(node.Aliases))
			if diff := cmp.Diff(slices.Sorted(slices.Values(aliases)), got); diff != "" {
				t.Errorf("aliases (-want +got)\n%s", diff)
			}
			for _, flag := range checkFlags(t, node, cells[2]) {
				missing = append(missing, flag+"\n")
			}
			checkArguments(t, node, cells[2])
		})
	}
	slices.Sort(missing)
	// What is to be had yet; whoever adds a flag takes its line away.
	if diff := cmp.Diff(slices.Collect(strings.Lines(string(gaps))), missing); diff != "" {
		t.Errorf("flags that are missing, against testdata/gaps.txt (-want +got)\n%s", diff)
	}
}

// checkFlags reads argparse's usage, "[-e] [--[no-]info] [-s STATUS] package",
// and returns the flags that are not there.
func checkFlags(t *testing.T, node *kong.Node, usage string) (missing []string) {
	t.Helper()
	word := regexp.MustCompile(`--\[no-\][a-z-]+|--?[a-zA-Z][a-z-]*( [A-Z_{][^ \]]*)?`)
	for _, match := range word.FindAllString(usage, -1) {
		name, value, takes := strings.Cut(match, " ")
		negatable := strings.HasPrefix(name, "--[no-]")
		name = strings.TrimLeft(strings.Replace(name, "[no-]", "", 1), "-")
		i := slices.IndexFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == name || string(f.Short) == name })
		if i < 0 {
			missing = append(missing, node.Name+" "+match)
			continue
		}
		flag := node.Flags[i]
		if got := flag.IsBool() && flag.Tag.Negatable != ""; got != negatable {
			t.Errorf("%s: negatable %v, want %v", match, got, negatable)
		}
		if got := !flag.IsBool() && !flag.IsCounter(); got != takes {
			t.Errorf("%s: takes a value %v, want %v", match, got, takes)
		}
		for choice := range strings.SplitSeq(strings.Trim(value, "{}"), ",") {
			if strings.HasPrefix(value, "{") && !slices.Contains(flag.EnumSlice(), choice) {
				t.Errorf("%s: does not take %s", match, choice)
			}
		}
	}
	return missing
}

// checkArguments reads the arguments of argparse's usage, "package [package
// ...]": what is enough there is enough here, and what may be given there may be
// here.
func checkArguments(t *testing.T, node *kong.Node, usage string) {
	t.Helper()
	usage = regexp.MustCompile(`--packager PACKAGER|\[--?([^\[\]]|\[no-\])*\]`).ReplaceAllString(usage, "")
	least := len(strings.Fields(regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(usage, "")))
	repeated := strings.Contains(usage, "...")
	most := len(strings.Fields(strings.ReplaceAll(usage, "...", "")))
	required, last := 0, 0
	for _, argument := range node.Positional {
		if argument.Required {
			required++
		}
		if last++; argument.IsCumulative() {
			last = 1000
		}
	}
	if required > least || last < most || repeated && last < 1000 {
		t.Errorf("%q: it takes %d to %d arguments, want %d to %d", usage, required, last, least, most)
	}
}

// TestGrammar holds every command to the same form.
func TestGrammar(t *testing.T) {
	model, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]string{} // by globals
	for _, flag := range model.Flags {
		taken["--"+flag.Name] = "all commands"
		taken["-"+string(flag.Short)] = "all commands"
	}
	names := map[string]string{}
	known := []string{"", "packages", "versions", "repositories", "architectures", "sections", "users", "workers", "files", "directories", "commands", "none"}
	for _, node := range commands(t) {
		for _, name := range append([]string{node.Name}, node.Aliases...) {
			if other := names[name]; other != "" {
				t.Errorf("%s is the name of %s and of %s", name, other, node.Name)
			}
			names[name] = node.Name
		}
		if !slices.ContainsFunc(groups(), func(g kong.Group) bool { return node.Group != nil && g.Key == node.Group.Key }) {
			t.Errorf("%s: its group is none of groups()", node.Name)
		}
		if !strings.Contains(node.Detail, "Example") {
			t.Errorf("%s: its help has no example", node.Name)
		}
		checkHelp(t, node.Name, node.Help)
		for _, value := range node.Values() {
			checkHelp(t, node.Name+" "+value.ShortSummary(), value.Help)
			for kind := range strings.SplitSeq(value.Tag.Get("complete"), "+") {
				if !slices.Contains(known, kind) {
					t.Errorf("%s %s: completes %q, which no shell does", node.Name, value.ShortSummary(), kind)
				}
			}
		}
		for _, flag := range node.Flags {
			for _, form := range []string{"--" + flag.Name, "-" + string(flag.Short)} {
				if taken[form] != "" && form != "-\x00" {
					t.Errorf("%s: %s is a flag of %s", node.Name, form, taken[form])
				}
			}
		}
	}
}

// checkHelp wants a phrase: there, in lower case, without a full stop.
func checkHelp(t *testing.T, name, help string) {
	t.Helper()
	if help == "" {
		t.Errorf("%s: no help", name)
		return
	}
	if strings.HasSuffix(help, ".") {
		t.Errorf("%s: its help ends in a full stop: %q", name, help)
	}
	first, _, _ := strings.Cut(help, " ")
	if first != strings.ToUpper(first) && first[:1] != strings.ToLower(first[:1]) && !strings.Contains(first[1:], strings.ToUpper(first[1:2])) {
		t.Errorf("%s: its help begins with a capital: %q", name, help)
	}
}
