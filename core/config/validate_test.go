package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// findings validates a text, and gives what was found without the directory.
func findings(t *testing.T, text string, environ ...string) []string {
	t.Helper()
	path := write(t, map[string]string{"ahriman.ini": text})
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Load(path, environ)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, finding := range f.Validate() {
		lines = append(lines, strings.ReplaceAll(finding.String(), filepath.Dir(path)+"/", ""))
	}
	return lines
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"documented", "[settings]\ninclude = .\n[upload]\ntarget = remote-service\n[remote-service]\n[report]\ntarget = remote-call\n[remote-call]\nmanual = yes\n" +
			"[build]\ntriggers = ahriman.core.upload.UploadTrigger ahriman.core.report.ReportTrigger\n[status]\naddress = https://example.com", nil},
		{"section", "[buidl]\na = b", []string{"ahriman.ini:1: error: [buidl]: no such section, and no target names it, did you mean build?"}},
		{"far away", "[quite different]\na = b", []string{"ahriman.ini:1: error: [quite different]: no such section, and no target names it"}},
		{"variables", "[vars]\nmail = a@b.c\n[build]\nname = X\npackager = ${name} <${vars:mail}>", nil},
		{"option", "[build]\npackger = X", []string{"ahriman.ini:2: error: [build] packger: no such option, did you mean packager?"}},
		{"option of a part", "[build:aur:x86_64]\nx = y", []string{"ahriman.ini:2: error: [build:aur:x86_64] x: no such option"}},
		{"part without effect", "[status:x86_64]\nusername = u", []string{
			"ahriman.ini:1: warning: [status:x86_64]: has no effect: only alpm, build, sign, web have sections for one repository or architecture; write [status]"}},
		{"comment", "[build]\nmake_flags = -j2 ; all of them\nmakepkg_flags = -x;y #z", []string{
			`ahriman.ini:2: warning: [build] make_flags: "; all of them" is a part of the value: a comment has a line of its own`}},
		{"type", "[web:i686]\nport = x", []string{`ahriman.ini:2: error: [web:i686] port: "x": not a whole number`}},
		{"no effect", "[web]\ntemplates = .\nusername = me", []string{
			"ahriman.ini:2: warning: [web] templates: has no effect yet",
			"ahriman.ini:3: warning: [web] username: has no effect: nowadays it stands in [status]"}},
		{"origins", "[web]\ncors_allow_origins = * https://a.example:8443\n[web:i686]\ncors_allow_origins = https://a.example/", []string{
			`ahriman.ini:4: error: [web:i686] cors_allow_origins: "https://a.example/": neither * nor a site, as in https://example.org`}},
		{"oauth", "[auth]\ntarget = oauth", []string{`ahriman.ini:2: error: [auth] target: "oauth": not supported yet; supported: disabled, configuration`}},
		{"plugin", "[build]\ntriggers = /usr/lib/x.py.Trigger", []string{
			"ahriman.ini:2: error: [build] triggers: /usr/lib/x.py.Trigger is a plugin in Python, which only the Python ahriman can load; " +
				"make it a program that reads the result as JSON on standard input, and write exec:/path"}},
		{"program", "[build]\ntriggers = exec:/bin/sh exec:/nowhere exec:sh exec:/etc/passwd", []string{
			"ahriman.ini:2: error: [build] triggers: /etc/passwd is not a program: chmod +x",
			"ahriman.ini:2: error: [build] triggers: /nowhere: no such file or directory",
			"ahriman.ini:2: error: [build] triggers: exec:sh: the path must be absolute"}},
		{"twice", "[build]\ntriggers = exec:/bin/sh exec:/bin/sh", []string{"ahriman.ini:2: warning: [build] triggers: exec:/bin/sh is named twice, and runs twice"}},
		{"packager", "[build]\npackager = me", []string{"ahriman.ini:2: warning: [build] packager: packagers are written Name <mail@example.com>"}},
		{"key", "[sign]\ntarget = package\n[sign:x86_64]\nkey_yay = 0xDEADBEEF", []string{
			"ahriman.ini:1: error: [sign] key: not set, and sign.target wants signatures",
			"ahriman.ini:4: warning: [sign:x86_64] key_yay: 0xDEADBEEF is a short key ID, which anybody can forge: write the fingerprint"}},
		{"keyring", "[sign]\nverify = /nowhere", []string{"ahriman.ini:2: error: [sign] verify: /nowhere: no such file or directory"}},
		{"include", "[settings]\ninclude = /nowhere", []string{"ahriman.ini:2: warning: [settings] include: /nowhere: no such file or directory"}},
		{"unimplemented", "[upload]\ntarget = s3\n[s3]\nbukket = b", []string{
			"ahriman.ini:2: warning: [upload] target: s3 has no effect yet: the type s3 does not exist here",
			"ahriman.ini:4: error: [s3] bukket: no such option, did you mean bucket?"}},
		{"named", "[upload]\ntarget = mine\n[mine]\ntype = remote-service\ntimeout = x\nnothing = 1\n[status]\naddress = http://a", []string{
			`ahriman.ini:5: error: [mine] timeout: "x": not a time: a whole number of seconds, or 90s, 15m, 1h30m`,
			"ahriman.ini:6: error: [mine] nothing: no such option"}},
		{"package", "[mirrorlist]\ntarget = mirrors\n[mirrors]\npackage = x", []string{
			"ahriman.ini:3: error: [mirrors] servers: not set, and required by [mirrorlist] target"}},
		{"pull", "[remote-pull]\ntarget = gitremote\n[gitremote]\npush_url = x", []string{
			"ahriman.ini:3: error: [gitremote] pull_url: not set, and required by [remote-pull] target"}},
		{"no master", "[upload]\ntarget = remote-service\n[remote-service]", []string{
			"ahriman.ini: error: [status] address: not set, and remote-service and remote-call need to know where the master is"}},
		{"order", "[upload]\ntarget = remote-service\n[remote-service]\n[report]\ntarget = remote-call\n[remote-call]\n[status]\naddress = http://a", []string{
			"ahriman.ini: warning: [build] triggers: the master is called before the packages are uploaded: put ahriman.core.upload.UploadTrigger before ahriman.core.report.ReportTrigger"}},
		{"worker", "[build]\ntriggers = ahriman.core.distributed.WorkerTrigger\n[worker]\nidentifier = x", []string{
			"ahriman.ini:3: error: [worker] address: not set, and ahriman.core.distributed.WorkerTrigger tells it to the master"}},
		{"password", "[status]\nusername = u", []string{"ahriman.ini:1: error: [status] password: not set, though status.username is"}},
		{"open", "[web]\nhost = 0.0.0.0\nport = 80\nenable_archive_upload = yes", []string{
			"ahriman.ini:2: warning: [web] host: whoever reaches 0.0.0.0 can upload packages: auth.target is disabled"}},
		{"tls", "[web]\ntls_key = /etc/passwd", []string{
			"ahriman.ini:1: error: [web] tls_certificate: tls_certificate and tls_key are needed both",
			"ahriman.ini:2: warning: [web] tls_key: a secret in a file that everybody can read: chmod o-r /etc/passwd"}},
		{"token", "[status]\ntoken_file = /etc/passwd", []string{
			"ahriman.ini:2: warning: [status] token_file: a secret in a file that everybody can read: chmod o-r /etc/passwd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := findings(t, c.text)
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestValidateUnknownTrigger(t *testing.T) {
	got := findings(t, "[build]\ntriggers = ahriman.core.report.ReportTriger")
	want := "ReportTriger is no trigger, did you mean " + ReportTrigger + "?; there are exec:/path, " + ArchiveTrigger
	if len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestValidateEnvironment(t *testing.T) {
	got := findings(t, "", "web:port=x", "some:thing=1")
	want := []string{
		"environment: warning: [some]: no such section, and no target names it",
		`environment: error: [web] port: "x": not a whole number`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

// TestValidateExposed: secrets in a file for everybody.
func TestValidateExposed(t *testing.T) {
	f := load(t, "[status]\npassword = hunter2\nusername = u")
	got := f.Validate()
	if len(got) != 1 || !strings.Contains(got[0].Message, "chmod o-r") || strings.Contains(got[0].String(), "hunter2") {
		t.Errorf("%v", got)
	}
}

// TestValidateUnreadable: a file that is there but not for us.
func TestValidateUnreadable(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(directory, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := findings(t, "[settings]\n[sign]\nverify = "+directory+"/keyring")
	if len(got) != 1 || !strings.Contains(got[0], "error: [sign] verify: "+directory+"/keyring: not a directory") {
		t.Errorf("%q", got)
	}
}
