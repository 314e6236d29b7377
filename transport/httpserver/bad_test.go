package httpserver_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/sign"
	"ahriman/sign/signtest"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

const barFile = "bar-1-1-any.pkg.tar.zst"

// bad is a master that publishes foo and accepts signed packages only, and what
// is thrown at it.
type bad struct {
	*node
	home       *signtest.Home
	key        string
	bar        []byte            // a package that would be accepted
	signatures map[string][]byte // of bar, by what is wrong with them
	published  string            // SHA-256 of foo
	token      []string          // of a worker that may work on foo only
	dir        string
}

func startBad(t *testing.T) *bad {
	t.Helper()
	b := &bad{home: signtest.New(t), bar: packageFile(t, barFile, nil), dir: t.TempDir()}
	b.key = b.home.Key("ed25519", "never", "")
	inTime := []string{"--faked-system-time", "20200101T000000!"}
	expired, revoked := b.home.Key("ed25519", "1d", "", inTime...), b.home.Key("ed25519", "never", "")
	stranger := signtest.New(t)
	b.signatures = map[string][]byte{
		"good": b.sign(t, b.home, b.key, b.bar), "expired": b.sign(t, b.home, expired, b.bar, inTime...),
		"revoked": b.sign(t, b.home, revoked, b.bar), "armored": b.sign(t, b.home, b.key, b.bar, "--armor"),
		"unknown": b.sign(t, stranger, stranger.Key("ed25519", "never", ""), b.bar),
	}
	b.home.Revoke(revoked)
	keyring, err := sign.OpenKeyring(b.home.Export())
	if err != nil {
		t.Fatal(err)
	}
	b.node = start(t, func(c *httpserver.Config) {
		c.MaxFile = 1 << 20
		c.Repositories[0].Keyring = keyring
	})
	httpserver.SetPatience(time.Second)(b.node.handler)
	foo := packageFile(t, fooFile, []byte("published"))
	b.published = sum(foo)
	b.want(b.send(part{api.PartPackage, fooFile, foo}, part{api.PartSignature, fooFile + ".sig", b.sign(t, b.home, b.key, foo)}), 201)
	b.publish(fooFile)
	for _, name := range []string{fooFile, fooFile + ".sig"} { // as an update does
		os.Remove(filepath.Join(b.repo.Waiting(), name))
	}
	b.token = b.node.token(store.User{Name: "w1", Access: store.RoleWorker, Bases: []string{"foo"}})
	return b
}

func (b *bad) sign(t *testing.T, home *signtest.Home, key string, content []byte, more ...string) []byte {
	t.Helper()
	path := filepath.Join(b.dir, "to-sign")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return home.GPG(append(more, "--detach-sign", "-u", key, "-o", "-", path)...)
}

func (b *bad) send(parts ...part) answer { return b.upload(api.PathUpload+query(), worker(), parts...) }

// package sends one file under a name, with the good signature of bar.
func (b *bad) file(name string, content []byte) answer {
	return b.send(part{api.PartPackage, name, content}, part{api.PartSignature, name + ".sig", b.signatures["good"]})
}

func (b *bad) post(path, body string) answer {
	return b.do("POST", path, strings.NewReader(body), worker()...)
}

func (b *bad) get(path string) answer { return b.do("GET", path, nil, worker()...) }

