// Package sshtest starts the machine's own sshd for tests, and a relay before it
// that is as bad as a network can be.
package sshtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Server is an sshd on the loopback interface, with a home directory for the
// clients of a test, whose .ssh holds what is needed to log in: id_ed25519 and
// known_hosts.
type Server struct {
	Addr    string // 127.0.0.1:port
	User    string // who may log in
	Home    string // of the client
	Cache   string // XDG_CACHE_HOME of those who log in
	HostKey ssh.Signer
	ECDSA   ssh.Signer // another one of its host keys, that clients like less

	t        testing.TB
	dir      string
	command  []string
	listener *net.TCPListener
	mu       sync.Mutex
	running  map[*exec.Cmd]struct{}
}

// Options say what a server is to be like.
type Options struct {
	// Config are further lines of sshd_config. DIR in them is the server's
	// directory.
	Config string
	// Nobody lets those who run the tests as root log in as nobody, with a shell:
	// a build refuses to run as root. Others log in as themselves.
	Nobody bool
	// HostAuthority signs a certificate for the host's key.
	HostAuthority ssh.Signer
	// Path is the PATH of those who log in; empty: sshd's own.
	Path string
	// Uname is what uname says of system and machine; empty: the truth.
	Uname string
	// Mount is a shell command that mounts something where only those who log in
	// see it, over one connection. CACHE in it is Cache.
	Mount string
	// Files are put into the server's directory, by name.
	Files map[string]string
}

// Start starts a server, which ends with the test.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), Home: t.TempDir(), running: map[*exec.Cmd]struct{}{}}
	s.open(filepath.Dir(s.dir), s.dir)
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.User = self.Username
	s.Cache = filepath.Join(s.dir, "cache")
	s.HostKey = s.WriteKey(filepath.Join(s.dir, "host_key"))
	second, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.ECDSA = writeKey(t, filepath.Join(s.dir, "host_ecdsa"), second, "")
	key := s.WriteKey(filepath.Join(s.Home, ".ssh/id_ed25519"))
	s.write(filepath.Join(s.dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(key.PublicKey())), 0o644)
	for name, text := range options.Files {
		s.write(filepath.Join(s.dir, name), text, 0o644)
	}
	if options.HostAuthority != nil {
		certificate := Certify(t, options.HostAuthority, s.HostKey.PublicKey(), ssh.HostCert, "127.0.0.1")
		s.write(filepath.Join(s.dir, "host_key-cert.pub"), string(ssh.MarshalAuthorizedKey(certificate)), 0o644)
		options.Config += "\nHostCertificate DIR/host_key-cert.pub\n"
	}
	if err := os.Mkdir(s.Cache, 0o700); err != nil {
		t.Fatal(err)
	}
	path := options.Path
	if options.Uname != "" {
		s.write(filepath.Join(s.dir, "uname"), "#!/bin/sh\nset -- $1 "+options.Uname+"\n[ $1 = -s ] && echo $2 || echo $3\n", 0o755)
		path = s.dir + ":/usr/bin:/bin"
	}
	if path != "" {
		path = " PATH=" + path
	}
	s.command = []string{sshd(t), "-i", "-f", filepath.Join(s.dir, "sshd_config"), "-E", filepath.Join(s.dir, "log")}
	if os.Geteuid() == 0 {
		s.asRoot(options)
	}
	if options.Mount != "" {
		s.mount(strings.ReplaceAll(options.Mount, "CACHE", s.Cache))
	}
	if !strings.Contains(options.Config, "Subsystem") {
		options.Config += "\nSubsystem sftp internal-sftp\n"
	}
	// What comes first counts.
	s.write(filepath.Join(s.dir, "sshd_config"), strings.ReplaceAll(options.Config, "DIR", s.dir)+`
HostKey `+s.dir+`/host_key
HostKey `+s.dir+`/host_ecdsa
AuthorizedKeysFile `+s.dir+`/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv XDG_CACHE_HOME=`+s.Cache+path+`
LogLevel VERBOSE
`, 0o644)
	s.listen()
	s.Know(s.Addr)
	return s
}

// sshd finds the server, which insists on being called by its full path.
func sshd(t testing.TB) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		path := filepath.Join(dir, "sshd")
		if _, err := os.Stat(path); err == nil && filepath.IsAbs(path) {
			return path
		}
	}
	t.Fatal("sshd is not installed: see .ci/setup")
	return ""
}

// Programs returns the processes whose program is below Cache, with their
// command lines.
func (s *Server) Programs() map[int]string {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[int]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		pid, pidErr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pidErr == nil && strings.HasPrefix(string(text), s.Cache+"/") {
			found[pid] = strings.ReplaceAll(string(text), "\x00", " ")
		}
	}
	return found
}

