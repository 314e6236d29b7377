package sshdial

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigIsReadAsSSHDoes compares with "ssh -G", which prints what the real
// client makes of a configuration.
func TestConfigIsReadAsSSHDoes(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Fatal("ssh is not installed: see .ci/setup")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("more.conf", "Host inner*\n  Port 41\nHost *\n  HostKeyAlias included\n")
	write("user.conf", "User fromfile\n")
	for name, text := range map[string]string{
		"empty":        "",
		"alias":        "Host build\n HostName build.example.org\n Port 2022\n User builder\n",
		"first counts": "Host build*\n Port 1\nHost *\n Port 2\n User all\n",
		"equals":       "Host=build\nport = 33\nUSER=\"quoted name\"\n",
		"comments":     "# a comment\n\nHost build # another\n  Port 34 # more\n",
		"negated":      "Host * !build\n Port 35\nHost build !other\n Port 36\n",
		"wildcards":    "Host b?ild\n Port 37\nHost *uil*\n User wild\n",
		"identities":   "IdentityFile ~/.ssh/one\nHost build\n IdentityFile %d/two-%h-%r-%p\n IdentityFile ~/.ssh/one\n IdentitiesOnly yes\n",
		"certificates": "CertificateFile /a\nHost build\nCertificateFile /b\n",
		"known":        "UserKnownHostsFile /k1 /k2\nGlobalKnownHostsFile none\nHashKnownHosts yes\n",
		"jump":         "Host build\n ProxyJump me@first:2200,second\n",
		"jump none":    "Host build\n ProxyJump none\nHost *\n ProxyJump other\n",
		"include":      "Include " + dir + "/more.conf\nHost build\n Include " + dir + "/user.conf\n",
		"include off":  "Host other\n Include " + dir + "/user.conf\nHost *\n User after\n",
		"include glob": "Include " + dir + "/*.conf\n",
		"match host":   "Host build\n HostName deep.example.org\nMatch host deep.*\n Port 38\nMatch originalhost build\n User orig\n",
		"match user":   "Match user nobody-here\n Port 39\nMatch all\n Port 40\n",
		"match local":  "Match localuser nobody-at-all\n Port 42\nMatch !localuser nobody-at-all\n Port 43\n",
		"match exec":   "Match exec \"test %h = build\"\n Port 44\nMatch exec false\n User no\n",
		"match two":    "Match host build exec true\n Port 45\nMatch host build exec false\n User no\n",
		"match final":  "Match final host deep.example.org\n Port 46\nHost deep*\n User deep\nHost build\n HostName deep.example.org\n",
		"not final":    "Match !final all\n Port 47\nMatch final originalhost build\n User last\n",
		"timeout":      "ConnectTimeout 7\n",
		"timeout unit": "ConnectTimeout 1m30s\n",
		"alias %h":     "Host build\n HostName %h.example.org\n",
		"family":       "AddressFamily inet6\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := write("config", text)
			for _, host := range []string{"build", "inner1", "build2"} {
				want := sshG(t, path, host)
				d, err := New(Config{UserConfig: path, SystemConfig: "/dev/null"})
				if err != nil {
					t.Fatal(err)
				}
				h, err := d.lookUp(t.Context(), Target{Host: host})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, described(d, h, want)); diff != "" {
					t.Errorf("%s (-ssh +ours):\n%s", host, diff)
				}
			}
		})
	}
}

// sshG asks ssh; only keywords that are ours too are returned.
func sshG(t *testing.T, config, host string) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ssh", "-G", "-F", config, host).Output()
	if err != nil {
		t.Fatalf("ssh -G: %v", err)
	}
	said := map[string][]string{"proxyjump": nil, "certificatefile": nil, "hostkeyalias": nil}
	for line := range strings.Lines(string(out)) {
		keyword, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch keyword {
		case "hostname", "port", "user", "proxyjump", "hostkeyalias", "identitiesonly", "hashknownhosts", "addressfamily":
			said[keyword] = []string{value}
		case "userknownhostsfile":
			said[keyword] = strings.Fields(value)
		case "identityfile", "certificatefile":
			said[keyword] = append(said[keyword], value)
		case "connecttimeout":
			if value != "none" {
				said[keyword] = []string{value}
			}
		}
	}
	return said
}

