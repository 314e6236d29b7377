package app

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestConsoleLog(t *testing.T) {
	var stderr bytes.Buffer
	for _, quiet := range []bool{false, true} {
		globals := &Globals{LogHandler: "console", Quiet: quiet}
		log, closer, err := globals.Logger(&Env{Stderr: &stderr})
		if err != nil {
			t.Fatal(err)
		}
		defer closer.Close()
		log.Info("building", "base", "linux", "msg", "a b")
		log.With("worker", "one").WithGroup("job").Warn("lost\nit", "id", 7, "level", "high")
		log.Error("gone")
		log.Debug("never")
	}
	want := `ahriman: building base=linux msg="a b"
ahriman: warning: lost it worker=one job.id=7 job.level=high
ahriman: error: gone
ahriman: error: gone
`
	if got := stderr.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	journal, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	sink, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	slog.New(newLogHandler(slog.LevelInfo, sink)).Warn("lost", "worker", "one")
	buffer := make([]byte, 1024)
	n, err := journal.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	want := "SYSLOG_IDENTIFIER=ahriman\nPRIORITY=4\nMESSAGE\n\x0f\x00\x00\x00\x00\x00\x00\x00lost worker=one\n"
	if got := string(buffer[:n]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJournalMissing(t *testing.T) {
	_, err := openJournal(filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("got %v", err)
	}
}
