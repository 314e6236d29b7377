package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/sign/signtest"
)

// TestKeyImport takes a key from a keyserver into gpg's keyring.
func TestKeyImport(t *testing.T) {
	home, other := signtest.New(t), signtest.New(t)
	key := home.Key("ed25519", "never", "")
	armored, err := os.ReadFile(home.Export("--armor"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("search") != "0x"+key {
			http.NotFound(w, r)
			return
		}
		w.Write(armored)
	}))
	defer server.Close()
	env := Env{Stdin: strings.NewReader(""), Stdout: &strings.Builder{}, Environ: []string{"GNUPGHOME=" + other.Dir}}
	run := func(args ...string) (int, string) {
		var stderr strings.Builder
		env.Args, env.Stderr = append([]string{"-c", filepath.Join(t.TempDir(), "none"), "service-key-import", "--key-server", server.URL}, args...), &stderr
		return Main(t.Context(), env), stderr.String()
	}
	if code, stderr := run(key); code != 0 || stderr != "" {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	if list := string(other.GPG("--with-colons", "--list-keys")); !strings.Contains(list, key) {
		t.Errorf("not imported:\n%s", list)
	}
	if code, stderr := run(strings.Repeat("0", 40)); code != 1 || !strings.Contains(stderr, "no such key") || !strings.Contains(stderr, "hint: ") {
		t.Errorf("an unknown key: exit status %d: %s", code, stderr)
	}
}
