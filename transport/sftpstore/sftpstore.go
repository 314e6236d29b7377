// Package sftpstore sends files over SFTP: a transfer that breaks off is taken up
// where it stopped, a file has its name only once its SHA-256 is right, and memory
// does not grow with the file. All that this program needs it for is to get itself
// to where it speaks HTTP, which is as fast as scp and faster than this.
package sftpstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"ahriman/transport/sshdial"
)

// ErrDigest says that a file did not arrive as it was sent, even when it was sent
// anew.
var ErrDigest = errors.New("the SHA-256 is not right")

// ErrRefused says that the other machine gives no access to its files, or not in
// the way of SFTP.
var ErrRefused = errors.New("its sshd does not serve SFTP")

// How much is under way at once: packet * requests is what an SSH channel's
// window takes, 2 MiB.
const (
	packet   = 32 << 10
	requests = 64
)

// attempts is how often a transfer is taken up again without getting further.
const attempts = 4

// partial ends the names of files that are on their way.
const partial = ".part"

// Store is the file system of another machine. It is safe for concurrent use.
type Store struct {
	// Connect returns a connection that stands; it is asked again after one has
	// broken. The connection stays the caller's.
	Connect func(ctx context.Context) (*sshdial.Client, error)
	// Progress is told how many bytes of the file are there; nil: nobody is.
	Progress func(bytes int64)
	// Pause is how long to wait before a broken transfer is taken up; 0: 1 s.
	Pause time.Duration
}

// File is a file as it has to arrive.
type File struct {
	SHA256 string // hex
	Size   int64
	Mode   fs.FileMode // 0: 0644
}

// Digest reads a file to its end and describes it.
func Digest(source io.Reader) (File, error) {
	sum := sha256.New()
	size, err := io.Copy(sum, source)
	return File{SHA256: hex.EncodeToString(sum.Sum(nil)), Size: size}, err
}

// Put sends source as the file name, an absolute path or one below the login's
// home. Directories on the way are made, with mode 0700. A file that is there
// already, with that digest, is left alone. Others may send the same file at the
// same time.
func (s *Store) Put(ctx context.Context, source io.ReaderAt, name string, want File) error {
	fresh, temporary := false, name+"."+rand.Text()+partial
	err := s.persist(ctx, func(remote *session) (int64, error) {
		at, err := remote.put(ctx, source, name, temporary, want, fresh)
		fresh = errors.Is(err, ErrDigest)
		return at, err
	})
	if err != nil {
		return fmt.Errorf("sending %s: %w", path.Base(name), err)
	}
	return nil
}

// persist calls once until it is done, over new connections when they break, as
// long as there is progress.
func (s *Store) persist(ctx context.Context, once func(*session) (int64, error)) error {
	pause := s.Pause
	if pause == 0 {
		pause = time.Second
	}
	var reached int64
	var err error
	for tries := 0; tries < attempts; tries++ {
		if tries > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		var remote *session
		if remote, err = s.open(ctx); err != nil {
			if permanent(err) {
				return err
			}
			continue
		}
		at, onceErr := once(remote)
		// The session may know of its end before the connection does.
		broken := remote.client.Err() != nil || errors.Is(onceErr, sftp.ErrSSHFxConnectionLost)
		remote.close()
		if err = onceErr; err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !broken && !errors.Is(err, ErrDigest) {
			return err
		}
		if at > reached {
			reached, tries = at, 0
		}
	}
	return err
}

