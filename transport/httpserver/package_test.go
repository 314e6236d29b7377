package httpserver_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ahriman/core/alpm"

	"github.com/google/go-cmp/cmp"

	"encoding/json"
)

// packageFile makes a package whose file has that name. extra bytes that do not
// compress follow in a file.
func packageFile(t *testing.T, fileName string, extra []byte) []byte {
	t.Helper()
	name, version, arch, _, err := alpm.ParseFileName(fileName)
	if err != nil {
		t.Fatal(err)
	}
	return archive(t, fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = %s\narch = %s\nsize = 17\nbuilddate = 1795355916\n", name, name, version, arch), extra)
}

func archive(t *testing.T, pkginfo string, extra []byte) []byte {
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
