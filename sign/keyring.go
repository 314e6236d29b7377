package sign

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxKeyring bounds a keyring file, in bytes; the whole of Arch Linux's is under
// two million.
const maxKeyring = 32 << 20

// Keyring is a set of public keys that signatures are checked against. It is
// safe for concurrent use.
type Keyring struct {
	keys openpgp.EntityList
	now  func() time.Time
}

// Signature is what a good signature says.
type Signature struct {
	Fingerprint string    // of the primary key, upper-case hex
	UserID      string    // the primary one; empty when the key has none
	Created     time.Time // when it was made
}

// OpenKeyring reads a keyring file: what gpg --export writes, armored or not.
func OpenKeyring(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading keyring: %w", err)
	}
	defer f.Close()
	k, err := ReadKeyring(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// ReadKeyring reads public keys, armored (in one block or several) or binary. A
// keyring without a key that can be read is an error.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyring+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading keyring: %w", err)
	case len(data) > maxKeyring:
		return nil, fmt.Errorf("reading keyring: more than %d bytes", maxKeyring)
	case len(data) > 12 && string(data[8:12]) == "KBXf":
		return nil, errors.New("reading keyring: a keybox, gpg's own format: write one with gpg --export")
	}
	k := &Keyring{now: time.Now}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN ")) {
		err = k.addArmored(data)
	} else {
		k.keys, err = openpgp.ReadKeyRing(bytes.NewReader(data))
	}
	if err == nil && len(k.keys) == 0 {
		err = errors.New("it holds no public key")
	}
	if err != nil {
		return nil, fmt.Errorf("reading keyring: %w", err)
	}
	return k, nil
}

func (k *Keyring) addArmored(data []byte) error {
	// Of one size and not smaller than the decoder's own buffer, so that it
	// takes this one and the next block is read from where it stopped.
	buffered := bufio.NewReader(bytes.NewReader(data))
	for {
		block, err := armor.Decode(buffered)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if block.Type != openpgp.PublicKeyType {
			return fmt.Errorf("it holds a %s", strings.ToLower(block.Type))
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return err
		}
		k.keys = append(k.keys, keys...)
	}
}

// Fingerprints lists the primary keys, in upper-case hex, in the file's order.
func (k *Keyring) Fingerprints() []string {
	list := make([]string, len(k.keys))
	for i, key := range k.keys {
		list[i] = fingerprint(key)
	}
	return list
}

// keyIDs lists the fingerprints of all keys, subkeys too.
func (k *Keyring) keyIDs() []string {
	list := k.Fingerprints()
	for _, key := range k.keys {
		for _, subkey := range key.Subkeys {
			list = append(list, strings.ToUpper(hex.EncodeToString(subkey.PublicKey.Fingerprint)))
		}
	}
	return list
}

func fingerprint(key *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(key.PrimaryKey.Fingerprint))
}

// Verify checks a detached binary signature of what r holds, which it reads
// once. The errors are ErrUnknownKey, ErrKeyExpired, ErrKeyRevoked,
// ErrBadSignature, ErrSignatureExpired and ErrMalformed, and what r returns.
func (k *Keyring) Verify(r io.Reader, signature []byte) (*Signature, error) {
	if err := wellFormed(signature); err != nil {
		return nil, err
	}
	content := &source{r: r}
	config := &packet.Config{Time: k.now}
	made, key, err := openpgp.VerifyDetachedSignature(k.keys, content, bytes.NewReader(signature), config)
	if content.err != nil {
		return nil, content.err
	}
	if err != nil {
		return nil, translate(err, signature)
	}
	s := &Signature{Fingerprint: fingerprint(key), Created: made.CreationTime}
	if identity := key.PrimaryIdentity(); identity != nil {
		s.UserID = identity.Name
	}
	return s, nil
}

// VerifyFile checks the file at path against the signature at path+".sig".
func (k *Keyring) VerifyFile(ctx context.Context, path string) (*Signature, error) {
	signature, err := readSignature(path + ".sig")
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := k.Verify(&cancellable{ctx, f}, signature)
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", path, err)
	}
	return s, nil
}

func readSignature(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	signature, err := io.ReadAll(io.LimitReader(f, MaxSignature+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return signature, nil
}

// wellFormed reads the signature without any key.
func wellFormed(signature []byte) error {
	switch {
	case len(signature) == 0:
		return fmt.Errorf("%w: it is empty", ErrMalformed)
	case len(signature) > MaxSignature:
		return fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSignature)
	case bytes.HasPrefix(signature, []byte("-----BEGIN ")):
		return fmt.Errorf("%w: it is armored, pacman takes binary ones only", ErrMalformed)
	}
	packets := packet.NewReader(bytes.NewReader(signature))
	for n := 0; ; n++ {
		p, err := packets.Next()
		if err == io.EOF && n > 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		s, ok := p.(*packet.Signature)
		if !ok || s.IssuerKeyId == nil {
			return fmt.Errorf("%w: no signature with an issuer", ErrMalformed)
		}
		if s.SigType != packet.SigTypeBinary {
			return fmt.Errorf("%w: not one of a file", ErrMalformed)
		}
	}
}

// translate makes our errors of the library's.
func translate(err error, signature []byte) error {
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return fmt.Errorf("%w: %s", ErrUnknownKey, issuer(signature))
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return fmt.Errorf("%w: %s", ErrKeyExpired, issuer(signature))
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return fmt.Errorf("%w: %s", ErrKeyRevoked, issuer(signature))
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return ErrSignatureExpired
	}
	return fmt.Errorf("%w: %w", ErrBadSignature, err)
}

// issuer is what the first signature says about who made it.
func issuer(signature []byte) string {
	p, err := packet.NewReader(bytes.NewReader(signature)).Next()
	if s, ok := p.(*packet.Signature); ok && err == nil {
		if len(s.IssuerFingerprint) > 0 {
			return strings.ToUpper(hex.EncodeToString(s.IssuerFingerprint))
		}
		return fmt.Sprintf("%016X", *s.IssuerKeyId)
	}
	return "unknown"
}

// source keeps the error of the reader apart from the signature's.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// cancellable ends reading with its context.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
