package httpserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ahriman/core/store"
	"ahriman/sign"
	"ahriman/sign/signtest"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// put sends a piece of a file.
func (n *node) put(id, name string, content []byte, from, to int, as ...string) answer {
	n.t.Helper()
	path := fmt.Sprintf("%s?offset=%d&size=%d", api.Path(api.PathUploadFile, pieceID(id), name), from, len(content))
	return n.do("PUT", path, bytes.NewReader(content[from:to]), as...)
}

// commit has the files of a set taken.
func (n *node) commit(id string, files map[string][]byte, as ...string) answer {
	n.t.Helper()
	var set api.UploadSet
	for name, content := range files {
		set.Files = append(set.Files, api.UploadedFile{Name: name, Size: int64(len(content)), SHA256: sum(content)})
	}
	text, err := json.Marshal(set)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.do("POST", api.Path(api.PathUploadSet, pieceID(id)), bytes.NewReader(text), as...)
}

func TestUploadInPieces(t *testing.T) {
	home := signtest.New(t)
	key := home.Key("ed25519", "never", "")
	keyring, err := sign.OpenKeyring(home.Export())
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, func(c *httpserver.Config) { c.Repositories[0].Keyring = keyring })
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker, Bases: []string{"foo"}})
	other := n.token(store.User{Name: "w2", Access: store.RoleWorker})
	foo := packageFile(t, fooFile, make([]byte, 100_000))
	b := bad{home: home, dir: t.TempDir()}
	signature := b.sign(t, home, key, foo)

	n.want(n.put("1", fooFile+".sig", signature, 0, len(signature), w...), 204)
	n.want(n.put("1", fooFile, foo, 0, 30_000, w...), 204)
	if got := n.want(n.put("1", fooFile, foo, 20_000, 40_000, w...), 409); got.header.Get(api.HeaderOffset) != "30000" {
		t.Errorf("goes on at %q", got.header.Get(api.HeaderOffset))
	}
	if got := n.want(n.do("HEAD", api.Path(api.PathUploadFile, pieceID("1"), fooFile), nil, w...), 204); got.header.Get(api.HeaderOffset) != "30000" {
		t.Errorf("is there: %q", got.header.Get(api.HeaderOffset))
	}
	n.want(n.do("HEAD", api.Path(api.PathUploadFile, pieceID("1"), fooFile), nil, other...), 404) // another's is nobody's
	n.want(n.put("1", fooFile, foo, 30_000, 60_000, other...), 404)
	files := map[string][]byte{fooFile: foo, fooFile + ".sig": signature}
	n.want(n.put("1", fooFile, foo, 30_000, len(foo), w...), 204)
	got := n.want(n.commit("1", files, w...), 201)
	n.sameJSON(got.body, fmt.Sprintf(`[{"file":%q,"size":%d,"sha256":%q}]`, fooFile, len(foo), sum(foo)))
	n.sameWaiting(map[string]string{fooFile: sum(foo), fooFile + ".sig": sum(signature)})
	n.want(n.commit("1", files, w...), 404) // once

	// The signature is of other bytes, and came first; then not at all.
	bad := packageFile(t, fooFile, []byte("other"))
	n.want(n.put("2", fooFile+".sig", signature, 0, len(signature), w...), 204)
	n.want(n.put("2", fooFile, bad, 0, len(bad), w...), 204)
	if got := n.want(n.commit("2", map[string][]byte{fooFile: bad, fooFile + ".sig": signature}, w...), 403); !strings.Contains(readAll(got), "signature") {
		t.Errorf("%s", got.body)
	}
	n.want(n.put("3", fooFile, bad, 0, len(bad), w...), 204)
	n.want(n.commit("3", map[string][]byte{fooFile: bad}, w...), 403)
	// It may come last too.
	n.want(n.put("4", fooFile, foo, 0, len(foo), w...), 204)
	n.want(n.put("4", fooFile+".sig", signature, 0, len(signature), w...), 204)
	n.want(n.commit("4", files, w...), 201)
	n.sameWaiting(map[string]string{fooFile: sum(foo), fooFile + ".sig": sum(signature)})
}

// TestUploadsThatAreLeft: what nobody goes on with is removed, and there are not
// many at once.
func TestUploadsThatAreLeft(t *testing.T) {
	n := start(t, nil)
	httpserver.SetUploadPatience(n.handler, time.Hour)
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker})
	foo := packageFile(t, fooFile, nil)
	for i := range 64 {
		n.want(n.put(fmt.Sprint(i), fooFile, foo, 0, 10, w...), 204)
	}
	n.want(n.put("99", fooFile, foo, 0, 10, w...), 429)
	n.want(n.put("0", "foo-8-1-any.pkg.tar.zst", foo, 0, 10, w...), 204)
	n.want(n.put("0", "foo-9-1-any.pkg.tar.zst", foo, 0, 10, w...), 429)
	for i := range 64 {
		n.want(n.do("DELETE", api.Path(api.PathUploadSet, pieceID(fmt.Sprint(i))), nil, w...), 204)
	}
	n.sameWaiting(map[string]string{})

	httpserver.SetUploadPatience(n.handler, time.Millisecond)
	n.put("1", fooFile, foo, 0, 10, w...)
	for deadline := time.Now().Add(time.Minute); ; {
		entries, err := os.ReadDir(n.repo.Waiting())
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("still there: %v, %v", entries, err)
		}
		if len(entries) == 0 {
			break
		}
	}
}
