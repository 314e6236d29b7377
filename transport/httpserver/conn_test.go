package httpserver_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// talk sends bytes as they are over a connection, and reads the answers until it
// is closed.
func talk(t *testing.T, address, text string) (answers []answer) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	go io.WriteString(conn, text) // it may be refused before it is read
	from := bufio.NewReader(conn)
	for {
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(response.Body)
		response.Header.Set("X-Request-ID", "not checked here")
		answers = append(answers, answer{response.StatusCode, response.Header, body})
		if response.Close {
			return answers
		}
	}
}

// TestNoRequests: what is no request is refused like all that is.
func TestNoRequests(t *testing.T) {
	_, address, stop := serve(t, openDB(t), nil)
	address = strings.TrimPrefix(address, "http://")
	for text, status := range map[string]int{
		"nonsense\r\n\r\n":                                                     400,
		"GET\r\n\r\n":                                                          400,
		"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n":                                 400,
		"GET / HTTP/1.1\r\n\r\n":                                               400, // no Host
		"GET / HTTP/1.1\r\nHost: a b\r\n\r\n":                                  400,
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                         400,
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n":                        400,
		"GET / HTTP/1.1\r\nHost: x\r\n : y\r\n\r\n":                            400,
		"GET / HTTP/1.1\r\nHost: x\r\nA\x00: y\r\n\r\n":                        400,
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                 400,
		"GET / HTTP/9.9\r\nHost: x\r\n\r\n":                                    505,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                     401,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n":                 400, // TLS
		"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n": 400,
		"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": 400,
		"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n":                501,
		"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nExpect: much\r\n\r\n":                           417,
		"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("x", 300<<10) + "\r\n\r\n":             431,
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                               401,
		"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                                   401,
		"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\nConnection: close\r\n\r\n":                           401,
	} {
		name := fmt.Sprintf("%.60q", text)
		answers := talk(t, address, text)
		if len(answers) != 1 || answers[0].status != status || !isError(answers[0]) {
			t.Errorf("%s: %d answers, want one of %d: %s", name, len(answers), status, answers)
		}
		good := "GET " + api.PathInfo + " HTTP/1.1\r\nHost: x\r\n\r\n"
		if answers := talk(t, address, good+text); len(answers) != 2 || answers[0].status != 200 || answers[1].status != status || !isError(answers[1]) {
			t.Errorf("%s, after a good one: %s", name, answers)
		}
	}
	if old := talk(t, address, "GET "+api.PathInfo+" HTTP/1.0\r\n\r\n"); len(old) != 1 || old[0].status != 200 {
		t.Errorf("HTTP/1.0: %v", old)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestAnswersLikeRefusals: what a handler writes is not looked at, even if it is
// what net/http would say.
func TestAnswersLikeRefusals(t *testing.T) {
	text := "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	_, address, stop := serve(t, openDB(t), func(c *httpserver.Config) {
		c.Repositories[0].Files = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(2*len(text)))
			for range 2 {
				http.NewResponseController(w).Flush()
				io.WriteString(w, text)
			}
		})
	})
	for range 2 {
		response, err := http.Get(address + "/repo/refrepo/x86_64/file")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(got) != text+text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestFilesAreCopiedByTheKernel: what is between a file and its connection lets
// net/http hand over the one to the other.
func TestFilesAreCopiedByTheKernel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := httpserver.New(httpserver.Config{Store: openDB(t), Version: "1", Repositories: []httpserver.Repository{{
		ID: refrepo, Files: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	spied := &spiedListener{Listener: tcp}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, spied) }()
	response, err := http.Get("http://" + tcp.Addr().String() + "/repo/refrepo/x86_64/file")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if err != nil || n != 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := spied.copied.Load(); got < 1<<20-4096 {
		t.Errorf("%d bytes reached the connection as a file", got)
	}
}

// spiedListener counts what its connections are given as a file.
type spiedListener struct {
	net.Listener
	copied atomic.Int64
}

func (l *spiedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &spiedConn{c, l}, err
}

type spiedConn struct {
	net.Conn
	by *spiedListener
}

func (c *spiedConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); !ok {
		return 0, fmt.Errorf("given a %T", r)
	} else if _, ok := limited.R.(*os.File); !ok {
		return 0, fmt.Errorf("given a %T", limited.R)
	}
	n, err := io.Copy(c.Conn, r)
	c.by.copied.Add(n)
	return n, err
}

// writeCertificate writes one for localhost, and its key.
func writeCertificate(t *testing.T, certificate, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		// Beside and renamed, as who renews them does; and told from the last
		// even by a clock that is as coarse as a file system's.
		if err := os.WriteFile(path+".new", pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path+".new", time.Time{}, time.Now().Add(time.Duration(serial)*time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS: a certificate that is renewed counts from the next connection on, and
// one that is broken does not; plain HTTP is refused like all else.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var log strings.Builder
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if _, err := httpserver.ListenTLS(plain, certificate, key, logger); err == nil || !strings.Contains(err.Error(), certificate) {
		t.Errorf("without files: %v", err)
	}
	writeCertificate(t, certificate, key, 1)
	encrypted, err := httpserver.ListenTLS(plain, certificate, key, logger)
	if err != nil {
		t.Fatal(err)
	}
	server, err := httpserver.New(httpserver.Config{Store: openDB(t), Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, encrypted) }()
	address := plain.Addr().String()
	serial := func(protocols ...string) int64 {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}, DisableKeepAlives: true, ForceAttemptHTTP2: len(protocols) > 0,
		}}
		response, err := client.Get("https://" + address + api.PathInfo)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 || (response.ProtoMajor == 2) != (len(protocols) > 0) {
			t.Errorf("%s: %d", response.Proto, response.StatusCode)
		}
		return response.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	writeCertificate(t, certificate, key, 2)
	if got := serial("h2"); got != 2 {
		t.Errorf("renewed: certificate %d", got)
	}
	writeCertificate(t, certificate, filepath.Join(dir, "another.pem"), 3)
	for range 3 {
		if got := serial(); got != 2 {
			t.Errorf("without its key: certificate %d", got)
		}
	}
	if got := strings.Count(log.String(), "the certificate is the old one"); got != 1 {
		t.Errorf("said %d times:\n%s", got, log.String())
	}
	if err := os.Rename(filepath.Join(dir, "another.pem"), key); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 3 {
		t.Errorf("with its key: certificate %d", got)
	}
	if answers := talk(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); len(answers) != 1 || answers[0].status != 400 || !isError(answers[0]) || !strings.Contains(readAll(answers[0]), "HTTPS") {
		t.Errorf("plain HTTP: %v", answers)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func (a answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }
