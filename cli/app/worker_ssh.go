package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/term"

	"ahriman/cli/ui"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshnode"
)

// sshConfigVariable names another ssh_config(5) than that of the user's home.
const sshConfigVariable = "AHRIMAN_SSH_CONFIG"

// sshRunner makes the runner of a worker through SSH; it does not connect yet.
// accept are the fingerprints of host keys to trust from now on.
func sshRunner(env *Env, address, name, scratch string, accept ...string) (*sshnode.Runner, error) {
	target, err := sshdial.ParseTarget(address)
	if err != nil {
		return nil, err
	}
	config := sshdial.Config{UserConfig: env.Getenv(sshConfigVariable), Getenv: env.Getenv, AcceptHostKeys: accept}
	if env.Err().Terminal() {
		config.Passphrase = askPassphrase
	}
	dialer, err := sshdial.New(config)
	if err != nil {
		return nil, err
	}
	return sshnode.NewRunner(sshnode.Config{
		Target: target, Dialer: dialer, Name: name, Scratch: scratch, Progress: programProgress(env, target.Name()),
	})
}

// askPassphrase asks for that of a key, on the terminal and nowhere else.
func askPassphrase(ctx context.Context, key string) ([]byte, error) {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("there is no terminal")
	}
	defer terminal.Close()
	// What was typed may not be shown after an interrupt either.
	state, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = term.Restore(int(terminal.Fd()), state) })()
	fmt.Fprintf(terminal, "Passphrase of %s: ", key)
	defer fmt.Fprintln(terminal)
	return term.ReadPassword(int(terminal.Fd()))
}

// programProgress shows how this program gets to a worker. It is told of one
// transfer at a time.
func programProgress(env *Env, worker string) func(name string, bytes, of int64) {
	var bar *ui.Progress
	var last int64
	return func(name string, bytes, of int64) {
		if bar == nil {
			bar, last = env.Err().Progress(path.Base(name)+" to "+worker, of, ui.Bytes), 0
		}
		bar.Add(bytes - last)
		if last = bytes; bytes >= of {
			bar.Done()
			bar = nil
		}
	}
}
