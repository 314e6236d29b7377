package sshdial_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"ahriman/transport/sshdial"
	"ahriman/transport/sshdial/sshtest"
)

func TestDeadPeerIsFound(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelay(t, s.Addr)
	s.Know(relay.Addr)
	conf := config(s)
	conf.Interval, conf.Silence = 50*time.Millisecond, 2*time.Second
	c, err := dial(t, conf, relay.Addr)
	works(t, c, err)
	pipe, err := c.Pipe(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	relay.Stall()
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, sshdial.ErrDead) {
		t.Errorf("Read: got %v, want %v", err, sshdial.ErrDead)
	}
	if _, err := c.Run(t.Context(), "true", nil); !errors.Is(err, sshdial.ErrDead) {
		t.Errorf("Run: got %v, want %v", err, sshdial.ErrDead)
	}
}

func TestCutConnection(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	relay := sshtest.NewRelay(t, s.Addr)
	s.Know(relay.Addr)
	c, err := dial(t, config(s), relay.Addr)
	works(t, c, err)
	pipe, err := c.Pipe(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	relay.Cut()
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("Read: got %v, want %v", err, io.EOF)
	}
	<-c.Done()
}

func TestPipe(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c, err := dial(t, config(s), s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := c.Pipe(t.Context(), "read line; echo got $line; echo complaint >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Write([]byte("text\n")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(pipe)
	var failed *sshdial.CommandError
	if string(got) != "got text\n" || !errors.As(err, &failed) || failed.Status != 3 || failed.Stderr != "complaint" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := pipe.Close(); err != nil {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop)
	if _, err := c.Run(ctx, "sleep 1000", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: got %v, want %v", err, context.Canceled)
	}
}
