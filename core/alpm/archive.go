package alpm

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Limits bound what reading one package file or database may cost, against
// archives made to exhaust the reader. A zero field stands for its default.
type Limits struct {
	Entries int   // of the archive; default 2,000,000
	Size    int64 // bytes unpacked; default 256 GiB
	// Ratio is how many bytes each packed byte may unpack to, once more than
	// 1 GiB has come out; default 2,000.
	Ratio int64
	Paths int64 // bytes of all path names together; default 512 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Entries == 0 {
		l.Entries = 2_000_000
	}
	if l.Size == 0 {
		l.Size = 256 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 2000
	}
	if l.Paths == 0 {
		l.Paths = 512 << 20
	}
	return l
}

// ratioFree is how many unpacked bytes come before Limits.Ratio counts.
const ratioFree = 1 << 30

// ReadOptions say what reading a package file computes beyond its Package.
type ReadOptions struct {
	MD5    bool // fill Package.MD5, which only pacman 6's databases hold
	Limits Limits
}

// ReadPackage reads a package file to its end in one pass: metadata, file
// list, size and SHA-256. The compression is told from the content; fileName is
// the base name to record and is not compared with the metadata, see
// CheckFileName. Errors wrap ErrFormat when the file is at fault.
func ReadPackage(r io.Reader, fileName string) (*Package, error) {
	return readPackage(r, fileName, ReadOptions{})
}

// OpenPackage is ReadPackage for the file at path, together with the detached
// signature at path+".sig" where there is one (see CheckSignature).
func OpenPackage(path string) (*Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := readPackage(f, filepath.Base(path), ReadOptions{})
	if err != nil {
		return nil, err
	}
	p.Signature, err = readSignature(path + ".sig")
	if err != nil {
		return nil, err
	}
	return p, nil
}

// maxSignature is the size of the largest signature pacman takes, in bytes.
const maxSignature = 16 << 10

// CheckSignature reports what keeps data from standing in a repository as a
// package's signature: repo-add(8) refuses armored ones and those over 16 KiB.
// It does not verify it.
func CheckSignature(data []byte) error {
	switch {
	case len(data) == 0:
		return fmt.Errorf("%w signature: empty", ErrFormat)
	case len(data) > maxSignature:
		return fmt.Errorf("%w signature: larger than %d bytes", ErrFormat, maxSignature)
	case bytes.Contains(data, []byte("BEGIN PGP SIGNATURE")):
		return fmt.Errorf("%w signature: armored, pacman takes binary ones only", ErrFormat)
	}
	return nil
}

// readSignature reads a detached signature; nil where there is no such file.
func readSignature(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSignature+1))
	if err == nil {
		err = CheckSignature(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

func readPackage(r io.Reader, fileName string, options ReadOptions) (*Package, error) {
	p := &Package{FileName: fileName}
	packed := newPackedReader(r, options.MD5)
	if err := p.readTar(packed, options.Limits.withDefaults()); err != nil {
		return nil, fmt.Errorf("reading %s: %w", fileName, err)
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return nil, fmt.Errorf("reading %s: %w", fileName, err)
	}
	p.CompressedSize = packed.n.Load()
	p.SHA256 = hex.EncodeToString(packed.sha256.Sum(nil))
	if packed.md5 != nil {
		p.MD5 = hex.EncodeToString(packed.md5.Sum(nil))
	}
	return p, nil
}

// readTar reads the archive to its end and fills what comes from inside it.
func (p *Package) readTar(packed *packedReader, limits Limits) error {
	unpacked, err := decompress(packed)
	if err != nil {
		return malformed(err)
	}
	defer unpacked.Close()
	bounded := &boundedReader{r: unpacked, packed: packed, limits: limits}
	archive := tar.NewReader(bounded)
	seen := false
	var paths int64
	for n := 0; ; n++ {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return malformed(err)
		}
		paths += int64(len(header.Name))
		if n >= limits.Entries || paths > limits.Paths {
			return fmt.Errorf("%w: too many entries", ErrFormat)
		}
		if header.Name == ".PKGINFO" {
			if seen {
				return fmt.Errorf("%w: two .PKGINFO", ErrFormat)
			}
			seen = true
			if p.Info, err = ParsePkginfo(archive); err != nil {
				return malformed(err)
			}
		}
		if err := p.addFile(header); err != nil {
			return err
		}
	}
	if !seen {
		return fmt.Errorf("%w: no .PKGINFO, so not a package", ErrFormat)
	}
	slices.Sort(p.Files)
	p.Files = slices.Compact(p.Files)
	// The rest of the stream holds its checksum.
	_, err = io.Copy(io.Discard, bounded)
	return malformed(err)
}

// addFile notes an entry for %FILES%, which leaves out what begins with a dot.
func (p *Package) addFile(header *tar.Header) error {
	name := strings.TrimPrefix(header.Name, "./")
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "../") || name == "" {
		return nil
	}
	if strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), "..") || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%w: unsafe path %q", ErrFormat, header.Name)
	}
	if header.Typeflag == tar.TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	p.Files = append(p.Files, escapePath(name))
	return nil
}

// malformed marks an error that reading the content gave as ErrFormat, unless
// the file itself could not be read.
func malformed(err error) error {
	var path *os.PathError
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
	sha256 hash.Hash
	md5    hash.Hash // nil where it is not wanted
}

func newPackedReader(r io.Reader, withMD5 bool) *packedReader {
	p := &packedReader{r: r, sha256: sha256.New()}
	if withMD5 {
		p.md5 = md5.New()
	}
	return p
}

func (p *packedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n.Add(int64(n))
	p.sha256.Write(b[:n])
	if p.md5 != nil {
		p.md5.Write(b[:n])
	}
	return n, err
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
