package sign_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"ahriman/sign"
	"ahriman/sign/signtest"
)

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "-package.pkg.tar.zst")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func openKeyring(t *testing.T, path string) *sign.Keyring {
	t.Helper()
	k, err := sign.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignAndVerify(t *testing.T) {
	for _, algorithm := range []string{"ed25519", "rsa2048"} {
		t.Run(algorithm, func(t *testing.T) {
			home := signtest.New(t)
			key := home.Key(algorithm, "never", "")
			g := sign.NewGPG(sign.Config{Key: key, Home: home.Dir})
			if err := g.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			path := writeFile(t, strings.Repeat("content", 100_000))
			for i, want := range []bool{true, false} {
				signed, err := g.SignFile(t.Context(), path)
				if err != nil || signed != want {
					t.Fatalf("round %d: signed %t, %v", i, signed, err)
				}
			}
			home.GPG("--verify", "--", path+".sig", path)
			for _, keyring := range []string{home.Export(), home.Export("--armor")} {
				s, err := openKeyring(t, keyring).VerifyFile(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				if s.Fingerprint != key || s.Created.IsZero() || !strings.Contains(s.UserID, "Test Key") {
					t.Errorf("signature %+v, want one by %s", s, key)
				}
			}
		})
	}
}

func TestSignFileAgain(t *testing.T) {
	home := signtest.New(t)
	first, second := home.Key("ed25519", "never", ""), home.Key("ed25519", "never", "")
	path := writeFile(t, "content")
	for _, step := range []struct {
		key  string
		want bool
	}{{first, true}, {second, true}, {second, false}} {
		signed, err := sign.NewGPG(sign.Config{Key: step.key, Home: home.Dir}).SignFile(t.Context(), path)
		if err != nil || signed != step.want {
			t.Fatalf("key %s: signed %t, %v", step.key, signed, err)
		}
	}
	for _, broken := range []string{"", "broken", strings.Repeat("x", 20<<10)} {
		if err := os.WriteFile(path+".sig", []byte(broken), 0o644); err != nil {
			t.Fatal(err)
		}
		if signed, err := sign.NewGPG(sign.Config{Key: second, Home: home.Dir}).SignFile(t.Context(), path); err != nil || !signed {
			t.Errorf("over a broken signature: signed %t, %v", signed, err)
		}
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestKeyErrors(t *testing.T) {
	home := signtest.New(t)
	expired := home.Key("ed25519", "1d", "", "--faked-system-time", "20200101T000000!")
	revoked := home.Key("ed25519", "never", "")
	home.Revoke(revoked)
	locked := home.Key("ed25519", "never", "a secret")
	home.Forget()
	path := writeFile(t, "content")
	for _, test := range []struct {
		name, key string
		want      error
	}{
		{"absent", "0123456789ABCDEF0123456789ABCDEF01234567", sign.ErrNoKey},
		{"expired", expired, sign.ErrKeyExpired},
		{"revoked", revoked, sign.ErrKeyRevoked},
		{"locked", locked, sign.ErrKeyLocked},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := sign.NewGPG(sign.Config{Key: test.key, Home: home.Dir}).Sign(t.Context(), path)
			var failed *sign.KeyError
			if !errors.Is(err, test.want) || !errors.As(err, &failed) || failed.Hint() == "" || !strings.Contains(err.Error(), test.key) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if _, err := sign.NewGPG(sign.Config{Key: locked, Home: home.Dir}).Sign(t.Context(), path+".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := sign.NewGPG(sign.Config{Key: locked, Program: "/nonexistent/gpg"}).Sign(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without gpg: %v", err)
	}
}

// signedBy returns a signature of the text that gpg makes, whatever is wrong
// with the key today.
func signedBy(t *testing.T, home *signtest.Home, key, text string, args ...string) []byte {
	t.Helper()
	args = append(args, "--local-user", key, "--output", "-", "--detach-sign", "--", writeFile(t, text))
	return home.GPG(args...)
}

func TestVerifyErrors(t *testing.T) {
	home, stranger := signtest.New(t), signtest.New(t)
	good, other := home.Key("ed25519", "never", ""), stranger.Key("ed25519", "never", "")
	inTime := []string{"--faked-system-time", "20200101T000000!"}
	expired := home.Key("ed25519", "1d", "", inTime...)
	revoked := home.Key("ed25519", "never", "")
	const text = "content"
	byRevoked := signedBy(t, home, revoked, text)
	home.Revoke(revoked)
	byGood := signedBy(t, home, good, text)
	future := signedBy(t, home, good, text, "--faked-system-time", "20991231T000000!")
	keyring := openKeyring(t, home.Export())
	for _, test := range []struct {
		name      string
		signature []byte
		content   string
		want      error
	}{
		{"good", byGood, text, nil},
		{"other content", byGood, text + "!", sign.ErrBadSignature},
		{"no content", byGood, "", sign.ErrBadSignature},
		{"unknown", signedBy(t, stranger, other, text), text, sign.ErrUnknownKey},
		{"expired", signedBy(t, home, expired, text, inTime...), text, sign.ErrKeyExpired},
		{"revoked", byRevoked, text, sign.ErrKeyRevoked},
		{"signature expired", signedBy(t, home, good, text, "--default-sig-expire", "seconds=1", "--faked-system-time", "20991231T000000!"), text, sign.ErrSignatureExpired},
		{"from the future", future, text, sign.ErrSignatureExpired},
		{"empty", nil, text, sign.ErrMalformed},
		{"cut", byGood[:len(byGood)/2], text, sign.ErrMalformed},
		{"not one", []byte("not a signature"), text, sign.ErrMalformed},
		{"a key", home.GPG("--export", good), text, sign.ErrMalformed},
		{"armored", signedBy(t, home, good, text, "--armor"), text, sign.ErrMalformed},
		{"of text", signedBy(t, home, good, text, "--textmode"), text, sign.ErrMalformed},
		{"too long", bytes.Repeat(byGood, 16<<10/len(byGood)+1), text, sign.ErrMalformed},
		{"unknown, then good", append(signedBy(t, stranger, other, text), byGood...), text, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := keyring.Verify(strings.NewReader(test.content), test.signature)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	if _, err := keyring.Verify(iotest.ErrReader(io.ErrNoProgress), byGood); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a file that cannot be read: %v", err)
	}
	flipped := bytes.Clone(byGood)
	flipped[len(flipped)-1] ^= 1
	if _, err := keyring.Verify(strings.NewReader(text), flipped); !errors.Is(err, sign.ErrBadSignature) {
		t.Errorf("a changed signature: %v", err)
	}
}

func TestReadKeyring(t *testing.T) {
	home, other := signtest.New(t), signtest.New(t)
	first, second := home.Key("ed25519", "never", ""), other.Key("rsa2048", "never", "")
	two := string(home.GPG("--armor", "--export")) + "\n" + string(other.GPG("--armor", "--export"))
	k, err := sign.ReadKeyring(strings.NewReader(two))
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Fingerprints(); len(got) != 2 || got[0] != first || got[1] != second {
		t.Errorf("got %v, want %s and %s", got, first, second)
	}
	keybox, err := os.ReadFile(filepath.Join(home.Dir, "pubring.kbx"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("no keyring"), "keybox": keybox,
		"signature": signedBy(t, home, first, "x", "--armor"),
	} {
		if k, err := sign.ReadKeyring(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: read as %v", name, k.Fingerprints())
		}
	}
	if _, err := sign.OpenKeyring(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent file: %v", err)
	}
}
