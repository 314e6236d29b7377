package alpm

import "io"

// NewCompressor returns a writer that packs into w; closing it ends the stream
// and leaves w open. The same input gives the same bytes, and one stream after
// the other unpacks like one. It writes what databases are written with.
func NewCompressor(w io.Writer, c Compression) (io.WriteCloser, error) { return compress(w, c) }

// NewDecompressor returns a reader of what r holds unpacked; the compression is
// told from the first bytes.
func NewDecompressor(r io.Reader) (io.ReadCloser, error) { return decompress(r) }
