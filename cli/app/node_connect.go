package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"ahriman/transport/sshnode"
)

// nodeConnect is what a master runs on a worker through SSH.
type nodeConnect struct {
	Slots int `default:"1" help:"builds between which the processors are shared"`
}

// Run hands standard input and output over to the server of this program.
func (c *nodeConnect) Run(ctx context.Context) error {
	// Started by sshd; what it serves is this very file.
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("looking for this program: %w", err)
	}
	return sshnode.Connect(ctx, sshnode.ConnectConfig{
		Program: self, Serve: []string{"node-serve", "--slots", strconv.Itoa(c.Slots)}, In: os.Stdin, Out: os.Stdout,
	})
}

// nodeServe is the server that node-connect starts. It outlives the session.
type nodeServe struct {
	Slots int `default:"1" help:"builds between which the processors are shared"`
}

// Run serves builds until there is nothing to do.
func (c *nodeServe) Run(ctx context.Context, env *Env) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("looking for this program: %w", err)
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	var ready io.WriteCloser = os.NewFile(3, "ready")
	return sshnode.Serve(ctx, sshnode.ServeConfig{
		Dir: filepath.Dir(self), Version: Version(), Architectures: []string{machine()}, Slots: c.Slots,
		Scratch: scratchBase(env), Log: slog.New(slog.NewTextHandler(env.Stderr, nil)), Ready: ready,
	})
}
