package httpserver_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ahriman/core/repository"
	"ahriman/sign"
	"ahriman/sign/signtest"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

// waiting lists the waiting directory, what is hidden too, and what is in each
// file.
func (n *node) waiting() map[string]string {
	n.t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(n.repo.Waiting())
	if err != nil && !os.IsNotExist(err) {
		n.t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			found[entry.Name()] = "directory"
			continue
		}
		content, err := os.ReadFile(filepath.Join(n.repo.Waiting(), entry.Name()))
		if err != nil {
			n.t.Fatal(err)
		}
		found[entry.Name()] = sum(content)
	}
	return found
}

const fooFile = "foo-1:2.0-1-any.pkg.tar.zst"

func TestUploadsThatAreRefused(t *testing.T) {
	foo := packageFile(t, fooFile, []byte("content"))
	whole := part{api.PartPackage, fooFile, foo}
	signature := []byte{0x88, 0x03, 1, 2, 3}
	n := start(t, func(c *httpserver.Config) { c.MaxFile = 64 << 10 })
	for _, test := range []struct {
		name  string
		parts []part
		want  int
		says  string
	}{
		{"nothing", nil, 400, "is missing"},
		{"other field", []part{{"file", fooFile, foo}}, 400, "Multipart field isn't package or signature"},
		{"no file name", []part{{api.PartPackage, "", foo}}, 400, "Filename must be set"},
		{"path", []part{{api.PartPackage, "../" + fooFile, foo}}, 400, "Filename must be valid"},
		{"absolute", []part{{api.PartPackage, "/tmp/" + fooFile, foo}}, 400, "Filename must be valid"},
		{"hidden", []part{{api.PartPackage, "." + fooFile, foo}}, 400, "Filename must be valid"},
		{"option", []part{{api.PartPackage, "-" + fooFile, foo}}, 400, "Filename must be valid"},
		{"no package's name", []part{{api.PartPackage, "foo.txt", foo}}, 400, "Filename must be valid"},
		{"another name", []part{{api.PartPackage, "bar-1:2.0-1-any.pkg.tar.zst", foo}}, 400, "foo"},
		{"another version", []part{{api.PartPackage, "foo-2.0-1-any.pkg.tar.zst", foo}}, 400, "1:2.0-1"},
		{"noise", []part{{api.PartPackage, fooFile, bytes.Repeat([]byte{0xab}, 1000)}}, 400, "is not a package"},
		{"empty", []part{{api.PartPackage, fooFile, nil}}, 400, "is not a package"},
		{"cut", []part{{api.PartPackage, fooFile, foo[:1540]}}, 400, "is not a package"},
		{"another architecture", []part{{api.PartPackage, "foo-1-1-aarch64.pkg.tar.zst", packageFile(t, "foo-1-1-aarch64.pkg.tar.zst", nil)}}, 400, "is for aarch64"},
		{"base that is a path", []part{{api.PartPackage, "x-1-1-any.pkg.tar.zst", archive(t, "pkgname = x\npkgbase = ../x\npkgver = 1-1\narch = any\n", nil)}}, 400, ""},
		{"too long", []part{{api.PartPackage, fooFile, packageFile(t, fooFile, make([]byte, 128<<10))}}, 400, "too large"},
		{"signature alone", []part{{api.PartSignature, fooFile + ".sig", signature}}, 400, "before the package"},
		{"signature of another", []part{whole, {api.PartSignature, "bar.sig", signature}}, 400, "is not the signature"},
		{"long signature", []part{whole, {api.PartSignature, fooFile + ".sig", make([]byte, 20<<10)}}, 400, ""},
		{"twice", []part{whole, whole}, 400, "twice"},
		{"damaged", []part{whole, {api.PartSHA256, "", []byte(api.DigestLine(sum(nil), fooFile))}}, 400, "was damaged"},
		{"digest of nothing", []part{whole, {api.PartSHA256, "", nil}}, 400, "was damaged"},
		{"no digest", []part{whole, {api.PartSHA256, "", []byte("x\n")}}, 400, "sha256sum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := n.upload(api.PathUpload+query(), worker(), test.parts...)
			if got.status != test.want || !strings.Contains(string(got.body), test.says) {
				t.Errorf("%d %s, want %d with %q", got.status, got.body, test.want, test.says)
			}
			if left := n.waiting(); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if got := n.upload(api.PathUpload+"?architecture=x86_64&repository=nope", worker(), whole); got.status != 404 {
		t.Errorf("unknown repository: %d", got.status)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(filepath.Dir(n.repo.Waiting())), "nope")); err == nil {
		t.Error("an unknown repository's directory was made")
	}
}

// TestUploadOfPythonClients is the conversation of the contract: 201 whatever
// is there, and what is published stays.
func TestUploadOfPythonClients(t *testing.T) {
	n := start(t, nil)
	one, other := packageFile(t, fooFile, []byte("one")), packageFile(t, fooFile, []byte("other"))
	signature := []byte{0x88, 0x03, 1, 2, 3}
	got := n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fooFile, one}, part{api.PartSignature, fooFile + ".sig", signature}), 201)
	if readAll(got) != "201: Created" {
		t.Errorf("answer %q", got.body)
	}
	n.sameWaiting(map[string]string{fooFile: sum(one), fooFile + ".sig": sum(signature)})

	// Not published yet: the newest counts, and an old signature does not stay.
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fooFile, other}), 201)
	n.sameWaiting(map[string]string{fooFile: sum(other)})

	n.publish(fooFile)
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fooFile, one}), 201)
	n.sameWaiting(map[string]string{})
	warnings, err := n.db.TakeWarnings(t.Context(), refrepo)
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], sum(one)) || !strings.Contains(warnings[0], sum(other)) {
		t.Errorf("warnings for the update: %q, %v", warnings, err)
	}
	// The same bytes once more are welcome.
	n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fooFile, other}), 201)
}

