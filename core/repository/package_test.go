package repository_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// testPackage describes a package file to make.
type testPackage struct {
	name, version, base string // base defaults to the name
	arch                string // defaults to any
	content             string // of its one file
	depends             []string
	size                int // bytes that do not compress, to make the file larger
	files               int // more files
}

func (p testPackage) fileName() string {
	return fmt.Sprintf("%s-%s-%s.pkg.tar.zst", p.name, p.version, p.architecture())
}

func (p testPackage) architecture() string {
	if p.arch == "" {
		return "any"
	}
	return p.arch
}

// write makes the package file in dir and returns its path.
func (p testPackage) write(t testing.TB, dir string) string {
	t.Helper()
	if p.base == "" {
		p.base = p.name
	}
	var info strings.Builder
	fmt.Fprintf(&info, "pkgname = %s\npkgbase = %s\npkgver = %s\npkgdesc = package %s\n", p.name, p.base, p.version, p.name)
	fmt.Fprintf(&info, "url = https://example.org/%s\nbuilddate = 1700000000\npackager = Nobody <nobody@example.org>\n", p.name)
	fmt.Fprintf(&info, "size = %d\narch = %s\nlicense = MIT\n", len(p.content), p.architecture())
	for _, d := range p.depends {
		fmt.Fprintf(&info, "depend = %s\n", d)
	}
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	add := func(name, content string) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}
		if strings.HasSuffix(name, "/") {
			header.Mode, header.Typeflag = 0o755, tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	add(".PKGINFO", info.String())
	for _, dir := range []string{"usr/", "usr/share/", "usr/share/" + p.name + "/"} {
		add(dir, "")
	}
	add("usr/share/"+p.name+"/content", p.name+" "+p.version+" "+p.content+"\n"+noise(p.size))
	for i := range p.files {
		add(fmt.Sprintf("usr/share/%s/directory-%d/file-of-%s-%d", p.name, i/10, p.name, i*i), "")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, p.fileName())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// noise is text that does not compress well, the same each time.
func noise(n int) string {
	var b strings.Builder
	for x := uint64(1); b.Len() < n; {
		x = x*6364136223846793005 + 1442695040888963407
		fmt.Fprintf(&b, "%016x", x)
	}
	return b.String()
}
