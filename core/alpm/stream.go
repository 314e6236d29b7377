package alpm

import "io"

// Decompress returns a reader of what r holds unpacked, whatever it is packed
// with: that is told from its first bytes. The caller closes it; r stays open.
func Decompress(r io.Reader) (io.ReadCloser, error) { return decompress(r) }

// Compress returns a writer that packs into w; closing it ends the stream and
// leaves w open. The same input gives the same bytes. The error is
// ErrCompression for one that can only be read.
func Compress(w io.Writer, c Compression) (io.WriteCloser, error) { return compress(w, c) }
