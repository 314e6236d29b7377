package alpm

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzLimits keep what the fuzzer invents small.
var fuzzLimits = Limits{Entries: 1000, Size: 8 << 20, Paths: 1 << 20}

// repairTar gives each header of an archive a right checksum, without which
// what the fuzzer changes would end there.
func repairTar(data []byte) []byte {
	data = bytes.Clone(data)
	for rest := data; len(rest) >= tarBlock; {
		header := (*[tarBlock]byte)(rest[:tarBlock])
		if *header == ([tarBlock]byte{}) {
			break
		}
		copy(header[148:], fmt.Sprintf("%06o\x00 ", tarChecksum(header)))
		size, ok := tarNumber(header[124:136])
		if !ok || size < 0 || size > int64(len(rest)) {
			break
		}
		rest = rest[min(tarBlock+size+(-size&(tarBlock-1)), int64(len(rest))):]
	}
	return data
}

// isPacked tells data that Decompress would unpack.
func isPacked(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\x1f\x8b")) || bytes.HasPrefix(data, []byte("\x28\xb5")) || bytes.HasPrefix(data, []byte("\xfd7zXZ")) ||
		bytes.HasPrefix(data, []byte("BZh")) || bytes.HasPrefix(data, []byte("\x04\x22"))
}

// mustBeFormat fails for an error that does not blame the input.
func mustBeFormat(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, ErrFormat) {
		t.Errorf("error is not ErrFormat: %v", err)
	}
}

func FuzzPkginfo(f *testing.F) {
	for n := range 5 {
		info := sampleInfo(n)
		f.Add(pkginfoText(&info))
	}
	f.Add("pkgname=a\r\npkgver=1-1\narch=any\nlicense = =\n# x\n\nsize=-1")
	f.Fuzz(func(t *testing.T, text string) {
		info, err := ParsePkginfo(strings.NewReader(text))
		mustBeFormat(t, err)
		if err != nil {
			return
		}
		again, err := ParsePkginfo(strings.NewReader(pkginfoText(&info)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info, again); diff != "" {
			t.Errorf("written and read: %s", diff)
		}
	})
}

func FuzzBuildinfo(f *testing.F) {
	f.Add("format = 2\npkgname = a\nbuilddate = 1\ninstalled = a-1-1-any\noptions = x\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseBuildinfo(strings.NewReader(text))
		mustBeFormat(t, err)
	})
}

func FuzzMtree(f *testing.F) {
	f.Add([]byte("#mtree\n/set type=file uid=0 gid=0 mode=644\n./a\\040b time=1.0 size=1 sha256digest=00\n./d type=dir mode=755\n./l type=link link=a\\134\n/unset all\n./x"))
	f.Add(gzipped(f, []byte("#mtree\n./a time=1.0\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseMtree(&io.LimitedReader{R: bytes.NewReader(data), N: 1 << 20}, 1000)
		mustBeFormat(t, err)
		for _, e := range entries {
			if strings.HasPrefix(e.Path, "/") || strings.HasSuffix(e.Path, "/") {
				t.Errorf("path %q", e.Path)
			}
		}
		newContentCheck().compare(entries)
	})
}

func FuzzPackage(f *testing.F) {
	info := sampleInfo(1)
	plain := tarBytes(f, tarEntry{name: ".PKGINFO", content: pkginfoText(&info)}, tarEntry{name: ".BUILDINFO", content: "format = 2\n"},
		tarEntry{name: ".MTREE", content: "#mtree\n./usr type=dir\n"}, tarEntry{name: "usr/"}, tarEntry{name: "usr/a", content: "x"},
		tarEntry{name: "usr/l", link: "a"}, tarEntry{name: "usr/h", hard: "usr/a"}, tarEntry{name: strings.Repeat("long/", 50)})
	f.Add(plain)
	for _, c := range []Compression{Gzip, Zstd, XZ} {
		var b bytes.Buffer
		w, err := Compress(&b, c)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isPacked(data) {
			data = repairTar(data)
		}
		a, err := ReadArchive(bytes.NewReader(data), "fuzz", ReadOptions{Check: true, MD5: true, Limits: fuzzLimits})
		mustBeFormat(t, err)
		if err != nil {
			return
		}
		if a.CompressedSize != int64(len(data)) {
			t.Errorf("size %d of %d bytes", a.CompressedSize, len(data))
		}
		for i, name := range a.Files {
			if name == "" || name[0] == '/' || name[0] == '.' || strings.Contains(name, "\n") || i > 0 && a.Files[i-1] >= name {
				t.Errorf("file list: %q", a.Files)
			}
		}
	})
}

