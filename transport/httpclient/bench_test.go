package httpclient_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/build"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpclient/clienttest"
)

// benchSize is the length of the file of BenchmarkUpload, bytes.
const benchSize = 1 << 30

// TestMain lets the test's binary be the two processes of an upload, so that
// each one's memory is seen, and a worker: AHRIMAN_ROLE says which.
func TestMain(m *testing.M) {
	if status, ok := build.SandboxMain(os.Args[1:]); ok {
		os.Exit(status)
	}
	role := os.Getenv("AHRIMAN_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	if err := errors.Join(play(context.Background(), role, os.Args[1:]), leavePeak()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// play is one side of an upload. Receivers print their address first, and end
// when standard input does.
func play(ctx context.Context, role string, args []string) error {
	switch role {
	case "bare receiver":
		return receiveBare(args[0])
	case "bare sender":
		return sendBare(args[0], args[1])
	case "stand-in":
		return serveUntilEOF(&clienttest.PythonNode{Directory: args[0]})
	case "server":
		return serveMaster(ctx, args[0], args[1], args[2:]...)
	case "file worker":
		return serveFile(args[0])
	case "fetcher":
		return fetchFile(ctx, args[0], args[1])
	case "worker":
		return serveWorker(args[0])
	case "client":
		client, err := httpclient.New(httpclient.Config{Address: args[0], Username: "worker-user", Password: "very-secure-password"})
		if err != nil {
			return err
		}
		id := refrepo()
		if len(args) > 2 {
			id.Name = args[2]
		}
		_, err = client.Repository(id).Upload(ctx, args[1], nil)
		return err
	}
	return errors.New("unknown role " + role)
}

// receiveBare copies one connection into a file while hashing.
func receiveBare(dir string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.MultiWriter(file, sha256.New()), conn); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return conn.Close()
}

// sendBare sends a file and waits until the other side closes.
func sendBare(address, path string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(conn, file); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

func serveUntilEOF(handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	server := &http.Server{Handler: handler}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveMaster is a server of ours at an address.
func serveMaster(ctx context.Context, root, address string, more ...string) error {
	server, db, _, err := newServer(ctx, root, more...)
	if err != nil {
		return err
	}
	defer db.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	ctx, stop := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return server.Serve(ctx, listener)
}

// BenchmarkUpload sends one GiB from one process to another through the
// loopback: bare is the least it can take, stand-in is our client to a server
// that stores and hashes, ours is our client to our server, which also reads
// the package and fsyncs it.
func BenchmarkUpload(b *testing.B) {
	dir := b.TempDir()
	path, err := writePackage(dir, "big", benchSize, bufio.NewReaderSize(&numbers{}, 1<<20))
	if err != nil {
		b.Fatal(err)
	}
	for _, test := range []struct{ name, receiver, sender string }{
		{"bare", "bare receiver", "bare sender"},
		{"stand-in", "stand-in", "client"},
		{"ours", "server", "client"},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(benchSize)
			var took time.Duration
			var sender, receiver usage
			for range b.N {
				one, s, r := transfer(b, test.receiver, test.sender, path)
				took += one
				sender.add(s)
				receiver.add(r)
			}
			n := float64(b.N)
			b.ReportMetric(took.Seconds()/n, "s/upload")
			b.ReportMetric(sender.cpu.Seconds()/n, "sender-cpu-s")
			b.ReportMetric(receiver.cpu.Seconds()/n, "receiver-cpu-s")
			b.ReportMetric(sender.memory, "sender-MB")
			b.ReportMetric(receiver.memory, "receiver-MB")
		})
	}
}

// usage is what a process took: processor time, and memory at most, in MiB.
type usage struct {
	cpu    time.Duration
	memory float64
}

func (u *usage) add(other usage) {
	u.cpu += other.cpu
	u.memory = max(u.memory, other.memory)
}

// transfer runs both sides once, and returns how long the sender ran.
func transfer(b *testing.B, receiver, sender, path string) (took time.Duration, sent, received usage) {
	b.Helper()
	dir := b.TempDir()
	defer os.RemoveAll(dir)
	server := side(b, receiver, dir, "127.0.0.1:0")
	stdin, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	client := side(b, sender, strings.TrimSpace(address), path)
	began := time.Now()
	if err := client.Run(); err != nil {
		b.Fatal(err)
	}
	took = time.Since(began)
	stdin.Close()
	if err := server.Wait(); err != nil {
		b.Fatal(err)
	}
	return took, used(b, client), used(b, server)
}

// side is one of the processes. It leaves its peak of memory in a file: what
// the kernel tells of a child counts the parent it was forked from.
func side(b *testing.B, role string, args ...string) *exec.Cmd {
	command := exec.CommandContext(b.Context(), os.Args[0], args...)
	command.Env = append(os.Environ(), "AHRIMAN_ROLE="+role, "AHRIMAN_PEAK="+filepath.Join(b.TempDir(), "peak"))
	command.Stderr = os.Stderr
	return command
}

func used(b *testing.B, command *exec.Cmd) usage {
	b.Helper()
	_, path, _ := strings.Cut(command.Env[len(command.Env)-1], "=")
	status, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	u := usage{cpu: command.ProcessState.UserTime() + command.ProcessState.SystemTime()}
	for line := range strings.Lines(string(status)) {
		if kib := 0.0; strings.HasPrefix(line, "VmHWM:") {
			fmt.Sscanf(line, "VmHWM: %f kB", &kib)
			u.memory = kib / 1024
		}
	}
	return u
}

// leavePeak copies this process's status to where side wants it.
func leavePeak() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	return os.WriteFile(os.Getenv("AHRIMAN_PEAK"), status, 0o600)
}