// EndPrograms ends what outlives the connections, and waits for it.
func (s *Server) EndPrograms() {
	for pid := range s.Programs() {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended
	}
	for end := time.Now().Add(time.Minute); len(s.Programs()) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("they do not end: %v", s.Programs())
		}
	}
}

// asRoot prepares what sshd wants when root starts it.
func (s *Server) asRoot(options Options) {
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // privilege separation
		s.t.Fatal(err)
	}
	if !options.Nobody {
		return
	}
	s.User = "nobody"
	home := filepath.Join(s.dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		s.t.Fatal(err)
	}
	for _, dir := range []string{home, s.Cache} {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			s.t.Fatal(err)
		}
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		s.t.Fatal(err)
	}
	lines := []string{"nobody:x:65534:65534:nobody:" + home + ":/bin/sh"}
	for line := range strings.Lines(string(passwd)) {
		if !strings.HasPrefix(line, "nobody:") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	s.write(filepath.Join(s.dir, "passwd"), strings.Join(lines, "\n")+"\n", 0o644)
	s.mount("mount --bind " + filepath.Join(s.dir, "passwd") + " /etc/passwd")
}

// mount lets a shell command mount what this sshd alone sees.
func (s *Server) mount(command string) {
	own := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		own = append(own, "--user", "--map-current-user", "--keep-caps")
	}
	s.command = slices.Concat(own, []string{"sh", "-c", command + ` && exec "$0" "$@"`}, s.command)
}

// listen accepts connections and starts an sshd for each, as inetd does.
func (s *Server) listen() {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener, s.Addr = listener, listener.Addr().String()
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			wait.Go(func() { s.serve(conn) })
		}
	})
	s.t.Cleanup(func() {
		listener.Close()
		s.Disconnect()
		wait.Wait()
		s.EndPrograms()
		if s.t.Failed() {
			if log, err := os.ReadFile(filepath.Join(s.dir, "log")); err == nil {
				s.t.Logf("sshd:\n%s", log)
			}
		}
	})
}

func (s *Server) serve(conn *net.TCPConn) {
	file, err := conn.File()
	conn.Close()
	if err != nil {
		s.t.Error(err)
		return
	}
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Stdin, cmd.Stdout = file, file
	s.mu.Lock()
	err = cmd.Start()
	s.running[cmd] = struct{}{}
	s.mu.Unlock()
	file.Close()
	if err != nil {
		s.t.Errorf("starting sshd: %v", err)
		return
	}
	_ = cmd.Wait() // its log says what was wrong
	s.mu.Lock()
	delete(s.running, cmd)
	s.mu.Unlock()
}

// Disconnect ends all connections, as a restart of sshd for good would.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cmd := range s.running {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	}
}

// Own gives what is in Cache to who logs in.
func (s *Server) Own() {
	if s.User != "nobody" || os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(s.Cache, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, 65534, 65534)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Authorize lets the key in.
func (s *Server) Authorize(key ssh.PublicKey) {
	s.write(filepath.Join(s.dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(key)), 0o644)
}

// Know writes the client's known_hosts: the server's key belongs to these
// addresses.
func (s *Server) Know(addresses ...string) {
	var text strings.Builder
	for _, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&text, "[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(s.HostKey.PublicKey()))
	}
	s.write(filepath.Join(s.Home, ".ssh/known_hosts"), text.String(), 0o600)
}

// Configure writes the client's .ssh/config.
func (s *Server) Configure(text string) { s.write(filepath.Join(s.Home, ".ssh/config"), text, 0o600) }

// WriteKey makes a private key and writes it to a file, and the public one
// beside it.
func (s *Server) WriteKey(path string) ssh.Signer { return WriteKey(s.t, path, "") }

// WriteKey makes an Ed25519 key and writes it to a file, encrypted unless the
// passphrase is empty, and the public key beside it.
func WriteKey(t testing.TB, path, passphrase string) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return writeKey(t, path, private, passphrase)
}

func writeKey(t testing.TB, path string, private crypto.PrivateKey, passphrase string) ssh.Signer {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{path: pem.EncodeToMemory(block), path + ".pub": ssh.MarshalAuthorizedKey(signer.PublicKey())} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return signer
}

// Certify makes a certificate of a key, ssh.UserCert or ssh.HostCert, for one
// user or host.
func Certify(t testing.TB, authority ssh.Signer, key ssh.PublicKey, kind uint32, principal string) *ssh.Certificate {
	t.Helper()
	certificate := &ssh.Certificate{Key: key, CertType: kind, ValidPrincipals: []string{principal}, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	return certificate
}

func (s *Server) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

// open lets others pass through directories.
func (s *Server) open(dirs ...string) {
	for _, dir := range dirs {
		if err := os.Chmod(dir, 0o711); err != nil {
			s.t.Fatal(err)
		}
	}
}
