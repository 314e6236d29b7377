package httpclient_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpclient/clienttest"

	"github.com/google/go-cmp/cmp"
)

func TestUploadToOurs(t *testing.T) {
	node := &clienttest.Node{PythonNode: clienttest.PythonNode{Directory: t.TempDir()}}
	client := serve(t, node, nil)
	file := writeFile(t, filepath.Join(t.TempDir(), "foo+plus-1:1.0-1-any.pkg.tar.zst"), 3<<20)
	writeFile(t, file+".sig", 100)
	var last, total int64
	got, err := client.Repository(refrepo()).Upload(t.Context(), file, func(a, b int64) { last, total = a, b })
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(strings.Repeat("x", 3<<20)))
	want := &httpclient.Uploaded{
		Name: "foo-plus-1:1.0-1-any.pkg.tar.zst", Size: 3 << 20, SHA256: hex.EncodeToString(sum[:]), Signed: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	requests := node.Requests()
	request := requests[len(requests)-1]
	if request.Length != total || last != total {
		t.Errorf("progress ended at %d of %d, sent were %d", last, total, request.Length)
	}
	data, err := os.ReadFile(filepath.Join(node.Directory, want.Name))
	if err != nil || sha256.Sum256(data) != sum {
		t.Errorf("the node has other bytes (%v)", err)
	}
}

func TestUploadConflict(t *testing.T) {
	const name = "a-1-1-any.pkg.tar.zst"
	node := &clienttest.Node{Stored: map[string]string{name: "abc"}}
	file := writeFile(t, filepath.Join(t.TempDir(), name), 10)
	_, err := serve(t, node, nil).Repository(refrepo()).Upload(t.Context(), file, nil)
	conflict, ok := errors.AsType[*api.Conflict](err)
	told, _ := errors.AsType[*httpclient.Error](err)
	if !ok || conflict.Stored != "abc" || len(conflict.Received) != 64 || !strings.Contains(told.Hint(), "pkgrel") {
		t.Errorf("got %v", err)
	}
}

func TestUploadIsRepeated(t *testing.T) {
	node := &clienttest.PythonNode{Directory: t.TempDir()}
	client := start(t, node, func(c *httpclient.Config) { c.MaxRetries, c.Backoff = 1, time.Millisecond })
	if _, err := client.Node(t.Context()); err != nil {
		t.Fatal(err)
	}
	node.Fail(http.StatusServiceUnavailable)
	file := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 1000)
	if _, err := client.Repository(refrepo()).Upload(t.Context(), file, nil); err != nil {
		t.Error(err)
	}
	requests := node.Requests()
	if len(requests) != 3 || requests[1].Length != requests[2].Length || requests[2].Parts[0].Size != 1000 {
		t.Errorf("got %+v", requests)
	}
}

func TestUploadRefusals(t *testing.T) {
	dir := t.TempDir()
	good := writeFile(t, filepath.Join(dir, "a-1-1-any.pkg.tar.zst"), 10)
	signed := writeFile(t, filepath.Join(dir, "b-1-1-any.pkg.tar.zst"), 10)
	writeFile(t, signed+".sig", 17<<10)
	for _, test := range []struct{ path, text, hint string }{
		{good, "Not Found", "enable_archive_upload"},
		{filepath.Join(dir, "none"), "no such file", ""},
		{dir, "not a regular file", ""},
		{signed, "too many for a signature", ""},
	} {
		_, err := start(t, &clienttest.PythonNode{NoUpload: true}, nil).Repository(refrepo()).Upload(t.Context(), test.path, nil)
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.text)
		}
		if told, ok := errors.AsType[*httpclient.Error](err); test.hint != "" && (!ok || !strings.Contains(told.Hint(), test.hint)) {
			t.Errorf("%s: no hint in %v", test.path, err)
		}
	}
	node := &clienttest.PythonNode{}
	client := start(t, node, nil)
	node.Fail(http.StatusNotFound, http.StatusForbidden) // first it is asked whether it takes parts
	_, err := client.Repository(refrepo()).Upload(t.Context(), good, nil)
	if told, ok := errors.AsType[*httpclient.Error](err); !ok || !strings.Contains(told.Hint(), "sign.verify") {
		t.Errorf("forbidden: no hint in %v", err)
	}
}

// TestUploadOfAShrinkingFile checks that a file that changes is an error, not a
// request that hangs or a package that is short.
func TestUploadOfAShrinkingFile(t *testing.T) {
	node := &clienttest.PythonNode{}
	client := start(t, node, nil)
	file := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 8<<20)
	cut := false
	_, err := client.Repository(refrepo()).Upload(t.Context(), file, func(sent, _ int64) {
		if sent > 1<<20 && !cut {
			cut = true
			os.Truncate(file, 2<<20)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "shorter than it was") {
		t.Errorf("got %v", err)
	}
}

func TestStalledUpload(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != api.PathUpload {
			http.NotFound(w, r)
			return
		}
		select { // the body is not read
		case <-stop:
		case <-r.Context().Done():
		}
	}), func(c *httpclient.Config) { c.Timeout = 100 * time.Millisecond })
	file := writeFile(t, filepath.Join(t.TempDir(), "a-1-1-any.pkg.tar.zst"), 64<<20)
	_, err := client.Repository(refrepo()).Upload(t.Context(), file, nil)
	if !errors.Is(err, api.ErrUnavailable) || !strings.Contains(err.Error(), "nothing moved for 100ms") {
		t.Errorf("got %v", err)
	}
}
