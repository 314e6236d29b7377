package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"ahriman/core/build"
	"ahriman/core/store"
	"ahriman/transport/sshdial"
	"ahriman/transport/sshnode"
)

// sshConfigVariable names another ssh_config(5) than that of the user's home.
const sshConfigVariable = "AHRIMAN_SSH_CONFIG"

// sshRunner makes the runner of a worker through SSH; it does not connect yet.
func sshRunner(env *Env, m store.Member, scratch string) (*sshnode.Runner, error) {
	target, err := sshdial.ParseTarget(m.Address)
	if err != nil {
		return nil, err
	}
	config := sshdial.Config{UserConfig: env.Getenv(sshConfigVariable), Getenv: env.Getenv}
	if m.HostKey != "" {
		config.AcceptHostKeys = []string{m.HostKey}
	}
	if env.Err().Terminal() {
		config.Passphrase = askPassphrase
	}
	dialer, err := sshdial.New(config)
	if err != nil {
		return nil, err
	}
	return sshnode.NewRunner(sshnode.Config{
		Target: target, Dialer: dialer, Slots: m.Slots, Name: m.Name, Scratch: scratch,
		Progress: func(p build.Progress) { env.showTransfer(target.String(), p) },
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
