package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// content checks what a value means: whether a path can be read, a trigger
// exists, a key is safe to name so.
func (c *checker) content(s *section, o *option, f field, value reflect.Value) {
	general, _, _ := strings.Cut(s.name, ":")
	words := []string{}
	switch v := value.Interface().(type) {
	case string:
		words = []string{v}
	case []string:
		words = v
	}
	switch name := general + "." + f.key; {
	case name == "build.triggers" || name == "build.triggers_known":
		c.triggers(s, o, words)
	case name == "build.packager":
		if !regexp.MustCompile(`^\S.* <[^<>\s]+@[^<>\s]+>$`).MatchString(value.String()) {
			c.add(Warning, s.name, o, "packagers are written Name <mail@example.com>")
		}
	case f.as == "key":
		c.keys(s, o, words)
	case f.as == "file":
		c.readable(s, o, words, Error)
	case name == "settings.include" || name == "repository.root" || name == "build.devtools_configs":
		c.readable(s, o, words, Warning)
	case name == "web.unix_socket":
		c.readable(s, o, []string{filepath.Dir(value.String())}, Warning)
	}
	switch {
	case f.key == "token_file" || f.key == "tls_key":
		c.exposed(s, o, value.String())
	case (f.secret || c.file.Secret(s.name, o.key)) && o.file != Environment:
		c.exposed(s, o, o.file)
	}
}

func (c *checker) triggers(s *section, o *option, names []string) {
	for i, name := range names {
		if err := CheckTrigger(name); err != nil {
			c.add(Error, s.name, o, err.Error())
		}
		if slices.Contains(names[:i], name) {
			c.add(Warning, s.name, o, name+" is named twice, and runs twice")
		}
	}
}

// keys warns of what OpenPGP lets anybody forge.
func (c *checker) keys(s *section, o *option, keys []string) {
	short := regexp.MustCompile(`^(0x)?[0-9A-Fa-f]{8}$`)
	for _, key := range keys {
		if short.MatchString(key) {
			c.add(Warning, s.name, o, fmt.Sprintf("%s is a short key ID, which anybody can forge: write the fingerprint", key))
		}
	}
}

// readable checks that paths are there, at the level given, and can be read.
func (c *checker) readable(s *section, o *option, paths []string, missing Level) {
	for _, path := range paths {
		level := Error
		file, err := os.Open(path)
		if err == nil {
			file.Close()
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			level = missing
		}
		c.add(level, s.name, o, reason(err).Error())
	}
}

// exposed warns of secrets that every user of the machine can read.
func (c *checker) exposed(s *section, o *option, path string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o004 != 0 {
		c.add(Warning, s.name, o, "a secret in a file that everybody can read: chmod o-r "+path)
	}
}

// repository checks the settings of one repository as a whole.
func (c *checker) repository(id alpm.RepositoryID) {
	v := c.file.view(id)
	settings, err := c.file.For(id)
	if err != nil {
		c.failed(err)
		return
	}
	for _, g := range c.file.schema.groups {
		c.group(v, g)
	}
	c.signing(v, settings)
	c.distributed(v, settings)
	c.service(v, settings)
}

// at finds where an option is set, for a finding on it.
func (c *checker) at(v *view, level Level, section, key, message string) {
	layers := v.layers(section)
	if o, ok := v.written(layers, key); ok {
		c.add(level, v.origin(layers, o), o, message)
		return
	}
	if !v.exists(layers) {
		c.add(level, section, &option{key: key, file: c.file.path}, message)
		return
	}
	for _, name := range slices.Backward(layers) {
		if s, ok := c.file.sections[name]; ok {
			c.add(level, name, &option{key: key, file: s.file, line: s.line}, message)
			return
		}
	}
}

// group checks the sections that a group's target names.
func (c *checker) group(v *view, g group) {
	names, o, err := v.targets(g)
	if err != nil {
		return // For has said so
	}
	for _, name := range names {
		kind, err := v.typeOf(g, name)
		if err != nil || kind == "" {
			continue
		}
		if g.none[kind] {
			c.at(v, Warning, g.name, "target", name+" has no effect yet: the type "+kind+" does not exist here")
			continue
		}
		layers := v.special(name)
		for _, f := range g.fields[kind] {
			required := f.required || o != nil && (g.name == "remote-pull" && f.key == "pull_url" || g.name == "remote-push" && f.key == "push_url")
			if _, set := v.written(layers, f.key); required && !set {
				c.missing(layers, name, f.key, fmt.Sprintf("required by [%s] target", g.name))
			}
		}
	}
}

// missing reports a required option at its section, if there is one.
func (c *checker) missing(layers []string, name, key, why string) {
	o := &option{key: key, file: c.file.path}
	for _, layer := range slices.Backward(layers) {
		if s, ok := c.file.sections[layer]; ok {
			name, o.file, o.line = layer, s.file, s.line
			break
		}
	}
	c.add(Error, name, o, "not set, and "+why)
}

func (c *checker) signing(v *view, s *Settings) {
	if (s.Sign.Packages() || s.Sign.Database()) && s.Sign.Key == "" {
		c.at(v, Error, "sign", "key", "not set, and sign.target wants signatures")
	}
}

// distributed checks what nodes need of each other.
func (c *checker) distributed(v *view, s *Settings) {
	uploads := slices.IndexFunc(s.Upload, func(t UploadTarget) bool { return t.RemoteService != nil }) >= 0
	calls := slices.IndexFunc(s.Report, func(t ReportTarget) bool { return t.RemoteCall != nil }) >= 0
	if (uploads || calls) && s.StatusAddress() == "" {
		c.at(v, Error, "status", "address", "not set, and remote-service and remote-call need to know where the master is")
	}
	upload, report := slices.Index(s.Build.Triggers, UploadTrigger), slices.Index(s.Build.Triggers, ReportTrigger)
	switch {
	case uploads && upload < 0:
		c.at(v, Warning, "build", "triggers", "nothing is uploaded: "+UploadTrigger+" is not among them")
	case calls && report < 0:
		c.at(v, Warning, "build", "triggers", "the master is not called: "+ReportTrigger+" is not among them")
	case uploads && calls && report < upload:
		c.at(v, Warning, "build", "triggers", "the master is called before the packages are uploaded: put "+UploadTrigger+" before "+ReportTrigger)
	}
	if slices.Contains(s.Build.Triggers, WorkerTrigger) && s.Worker.Address == "" {
		c.at(v, Error, "worker", "address", "not set, and "+WorkerTrigger+" tells it to the master")
	}
	if s.Status.Username != "" && s.Status.Password == "" && s.Status.Token == "" && s.Status.TokenFile == "" {
		c.at(v, Error, "status", "password", "not set, though status.username is")
	}
}

// service checks the web service of this node.
func (c *checker) service(v *view, s *Settings) {
	if (s.Web.TLSCertificate == "") != (s.Web.TLSKey == "") {
		c.at(v, Error, "web", "tls_certificate", "tls_certificate and tls_key are needed both")
	}
	ip := net.ParseIP(s.Web.Host)
	local := s.Web.Host == "localhost" || ip != nil && ip.IsLoopback()
	if s.Web.Port != 0 && !local && s.Auth.Target == "disabled" {
		message := "whoever reaches " + s.Web.Host + " can change this node: auth.target is disabled"
		if s.Web.EnableArchiveUpload {
			message = "whoever reaches " + s.Web.Host + " can upload packages: auth.target is disabled"
		}
		c.at(v, Warning, "web", "host", message)
	}
}