// FuzzDatabase reads, writes and reads again: the second writing must be the
// first's bytes.
func FuzzDatabase(f *testing.F) {
	for _, c := range []Compression{Uncompressed, Gzip, Zstd} {
		var b bytes.Buffer
		if err := WriteDatabase(&b, samplePackages(3, 2), DatabaseOptions{Files: true, Compression: c}); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add(tarBytes(f, tarEntry{name: "./a-1-1/desc", content: oddDesc}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isPacked(data) {
			data = repairTar(data)
		}
		packages, err := readDatabase(bytes.NewReader(data), fuzzLimits)
		mustBeFormat(t, err)
		if err != nil {
			return
		}
		options := DatabaseOptions{Files: true, Dialect: Pacman6}
		mustBeFormat(t, UpdateDatabase(io.Discard, bytes.NewReader(data), packages[:min(1, len(packages))], nil, options))
		var first bytes.Buffer
		if err := WriteDatabase(&first, packages, options); err != nil {
			return // two versions of one name
		}
		again, err := ReadDatabase(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var second bytes.Buffer
		if err := WriteDatabase(&second, again, options); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("written, read and written again differs: %s", cmp.Diff(packages, again))
		}
	})
}

// FuzzDesc reads one desc, without an archive around it.
func FuzzDesc(f *testing.F) {
	f.Add(oddDesc)
	for _, name := range []string{"pacman6", "pacman7-signatures"} {
		text, err := os.ReadFile("testdata/" + name + ".desc")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var parser descParser
		var p Package
		mustBeFormat(t, parser.parse(text, &p))
		parseFiles(text)
	})
}

// FuzzTarScanner compares our reading of tar with archive/tar's.
// isDisputed says whether archive/tar may read an archive otherwise than tar(1)
// and libarchive, and with it pacman, do: in a header of GNU's it may take
// something for a prefix, and it takes a pax header for one without its magic, or
// between a long name of GNU's and its file.
func isDisputed(data []byte) bool {
	long, pax := false, false
	for ; len(data) >= tarBlock; data = data[tarBlock:] {
		header := (*[tarBlock]byte)(data[:tarBlock])
		if string(header[148:154]) != fmt.Sprintf("%06o", tarChecksum(header)) {
			continue // no header
		}
		switch {
		case header[156] == 'L' || header[156] == 'K':
			long = true
		case header[156] == 'g' || header[156] == 'x':
			pax = true
		}
		odd := pax && (long || string(header[257:263]) != "ustar\x00")
		prefix := string(header[257:265]) == "ustar  \x00" && len(bytes.Trim(header[345:500], "\x00")) > 0
		if odd || prefix {
			return true
		}
	}
	return false
}

func FuzzTarScanner(f *testing.F) {
	f.Add(tarBytes(f, tarEntry{name: "a/"}, tarEntry{name: "a/desc", content: "x"}, tarEntry{name: "é" + strings.Repeat("long/", 60), content: ""}, tarEntry{name: "l", link: "x"},
		tarEntry{name: strings.Repeat("p/", 60) + "desc", content: strings.Repeat("y", 700)}, tarEntry{name: strings.Repeat("q", 120), content: "z"}))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: strings.Repeat("g", 200), Size: 1, Format: tar.FormatGNU, Mode: 0o644}); err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		data = repairTar(data)
		ours, err := scanTar(data)
		mustBeFormat(t, malformed(err))
		theirs, theirErr := readTar(data)
		if err != nil || theirErr != nil || isDisputed(data) {
			return
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("-archive/tar +ours\n%s", diff)
		}
	})
}

func scanTar(data []byte) (files []string, err error) {
	s := &tarScanner{r: bytes.NewReader(data)}
	for entries := 1000; ; {
		err := s.next(&entries)
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if s.size > int64(len(data)) {
			return nil, io.ErrUnexpectedEOF
		}
		content := make([]byte, s.size)
		if err := s.read(content); err != nil {
			return nil, err
		}
		files = append(files, string(s.name)+"\n"+string(content))
	}
}

func readTar(data []byte) (files []string, err error) {
	r := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeCont {
			continue
		}
		content, err := io.ReadAll(io.LimitReader(r, int64(len(data))))
		if err != nil {
			return nil, err
		}
		files = append(files, header.Name+"\n"+string(content))
	}
}