// described is a host in ssh -G's words. That prints file names as they stand in
// the configuration: those are compared after expanding them here.
func described(d *Dialer, h *host, want map[string][]string) map[string][]string {
	for _, keyword := range []string{"identityfile", "certificatefile", "userknownhostsfile"} {
		for i, name := range want[keyword] {
			want[keyword][i] = h.path(d, name)
		}
	}
	family := map[string]string{"tcp": "any", "tcp4": "inet", "tcp6": "inet6"}
	said := map[string][]string{
		"hostname": {h.name}, "port": {strconv.Itoa(h.port)}, "user": {h.user}, "addressfamily": {family[h.network]},
		"identitiesonly": {yesNo(h.identitiesOnly)}, "hashknownhosts": {yesNo(h.hashHosts)},
		"certificatefile": h.certificates, "userknownhostsfile": h.userHosts, "proxyjump": nil, "hostkeyalias": nil,
	}
	said["identityfile"] = h.identities
	if !h.named { // ssh also knows keys in hardware, which only the agent has for us
		want["identityfile"] = slices.DeleteFunc(want["identityfile"], func(name string) bool {
			return !slices.Contains([]string{"id_rsa", "id_ecdsa", "id_ed25519"}, filepath.Base(name))
		})
	}
	if h.keyAlias != "" {
		said["hostkeyalias"] = []string{h.keyAlias}
	}
	if _, ok := want["connecttimeout"]; ok {
		said["connecttimeout"] = []string{strconv.Itoa(int(h.timeout.Seconds()))}
	}
	if len(h.jumps) > 0 {
		var all []string
		for _, jump := range h.jumps {
			all = append(all, strings.TrimPrefix(jump.String(), "ssh://"))
		}
		said["proxyjump"] = []string{strings.Join(all, ",")}
	}
	return said
}

// What ssh -G of older versions does not know, or does not expand.
func TestConfigBeyondSSH(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	text := `
Host build
  Tag fast
  HostName deep.example.org
  ProxyJump %r@gate-%h:%p
Match tagged fast,slow
  User runner
Match localnetwork 240.0.0.0/8
  Port 1
Match localnetwork 240.0.0.0/8,127.0.0.0/8 sessiontype exec
  Port 2222
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{UserConfig: path, SystemConfig: "/dev/null"})
	if err != nil {
		t.Fatal(err)
	}
	h, err := d.lookUp(t.Context(), Target{Host: "build"})
	if err != nil {
		t.Fatal(err)
	}
	if h.user != "runner" || h.port != 2222 || len(h.jumps) != 1 || h.jumps[0].String() != "ssh://runner@gate-deep.example.org:2222" {
		t.Errorf("got user %s, port %d, jumps %v", h.user, h.port, h.jumps)
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func TestBadConfigNamesTheLine(t *testing.T) {
	for text, reason := range map[string]string{
		"Host build\nPort\n":                 "line 2: port has no value",
		"Match nonsense x\n":                 `unknown criterion "nonsense"`,
		"User \"open\n":                      "a quote is not closed",
		"Port many\n":                        `port "many"`,
		"ConnectTimeout soon\n":              `"soon" is no time`,
		"ProxyJump a:b:c\n":                  "ProxyJump",
		"Match host\n":                       "match host has no value",
		"Include loop\n":                     "include each other",
		strings.Repeat("#\n", maxConfigSize): "larger than",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, ".ssh/loop")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := New(Config{Home: dir, UserConfig: path, SystemConfig: "/dev/null"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.lookUp(t.Context(), Target{Host: "build"}); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.40q: got %v, want something about %q", text, err, reason)
		}
	}
}
