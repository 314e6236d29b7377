package sshnode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startTime is how long a server may take to begin.
const startTime = 20 * time.Second

// ConnectConfig is how a session finds its server.
type ConnectConfig struct {
	Program string   // its path, in the directory that is the server's
	Serve   []string // its arguments to run Serve, with file descriptor 3 as Ready
	In, Out *os.File // of the session; closed here once they are the server's
}

// Connect hands In and Out over to the server in the program's directory, and
// starts it when there is none. It returns when the server has done with them.
func Connect(ctx context.Context, config ConnectConfig) error {
	conn, err := config.find(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := fmt.Fprintf(config.Out, "\n%s\n", wordReady); err != nil {
		return err
	}
	if err := handOver(conn, config.In, config.Out); err != nil {
		return fmt.Errorf("handing the session over to the server: %w", err)
	}
	_, err = io.Copy(io.Discard, conn) // it ends with the session, and never says a thing
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// find connects to the server. One process at a time looks for it.
func (c ConnectConfig) find(ctx context.Context) (*net.UnixConn, error) {
	dir := filepath.Dir(c.Program)
	start, err := lockFile(filepath.Join(dir, startName), unix.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("looking for the server: %w", err)
	}
	defer start.Close()
	conn, err := connect(ctx, dir)
	if err == nil {
		return conn, nil
	}
	if err := c.start(ctx, dir); err != nil {
		return nil, err
	}
	return connect(ctx, dir)
}

func connect(ctx context.Context, dir string) (*net.UnixConn, error) {
	name, release, err := socketIn(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	conn, err := new(net.Dialer).DialUnix(ctx, "unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("connecting to the server: %w", err)
	}
	return conn, nil
}

// start starts a server that is independent of us, and waits until it serves.
func (c ConnectConfig) start(ctx context.Context, dir string) error {
	// The one before may be about to end.
	ctx, stop := context.WithTimeout(ctx, startTime)
	defer stop()
	for {
		lock, err := lockFile(filepath.Join(dir, lockName), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			lock.Close()
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("starting the server: %w", err)
		}
		select {
		case <-ctx.Done():
			return errors.New("starting the server: the one before does not end")
		case <-time.After(20 * time.Millisecond):
		}
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	defer ready.Close()
	defer theirs.Close()
	log, err := os.Create(filepath.Join(dir, logName))
	if err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(c.Program, c.Serve...)
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = "/", log, []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	theirs.Close()
	_ = ready.SetReadDeadline(time.Now().Add(startTime))
	if said, err := io.ReadAll(io.LimitReader(ready, 16)); err != nil || string(said) != wordServing {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("starting the server: %s", bytes.TrimSpace(append([]byte("it did not begin: "), text...)))
	}
	return cmd.Process.Release()
}