// publish publishes a file that waits.
func (n *node) publish(fileName string) {
	n.t.Helper()
	change := repository.Change{Add: []string{filepath.Join(n.repo.Waiting(), fileName)}}
	if _, err := n.repo.Publish(n.t.Context(), change); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) sameWaiting(want map[string]string) {
	n.t.Helper()
	got, _ := json.Marshal(n.waiting())
	text, _ := json.Marshal(want)
	n.sameJSON(got, string(text))
}

// TestUploadOfGoClients carries digests, and meets a refusal where bytes differ.
func TestUploadOfGoClients(t *testing.T) {
	n := start(t, nil)
	one, other := packageFile(t, fooFile, []byte("one")), packageFile(t, fooFile, []byte("other"))
	send := func(content []byte) answer {
		return n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fooFile, content},
			part{api.PartSHA256, "", []byte(api.DigestLine(sum(content), fooFile))})
	}
	conflict := fmt.Sprintf(`{"error":"%[1]s is known with other bytes: stored sha256 %[2]s, received sha256 %[3]s","file":"%[1]s","stored_sha256":"%[2]s","received_sha256":"%[3]s"}`,
		fooFile, sum(one), sum(other))
	n.sameJSON(n.want(send(one), 201).body, fmt.Sprintf(`{"file":%q,"size":%d,"sha256":%q}`, fooFile, len(one), sum(one)))
	n.want(send(one), 201)
	n.sameJSON(n.want(send(other), 409).body, conflict)
	n.sameWaiting(map[string]string{fooFile: sum(one)})
	n.publish(fooFile)
	n.sameJSON(n.want(send(other), 409).body, conflict)
	n.want(send(one), 201)
}

// TestUploadUnderSafeName: two spellings of a file name are one file.
func TestUploadUnderSafeName(t *testing.T) {
	n := start(t, nil)
	name := "foo+plus-1.0-1-any.pkg.tar.zst"
	content := packageFile(t, name, nil)
	for _, fileName := range []string{name, "foo-plus-1.0-1-any.pkg.tar.zst"} {
		n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, fileName, content}), 201)
		n.sameWaiting(map[string]string{"foo-plus-1.0-1-any.pkg.tar.zst": sum(content)})
	}
	// Another package does not take its place by a name that is kept as the same.
	other := archive(t, "pkgname = foo-plus\npkgbase = foo-plus\npkgver = 1.0-1\narch = any\n", nil)
	got := n.want(n.upload(api.PathUpload+query(), worker(), part{api.PartPackage, "foo-plus-1.0-1-any.pkg.tar.zst", other}), 409)
	if !strings.Contains(readAll(got), "waits already with the package foo+plus") {
		t.Errorf("%s", got.body)
	}
	n.sameWaiting(map[string]string{"foo-plus-1.0-1-any.pkg.tar.zst": sum(content)})
}

