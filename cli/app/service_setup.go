package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"ahriman/core/alpm"
	"ahriman/core/config"
)

// serviceSetup makes a node out of a machine: configuration, pacman's
// configuration for builds, directories.
type serviceSetup struct {
	BuildAsUser       string   `name:"build-as-user" environ:"AHRIMAN_USER" placeholder:"USER" help:"who builds when ahriman runs as root, and owns the repository's root"`
	FromConfiguration string   `name:"from-configuration" placeholder:"PATH" complete:"files" help:"pacman configuration to begin with (default devtools', else /etc/pacman.conf, else one of our own)"`
	GenerateSalt      bool     `name:"generate-salt" negatable:"" help:"make a salt for passwords, unless there is one"`
	MakeflagsJobs     bool     `name:"makeflags-jobs" negatable:"" default:"true" help:"let make use all processors"`
	Mirror            string   `environ:"AHRIMAN_PACMAN_MIRROR" placeholder:"URL" help:"take the distribution's packages from here, not by the mirror list; with $$repo and $$arch"`
	Multilib          bool     `negatable:"" default:"true" help:"add multilib to pacman's repositories (on x86_64)"`
	Packager          string   `required:"" environ:"AHRIMAN_PACKAGER" placeholder:"PACKAGER" help:"who builds: Name <mail>"`
	Server            string   `environ:"AHRIMAN_REPOSITORY_SERVER" placeholder:"URL" help:"where builds find packages of this repository, on the master; with $$repo and $$arch (default this root)"`
	SignKey           string   `name:"sign-key" placeholder:"KEY" help:"OpenPGP key to sign with"`
	SignTarget        []string `name:"sign-target" enum:"disabled,packages,repository" placeholder:"WHAT" help:"what to sign, more than once for both: ${enum}"`
	WebPort           int      `name:"web-port" environ:"AHRIMAN_PORT" placeholder:"PORT" help:"port that the web service listens on"`
	WebUnixSocket     string   `name:"web-unix-socket" environ:"AHRIMAN_UNIX_SOCKET" placeholder:"PATH" complete:"files" help:"socket that the web service listens on"`
	DryRun            bool     `name:"dry-run" help:"print what would be done, with what would be written, and do nothing"`
	JSON              bool     `help:"print one object a line"`
}

// Help has the examples.
func (serviceSetup) Help() string {
	return `Writes one file of overrides for the repository that -r and -a name (-a is this machine's without it) into the directory that settings.include names, and the pacman configuration for builds to pacman/NAME-ARCHITECTURE.conf below repository.root, and for devtools where they are installed; makes the directories, and publishes the repository, empty, if it is not there. As root it gives what root owns there to the user who builds.

One line is printed for each thing that was not as it should be; a second run prints none. Files of another name in the include directory are left alone.

Examples: a repository with its web service; a worker that takes dependencies from the master; what would happen.

    sudo ahriman -r aur service-setup --packager "Me <me@example.com>" --build-as-user "$USER" --web-port 8080 --generate-salt
    sudo ahriman -r aur service-setup --packager "Me <me@example.com>" --build-as-user "$USER" --server 'https://master.example.com/repo/$repo/$arch'
    ahriman -r aur service-setup --packager "Me <me@example.com>" --dry-run`
}

// Run makes the plan and follows it.
func (c *serviceSetup) Run(ctx context.Context, env *Env, globals *Globals) error {
	if err := c.check(); err != nil {
		return err
	}
	s, err := c.begin(env, globals)
	if err != nil {
		return err
	}
	steps, err := s.plan()
	if err != nil {
		return err
	}
	for _, step := range steps {
		if !c.DryRun {
			if err := step.do(ctx); err != nil {
				err = fmt.Errorf("setting up %s: %w", s.id, err)
				if errors.Is(err, fs.ErrPermission) {
					return Hinted(err, "run it as root with --build-as-user, or keep all of it elsewhere: --configuration FILE, with root in its section repository")
				}
				return err
			}
		}
		if globals.Quiet && !c.DryRun && !c.JSON {
			continue
		}
		if err := c.print(env, step); err != nil {
			return err
		}
	}
	if c.DryRun {
		return nil
	}
	return s.verify(env)
}