// permanent says that connecting again would not help.
func permanent(err error) bool {
	var key *sshdial.HostKeyError
	var auth *sshdial.AuthError
	return errors.As(err, &key) || errors.As(err, &auth) || errors.Is(err, ErrRefused) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// session is one SFTP session.
type session struct {
	*sftp.Client
	client   *sshdial.Client
	progress func(bytes int64)
	stop     func() bool
}

func (s *Store) open(ctx context.Context) (*session, error) {
	client, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	type opened struct {
		client *sftp.Client
		err    error
	}
	done := make(chan opened, 1)
	go func() {
		c, err := newClient(ctx, client)
		done <- opened{c, err}
	}()
	select {
	case o := <-done:
		if o.err != nil && !ended(client) {
			o.err = fmt.Errorf("%w: %w", ErrRefused, o.err)
		}
		if o.err != nil {
			return nil, fmt.Errorf("opening SFTP on %s: %w", client.Target(), o.err)
		}
		made := &session{Client: o.client, client: client, progress: s.Progress}
		if made.progress == nil {
			made.progress = func(int64) {}
		}
		made.stop = context.AfterFunc(ctx, func() { o.client.Close() })
		return made, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.client != nil {
				o.client.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// ended says whether the connection has ended: what runs over it may have
// noticed before.
func ended(c *sshdial.Client) bool {
	select {
	case <-c.Done():
		return true
	case <-time.After(time.Second):
		return false
	}
}

// newClient begins to speak SFTP.
func newClient(ctx context.Context, over *sshdial.Client) (*sftp.Client, error) {
	channel, err := over.Session(ctx)
	if err != nil {
		return nil, err
	}
	var client *sftp.Client
	in, err := channel.StdinPipe()
	if err == nil {
		var out io.Reader
		if out, err = channel.StdoutPipe(); err == nil {
			err = channel.RequestSubsystem("sftp")
		}
		if err == nil {
			client, err = sftp.NewClientPipe(out, in, sftp.UseConcurrentWrites(true),
				sftp.MaxPacket(packet), sftp.MaxConcurrentRequestsPerFile(requests))
		}
	}
	if err != nil {
		channel.Close()
	}
	return client, err
}

func (s *session) close() {
	s.stop()
	s.Client.Close()
}

// put sends what is missing of a file. fresh: what is there is not to be
// trusted. It returns how much of the file is there.
func (s *session) put(ctx context.Context, source io.ReaderAt, name, temporary string, want File, fresh bool) (int64, error) {
	if info, err := s.Stat(name); err == nil && info.Size() == want.Size {
		if digest, err := s.digest(ctx, name); err == nil && digest == want.SHA256 {
			return want.Size, nil
		}
	}
	if err := s.makeDirectories(path.Dir(name)); err != nil {
		return 0, s.reason(err, name, want)
	}
	file, err := s.OpenFile(temporary, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		return 0, s.reason(fmt.Errorf("creating %s: %w", temporary, err), name, want)
	}
	at, err := s.send(file, source, want, fresh)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		if err = s.reason(err, name, want); s.client.Err() == nil {
			_ = s.Remove(temporary) // it is not taken up
		}
		return at, err
	}
	digest, err := s.digest(ctx, temporary)
	if err != nil {
		return at, err
	}
	if digest != want.SHA256 {
		_ = s.Remove(temporary)
		return at, fmt.Errorf("%w: %s there, not %s", ErrDigest, digest, want.SHA256)
	}
	if err := s.PosixRename(temporary, name); err != nil {
		return at, fmt.Errorf("naming %s: %w", name, err)
	}
	return at, nil
}

// reason puts in what SFTP has no word for: a "Failure" may be a file system that
// is full, or not to be written to.
func (s *session) reason(err error, name string, want File) error {
	var failed *sftp.StatusError
	if !errors.As(err, &failed) || failed.FxCode() != sftp.ErrSSHFxFailure {
		return err
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		stat, statErr := s.StatVFS(dir)
		switch {
		case statErr != nil && dir != path.Dir(dir):
			continue // it was not made
		case statErr != nil:
			return err
		case stat.Flag&readOnly != 0:
			return fmt.Errorf("%s: %w", dir, syscall.EROFS)
		case stat.Bavail*stat.Frsize < uint64(want.Size):
			return fmt.Errorf("%s: %w for %d MiB", dir, syscall.ENOSPC, want.Size>>20)
		}
		return err
	}
}

// readOnly is SSH_FXE_STATVFS_ST_RDONLY.
const readOnly = 1

// send writes what is missing of a file that is open.
func (s *session) send(file *sftp.File, source io.ReaderAt, want File, fresh bool) (int64, error) {
	mode := want.Mode
	if mode == 0 {
		mode = 0o644
	}
	if err := file.Chmod(mode); err != nil {
		return 0, err
	}
	at, err := resumeAt(file, want.Size, fresh)
	if err != nil {
		return 0, err
	}
	if _, err := file.Seek(at, io.SeekStart); err != nil {
		return at, err
	}
	counted := &counter{Reader: io.NewSectionReader(source, at, want.Size-at), at: at, report: s.progress}
	n, err := file.ReadFromWithConcurrency(counted, requests)
	if err != nil {
		return at + n, err
	}
	if at+n != want.Size {
		return at + n, fmt.Errorf("%w: the file here has %d bytes, not %d", ErrDigest, at+n, want.Size)
	}
	// Not every server can; its digest is asked for in any case.
	_ = file.Sync()
	return want.Size, nil
}

// resumeAt returns how much of a file that is there counts: writes are under way
// side by side, so that the end may have holes.
func resumeAt(file *sftp.File, size int64, fresh bool) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	at := info.Size() - packet*requests
	if fresh || at < 0 || info.Size() > size {
		at = 0
	}
	return at, file.Truncate(at)
}

// makeDirectories makes a directory and those that it is in.
func (s *session) makeDirectories(dir string) error {
	if info, err := s.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := path.Dir(dir); parent != dir {
		if err := s.makeDirectories(parent); err != nil {
			return err
		}
	}
	if err := s.Mkdir(dir); err != nil {
		if info, statErr := s.Stat(dir); statErr == nil && info.IsDir() {
			return nil // somebody was faster
		}
		return fmt.Errorf("making directory %s: %w", dir, err)
	}
	return s.Chmod(dir, 0o700)
}

// digest returns the SHA-256 of a file there.
func (s *session) digest(ctx context.Context, name string) (string, error) {
	out, err := s.client.Run(ctx, "exec sha256sum < "+quote(name), nil)
	if _, refused := errors.AsType[*ssh.OpenChannelError](err); refused { // MaxSessions 1: we are the one
		return s.readBack(name)
	}
	if err != nil {
		return "", err
	}
	// "DIGEST  -" is the end of it; a login shell may have said something before.
	before, ok := strings.CutSuffix(strings.TrimSpace(string(out)), "  -")
	if !ok {
		return "", fmt.Errorf("asking for the SHA-256 of %s: sha256sum says %q", path.Base(name), before)
	}
	return before[strings.LastIndexByte(before, '\n')+1:], nil
}

// readBack returns the SHA-256 of a file there by reading it.
func (s *session) readBack(name string) (string, error) {
	file, err := s.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	back, err := Digest(file)
	if err != nil {
		return "", fmt.Errorf("reading %s back: %w", name, err)
	}
	return back.SHA256, nil
}

// quote writes a word for a shell, whichever it is.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// counter tells how much was read.
type counter struct {
	io.Reader
	at     int64
	report func(int64)
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.at += int64(n)
	c.report(c.at)
	return n, err
}
