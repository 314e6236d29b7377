// Package backup packs files and directories into one archive, and puts them
// back, on another machine perhaps.
//
// An archive is a gzipped tar whose names are the paths without the leading
// slash, as that of the Python ahriman: tar(1) reads it.
package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ahriman/core/internal/durable"
)

// Item is a file or directory to be packed.
type Item struct {
	Path string // absolute; what is not there is passed over
	From string // where it is read instead: a copy that does not change; empty: Path
	Bare bool   // of a directory only its owner and mode, not what is in it
	// Skip leaves out what has this path below the directory. Nil: nothing.
	Skip func(name string) bool
}

// WriteFile makes the archive at path, for its owner's eyes only; it appears
// when it is whole.
func WriteFile(ctx context.Context, path string, items []Item) error {
	f, err := durable.Create(path, 0o600)
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := Write(ctx, f, items); err != nil {
		return err
	}
	return f.Commit()
}

// Write writes the archive to w. Sockets, pipes and devices are left out, and
// what vanishes while it is read. A name that two items give is packed once.
func Write(ctx context.Context, w io.Writer, items []Item) error {
	compressed := gzip.NewWriter(w)
	p := &packer{tar: tar.NewWriter(compressed), packed: map[string]bool{}}
	for _, item := range items {
		if err := p.item(ctx, item); err != nil {
			return fmt.Errorf("packing %s: %w", item.Path, err)
		}
	}
	if err := p.tar.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

type packer struct {
	tar    *tar.Writer
	packed map[string]bool
}

func (p *packer) item(ctx context.Context, item Item) error {
	from := item.From
	if from == "" {
		from = item.Path
	}
	return filepath.WalkDir(from, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		skipped := below != "." && (item.Bare || item.Skip != nil && item.Skip(below))
		if !skipped {
			return p.add(ctx, path, filepath.Join(item.Path, below), info)
		}
		if info.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// add packs one file, directory or link under the name of its path.
func (p *packer) add(ctx context.Context, path, as string, info fs.FileInfo) error {
	name := strings.TrimPrefix(as, "/")
	if p.packed[name] {
		return nil
	}
	var target string
	var file *os.File
	switch {
	case info.Mode().IsRegular():
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if info, err = f.Stat(); err != nil { // another one may have taken its place
			return err
		}
		file = f
	case info.Mode()&fs.ModeSymlink != 0:
		var err error
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	case !info.IsDir():
		return nil
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name, header.Format = name, tar.FormatPAX
	if info.IsDir() {
		header.Name += "/"
	}
	p.packed[name] = true
	if err := p.tar.WriteHeader(header); err != nil || file == nil {
		return err
	}
	return p.copy(ctx, file, header.Size)
}

// copy packs as many bytes as the header says: of a file that grows meanwhile
// what it had.
func (p *packer) copy(ctx context.Context, file *os.File, size int64) error {
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(p.tar, file, min(size, 64<<20))
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s became shorter while it was read", file.Name())
		}
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}
