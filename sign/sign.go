// Package sign makes and verifies OpenPGP signatures of package files and
// databases: detached and binary, as pacman wants them. It signs through gpg and
// its agent, so that secret keys never enter this process, and verifies in Go
// against a keyring file, so that a node needs no gpg to check what it is sent.
package sign

import (
	"errors"
	"fmt"
)

// MaxSignature is the largest signature that pacman reads, in bytes; longer ones
// are neither made nor accepted.
const MaxSignature = 16 << 10

// What is wrong with a key.
var (
	ErrNoKey       = errors.New("there is no such secret key")
	ErrNoPublicKey = errors.New("there is no such public key, or more than one")
	ErrUnknownKey  = errors.New("signed by a key that is not in the keyring")
	ErrKeyExpired  = errors.New("the key has expired")
	ErrKeyRevoked  = errors.New("the key was revoked")
	ErrKeyLocked   = errors.New("the key is locked and the agent cannot ask for its passphrase")
)

// What is wrong with a signature.
var (
	ErrBadSignature     = errors.New("the signature does not belong to these bytes")
	ErrSignatureExpired = errors.New("the signature is not valid at this time")
	ErrMalformed        = errors.New("malformed signature")
)

// KeyError says why a key cannot be used: errors.Is tells ErrNoKey, ErrNoPublicKey,
// ErrKeyExpired, ErrKeyRevoked and ErrKeyLocked apart.
type KeyError struct {
	Key string // as it was configured
	Err error
}

func (e *KeyError) Error() string { return fmt.Sprintf("key %s: %s", e.Key, e.Err) }

// Unwrap returns what is wrong with the key.
func (e *KeyError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *KeyError) Hint() string {
	switch {
	case errors.Is(e.Err, ErrNoKey):
		return "gpg --list-secret-keys, run as the same user, shows what is there; check sign.key and GNUPGHOME"
	case errors.Is(e.Err, ErrNoPublicKey):
		return "gpg --list-keys, run as the same user, shows what is there; name keys by their fingerprints, service-key-import takes them from a keyserver"
	case errors.Is(e.Err, ErrKeyExpired):
		return "gpg --quick-set-expire FINGERPRINT 1y prolongs it; then hand the public key out again"
	case errors.Is(e.Err, ErrKeyRevoked):
		return "make a new key, set sign.key, and hand the public key out"
	case errors.Is(e.Err, ErrKeyLocked):
		return "use a key without a passphrase, or unlock it first: export GPG_TTY=$(tty), then sign anything with gpg"
	}
	return ""
}
