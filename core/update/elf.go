package update

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of what is read of an ELF file. debug/elf is not made for files that
// anybody may have written, and reads sections; what the loader reads are
// segments.
const (
	maxSegments = 4096
	maxDynamic  = 1 << 20 // bytes
	maxSonames  = 4096
	maxSoname   = 255 // bytes
)

// errELF says that a file is no ELF file that a loader could load.
var errELF = errors.New("not a usable ELF file")

// elfLayout are the places of what we read in the headers of one class of ELF
// files (elf(5)).
type elfLayout struct {
	word                    int // bytes of an address
	phoff, phentsize, phnum int // in the file's header
	segment                 int // bytes of a program header
	offset, address, size   int // in a program header
}

// elfFile reads one ELF file.
type elfFile struct {
	r      io.ReaderAt
	order  binary.ByteOrder
	layout elfLayout
	wide   bool // 64 bits
}

// segment is one program header.
type segment struct{ typ, offset, address, size uint64 }

// sonames returns the libraries an ELF file needs to be loaded (DT_NEEDED), and
// whether it is one of 64 bits. A static one needs none.
func sonames(r io.ReaderAt) (names []string, wide bool, err error) {
	head := make([]byte, 64)
	if n, err := r.ReadAt(head, 0); n < 52 {
		return nil, false, errors.Join(errELF, err)
	}
	f := &elfFile{r: r, order: binary.LittleEndian, wide: head[4] == 2}
	if head[5] == 2 {
		f.order = binary.BigEndian
	}
	f.layout = elfLayout{word: 4, phoff: 28, phentsize: 42, phnum: 44, segment: 32, offset: 4, address: 8, size: 16}
	if f.wide {
		f.layout = elfLayout{word: 8, phoff: 32, phentsize: 54, phnum: 56, segment: 56, offset: 8, address: 16, size: 32}
	}
	segments, err := f.segments(head)
	if err != nil {
		return nil, false, err
	}
	for _, s := range segments {
		if s.typ == 2 { // PT_DYNAMIC
			names, err = f.needed(s, segments)
			return names, f.wide, err
		}
	}
	return nil, f.wide, nil
}

// at reads an address.
func (f *elfFile) at(b []byte, offset int) uint64 {
	if f.layout.word == 4 {
		return uint64(f.order.Uint32(b[offset:]))
	}
	return f.order.Uint64(b[offset:])
}

// bytes reads n bytes at an offset of the file.
func (f *elfFile) bytes(offset uint64, n int) ([]byte, error) {
	if offset > 1<<62 {
		return nil, errELF
	}
	b := make([]byte, n)
	read, err := f.r.ReadAt(b, int64(offset))
	if err != nil && err != io.EOF {
		return nil, err
	}
	return b[:read], nil
}

func (f *elfFile) segments(head []byte) ([]segment, error) {
	count, size := int(f.order.Uint16(head[f.layout.phnum:])), int(f.order.Uint16(head[f.layout.phentsize:]))
	if count > maxSegments || count > 0 && size != f.layout.segment {
		return nil, errELF
	}
	table, err := f.bytes(f.at(head, f.layout.phoff), count*size)
	if err != nil {
		return nil, err
	}
	var segments []segment
	for ; len(table) >= size && size > 0; table = table[size:] {
		segments = append(segments, segment{
			typ: uint64(f.order.Uint32(table)), offset: f.at(table, f.layout.offset),
			address: f.at(table, f.layout.address), size: f.at(table, f.layout.size),
		})
	}
	return segments, nil
}

// needed reads the dynamic segment: pairs of a tag and a value.
func (f *elfFile) needed(dynamic segment, segments []segment) ([]string, error) {
	pairs, err := f.bytes(dynamic.offset, int(min(dynamic.size, maxDynamic)))
	if err != nil {
		return nil, err
	}
	var offsets []uint64
	var strings uint64
	for pair := 2 * f.layout.word; len(pairs) >= pair; pairs = pairs[pair:] {
		tag, value := f.at(pairs, 0), f.at(pairs, f.layout.word)
		if tag == 0 || len(offsets) == maxSonames { // DT_NULL
			break
		}
		switch tag {
		case 1: // DT_NEEDED
			offsets = append(offsets, value)
		case 5: // DT_STRTAB
			strings = value
		}
	}
	for _, s := range segments {
		if s.typ == 1 && s.address <= strings && strings-s.address < s.size { // PT_LOAD
			return f.names(s.offset+strings-s.address, offsets)
		}
	}
	if len(offsets) > 0 {
		return nil, errELF
	}
	return nil, nil
}

// names reads strings of the table.
func (f *elfFile) names(table uint64, offsets []uint64) ([]string, error) {
	var names []string
	for _, offset := range offsets {
		text, err := f.bytes(table+offset, maxSoname+1)
		if err != nil {
			return nil, err
		}
		name, _, whole := bytes.Cut(text, []byte{0})
		if whole && len(name) > 0 && utf8.Valid(name) && !strings.ContainsAny(string(name), "/\\\n") {
			names = append(names, string(name))
		}
	}
	return names, nil
}
