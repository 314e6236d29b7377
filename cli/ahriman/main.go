// Command ahriman keeps a pacman repository and builds its packages on one
// machine or many. Package app has all of it; this connects the process.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"ahriman/cli/app"
)

func main() { os.Exit(run()) }

func run() int {
	// Asking for SIGPIPE makes a write to a closed pipe an error that ends the
	// command in order, rather than a death between two steps.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return app.Main(ctx, app.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	})
}