// raw sends bytes as they are, and reads the answer.
func (b *bad) raw(pieces ...string) answer {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	for _, piece := range pieces {
		if _, err := io.WriteString(conn, piece); err != nil {
			break // it may answer before it has all
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{body: []byte("no answer: " + err.Error())}
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}
}

// head is the beginning of a raw request.
func head(line string, more ...string) string {
	return line + " HTTP/1.1\r\nHost: x\r\n" + worker()[0] + ": " + worker()[1] + "\r\n" + strings.Join(more, "") + "\r\n"
}

// badUploads are forms and files.
func (b *bad) badUploads() map[string]func() answer {
	t := b.t
	info := "pkgname = bar\npkgbase = bar\npkgver = 1-1\narch = any\n"
	pkg := part{api.PartPackage, barFile, b.bar}
	signed := func(name string) func() answer {
		return func() answer { return b.send(pkg, part{api.PartSignature, barFile + ".sig", b.signatures[name]}) }
	}
	named := func(name string) func() answer { return func() answer { return b.file(name, b.bar) } }
	content := func(content []byte) func() answer { return func() answer { return b.file(barFile, content) } }
	return map[string]func() answer{
		"400 no parts":           func() answer { return b.send() },
		"400 another field":      func() answer { return b.send(part{"file", barFile, b.bar}) },
		"400 twice":              func() answer { return b.send(pkg, pkg) },
		"400 signature first":    func() answer { return b.send(part{api.PartSignature, barFile + ".sig", b.signatures["good"]}, pkg) },
		"400 no name":            named(""),
		"400 dots":               named("../" + barFile),
		"400 absolute":           named("/" + barFile),
		"400 backslash":          named(`..\\` + barFile),
		"400 hidden":             named("." + barFile),
		"400 option":             named("--help"),
		"400 option-like":        named("--help-1-1-any.pkg.tar.zst"),
		"400 long name":          named(strings.Repeat("x", 300) + "-1-1-any.pkg.tar.zst"),
		"400 no package's name":  named("bar.zip"),
		"400 a signature's name": named(barFile + ".sig"),
		"400 database":           named("refrepo.db"),
		"400 text":               content([]byte("this is a text")),
		"400 empty":              content(nil),
		"400 truncated":          content(b.bar[:len(b.bar)/2]),
		"400 cut zstd":           content(compress(t, b.bar)[:60]),
		"400 zip":                content(zipFile(t)),
		"400 another package":    content(packageFile(t, fooFile, nil)),
		"400 no metadata":        content(archive(t, "", nil)),
		"400 metadata bomb":      content(compress(t, archive(t, info+strings.Repeat("# xxxxxxxxxxxxxxxx\n", 2<<20), nil))),
		"400 zstd bomb":          content(compress(t, archive(t, info, nil), 3<<30)),
		"400 another name":       content(archive(t, strings.ReplaceAll(info, "pkgname = bar", "pkgname = baz"), nil)),
		"400 another version":    content(archive(t, strings.ReplaceAll(info, "1-1", "2-1"), nil)),
		"400 another arch":       content(archive(t, strings.ReplaceAll(info, "any", "aarch64"), nil)),
		"400 base a path":        content(archive(t, strings.ReplaceAll(info, "pkgbase = bar", "pkgbase = ../bar"), nil)),
		"400 base an option":     content(archive(t, strings.ReplaceAll(info, "pkgbase = bar", "pkgbase = --help"), nil)),
		"400 too large":          content(packageFile(t, barFile, make([]byte, 2<<20))),
		"400 wrong digest": func() answer {
			return b.send(pkg, part{api.PartSHA256, "", []byte(api.DigestLine(sum(nil), barFile))})
		},
		"400 digests of noise":      func() answer { return b.send(pkg, part{api.PartSHA256, "", bytes.Repeat([]byte("x"), 1<<20)}) },
		"400 long signature":        func() answer { return b.send(pkg, part{api.PartSignature, barFile + ".sig", make([]byte, 17<<10)}) },
		"400 armored":               signed("armored"),
		"403 unknown key":           signed("unknown"),
		"403 expired key":           signed("expired"),
		"403 revoked key":           signed("revoked"),
		"403 unsigned":              func() answer { return b.send(pkg) },
		"403 of other bytes":        content(packageFile(t, barFile, []byte("other"))),
		"400 signature of another":  func() answer { return b.send(pkg, part{api.PartSignature, fooFile + ".sig", b.signatures["good"]}) },
		"404 unknown repository":    func() answer { return b.upload(api.PathUpload+"?architecture=x86_64&repository=x", worker(), pkg) },
		"404 unknown architecture":  func() answer { return b.upload(api.PathUpload+"?architecture=x&repository=refrepo", worker(), pkg) },
		"403 another's base":        func() answer { return b.upload(api.PathUpload+query(), b.token, pkg) },
		"401 nobody":                func() answer { return b.upload(api.PathUpload+query(), nil, pkg) },
		"409 published with others": b.conflict,
		"400 no form":               func() answer { return b.post(api.PathUpload, "x") },
		"400 no boundary": func() answer {
			return b.do("POST", api.PathUpload, nil, append(worker(), "Content-Type", "multipart/form-data")...)
		},
		"400 a body that stops": b.stops("POST "+api.PathUpload, "Content-Type: multipart/form-data; boundary=x\r\n", "--x\r\nContent-Disposition: form-data; name=package; filename="+barFile+"\r\n\r\n"+string(b.bar[:100])),
		"400 a piece that stops": func() answer { // it could go on, until it is dropped
			got := b.stops("PUT "+piecePath("1")+"?size=1000", "", string(b.bar[:100]))()
			b.want(b.do("DELETE", api.Path(api.PathUploadSet, pieceID("1")), nil, worker()...), 204)
			return got
		},
		"400 JSON that stops":      b.stops("POST "+api.PathStatus, "", `{"status":`),
		"400 a chunk that is none": func() answer { return b.raw(head("POST "+api.PathStatus, "Transfer-Encoding: chunked\r\n"), "zz\r\n") },
		"400 a chunk that is too long": func() answer {
			return b.raw(head("POST "+api.PathStatus, "Transfer-Encoding: chunked\r\n"), "fffffffffffffffff\r\n")
		},
	}
}

// stops sends the beginning of a body and then nothing.
func (b *bad) stops(line, header, body string) func() answer {
	return func() answer { return b.raw(head(line, "Content-Length: 1000\r\n", header), body) }
}

// conflict is a Go client's upload of other bytes under a published name.
func (b *bad) conflict() answer {
	other := packageFile(b.t, fooFile, []byte("other"))
	signature := b.sign(b.t.(*testing.T), b.home, b.key, other)
	return b.send(part{api.PartPackage, fooFile, other},
		part{api.PartSignature, fooFile + ".sig", signature},
		part{api.PartSHA256, "", []byte(api.DigestLine(sum(other), fooFile) + api.DigestLine(sum(signature), fooFile+".sig"))})
}

// badPieces are uploads in pieces; each has an id of its own.
func (b *bad) badPieces() map[string]func() answer {
	put := func(id, name, values string, content []byte) answer {
		return b.do("PUT", strings.Replace(piecePath(id), barFile, name, 1)+"?"+values, bytes.NewReader(content), worker()...)
	}
	commit := func(id string, files ...api.UploadedFile) answer {
		text, err := json.Marshal(api.UploadSet{Files: files})
		if err != nil {
			b.t.Fatal(err)
		}
		return b.post(api.Path(api.PathUploadSet, pieceID(id)), string(text))
	}
	bar := api.UploadedFile{Name: barFile, Size: int64(len(b.bar)), SHA256: sum(b.bar)}
	size := fmt.Sprintf("size=%d", len(b.bar))
	sent := func(id string, files ...api.UploadedFile) func() answer {
		return func() answer {
			b.want(put(id, barFile, size, b.bar), 204)
			return commit(id, files...)
		}
	}
	other, gone := bar, bar
	other.SHA256, gone.Name = sum(nil), fooFile
	return map[string]func() answer{
		"400 piece without a size":   func() answer { return put("1", barFile, "", b.bar) },
		"400 piece of negative size": func() answer { return put("1", barFile, "size=-1", b.bar) },
		"413 piece of a huge file":   func() answer { return put("1", barFile, "size=9223372036854775807", b.bar) },
		"400 piece of a huger file":  func() answer { return put("1", barFile, "size=99999999999999999999", b.bar) },
		"404 piece of nothing":       func() answer { return put("1", barFile, "offset=5&size=10", b.bar) },
		"400 piece beyond the end":   func() answer { return put("1", barFile, "offset=11&size=10", b.bar) },
		"400 piece that is too long": func() answer { return put("2", barFile, "size=100", b.bar) },
		"400 piece of text":          func() answer { return put("3", barFile, "size=4", []byte("text")) },
		"400 piece of an option":     func() answer { return put("4", "--help", "size=4", b.bar) },
		"413 piece of a signature":   func() answer { return put("4", barFile+".sig", "size=20000", nil) },
		"400 piece with no UUID": func() answer {
			return b.do("PUT", api.Path(api.PathUploadFile, "x", barFile)+"?"+size, bytes.NewReader(b.bar), worker()...)
		},
		"404 commit of nothing":      func() answer { return commit("5", bar) },
		"400 commit without files":   func() answer { return commit("5") },
		"400 commit of other bytes":  sent("6", other),
		"404 commit of another file": sent("7", gone),
		"404 commit of more files":   sent("8", bar, gone),
		"400 commit twice named": func() answer {
			defer b.do("DELETE", api.Path(api.PathUploadSet, pieceID("9")), nil, worker()...)
			return sent("9", bar, bar)()
		},
		"403 commit without the signature": sent("10", bar),
	}
}

func pieceID(id string) string { return fmt.Sprintf("00000000-0000-4000-8000-%012s", id) }

func piecePath(id string) string { return api.Path(api.PathUploadFile, pieceID(id), barFile) }

// badTexts are bodies of JSON, queries, and requests that are hardly any.
func (b *bad) badTexts() map[string]func() answer {
	post := func(path, body string) func() answer { return func() answer { return b.post(path, body) } }
	get := func(path string) func() answer { return func() answer { return b.get(path) } }
	logs, status := api.Path(api.PathLogs, "foo"), api.PathStatus
	deep := strings.Repeat("[", 1<<20)
	base := func(base, name string) string {
		return `{"status":"success","package":{"base":"` + base + `","version":"1-1","remote":{"source":"local"},"packages":{"` + name + `":{}}}}`
	}
	return map[string]func() answer{
		"400 broken JSON":         post(status, `{"status":`),
		"400 no JSON":             post(status, "status=building"),
		"400 no body":             post(status, ""),
		"400 two bodies":          post(status, `{"status":"success"}{}`),
		"400 deep JSON":           post(status, deep),
		"400 deep data":           post(api.PathEvents, `{"event":"package-updated","object_id":"foo","data":`+deep+`}`),
		"400 a list":              post(status, `[]`),
		"400 a number":            post(status, `{"status":1}`),
		"400 null":                post(status, `null`),
		"400 unknown status":      post(status, `{"status":"sleeping"}`),
		"400 huge number":         post(logs, `{"created":1e999,"message":"x","version":"1"}`),
		"400 text as number":      post(logs, `{"created":"now","message":"x","version":"1"}`),
		"400 no time":             post(logs, `{"message":"x","version":"1"}`),
		"400 no hold":             post(api.Path(api.PathHold, "foo"), `{}`),
		"400 base of dots":        post(api.Path(api.PathPackage, "x"), base("../../x", "x")),
		"400 base is --help":      post(api.Path(api.PathPackage, "x"), base("--help", "x")),
		"400 zero in a base":      post(api.Path(api.PathPackage, "x"), base(`x\u0000`, "x")),
		"400 newline in a base":   post(api.Path(api.PathPackage, "x"), base(`x\n`, "x")),
		"400 name a path":         post(api.Path(api.PathPackage, "x"), base("x", "../x")),
		"413 a long body":         post(status, `{"status":"`+strings.Repeat("x", 17<<20)+`"}`),
		"400 text as boolean":     post(api.PathUpdate, `{"aur":"yes"}`),
		"400 no packages":         post(api.PathAdd, `{"packages":[]}`),
		"400 packages of numbers": post(api.PathAdd, `{"packages":[1]}`),
		"400 option as package":   post(api.PathAdd, `{"packages":["--help"]}`),
		"400 option to remove":    post(api.PathRemove, `{"packages":["foo","-rf"]}`),
		"400 newline in a name":   post(api.PathRequest, `{"packages":["foo\nbar"]}`),
		"400 long name in a list": post(api.PathRebuild, `{"packages":["`+strings.Repeat("x", 300)+`"]}`),
		"400 patch of no name":    post(api.PathAdd, `{"packages":["foo"],"patches":[{"key":"a b","value":"c"}]}`),
		"400 patch of a command":  post(api.Path(api.PathPatches, "foo"), `{"key":"x;reboot","value":"c"}`),
		"400 patch of a number":   post(api.Path(api.PathPatches, "foo"), `{"key":"pkgrel","value":{"a":1}}`),
		"400 no version":          post(api.PathRollback, `{"package":"foo"}`),
		"400 no identifier":       post(api.PathDistributed, `{"address":"http://x"}`),
		"400 this node's socket":  post(api.PathDistributed, `{"address":"http+unix://%2Frun%2Fsocket","identifier":"w"}`),
		"400 status of nothing":   post(api.Path(api.PathPackage, "nothing"), `{"status":"success"}`),
		"400 package of nothing":  post(api.Path(api.PathPackage, "x"), `{"status":"success","package":{}}`),
		"404 hold of nothing":     post(api.Path(api.PathHold, "nothing"), `{"is_held":true}`),
		"400 negative limit":      get(api.PathPackages + "?limit=-2"),
		"400 limit of words":      get(api.PathPackages + "?limit=all"),
		"400 huge limit":          get(api.PathPackages + "?limit=99999999999999999999"),
		"400 negative offset":     get(api.PathPackages + "?offset=-1"),
		"400 date of words":       get(api.PathEvents + "?from_date=NaN"),
		"400 endless wait":        get(api.Path(api.PathNodeProcess, "x") + "?wait=NaN"),
		"400 no term":             get(api.PathSearch),
		"404 no process":          get(api.Path(api.PathProcess, "../../x")),
		"404 no patch":            get(api.Path(api.PathPatch, "foo", "x")),
		"404 no package":          get(api.Path(api.PathPackage, strings.Repeat("x", 5000))),
		"404 no repository":       get(api.PathStatus + "?architecture=../..&repository=x"),
		"404 out of the files":    get("/repo/refrepo/x86_64/..%2f..%2fnode.db"),
		"404 zero in a path":      get("/repo/refrepo/x86_64/%00"),
		"404 nowhere":             get("/nowhere"),
		"401 nowhere as nobody":   func() answer { return b.do("GET", "/nowhere", nil) },
		"401 wrong token": func() answer {
			return b.do("GET", api.PathEvents, nil, "Authorization", "Bearer ahr_"+strings.Repeat("x", 52))
		},
		"401 half of Basic": func() answer { return b.do("GET", api.PathEvents, nil, "Authorization", "Basic ::::") },
		"401 a long cookie": func() answer {
			return b.do("GET", api.PathEvents, nil, "Cookie", "AHRIMAN="+strings.Repeat("A", 50<<10))
		},
		"403 a worker managing": func() answer { return b.do("GET", api.PathConfig, nil, b.token...) },
		"413 a long log-in": func() answer {
			return b.do("POST", api.PathLogin, strings.NewReader(`{"username":"`+strings.Repeat("x", 1<<20)+`","password":"x"}`))
		},
		"413 a long form": func() answer {
			return b.do("POST", "/login", strings.NewReader("username=x&password="+strings.Repeat("x", 1<<20)))
		},
		"403 another site's page": func() answer {
			return b.do("POST", api.PathLogin, strings.NewReader(`{}`), "Sec-Fetch-Site", "cross-site", "Origin", "http://evil")
		},
		"405 another method":  func() answer { return b.do("PATCH", api.PathStatus, nil, worker()...) },
		"405 invented method": func() answer { return b.raw(head("BREW " + api.PathStatus)) },
		"431 10,000 headers": func() answer {
			return b.raw("GET /api/v1/info HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 10_000) + "\r\n")
		},
		"400 no login":       post(api.PathLogin, `{}`),
		"401 wrong login":    post(api.PathLogin, `{"username":"worker-user","password":"`+strings.Repeat("x", 60<<10)+`"}`),
		"401 logout of none": post(api.PathLogout, ``),
	}
}

// TestBadRequests throws all of them at one master. Each is refused with a reason,
// leaves nothing, and the others are served.
func TestBadRequests(t *testing.T) {
	b := startBad(t)
	count := 0
	for _, group := range []map[string]func() answer{b.badUploads(), b.badPieces(), b.badTexts()} {
		for name, send := range group {
			count++
			t.Run(name, func(t *testing.T) {
				got := send()
				var refusal api.ErrorBody
				if err := json.Unmarshal(got.body, &refusal); fmt.Sprint(got.status) != name[:3] || err != nil || refusal.Error == "" {
					t.Errorf("%d %.300s", got.status, got.body)
				}
				b.unharmed(t)
			})
		}
	}
	t.Logf("%d kinds", count)
	b.want(b.file(barFile, b.bar), 201) // what is right is still taken
}

// unharmed checks that nothing is left behind, and what is published is served.
func (b *bad) unharmed(t *testing.T) {
	t.Helper()
	for name := range b.waiting() {
		t.Errorf("left behind: %s", name)
		os.Remove(filepath.Join(b.repo.Waiting(), name)) // or all that follow fail
	}
	if got := b.do("GET", "/repo/refrepo/x86_64/"+fooFile, nil); got.status != 200 || sum(got.body) != b.published {
		t.Errorf("what is published: %d", got.status)
	}
	if got := b.do("GET", api.PathStatus, nil); got.status != 200 {
		t.Errorf("status: %d %s", got.status, got.body)
	}
}

// compress packs a content, and zeros after it.
func compress(t testing.TB, content []byte, zeros ...int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := alpm.Compress(&b, alpm.Zstd)
	if err == nil {
		_, err = w.Write(content)
	}
	for _, n := range zeros {
		if err == nil {
			_, err = io.CopyN(w, zeroes{}, n)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func zipFile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(".PKGINFO")
	if err == nil {
		_, err = io.CopyN(f, zeroes{}, 64<<20)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func size(content []byte) string { return fmt.Sprint(len(content)) }
