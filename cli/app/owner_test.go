package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestCheckOwner(t *testing.T) {
	model, err := Model()
	if err != nil {
		t.Fatal(err)
	}
	unsafe := model.Children[0]
	for _, command := range model.Children {
		if command.Name == "help-version" {
			unsafe = command
		}
	}
	safe := &kong.Node{Name: "repo-update", Tag: &kong.Tag{}}

	own, foreign := t.TempDir(), "/" // root's, when the test does not run as root
	if os.Getuid() == 0 {
		foreign = t.TempDir()
		if err := os.Chown(foreign, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		root    string
		command *kong.Node
		globals Globals
		want    string
	}{
		"owner":             {root: own, command: safe},
		"other":             {root: foreign, command: safe, want: " belongs to user "},
		"other, unsafe":     {root: foreign, command: unsafe},
		"other, --unsafe":   {root: foreign, command: safe, globals: Globals{Unsafe: true}},
		"no root yet":       {root: filepath.Join(own, "none"), command: safe},
		"no configuration":  {command: safe},
		"no command at all": {root: foreign},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.globals.Configuration = filepath.Join(t.TempDir(), "ahriman.ini")
			if test.root != "" {
				text := "[repository]\nroot = " + test.root + "\n"
				if err := os.WriteFile(test.globals.Configuration, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := checkOwner(&Env{}, &test.globals, test.command)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var hinter Hinter
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.As(err, &hinter) {
				t.Errorf("got %v, want %q and a hint", err, test.want)
			}
		})
	}
}