func TestUploadSigned(t *testing.T) {
	ours, foreign := signtest.New(t), signtest.New(t)
	ours.Key("ed25519", "never", "")
	foreign.Key("ed25519", "never", "")
	keyring, err := sign.OpenKeyring(ours.Export())
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, func(c *httpserver.Config) { c.Repositories[0].Keyring = keyring })
	content := packageFile(t, fooFile, nil)
	path := filepath.Join(t.TempDir(), fooFile)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	good := ours.GPG("--detach-sign", "--no-armor", "-o", "-", path)
	bad := foreign.GPG("--detach-sign", "--no-armor", "-o", "-", path)
	other := packageFile(t, fooFile, []byte("other"))
	for _, test := range []struct {
		name      string
		content   []byte
		signature []byte
		want      int
	}{
		{"none", content, nil, 403},
		{"of a stranger", content, bad, 403},
		{"of other bytes", other, good, 403},
		{"good", content, good, 201},
	} {
		parts := []part{{api.PartPackage, fooFile, test.content}}
		if test.signature != nil {
			parts = append(parts, part{api.PartSignature, fooFile + ".sig", test.signature})
		}
		if got := n.upload(api.PathUpload+query(), worker(), parts...); got.status != test.want {
			t.Errorf("%s: %d %s, want %d", test.name, got.status, got.body, test.want)
		}
		if test.want != 201 && len(n.waiting()) != 0 {
			t.Errorf("%s: left %v", test.name, n.waiting())
		}
	}
	n.sameWaiting(map[string]string{fooFile: sum(content), fooFile + ".sig": sum(good)})
}

// TestUploadBrokenOff: the connection ends in the middle of a part.
func TestUploadBrokenOff(t *testing.T) {
	n := start(t, nil)
	body, contentType := form(t, part{api.PartPackage, fooFile, packageFile(t, fooFile, make([]byte, 100<<10))})
	for _, length := range []int{10, 200, 50_000, body.Len() - 5} {
		half := bytes.NewReader(body.Bytes()[:length])
		request, err := http.NewRequestWithContext(t.Context(), "POST", n.server.URL+api.PathUpload, io.MultiReader(half, brokenReader{}))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", contentType)
		request.SetBasicAuth("worker-user", "very-secure-password")
		if response, err := n.client.Do(request); err == nil {
			response.Body.Close()
			t.Errorf("after %d bytes: %d", length, response.StatusCode)
		}
	}
	n.server.Close() // waits for the handlers
	n.sameWaiting(map[string]string{})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, fmt.Errorf("broken off") }

// TestUploadMemory sends a large file, which must not be held in memory.
func TestUploadMemory(t *testing.T) {
	n := start(t, nil)
	const size = 256 << 20
	head := packageFile(t, fooFile, nil)
	info := head[:1024] // .PKGINFO: header and content
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		to, err := form.CreateFormFile(api.PartPackage, fooFile)
		if err == nil {
			_, err = to.Write(info)
		}
		if err == nil {
			err = writeEntry(to, size)
		}
		if err == nil {
			err = form.Close()
		}
		writer.CloseWithError(err)
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n.want(n.do("POST", api.PathUpload, reader, append(worker(), "Content-Type", form.FormDataContentType())...), 201)
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d MiB allocated in all for %d MiB uploaded", allocated>>20, size>>20)
	if allocated > 32<<20 {
		t.Errorf("allocated %d bytes for an upload of %d", allocated, size)
	}
	info2, err := os.Stat(filepath.Join(n.repo.Waiting(), fooFile))
	if err != nil || info2.Size() < size {
		t.Errorf("stored: %v, %v", info2, err)
	}
}
