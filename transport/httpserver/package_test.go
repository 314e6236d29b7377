package httpserver_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"ahriman/core/alpm"

	"github.com/google/go-cmp/cmp"
)

// packageFile makes a package whose file has that name. extra bytes that do not
// compress follow in a file.
func packageFile(t testing.TB, fileName string, extra []byte) []byte {
	t.Helper()
	name, version, arch, _, err := alpm.ParseFileName(fileName)
	if err != nil {
		t.Fatal(err)
	}
	return archive(t, fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = %s\narch = %s\nsize = 17\nbuilddate = 1795355916\n", name, name, version, arch), extra)
}

func archive(t testing.TB, pkginfo string, extra []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name    string
		content []byte
	}{{".PKGINFO", []byte(pkginfo)}, {"usr/share/data", extra}} {
		err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write(f.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// diffJSON compares two texts by type and value; those that are no JSON are
// compared as text.
func diffJSON(got, want []byte) string {
	var g, w any
	if json.Unmarshal(want, &w) != nil || json.Unmarshal(got, &g) != nil {
		return cmp.Diff(strings.TrimSpace(string(want)), strings.TrimSpace(string(got)))
	}
	return cmp.Diff(w, g)
}

// writeEntry writes a file of zeros and the end of the archive.
func writeEntry(w io.Writer, size int64) error {
	to := tar.NewWriter(w)
	if err := to.WriteHeader(&tar.Header{Name: "usr/share/zeros", Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for range size / int64(len(zeros)) {
		if _, err := to.Write(zeros); err != nil {
			return err
		}
	}
	return to.Close()
}
