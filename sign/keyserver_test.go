package sign_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"ahriman/sign"
	"ahriman/sign/signtest"
)

// keyserver answers every search with the keys of a home, and one for an
// unknown key with 404.
func keyserver(t *testing.T, home *signtest.Home, unknown string) *httptest.Server {
	t.Helper()
	armored, err := os.ReadFile(home.Export("--armor"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.URL.Path != "/pks/lookup" || query.Get("op") != "get" || query.Get("options") != "mr" {
			t.Errorf("asked for %s", r.URL)
		}
		if query.Get("search") == "0x"+unknown {
			http.NotFound(w, r)
			return
		}
		w.Write(armored)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestKeyserver(t *testing.T) {
	home := signtest.New(t)
	key := home.Key("ed25519", "never", "")
	unknown := strings.Repeat("0", 40)
	server := sign.Keyserver(keyserver(t, home, unknown).URL)
	for _, name := range []string{key, "0x" + strings.ToLower(key), key[len(key)-16:]} {
		armored, err := server.Fetch(t.Context(), name)
		if err != nil || !strings.Contains(string(armored), "BEGIN PGP PUBLIC KEY BLOCK") {
			t.Errorf("Fetch(%s): %q, %v", name, armored, err)
		}
	}
	if _, err := server.Fetch(t.Context(), unknown); !errors.Is(err, sign.ErrKeyNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	for name, want := range map[string]string{
		strings.Repeat("1", 40): "another key",
		key[len(key)-8:]:        "no key ID of at least 16",
		"--help":                "no key ID",
	} {
		if _, err := server.Fetch(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Fetch(%s): %v, want %q", name, err, want)
		}
	}
	if _, err := sign.Keyserver("ftp://example.org").Fetch(t.Context(), key); err == nil {
		t.Error("ftp was tried")
	}
}

func TestImport(t *testing.T) {
	home, other := signtest.New(t), signtest.New(t)
	key := home.Key("ed25519", "never", "")
	armored, err := sign.Keyserver(keyserver(t, home, "").URL).Fetch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	gpg := sign.NewGPG(sign.Config{Key: key, Home: other.Dir})
	if err := gpg.Import(t.Context(), armored); err != nil {
		t.Fatal(err)
	}
	if list := string(other.GPG("--with-colons", "--list-keys")); !strings.Contains(list, key) {
		t.Errorf("not imported:\n%s", list)
	}
	if err := gpg.Import(t.Context(), []byte("no key")); err == nil {
		t.Error("text was imported as a key")
	}
}

func TestKeyserverBounds(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.Copy(w, io.LimitReader(neverEnding('x'), 64<<20))
	}))
	defer endless.Close()
	if _, err := sign.Keyserver(endless.URL).Fetch(t.Context(), strings.Repeat("1", 40)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an answer without end: %v", err)
	}
}

type neverEnding byte

func (n neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(n)
	}
	return len(p), nil
}
