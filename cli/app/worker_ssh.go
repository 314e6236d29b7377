package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"ahriman/core/build"
	"ahriman/core/store"
	"ahriman/transport/httpclient"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshnode"
)

// sshConfigVariable names another ssh_config(5) than that of the user's home.
const sshConfigVariable = "AHRIMAN_SSH_CONFIG"

// newSSHDialer makes what connects to workers through SSH.
func newSSHDialer(env *Env) (*sshdial.Dialer, error) {
	config := sshdial.Config{UserConfig: env.Getenv(sshConfigVariable), Getenv: env.Getenv}
	if env.Err().Terminal() {
		config.Passphrase = askPassphrase
	}
	return sshdial.New(config)
}

// sshRunner makes the runner of a worker through SSH; it does not connect yet.
func sshRunner(env *Env, m store.Member, scratch string, digests *httpclient.Digests) (*sshnode.Runner, error) {
	target, err := sshdial.ParseTarget(m.Address)
	if err != nil {
		return nil, err
	}
	var accept []string
	if m.HostKey != "" {
		accept = append(accept, m.HostKey)
	}
	dialer, err := env.sshDialer()
	if err != nil {
		return nil, err
	}
	return sshnode.NewRunner(sshnode.Config{
		Target: target, Dialer: dialer, Slots: m.Slots, AcceptHostKeys: accept, Name: m.Name, Scratch: scratch, Digests: digests,
		Progress: func(p build.Progress) { env.showTransfer(target.String(), p) },
	})
}

// prepare connects to a worker that has to be connected to, and puts this program
// there when it is missing, as long as something moves within limit.
func prepare(ctx context.Context, runner any, limit time.Duration) error {
	if r, ok := runner.(*sshnode.Runner); ok {
		return r.Prepare(ctx, limit)
	}
	return nil
}

// askPassphrase asks for that of a key, on the terminal and nowhere else, until
// ctx ends.
func askPassphrase(ctx context.Context, key string) ([]byte, error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("there is no terminal")
	}
	defer terminal.Close()
	show, err := hideTyping(terminal)
	if err != nil {
		return nil, err
	}
	defer show()
	// Only a terminal that was not asked for its descriptor knows deadlines.
	defer context.AfterFunc(ctx, func() { _ = terminal.SetReadDeadline(time.Unix(1, 0)) })()
	fmt.Fprintf(terminal, "Passphrase of %s: ", key)
	defer fmt.Fprintln(terminal)
	line, err := bufio.NewReaderSize(io.LimitReader(terminal, maxPasswordLine), maxPasswordLine).ReadBytes('\n')
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// hideTyping turns a terminal's echo off, until show.
func hideTyping(terminal *os.File) (show func(), err error) {
	raw, err := terminal.SyscallConn()
	if err != nil {
		return nil, err
	}
	set := func(change func(fd int) error) error {
		var changed error
		if err := raw.Control(func(fd uintptr) { changed = change(int(fd)) }); err != nil {
			return err
		}
		return changed
	}
	var before *unix.Termios
	err = set(func(fd int) error {
		if before, err = unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return err
		}
		hidden := *before
		hidden.Lflag = hidden.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
		hidden.Iflag |= unix.ICRNL
		return unix.IoctlSetTermios(fd, unix.TCSETS, &hidden)
	})
	return func() {
		_ = set(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) })
	}, err
}
