package update

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSonames reads programs and libraries of this machine, against debug/elf.
func TestSonames(t *testing.T) {
	paths := []string{"/bin/sh", "/usr/bin/git", "/usr/bin/bash", "/usr/bin/openssl"}
	libraries, err := filepath.Glob("/lib/x86_64-linux-gnu/lib[a-g]*.so.?")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, libraries...)
	compared := 0
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			continue // not installed
		}
		defer file.Close()
		parsed, err := elf.NewFile(file)
		if err != nil {
			continue // a linker's script
		}
		want, err := parsed.ImportedLibraries()
		if err != nil {
			t.Fatal(err)
		}
		got, wide, err := sonames(file)
		if err != nil || wide != (parsed.Class == elf.ELFCLASS64) || !slices.Equal(want, got) {
			t.Errorf("%s: %v, %v, %v; want %v", path, got, wide, err, want)
		}
		compared++
	}
	if compared == 0 {
		t.Fatal("no ELF file to compare with: /bin/sh is none")
	}
}

// old32 is an ELF file of 32 bits, big-endian, that needs libold.so.1.
func old32() []byte {
	b := make([]byte, 256)
	copy(b, "\x7fELF\x01\x02\x01")
	put := func(offset int, values ...uint32) {
		for i, v := range values {
			binary.BigEndian.PutUint32(b[offset+4*i:], v)
		}
	}
	put(28, 52)                                   // e_phoff
	binary.BigEndian.PutUint16(b[42:], 32)        // e_phentsize
	binary.BigEndian.PutUint16(b[44:], 2)         // e_phnum
	put(52, 1, 0, 0x1000, 0x1000, 256, 256, 0, 0) // PT_LOAD
	put(84, 2, 128, 0x1080, 0x1080, 24, 24, 0, 0) // PT_DYNAMIC
	put(128, 1, 1, 5, 0x10c0, 0, 0)               // DT_NEEDED, DT_STRTAB, DT_NULL
	copy(b[0xc0:], "\x00libold.so.1\x00")
	return b
}

func TestSonamesOfOthers(t *testing.T) {
	whole := old32()
	names, wide, err := sonames(bytes.NewReader(whole))
	if err != nil || wide || !slices.Equal(names, []string{"libold.so.1"}) {
		t.Errorf("%v, %v, %v", names, wide, err)
	}
	// Whatever is in it, it is read to an end.
	for at := range whole {
		for _, value := range []byte{0, 1, 0x7f, 0xff} {
			broken := bytes.Clone(whole)
			broken[at] = value
			_, _, _ = sonames(bytes.NewReader(broken))
		}
		_, _, _ = sonames(bytes.NewReader(whole[:at]))
	}
}

func TestNeeds(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range map[string]string{
		"usr/bin/old":                              string(old32()),
		"usr/lib/libmine.so.1":                     "\x7fELF cut short",
		"usr/lib/python3.12/site-packages/a.py":    "import b\n",
		"usr/lib/perl5/5.40/vendor_perl/A.pm":      "1;\n",
		"usr/lib/ruby/gems/3.3.0/gems/a/a.rb":      "",
		"usr/lib/modules/6.1.0-arch1-1/extra/a.ko": "",
		"usr/lib/modules/6.2.0-mine/vmlinuz":       "",
		"usr/share/doc/a":                          "",
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	n := newNeeds()
	if err := n.read(t.Context(), path, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	got := n.owned(&ownership{
		distribution: owners{
			"usr/lib/libold.so.1": {"old", "old-git"}, "usr/bin/python3.12": {"python"}, "usr/lib/perl5/5.40/core_perl/": {"perl"},
			"usr/lib/modules/6.1.0-arch1-1/vmlinuz": {"linux"}, "usr/lib/libunused.so.1": {"unused"},
		},
		own: owners{"usr/lib/ruby/3.3.0/": {"ruby"}, "usr/lib/libold.so.1": {"old"}, "usr/lib/modules/6.2.0-mine/vmlinuz": {"mine"}},
	})
	want := map[string][]string{
		"usr/lib/libold.so.1": {"old", "old-git"}, "usr/bin/python3.12": {"python"}, "usr/lib/perl5/5.40/core_perl/": {"perl"},
		"usr/lib/ruby/3.3.0/": {"ruby"}, "usr/lib/modules/6.1.0-arch1-1/vmlinuz": {"linux"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("needs (-want +got)\n%s", diff)
	}
	for path := range want {
		if !ownable.MatchString(path) {
			t.Errorf("%s would never be looked for", path)
		}
	}
	if got := packageOf("foo-bar-1:2.0-3"); got != "foo-bar" {
		t.Errorf("the package of foo-bar-1:2.0-3 is %s", got)
	}
}
