package sshnode

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A session is handed over as one byte with two file descriptors on the server's
// socket: what passes through it is not copied once more on its way between sshd
// and the server. The socket stays open for as long as the session lasts, so that
// each side knows of the other's end.

// handOverTime is how long a process of ours may take to hand over.
const handOverTime = startTime

// pipeSize, in bytes, is how much a pipe of sshd's may hold, so that it and the
// server take turns less often: the most that anyone may ask for.
const pipeSize = 1 << 20

// handOver gives a session to the server, and closes it here.
func handOver(to *net.UnixConn, in, out *os.File) error {
	_, _, err := to.WriteMsgUnix([]byte{0}, unix.UnixRights(int(in.Fd()), int(out.Fd())), nil)
	return errors.Join(err, in.Close(), out.Close())
}

// takeOver is the other end of handOver.
func takeOver(from *net.UnixConn) (*session, error) {
	if err := from.SetReadDeadline(time.Now().Add(handOverTime)); err != nil {
		return nil, err
	}
	rights := make([]byte, unix.CmsgSpace(2*4))
	_, n, _, _, err := from.ReadMsgUnix(make([]byte, 1), rights)
	if err == nil {
		err = from.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, fmt.Errorf("%d control messages came", len(messages))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	s := &session{Conn: from}
	for i, fd := range fds {
		_ = unix.SetNonblock(fd, true)                                 // else it has no deadlines
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize) // else it is smaller, or no pipe
		file := os.NewFile(uintptr(fd), "session")
		if i == 0 {
			s.in = file
		} else {
			s.out = file
		}
	}
	if len(fds) != 2 {
		return nil, errors.Join(fmt.Errorf("%d file descriptors came", len(fds)), s.in.Close())
	}
	return s, nil
}

// session is a connection made of a command's standard input and output.
type session struct {
	net.Conn // to who handed it over
	in, out  *os.File
	leave    func() // may be called again
}

func (s *session) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *session) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *session) Close() error {
	s.leave()
	return errors.Join(s.in.Close(), s.out.Close(), s.Conn.Close())
}

func (s *session) SetReadDeadline(t time.Time) error  { return s.in.SetReadDeadline(t) }
func (s *session) SetWriteDeadline(t time.Time) error { return s.out.SetWriteDeadline(t) }

func (s *session) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// sessions is a listener for those that are handed over. It counts them:
// http.Server's ConnState names a connection of HTTP/2 by two values.
type sessions struct {
	*net.UnixListener
	log   *slog.Logger
	taken chan *session
	ended chan struct{} // closed when no more come
	count atomic.Int64
}

// takeSessions takes sessions over until the listener is closed.
func takeSessions(listener *net.UnixListener, log *slog.Logger) *sessions {
	s := &sessions{UnixListener: listener, log: log, taken: make(chan *session), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for {
			conn, err := listener.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				log.Warn("taking a session over", "error", err)
				time.Sleep(acceptPause)
				continue
			}
			s.count.Add(1)
			go s.take(conn)
		}
	}()
	return s
}

// acceptPause is how long a process waits that has no file descriptor left.
const acceptPause = 100 * time.Millisecond

// take takes one session over, and waits for its end.
func (s *sessions) take(conn *net.UnixConn) {
	leave := sync.OnceFunc(func() { s.count.Add(-1) })
	defer leave()
	taken, err := takeOver(conn)
	if err != nil {
		s.log.Warn("taking a session over", "error", err)
		conn.Close()
		return
	}
	defer taken.Close()
	taken.leave = leave
	select {
	case s.taken <- taken:
		_, _ = io.Copy(io.Discard, conn) // who handed it over may be killed
	case <-s.ended:
	}
}

// Accept implements net.Listener.
func (s *sessions) Accept() (net.Conn, error) {
	select {
	case taken := <-s.taken:
		return taken, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

// any reports whether there is a session.
func (s *sessions) any() bool { return s.count.Load() > 0 }
