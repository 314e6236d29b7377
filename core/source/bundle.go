package source

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"ahriman/core/alpm"
)

// ErrDigest says that a bundle is not the one that was announced.
var ErrDigest = errors.New("source bundle differs from its digest")

// bundleTime is the modification time of everything in a bundle, so that equal
// trees make equal bundles.
func bundleTime() time.Time { return time.Unix(1, 0) }

// WriteBundle packs the sources below dir into w as a tar archive under zstd.
// It returns the SHA-256, in hex, of the unpacked archive, which depends on
// names, contents and executable bits alone: it is TreeDigest's.
func WriteBundle(ctx context.Context, w io.Writer, dir string, limits Limits) (string, error) {
	packed, err := alpm.Compress(w, alpm.Zstd)
	if err != nil {
		return "", fmt.Errorf("packing sources: %w", err)
	}
	digest, err := writeTar(ctx, packed, dir, limits)
	if closeErr := packed.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", fmt.Errorf("packing sources: %w", err)
	}
	return digest, nil
}

// TreeDigest returns the SHA-256, in hex, that stands for the sources below dir.
func TreeDigest(ctx context.Context, dir string, limits Limits) (string, error) {
	digest, err := writeTar(ctx, io.Discard, dir, limits)
	if err != nil {
		return "", fmt.Errorf("reading sources: %w", err)
	}
	return digest, nil
}

// writeTar writes the tree as a tar archive that depends on nothing else.
func writeTar(ctx context.Context, w io.Writer, dir string, limits Limits) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	sum := sha256.New()
	archive := tar.NewWriter(io.MultiWriter(w, sum))
	err = walk(ctx, root, limits, func(name string, info fs.FileInfo) error {
		return writeEntry(archive, root, name, info)
	})
	if err == nil {
		err = archive.Close()
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

func writeEntry(archive *tar.Writer, root *os.Root, name string, info fs.FileInfo) error {
	header := &tar.Header{Name: name, ModTime: bundleTime(), Mode: int64(fileMode(info.Mode())), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name, header.Mode = tar.TypeDir, name+"/", 0o755
		return archive.WriteHeader(header)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, target, 0o777
		return archive.WriteHeader(header)
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.CopyN(archive, file, info.Size())
	return err
}

// ReadBundle unpacks a bundle into dir, an existing empty directory, and
// nowhere else. The error is ErrDigest when the bundle is not the one of digest
// (empty: any), ErrUnsafe or ErrTooLarge when it holds what it should not; the
// directory then holds a part of it.
func ReadBundle(r io.Reader, dir, digest string, limits Limits) error {
	limits = limits.withDefaults()
	plain, err := alpm.Decompress(r)
	if err != nil {
		return fmt.Errorf("unpacking sources: %w", err)
	}
	defer plain.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpacking sources: %w", err)
	}
	defer root.Close()
	sum := sha256.New()
	// Headers and padding come on top of the files' own size.
	bounded := &io.LimitedReader{R: plain, N: limits.Bytes + int64(limits.Files)*8192}
	stream := io.TeeReader(bounded, sum)
	if err := readTar(stream, root, limits); err != nil {
		return fmt.Errorf("unpacking sources: %w", err)
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return fmt.Errorf("unpacking sources: %w", err)
	}
	if bounded.N == 0 {
		return fmt.Errorf("unpacking sources: %w", ErrTooLarge)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); digest != "" && got != digest {
		return fmt.Errorf("%w: %s, not %s", ErrDigest, got, digest)
	}
	return nil
}

// readTar unpacks the archive's entries.
func readTar(stream io.Reader, root *os.Root, limits Limits) error {
	archive := tar.NewReader(stream)
	var bytes int64
	for files := 0; ; files++ {
		header, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if files >= limits.Files {
			return fmt.Errorf("%w: more than %d files", ErrTooLarge, limits.Files)
		}
		if bytes += header.Size; bytes > limits.Bytes {
			return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limits.Bytes)
		}
		if err := readEntry(archive, root, header); err != nil {
			return err
		}
	}
}

func readEntry(archive *tar.Reader, root *os.Root, header *tar.Header) error {
	name := strings.TrimSuffix(header.Name, "/")
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("%w: path %q", ErrUnsafe, header.Name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		return writeFile(root, name, fileMode(fs.FileMode(header.Mode)), archive, header.Size)
	case tar.TypeSymlink:
		if err := safeLink(name, header.Linkname); err != nil {
			return err
		}
		return root.Symlink(header.Linkname, name)
	}
	return fmt.Errorf("%w: %s is neither file, directory nor link", ErrUnsafe, name)
}
