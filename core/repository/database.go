package repository

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"ahriman/core/alpm"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const tarBlock = 512

// digest names the bytes of a signature in the index; "-" for none.
func digest(data []byte) string {
	if len(data) == 0 {
		return "-"
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// endsMember says whether a member ends after the package.
func endsMember(name string) bool {
	h := fnv.New32a()
	io.WriteString(h, name)
	return h.Sum32()%memberSize == 0
}

// database writes one of a generation's two databases.
type database struct {
	repository *Repository
	files      bool   // the one with file lists
	old        *state // whose members are reused
	oldFile    *os.File
	out        *os.File
	unpacked   map[int][][]byte // old members taken apart, entry by entry
	copyFrom   int64            // old members waiting to be copied in one go
	copyTo     int64
	gzip       *gzip.Writer
	zstd       *zstd.Encoder
}

// writeDatabases writes both databases of a generation into dir, and sets the
// state's members. Members in which nothing changed since old are copied.
func (r *Repository) writeDatabases(ctx context.Context, dir string, next, old *state) (dbSize, filesSize int64, err error) {
	next.members = splitMembers(next.entries)
	sizes := [2]int64{}
	err = r.parallel(ctx, 2, func(_ context.Context, i int) (err error) {
		sizes[i], err = r.writeDatabase(dir, next, old, i == 1)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	for m := range next.members {
		for i := range next.members[m].count {
			next.entries[next.members[m].first+i].member = m
		}
	}
	return sizes[0], sizes[1], nil
}

func splitMembers(entries []entry) []member {
	var members []member
	first := 0
	for i := range entries {
		if i == len(entries)-1 || endsMember(entries[i].name) {
			members = append(members, member{first: first, count: i + 1 - first})
			first = i + 1
		}
	}
	return members
}

func (r *Repository) writeDatabase(dir string, next, old *state, files bool) (size int64, err error) {
	kind := "db"
	if files {
		kind = "files"
	}
	d := &database{repository: r, files: files, old: old, unpacked: make(map[int][][]byte), gzip: gzip.NewWriter(nil)}
	if len(old.members) > 0 {
		if d.oldFile, err = os.Open(filepath.Join(old.dir, r.database(kind))); err != nil {
			return 0, err
		}
		defer d.oldFile.Close()
	}
	if d.out, err = create(filepath.Join(dir, r.database(kind))); err != nil {
		return 0, err
	}
	defer d.out.Close()
	for m := range next.members {
		if err := d.member(next, &next.members[m]); err != nil {
			return 0, fmt.Errorf("writing %s: %w", r.database(kind), err)
		}
	}
	if err := d.end(); err != nil {
		return 0, fmt.Errorf("writing %s: %w", r.database(kind), err)
	}
	info, err := d.out.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), os.Symlink(r.database(kind), filepath.Join(dir, r.options.ID.Name+"."+kind))
}

// member writes one member: a copy of an old one, or a new one.
func (d *database) member(next *state, m *member) error {
	entries := next.entries[m.first : m.first+m.count]
	if from := d.same(entries); from != nil {
		at, length := from.dbAt, from.dbBytes
		if d.files {
			at, length = from.filesAt, from.filesBytes
		}
		d.setBytes(m, length)
		if at != d.copyTo {
			if err := d.flushCopy(); err != nil {
				return err
			}
			d.copyFrom = at
		}
		d.copyTo = at + length
		return nil
	}
	if err := d.flushCopy(); err != nil {
		return err
	}
	var plain bytes.Buffer
	for i := range entries {
		raw, err := d.raw(&entries[i])
		if err != nil {
			return fmt.Errorf("%s: %w", entries[i].name, err)
		}
		d.setSize(&entries[i], len(raw))
		plain.Write(raw)
	}
	packed, err := d.compress(plain.Bytes())
	if err != nil {
		return err
	}
	d.setBytes(m, int64(len(packed)))
	_, err = d.out.Write(packed)
	return err
}

func (d *database) setBytes(m *member, bytes int64) {
	if d.files {
		m.filesBytes = bytes
	} else {
		m.dbBytes = bytes
	}
}

func (d *database) setSize(e *entry, size int) {
	if d.files {
		e.filesSize = size
	} else {
		e.dbSize = size
	}
}

// same returns the old member that holds exactly these entries, or nil.
func (d *database) same(entries []entry) *member {
	m := entries[0].member
	if m < 0 || d.old.members[m].count != len(entries) {
		return nil
	}
	for i := range entries {
		if entries[i].member != m {
			return nil
		}
	}
	return &d.old.members[m]
}

func (d *database) flushCopy() error {
	if d.copyFrom == d.copyTo {
		return nil
	}
	if _, err := d.oldFile.Seek(d.copyFrom, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(d.out, d.oldFile, d.copyTo-d.copyFrom)
	d.copyFrom = d.copyTo
	return err
}

// raw returns the tar entries of one package.
func (d *database) raw(e *entry) ([]byte, error) {
	if e.member < 0 {
		return d.repository.render(e.pkg, d.files)
	}
	parts, err := d.unpack(e.member)
	if err != nil {
		return nil, err
	}
	for i, part := range parts {
		if d.old.entries[d.old.members[e.member].first+i].name == e.name {
			return part, nil
		}
	}
	return nil, errIndex
}

// unpack takes an old member apart.
func (d *database) unpack(m int) ([][]byte, error) {
	if parts, done := d.unpacked[m]; done {
		return parts, nil
	}
	from := d.old.members[m]
	at, length := from.dbAt, from.dbBytes
	if d.files {
		at, length = from.filesAt, from.filesBytes
	}
	var size int
	entries := d.old.entries[from.first : from.first+from.count]
	for i := range entries {
		size += d.sizeOf(&entries[i])
	}
	plain, err := d.decompress(io.NewSectionReader(d.oldFile, at, length), size)
	if err != nil {
		return nil, err
	}
	parts := make([][]byte, len(entries))
	for i := range entries {
		n := d.sizeOf(&entries[i])
		parts[i], plain = plain[:n:n], plain[n:]
	}
	d.unpacked[m] = parts
	return parts, nil
}

func (d *database) sizeOf(e *entry) int {
	if d.files {
		return e.filesSize
	}
	return e.dbSize
}

// end writes the two empty blocks that end an archive, as a member of its own,
// and makes the file last.
func (d *database) end() error {
	if err := d.flushCopy(); err != nil {
		return err
	}
	packed, err := d.compress(make([]byte, 2*tarBlock))
	if err != nil {
		return err
	}
	if _, err := d.out.Write(packed); err != nil {
		return err
	}
	return d.out.Sync()
}

// render writes the tar entries of one package, without the archive's end.
func (r *Repository) render(p *alpm.Package, files bool) ([]byte, error) {
	var b bytes.Buffer
	options := alpm.DatabaseOptions{Files: files, Dialect: r.options.Dialect}
	if err := alpm.WriteDatabase(&b, []alpm.Package{*p}, options); err != nil {
		return nil, err
	}
	raw := b.Bytes()
	end := bytes.Repeat([]byte{0}, 2*tarBlock)
	if !bytes.HasSuffix(raw, end) {
		return nil, errors.New("an archive without an end")
	}
	return raw[:len(raw)-len(end)], nil
}

func (d *database) compress(plain []byte) (packed []byte, err error) {
	if d.repository.options.Compression == alpm.Zstd {
		if d.zstd == nil {
			if d.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
				return nil, err
			}
		}
		return d.zstd.EncodeAll(plain, nil), nil
	}
	var b bytes.Buffer
	d.gzip.Reset(&b)
	if _, err := d.gzip.Write(plain); err != nil {
		return nil, err
	}
	err = d.gzip.Close()
	return b.Bytes(), err
}

// decompress unpacks one member, which must come out at size bytes.
func (d *database) decompress(r io.Reader, size int) ([]byte, error) {
	var plain io.Reader
	if d.repository.options.Compression == alpm.Zstd {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		plain = z
	} else {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		plain = z
	}
	data, err := io.ReadAll(io.LimitReader(plain, int64(size)+1))
	if err == nil && len(data) != size {
		err = errIndex
	}
	return data, err
}
