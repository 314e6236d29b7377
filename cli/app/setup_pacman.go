package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Places of devtools and pacman on an Arch Linux machine.
const (
	devtoolsDirectory = "/usr/share/devtools"
	pacmanConf        = "/etc/pacman.conf"
	mirrorList        = "/etc/pacman.d/mirrorlist"
	localPrograms     = "/usr/local/bin"
)

// pacman lists the steps that write pacman's configuration for builds: one file
// of ours, and one where devtools look for it, with the command that archbuild
// is called by for it.
func (s *setup) pacman() ([]setupStep, error) {
	text, err := s.pacmanText()
	if err != nil {
		return nil, err
	}
	name := s.id.Name + "-" + s.id.Architecture
	steps := s.changed(filepath.Join(s.settings.Repository.Root, "pacman", name+".conf"), text, 0o644)
	configs := s.settings.Build.DevtoolsConfigs
	if configs == "" {
		configs = devtoolsDirectory
	}
	archbuild, err := exec.LookPath("archbuild")
	if err != nil || !isRoot() {
		return steps, nil // no devtools, or not ours to change
	}
	steps = append(steps, s.changed(filepath.Join(configs, "pacman.conf.d", name+".conf"), text, 0o644)...)
	link := filepath.Join(localPrograms, name+"-build")
	if to, err := os.Readlink(link); err != nil || to != archbuild {
		steps = append(steps, setupStep{action: "link", path: link, do: func(context.Context) error {
			if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return os.Symlink(archbuild, link)
		}})
	}
	return steps, nil
}

// pacmanText is a pacman.conf(5): the options of the configuration to begin
// with, the distribution's repositories, then ours.
func (s *setup) pacmanText() ([]byte, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Written by ahriman service-setup for builds of %s, which replaces it the next time.\n", s.id)
	section, multilib := "", false
	for line := range strings.Lines(base) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			multilib = multilib || section == "multilib"
		}
		key, _, _ := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		switch {
		case section == s.id.Name, section == "multilib" && !s.multilib():
			continue // ours comes below
		case section == "options" && key == "Architecture":
			line = "Architecture = " + s.id.Architecture
		case section != "options" && s.Mirror != "" && (key == "Include" || key == "Server"):
			continue
		}
		fmt.Fprintln(&text, line)
		if line[0] == '[' && section != "options" && s.Mirror != "" {
			fmt.Fprintln(&text, "Server = "+s.Mirror)
		}
	}
	if s.multilib() && !multilib {
		fmt.Fprintf(&text, "[multilib]\n%s\n", s.distribution())
	}
	fmt.Fprintf(&text, "[%s]\n# The master has checked what it publishes.\nSigLevel = Never\nServer = %s\n", s.id.Name, s.server())
	return text.Bytes(), nil
}

func (s *setup) multilib() bool { return s.Multilib && s.id.Architecture == "x86_64" }

// server is where builds find our packages.
func (s *setup) server() string {
	if s.Server != "" {
		return s.Server
	}
	return "file://" + filepath.Join(s.settings.Repository.Root, "repository") + "/$repo/$arch"
}

// distribution is the line that says where the distribution's packages are.
func (s *setup) distribution() string {
	if s.Mirror != "" {
		return "Server = " + s.Mirror
	}
	if _, err := os.Stat(mirrorList); err != nil {
		return "Server = " + s.settings.ALPM.Mirror
	}
	return "Include = " + mirrorList
}

// base reads the configuration to begin with. One without the distribution's
// repositories, as on a machine that is not Arch Linux, gets them.
func (s *setup) base() (string, error) {
	paths := []string{filepath.Join(devtoolsDirectory, "pacman.conf.d", "extra.conf"), pacmanConf}
	if s.FromConfiguration != "" {
		paths = []string{s.FromConfiguration}
	}
	text := ""
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err == nil {
			text = string(content)
			break
		}
		if s.FromConfiguration != "" || !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("reading pacman's configuration: %w", err)
		}
	}
	if !strings.Contains(text, "[options]") {
		text = "[options]\nHoldPkg = pacman glibc\nArchitecture = auto\nCheckSpace\nSigLevel = Required DatabaseOptional\n" + text
	}
	if s.FromConfiguration == "" && !strings.Contains(text, "\n[core]") {
		for _, name := range s.settings.ALPM.Repositories {
			if name != "multilib" {
				text += fmt.Sprintf("\n[%s]\n%s\n", name, s.distribution())
			}
		}
	}
	return text, nil
}