// print writes a line a step, and below it, in a dry run, what would be written.
func (c *serviceSetup) print(env *Env, step setupStep) error {
	text := ""
	if c.DryRun && step.content != nil {
		text = string(step.content)
	}
	if c.JSON {
		return env.Out().JSON(struct {
			Action  string `json:"action"` // create, write, publish, own
			Path    string `json:"path"`
			Content string `json:"content,omitempty"` // of a dry run
		}{step.action, step.path, text})
	}
	if err := env.Out().Println(step.action, step.path); err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintf(env.Stdout, "\t%s\n", strings.TrimRight(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// check refuses flags that would give a configuration that cannot be read.
func (c *serviceSetup) check() error {
	for flag, value := range map[string]string{
		"--build-as-user": c.BuildAsUser, "--mirror": c.Mirror, "--packager": c.Packager, "--server": c.Server,
		"--sign-key": c.SignKey, "--web-unix-socket": c.WebUnixSocket,
	} {
		if strings.ContainsFunc(value, unicode.IsControl) {
			return Usagef("%s must be one line", flag)
		}
	}
	if c.WebPort < 0 || c.WebPort > 65535 {
		return Usagef("--web-port must be between 1 and 65535")
	}
	for flag, value := range map[string]string{"--mirror": c.Mirror, "--server": c.Server} {
		if value == "" {
			continue
		}
		u, err := url.Parse(value)
		if err != nil || u.Scheme == "" || u.Host == "" && u.Scheme != "file" {
			return Usagef("%s must be a URL such as https://example.com/$repo/os/$arch", flag)
		}
	}
	signs := false
	for _, target := range c.SignTarget {
		signs = signs || target != "disabled"
	}
	if signs && c.SignKey == "" {
		return Usagef("--sign-target needs --sign-key")
	}
	return nil
}

// setup is one run of the command.
type setup struct {
	*serviceSetup
	main     string // path of the main file
	missing  bool   // whether it is to be made
	file     *config.File
	settings *config.Settings
	id       alpm.RepositoryID
	owner    *owner // nil: nothing changes owner
}

// owner is the user who builds.
type owner struct {
	name     string
	uid, gid int
}

// begin reads what is there already.
func (c *serviceSetup) begin(env *Env, globals *Globals) (*setup, error) {
	s := &setup{serviceSetup: c}
	var err error
	if s.main, err = filepath.Abs(globals.Configuration); err != nil {
		return nil, err
	}
	s.file, err = config.Load(s.main, env.Environ)
	if errors.Is(err, fs.ErrNotExist) {
		s.missing = true
		s.file, err = config.Empty(s.main, env.Environ)
	}
	if err != nil {
		return nil, err
	}
	if s.id, err = c.repository(s.file, globals); err != nil {
		return nil, err
	}
	if s.settings, err = s.file.For(s.id); err != nil {
		return nil, err
	}
	s.owner, err = findOwner(c.BuildAsUser, s.settings)
	return s, err
}

// repository is the one to set up, there or not.
func (c *serviceSetup) repository(file *config.File, globals *Globals) (alpm.RepositoryID, error) {
	id := alpm.RepositoryID{Name: globals.Repository, Architecture: globals.Architecture}
	if id.Name == "" {
		// One that was set up, or named by hand, is set up again.
		if found, err := file.Select("", id.Architecture); err == nil && len(found) == 1 {
			return found[0], nil
		}
		return id, Hinted(Usagef("which repository is to be set up?"), "name it with --repository")
	}
	if id.Architecture == "" {
		id.Architecture = machine()
	}
	chosen, err := file.Select(id.Name, id.Architecture)
	if err != nil {
		return id, &UsageError{Message: err.Error()}
	}
	return chosen[0], nil
}

// findOwner looks up the user who builds; nil unless we are root.
func findOwner(name string, settings *config.Settings) (*owner, error) {
	if name == "" {
		name = settings.Build.User
	}
	if name == "" && !isRoot() {
		return nil, nil
	}
	if name == "" {
		return ownerOf(settings.Repository.Root), nil
	}
	entry, err := user.Lookup(name)
	if err != nil {
		entry, err = user.LookupId(name)
	}
	if err != nil {
		return nil, Hinted(fmt.Errorf("looking up the user who builds: %w", err), "useradd --system --create-home "+name)
	}
	found := &owner{name: entry.Username}
	if found.uid, err = strconv.Atoi(entry.Uid); err != nil {
		return nil, err
	}
	if found.gid, err = strconv.Atoi(entry.Gid); err != nil {
		return nil, err
	}
	switch {
	case found.uid == 0:
		return nil, Usagef("packages cannot be built as root")
	case !isRoot():
		return nil, nil
	}
	return found, nil
}

// verify reads the new configuration once more, as any other command will.
func (s *setup) verify(env *Env) error {
	file, err := config.Load(s.main, env.Environ)
	if err == nil {
		_, err = file.For(s.id)
	}
	if err != nil {
		return fmt.Errorf("reading what was written: %w", err)
	}
	if isRoot() && s.owner == nil {
		env.Warn("%s belongs to root, and nothing is built as root: name a user with --build-as-user", s.settings.Repository.Root)
	}
	return nil
}
