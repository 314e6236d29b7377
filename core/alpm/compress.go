package alpm

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	unxz "github.com/mikelolasagasti/xz" // reads: 2.6 times the speed of ulikunitz/xz, knows BCJ filters and bounds the dictionary
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz" // writes
)

// Compression is how a package file or a database is packed, named by the
// last part of its file name.
type Compression string

// The compressions that are read. Databases are written with Gzip, Zstd, XZ or
// Uncompressed.
const (
	Uncompressed Compression = ""
	Gzip         Compression = "gz"
	Bzip2        Compression = "bz2"
	XZ           Compression = "xz"
	Zstd         Compression = "zst"
	LZ4          Compression = "lz4"
)

// ErrCompression is returned for a compression that cannot be read or written.
var ErrCompression = errors.New("unsupported compression")

// Extension returns what follows ".tar" in a file name: "" or, say, ".zst".
func (c Compression) Extension() string {
	if c == Uncompressed {
		return ""
	}
	return "." + string(c)
}

// dictionary is the largest window a zstd frame, or dictionary an xz block, may
// ask for, in bytes: what zstd(1) accepts without being asked (a window log of
// 27), and twice what xz -9 makes.
const dictionary = 128 << 20

// Decompress returns a reader of what r holds unpacked, whatever it is packed
// with: that is told from its first bytes, as libarchive does, and what is none
// of the known ones is given as it is. The caller closes it; r stays open, and
// may have been read further than needed.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(magic) >= 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:4], []byte{0x2a, 0x4d, 0x18}):
		d, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(dictionary), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(buffered)
	case bytes.HasPrefix(magic, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(buffered)), nil
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		d, err := unxz.NewReader(buffered, dictionary)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(d), nil
	case bytes.HasPrefix(magic, []byte{0x04, 0x22, 0x4d, 0x18}):
		return io.NopCloser(lz4.NewReader(buffered)), nil
	}
	return io.NopCloser(buffered), nil
}

// Compress returns a writer that packs into w; closing it ends the stream and
// leaves w open. The same input gives the same bytes. The error is
// ErrCompression for one that can only be read.
func Compress(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case Uncompressed:
		return nopWriteCloser{w}, nil
	case Gzip:
		return gzip.NewWriter(w), nil
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case XZ:
		return xz.NewWriter(w)
	}
	return nil, fmt.Errorf("%w for writing: %q", ErrCompression, string(c))
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
