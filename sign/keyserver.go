package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DefaultKeyserver is asked where nothing else is said; it is ahriman's default.
const DefaultKeyserver = "keyserver.ubuntu.com"

// keyserverTimeout is how long a keyserver may take for one key.
const keyserverTimeout = 30 * time.Second

// maxKey bounds one armored key, in bytes; keys with many signatures have reached
// a tenth of it.
const maxKey = 4 << 20

// ErrKeyNotFound says that a keyserver has no such key.
var ErrKeyNotFound = errors.New("the server has no such key")

// Keyserver is the address of a server that speaks HKP, as "keys.example.org"
// or a URL with https, http, hkps or hkp.
type Keyserver string

// Fetch returns a public key, armored, by its key ID or fingerprint. A key that
// the server has not is ErrKeyNotFound; what it answers is checked to be that key.
func (k Keyserver) Fetch(ctx context.Context, key string) ([]byte, error) {
	id, err := keyID(key)
	if err != nil {
		return nil, err
	}
	address, err := k.lookup(id)
	if err != nil {
		return nil, err
	}
	armored, err := get(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("fetching key %s from %s: %w", id, k, err)
	}
	ring, err := ReadKeyring(bytes.NewReader(armored))
	if err != nil {
		return nil, fmt.Errorf("fetching key %s from %s: %w", id, k, err)
	}
	if !slices.ContainsFunc(ring.keyIDs(), func(f string) bool { return strings.HasSuffix(f, id) }) {
		return nil, fmt.Errorf("fetching key %s from %s: it answered with another key", id, k)
	}
	return armored, nil
}

// keyID reads a key ID of at least 16 digits, or a fingerprint: shorter ones have
// been forged.
func keyID(key string) (string, error) {
	id := strings.ToUpper(strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(key, " ", "")), "0x"))
	if !regexp.MustCompile(`^[0-9A-F]{16,64}$`).MatchString(id) {
		return "", fmt.Errorf("%q is no key ID of at least 16 hexadecimal digits, and no fingerprint", key)
	}
	return id, nil
}

// lookup is the address that answers with a key, as
// draft-gallagher-openpgp-hkp has it.
func (k Keyserver) lookup(id string) (string, error) {
	text := string(k)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("keyserver %q: not a host or URL", string(k))
	}
	switch u.Scheme {
	case "http", "https":
	case "hkps":
		u.Scheme = "https"
	case "hkp":
		u.Scheme = "http"
		if u.Port() == "" {
			u.Host += ":11371"
		}
	default:
		return "", fmt.Errorf("keyserver %q: not https, http, hkps or hkp", string(k))
	}
	u.Path, u.RawQuery = "/pks/lookup", url.Values{"op": {"get"}, "options": {"mr"}, "search": {"0x" + id}}.Encode()
	return u.String(), nil
}

// get fetches something no larger than a key.
func get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keyserverTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil, ErrKeyNotFound
	case response.StatusCode != http.StatusOK:
		return nil, errors.New(response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKey+1))
	if err == nil && len(body) > maxKey {
		err = fmt.Errorf("an answer of more than %d bytes", maxKey)
	}
	return body, err
}
