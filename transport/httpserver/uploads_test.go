package httpserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
	n.sameJSON(n.want(n.commit("1", files, w...), 201).body, string(got.body)) // its answer may have been lost
	n.want(n.commit("1", files, other...), 201)                                // it says nothing that others may not know

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

// again serves the node's repository in a new server, as after a restart, and
// returns how to end it.
func (n *node) again() (end func()) {
	n.t.Helper()
	_, address, stop := serve(n.t.(*testing.T), n.db, func(c *httpserver.Config) {
		c.Repositories = []httpserver.Repository{{ID: refrepo, Shelf: n.repo}}
		c.Uploads = true
	})
	n.server.URL = address
	return func() {
		if err := stop(); err != nil {
			n.t.Error(err)
		}
	}
}

// TestUploadsAfterARestart: they belong to whom they did, count as they did, and
// go on. TestUploadOutlivesTheServer is about a server that was killed.
func TestUploadsAfterARestart(t *testing.T) {
	n := start(t, nil)
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker, Bases: []string{"foo"}})
	other := n.token(store.User{Name: "w2", Access: store.RoleWorker})
	foo := packageFile(t, fooFile, make([]byte, 100_000))
	path := api.Path(api.PathUploadFile, pieceID("1"), fooFile)
	here := func() string { return n.want(n.do("HEAD", path, nil, w...), 204).header.Get(api.HeaderOffset) }

	stop := n.again()
	n.want(n.put("1", fooFile, foo, 0, 30_000, w...), 204)
	for i := range 63 {
		n.want(n.put(fmt.Sprint(i+2), fooFile, foo, 0, 10, w...), 204)
	}
	// Not an upload: of a process that died, and of one that lives.
	dead, err := n.repo.NewParcel("dead")
	if err != nil {
		t.Fatal(err)
	}
	dead.Leave()
	living, err := n.repo.NewParcel("living")
	if err != nil {
		t.Fatal(err)
	}
	stop()

	stop = n.again()
	if got := here(); got != "30000" {
		t.Errorf("%s bytes are there after a restart", got)
	}
	if got := n.waiting(); len(got) != 65 || got[".arriving-living"] == "" {
		t.Errorf("there are %v", got)
	}
	living.Discard()
	n.want(n.do("HEAD", path, nil, other...), 404)
	n.want(n.put("1", fooFile, foo, 30_000, 60_000, other...), 404)
	n.want(n.commit("1", map[string][]byte{fooFile: foo}, other...), 404)
	n.want(n.do("DELETE", api.Path(api.PathUploadSet, pieceID("1")), nil, other...), 404)
	n.want(n.put("99", fooFile, foo, 0, 10, w...), 429)
	for i := range 63 {
		n.want(n.do("DELETE", api.Path(api.PathUploadSet, pieceID(fmt.Sprint(i+2))), nil, w...), 204)
	}
	n.want(n.put("1", fooFile, foo, 30_000, 60_000, w...), 204)

	// Of what is read again, no more is than of what comes.
	n.want(n.put("2", "foo-8-1-any.pkg.tar.zst", foo, 0, 10, w...), 204)
	n.want(n.put("2", "foo-9-1-any.pkg.tar.zst", foo, 0, 10, w...), 204)
	stop()
	stop = n.again()
	n.want(n.put("2", "foo-7-1-any.pkg.tar.zst", foo, 0, 10, w...), 204)
	n.want(n.put("2", "foo-8-1-any.pkg.tar.zst", foo, 10, 20, w...), 204)
	n.want(n.put("2", "foo-9-1-any.pkg.tar.zst", foo, 10, 20, w...), 429)
	n.want(n.do("DELETE", api.Path(api.PathUploadSet, pieceID("2")), nil, w...), 204)
	stop()

	// Nothing was added since the last one, but for the end.
	stop = n.again()
	n.want(n.put("1", fooFile, foo, 60_000, len(foo), w...), 204)
	stop()
	stop = n.again()
	n.want(n.commit("1", map[string][]byte{fooFile: foo}, w...), 201)
	n.sameWaiting(map[string]string{fooFile: sum(foo)})

	// What nobody has gone on with for too long is not found again.
	n.want(n.put("2", fooFile, foo, 0, 10, w...), 204)
	stop()
	dir := filepath.Join(n.repo.Waiting(), ".arriving-"+pieceID("2"))
	long := time.Now().Add(-time.Hour)
	for _, path := range []string{filepath.Join(dir, fooFile), filepath.Join(dir, ".owner"), dir} {
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	stop = n.again()
	n.want(n.do("HEAD", api.Path(api.PathUploadFile, pieceID("2"), fooFile), nil, w...), 404)
	n.sameWaiting(map[string]string{fooFile: sum(foo)})
	stop()
}

// TestUploadsWhileTheConfigurationIsRead: they go on, and those of a repository
// that comes with it are found.
func TestUploadsWhileTheConfigurationIsRead(t *testing.T) {
	n := start(t, nil)
	w := n.token(store.User{Name: "w1", Access: store.RoleWorker})
	foo := packageFile(t, fooFile, make([]byte, 100_000))
	replace := func(repositories ...httpserver.Repository) {
		t.Helper()
		err := n.handler.Replace(httpserver.Config{
			Store: n.db, Version: "2", Uploads: true, Repositories: repositories, Auth: httpserver.Auth{Enabled: true},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	n.want(n.put("1", fooFile, foo, 0, 30_000, w...), 204)
	replace(httpserver.Repository{ID: refrepo, Shelf: n.repo})
	n.want(n.put("1", fooFile, foo, 30_000, 60_000, w...), 204)
	left, err := n.repo.NewParcel(pieceID("2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left.Dir, ".owner"), []byte(`"w1"`), 0o600); err != nil {
		t.Fatal(err)
	}
	left.Leave()
	replace()
	n.want(n.put("1", fooFile, foo, 60_000, len(foo), w...), 404) // there is no repository
	replace(httpserver.Repository{ID: refrepo, Shelf: n.repo})
	n.want(n.put("1", fooFile, foo, 60_000, len(foo), w...), 204)
	n.want(n.commit("1", map[string][]byte{fooFile: foo}, w...), 201)
	n.want(n.do("DELETE", api.Path(api.PathUploadSet, pieceID("2")), nil, w...), 204)
	n.sameWaiting(map[string]string{fooFile: sum(foo)})
}
