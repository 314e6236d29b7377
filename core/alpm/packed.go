package alpm

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// Limits bound what reading one package file may cost, against archives made to
// exhaust the reader. (Databases have fixed ones: 600,000 entries, 2 GiB.) A zero field stands for its default.
type Limits struct {
	Entries int   // of the archive; default 1,000,000
	Size    int64 // bytes unpacked; default 256 GiB
	// Ratio is how many bytes each packed byte may unpack to, once more than
	// 1 GiB has come out; default 2,000.
	Ratio int64
	Paths int64 // bytes of all path names together; default 256 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Entries == 0 {
		l.Entries = defaultEntries
	}
	if l.Size == 0 {
		l.Size = 256 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 2000
	}
	if l.Paths == 0 {
		l.Paths = 256 << 20
	}
	return l
}

const defaultEntries = 1_000_000

// databaseLimits are those of a database, all of which is held in memory. The
// largest known, with file lists, unpack to half a gigabyte.
func databaseLimits() Limits {
	return Limits{Entries: 600_000, Size: 2 << 30}.withDefaults()
}

// ratioFree is how many unpacked bytes come before Limits.Ratio counts.
const ratioFree = 1 << 30

// malformed marks an error that reading the content gave as ErrFormat, unless
// it is the file itself that could not be read.
func malformed(err error) error {
	var path *fs.PathError
	if err == nil || errors.Is(err, ErrFormat) || errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// packedReader counts and digests the bytes of the file itself. A decompressor
// may read it from another goroutine; the count can be read meanwhile.
type packedReader struct {
	r      io.Reader
	n      atomic.Int64
	sha256 hash.Hash // nil where it is not wanted
	md5    hash.Hash // nil where it is not wanted
}

// newDigestReader returns a packedReader that digests what it reads.
func newDigestReader(r io.Reader, withMD5 bool) *packedReader {
	p := &packedReader{r: r, sha256: sha256.New()}
	if withMD5 {
		p.md5 = md5.New()
	}
	return p
}

func (p *packedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n.Add(int64(n))
	if p.sha256 != nil {
		p.sha256.Write(b[:n])
	}
	if p.md5 != nil {
		p.md5.Write(b[:n])
	}
	return n, err
}

// FileDigest returns the SHA-256 of the file at path in hex, as a database has it
// of a package file.
func FileDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// boundedReader fails once more was unpacked than the limits allow.
type boundedReader struct {
	r      io.Reader
	packed *packedReader
	limits Limits
	n      int64
}

func (b *boundedReader) Read(buf []byte) (int, error) {
	n, err := b.r.Read(buf)
	b.n += int64(n)
	if b.n > b.limits.Size {
		return 0, fmt.Errorf("%w: unpacks to more than %d bytes", ErrFormat, b.limits.Size)
	}
	if b.n > ratioFree && b.n/b.limits.Ratio > b.packed.n.Load() {
		return 0, fmt.Errorf("%w: unpacks to more than %d times its size", ErrFormat, b.limits.Ratio)
	}
	return n, err
}
