package config

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"

	"github.com/google/go-cmp/cmp"
)

var x86 = alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}

// write puts files below a new directory; the main file is ahriman.ini.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(root, "ahriman.ini")
}

func load(t *testing.T, text string, environ ...string) *File {
	t.Helper()
	f, err := Load(write(t, map[string]string{"ahriman.ini": text}), environ)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func settings(t *testing.T, text string, environ ...string) *Settings {
	t.Helper()
	s, err := load(t, text, environ...).For(x86)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type fixture struct {
	Case         string
	Architecture string
	Repository   string
	Main         string `json:"ahriman.ini"`
	Files        map[string]string
	Environment  map[string]string
	Result       map[string]map[string]map[string]any
}

// TestFixtures compares with what the Python ahriman reads.
func TestFixtures(t *testing.T) {
	file, err := os.Open("testdata/configuration-fixtures.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	count := 0
	for lines.Scan() {
		var fx fixture
		if err := json.Unmarshal(lines.Bytes(), &fx); err != nil {
			t.Fatal(err)
		}
		count++
		t.Run(fx.Case, func(t *testing.T) { compare(t, fx) })
	}
	if count != 9 {
		t.Errorf("%d cases, want 9", count)
	}
}

func compare(t *testing.T, fx fixture) {
	files := map[string]string{"ahriman.ini": fx.Main}
	maps.Copy(files, fx.Files)
	var environ []string
	for name, value := range fx.Environment {
		environ = append(environ, name+"="+value)
	}
	path := write(t, files)
	f, err := Load(path, environ)
	if err != nil {
		t.Fatal(err)
	}
	// Ours resolves until nothing changes.
	if fx.Case == "interpolation" {
		for _, key := range []string{"twice", "thrice"} {
			fx.Result["a"][key] = fx.Result["a"]["same"]
		}
	}
	id := alpm.RepositoryID{Name: fx.Repository, Architecture: fx.Architecture}
	got := map[string]map[string]map[string]any{}
	for _, section := range f.Sections(id) {
		options, err := f.Options(id, section)
		if err != nil {
			t.Fatal(err)
		}
		got[section] = map[string]map[string]any{}
		for _, o := range options {
			got[section][o.Key] = readings(f, o.Value)
		}
	}
	if diff := cmp.Diff(fx.Result, got); diff != "" {
		t.Errorf("ahriman -, ours +:\n%s", diff)
	}
}

func readings(f *File, text string) map[string]any {
	bad := map[string]any{"error": "ValueError"}
	result := map[string]any{"string": text, "list": bad, "boolean": bad}
	result["path"] = strings.Replace(f.absolute(text), filepath.Dir(f.path), "/etc", 1)
	if b, err := parseBool(text); err == nil {
		result["boolean"] = b
	}
	if list, err := SplitList(text); err == nil {
		items := []any{}
		for _, item := range list {
			items = append(items, item)
		}
		result["list"] = items
	}
	return result
}

func TestDefaults(t *testing.T) {
	s := settings(t, "")
	dir := filepath.Dir(s.Path)
	for _, c := range []struct{ got, want any }{
		{s.Main.Include, []string{dir + "/ahriman.ini.d"}},
		{s.Main.Database, "/var/lib/ahriman/ahriman.db"},
		{s.Repository, Repository{Root: "/var/lib/ahriman", Name: "aur", Architecture: "x86_64"}},
		{s.ALPM.Repositories, []string{"core", "extra", "multilib"}},
		{s.ALPM.Mirror, "https://geo.mirror.pkgbuild.com/$repo/os/$arch"},
		{s.Build.MakepkgFlags, []string{"--nocolor", "--ignorearch"}},
		{len(s.Build.Triggers), 6},
		{s.Build.VCSAllowedAge, 7 * 24 * time.Hour},
		{s.Web.Host, "127.0.0.1"},
		{s.Web.WaitTimeout, -time.Second},
		{s.Auth.Target, "disabled"},
		{s.Auth.AllowReadOnly, true},
		{s.Status.Enabled, true},
		{s.Archive.KeepBuiltPackages, 1},
		{s.LogsRotation.KeepLastLogs, 5},
		{s.Report, []ReportTarget{{Target: Target{"console", "console"}, Console: &Console{UseUTF: true}}}},
		{s.Upload, []UploadTarget(nil)},
		{s.RemotePull, []GitTarget(nil)},
		{s.StatusAddress(), ""},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestDocumentedWorker reads the worker of the documentation on distributed builds.
func TestDocumentedWorker(t *testing.T) {
	s := settings(t, `
[status]
address = https://master.example.com/
username = worker-user
password = very-secure-password

[upload]
target = remote-service

[remote-service]

[report]
target = remote-call

[remote-call]
manual = yes
wait_timeout = 0

[web]
wait_timeout = 0
service_only = yes

[build]
triggers = ahriman.core.upload.UploadTrigger ahriman.core.report.ReportTrigger
workers = https://worker1.example.com ssh://builder@worker2.example.com:2222
`)
	if got, want := s.StatusAddress(), "https://master.example.com"; got != want {
		t.Errorf("status address %q, want %q", got, want)
	}
	wantUpload := []UploadTarget{{Target: Target{"remote-service", "remote-service"}, RemoteService: &RemoteService{Timeout: 30 * time.Second}}}
	if diff := cmp.Diff(wantUpload, s.Upload); diff != "" {
		t.Error(diff)
	}
	wantReport := []ReportTarget{{Target: Target{"remote-call", "remote-call"}, RemoteCall: &RemoteCall{Manual: true}}}
	if diff := cmp.Diff(wantReport, s.Report); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"https://worker1.example.com", "ssh://builder@worker2.example.com:2222"}, s.Build.Workers); diff != "" {
		t.Error(diff)
	}
	if s.Web.WaitTimeout != 0 || !s.Web.ServiceOnly {
		t.Errorf("web: %+v", s.Web)
	}
}

func TestStatusAddress(t *testing.T) {
	for text, want := range map[string]string{
		"[status]\naddress = http+unix://%2Frun%2Fahriman.sock\n[web]\nport=1":            "http+unix://%2Frun%2Fahriman.sock",
		"[web]\nunix_socket = /run/ahriman.sock\naddress = https://example.com\nport = 1": "http+unix://%2Frun%2Fahriman.sock",
		"[web]\naddress = https://example.com\nport = 1":                                  "https://example.com",
		"[web]\nport = 8080":                         "http://127.0.0.1:8080",
		"[web]\nport = 8080\nhost = ::1":             "http://[::1]:8080",
		"[web]\nport = 8080\n[status]\nenabled = no": "",
		"[web:x86_64]\nport = 8080":                  "http://127.0.0.1:8080",
	} {
		if got := settings(t, text).StatusAddress(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTargets(t *testing.T) {
	s := settings(t, `
[upload]
target = mine s3 remote-service
[mine]
type = remote-service
timeout = 5
[mine:x86_64]
max_retries = 3
[s3]
bucket = b
region = eu
[s3:aur]
bucket = c
`)
	want := []UploadTarget{
		{Target: Target{"mine", "remote-service"}, RemoteService: &RemoteService{Timeout: 5 * time.Second, MaxRetries: 3}},
		{Target: Target{"s3", "s3"}, S3: &S3{Bucket: "c", Region: "eu", ChunkSize: 8 << 20}},
		{Target: Target{"remote-service", "remote-service"}, RemoteService: &RemoteService{Timeout: 30 * time.Second}},
	}
	if diff := cmp.Diff(want, s.Upload); diff != "" {
		t.Error(diff)
	}
}

func TestGitTargets(t *testing.T) {
	s := settings(t, "[remote-pull]\ntarget = aurgit\n[aurgit]\npull_url = https://u:p@example.com/a.git\n[gitremote]\npush_url = git@example.com:b.git")
	if len(s.RemotePull) != 1 || s.RemotePull[0].GitRemote.PullURL != "https://u:p@example.com/a.git" || s.RemotePull[0].GitRemote.PullBranch != "master" {
		t.Errorf("pull: %+v", s.RemotePull)
	}
	if len(s.RemotePush) != 1 || s.RemotePush[0].GitRemote.PushURL != "git@example.com:b.git" {
		t.Errorf("push: %+v", s.RemotePush)
	}
}

func TestSignKeys(t *testing.T) {
	s := settings(t, "[sign]\ntarget = package repository\nkey = A\nkey_yay = B\n[sign:x86_64]\nkey_yay = C\nkey_paru = D")
	if diff := cmp.Diff(map[string]string{"yay": "C", "paru": "D"}, s.Sign.Keys); diff != "" {
		t.Error(diff)
	}
	if !s.Sign.Packages() || !s.Sign.Database() || s.Sign.Key != "A" {
		t.Errorf("%+v", s.Sign)
	}
}

// TestErrors wants each error to name file, line, section and key, and never a
// secret.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"number", "[web]\nport = eighty", `ahriman.ini:2: [web] port: "eighty": not a whole number`},
		{"range", "[web]\n\nport = 70000", `ahriman.ini:3: [web] port: "70000": more than 65535`},
		{"boolean", "[status]\nenabled = maybe", `ahriman.ini:2: [status] enabled: "maybe": neither yes nor no`},
		{"quote", "[build:aur]\nworkers = \"x", `ahriman.ini:2: [build:aur] workers: "\"x": a quote is not closed`},
		{"url", "[build]\nworkers = example.com:80", `ahriman.ini:2: [build] workers: "example.com:80": not a URL with http:// or https:// or http+unix:// or ssh://`},
		{"redacted", "[status]\naddress = ftp://user:hunter2@example.com", `ahriman.ini:2: [status] address: "ftp://***@example.com": not a URL`},
		{"secret", "[auth]\ncookie_secret_key = hunter2", `ahriman.ini:2: [auth] cookie_secret_key: not 32 bytes in url-safe base64`},
		{"oauth", "[auth]\ntarget = oauth", `ahriman.ini:2: [auth] target: "oauth": not supported yet`},
		{"pam", "[auth]\ntarget = pam", `ahriman.ini:2: [auth] target: "pam": not supported yet`},
		{"loop", "[a]\nx = ${b:y}\n[b]\ny = ${a:x}\n[build]\npackager = ${a:x}", `ahriman.ini:6: [build] packager: a loop of references: a:x → b:y → a:x`},
		{"self", "[build]\npackager = ${packager}", `ahriman.ini:2: [build] packager: a loop of references: build:packager → build:packager`},
		{"target", "[upload]\ntarget = nowhere", `ahriman.ini:2: [upload] target: there is no section [nowhere]; without one it is a type: github, remote-service, rsync, s3`},
		{"untyped", "[upload]\ntarget = x\n[x]\na = b", `ahriman.ini:2: [upload] target: [x] has no option type`},
		{"type", "[upload]\ntarget = x\n[x]\ntype = ftp", `ahriman.ini:4: [x] type: "ftp" is no type of [upload]`},
		{"regexp", "[build]\nscan_paths = (", `ahriman.ini:2: [build] scan_paths: "(": missing closing )`},
		{"duration", "[status]\ntimeout = soon", `ahriman.ini:2: [status] timeout: "soon": not a time`},
		{"overflow", "[status]\ntimeout = 9223372036854775807", `more than 100 years`},
		{"nan", "[status]\nretry_backoff = nan", `not a number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text).For(x86)
			var value *ValueError
			if !errors.As(err, &value) {
				t.Fatalf("error %v, want a *ValueError", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret shows: %s", err)
			}
		})
	}
}

// TestNoEffect: what nothing reads cannot break anything.
func TestNoEffect(t *testing.T) {
	settings(t, "[web]\ndebug = perhaps\n[upload]\ntarget = s3\n[s3]\nchunk_size = big")
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"a = b":                        ":1: the option a stands before the first [section]",
		"[a]\nnonsense":                ":2: neither a section nor key = value",
		"[]\n":                         ":1: a section is written [name]",
		"[a\n":                         ":1: a section is written [name]",
		"[a]\n= b":                     ":2: no key before",
		"[a]\n[] = b":                  ":2: a section is written [name]",
		"[a]\nk = v\n\n  no more\n":    ":4: neither a section nor key = value",
		"[a]\nk = v\n  # x\n  no more": ":4: neither a section nor key = value",
		"[a]\nk = \xff":                ":2: the line is not UTF-8",
	} {
		_, err := Load(write(t, map[string]string{"ahriman.ini": text}), nil)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestContinuation(t *testing.T) {
	f := load(t, "\ufeff[a]\r\nk = first\r\n  second\r\n\tx = y\r\n  [z]\r\nm =\r\n  only\r\n[DEFAULT]\r\ninherited = yes\r\n")
	got := map[string]string{}
	options, err := f.Options(x86, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		got[o.Key] = o.Value
	}
	want := map[string]string{"k": "first\nsecond\nx = y\n[z]", "m": "only", "inherited": "yes"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMissing(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.ini"), nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
}

// TestLoggingIsNotRead: Python's logging.ini lies among the includes.
func TestLoggingIsNotRead(t *testing.T) {
	path := write(t, map[string]string{
		"ahriman.ini":                 "",
		"ahriman.ini.d/logging.ini":   "[loggers]\nnonsense",
		"ahriman.ini.d/overrides.ini": "[build]\npackager = me",
	})
	f, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.For(x86)
	if err != nil || s.Build.Packager != "me" {
		t.Errorf("%v, %v", s, err)
	}
}

func TestRepositories(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"repository/b/x86_64", "repository/a/aarch64", "repository/.old/x86_64", "generations/a/x86_64/1"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "repository/a/notes"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"x86_64": "../../generations/a/x86_64/1", "i686": "../../gone"} {
		if err := os.Symlink(to, filepath.Join(root, "repository/a", link)); err != nil {
			t.Fatal(err)
		}
	}
	f := load(t, "[repository]\nroot = "+root)
	got, err := f.Repositories()
	if err != nil {
		t.Fatal(err)
	}
	want := []alpm.RepositoryID{{Name: "a", Architecture: "aarch64"}, {Name: "a", Architecture: "i686"}, {Name: "a", Architecture: "x86_64"}, {Name: "b", Architecture: "x86_64"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err = f.Select("", "x86_64"); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err = f.Select("new", "riscv64"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err = f.Select("c", ""); !errors.Is(err, ErrNoRepository) {
		t.Errorf("%v, want ErrNoRepository", err)
	}
	if _, err = f.Select("../x", "y"); err == nil {
		t.Error("a name with a slash is accepted")
	}
}

func TestConfiguredRepository(t *testing.T) {
	f := load(t, "[repository]\nroot = empty\nname = aur\narchitecture = x86_64")
	if got, err := f.Repositories(); err != nil || !cmp.Equal(got, []alpm.RepositoryID{x86}) {
		t.Errorf("%v, %v", got, err)
	}
	f = load(t, "[repository]\nroot = empty")
	if _, err := f.Repositories(); !errors.Is(err, ErrNoRepository) {
		t.Errorf("%v, want ErrNoRepository", err)
	}
}

func TestSecrets(t *testing.T) {
	f := load(t, "")
	for _, name := range []string{"status password", "status token", "auth salt", "auth cookie_secret_key", "mine api_key", "s3 secret_key", "x:x86_64 password"} {
		section, key, _ := strings.Cut(name, " ")
		if !f.Secret(section, key) {
			t.Errorf("%s is not secret", name)
		}
	}
	for _, name := range []string{"sign key", "sign key_yay", "build packager", "status username"} {
		section, key, _ := strings.Cut(name, " ")
		if f.Secret(section, key) {
			t.Errorf("%s is secret", name)
		}
	}
	if got, want := Redact("a https://u:p@h/x b https://token@h ssh://git@h/x ssh://u:p@h https://h/@x"),
		"a https://***@h/x b https://***@h ssh://git@h/x ssh://***@h https://h/@x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestManyReferences: what doubles with each line ends.
func TestManyReferences(t *testing.T) {
	var text strings.Builder
	text.WriteString("[a]\nx0 = $NOTHING\n")
	for i := range 90 {
		text.WriteString(fmt.Sprintf("x%d = ${x%d}${x%d}\n", i+1, i, i))
	}
	_, err := load(t, text.String()+"[build]\npackager = ${a:x90}", "NOTHING=").For(x86)
	if err == nil || !strings.Contains(err.Error(), "more than 10000 of them") {
		t.Errorf("%v", err)
	}
}

// FuzzLoad: any text gives settings or an error, in bounded time.
func FuzzLoad(f *testing.F) {
	f.Add("[a]\nk[] = ${a:k}\n  more\n[build:aur]\nworkers = 'x\n")
	f.Add("[upload]\ntarget = s3 x\n[x]\ntype=$HOME\n[web]\nport=${a:b:c}${")
	f.Fuzz(func(t *testing.T, text string) {
		file := &File{path: "/etc/ahriman.ini", sections: map[string]*section{}, environ: map[string]string{"HOME": "h"}, schema: newSchema()}
		if file.parse("x.ini", text) != nil {
			return
		}
		if _, err := file.For(x86); err != nil && err.Error() == "" {
			t.Error("an error without text")
		}
		for _, name := range file.Sections(x86) {
			file.Options(x86, name)
		}
	})
}
