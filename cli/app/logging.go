package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"net"
	"strings"
	"sync"
	"time"

	"ahriman/cli/ui"
)

// journalSocket is where journald takes native messages.
const journalSocket = "/run/systemd/journal/socket"

// Logger opens what --log-handler names: standard error, the system's log or
// the journal. With --quiet only errors pass. Close it at the end.
func (g *Globals) Logger(env *Env) (*slog.Logger, io.Closer, error) {
	var sink logSink
	var err error
	switch g.LogHandler {
	case "syslog":
		sink, err = openSyslog()
	case "journald":
		sink, err = openJournal(journalSocket)
	default:
		sink = consoleSink{env.Stderr}
	}
	if err != nil {
		return nil, nil, Hinted(fmt.Errorf("opening the log: %w", err), "--log-handler console writes to standard error")
	}
	level := slog.LevelInfo
	if g.Quiet {
		level = slog.LevelError
	}
	return slog.New(newLogHandler(level, sink)), sink, nil
}

// logSink takes one line, without its end.
type logSink interface {
	log(level slog.Level, line string) error
	io.Closer
}

type consoleSink struct{ w io.Writer }

func (s consoleSink) log(level slog.Level, line string) error {
	word := ""
	switch {
	case level >= slog.LevelError:
		word = "error: "
	case level >= slog.LevelWarn:
		word = "warning: "
	}
	_, err := fmt.Fprintf(s.w, "ahriman: %s%s\n", word, line)
	return err
}

func (consoleSink) Close() error { return nil }

type syslogSink struct{ *syslog.Writer }

func openSyslog() (logSink, error) {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "ahriman")
	return syslogSink{w}, err
}

func (s syslogSink) log(level slog.Level, line string) error {
	switch {
	case level >= slog.LevelError:
		return s.Err(line)
	case level >= slog.LevelWarn:
		return s.Warning(line)
	case level >= slog.LevelInfo:
		return s.Info(line)
	}
	return s.Debug(line)
}

type journalSink struct{ net.Conn }

func openJournal(path string) (logSink, error) {
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return nil, err
	}
	return journalSink{conn}, nil
}

// log sends one datagram of the journal's native protocol: fields as
// "KEY=value\n", or as "KEY\n", length and value where it has line ends.
func (s journalSink) log(level slog.Level, line string) error {
	priority := syslog.LOG_INFO
	switch {
	case level >= slog.LevelError:
		priority = syslog.LOG_ERR
	case level >= slog.LevelWarn:
		priority = syslog.LOG_WARNING
	case level < slog.LevelInfo:
		priority = syslog.LOG_DEBUG
	}
	var message bytes.Buffer
	fmt.Fprintf(&message, "SYSLOG_IDENTIFIER=ahriman\nPRIORITY=%d\nMESSAGE\n", priority)
	message.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(line))))
	message.WriteString(line + "\n")
	_, err := s.Write(message.Bytes())
	return err
}

// logHandler makes "message key=value …" of a record. slog's own text handler
// formats the attributes.
type logHandler struct {
	level slog.Level
	sink  logSink
	attrs slog.Handler // writes to text
	mu    *sync.Mutex  // guards text and sink
	text  *bytes.Buffer
}

// placeholder stands for the message while the attributes are formatted.
const placeholder = "\x00"

func newLogHandler(level slog.Level, sink logSink) *logHandler {
	h := &logHandler{level: level, sink: sink, mu: &sync.Mutex{}, text: &bytes.Buffer{}}
	h.attrs = slog.NewTextHandler(h.text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: dropBuiltin})
	return h
}

func dropBuiltin(groups []string, attr slog.Attr) slog.Attr {
	_, isLevel := attr.Value.Any().(slog.Level)
	isMessage := attr.Key == slog.MessageKey && attr.Value.String() == placeholder
	if len(groups) == 0 && (isMessage || isLevel && attr.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return attr
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Reset()
	inner := slog.NewRecord(time.Time{}, record.Level, placeholder, 0) // no time: the log has its own
	record.Attrs(func(attr slog.Attr) bool { inner.AddAttrs(attr); return true })
	if err := h.attrs.Handle(ctx, inner); err != nil {
		return err
	}
	line := strings.TrimSpace(ui.Printable(record.Message) + " " + strings.TrimSpace(h.text.String()))
	return h.sink.log(record.Level, line)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	inner := *h
	inner.attrs = h.attrs.WithAttrs(attrs)
	return &inner
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	inner := *h
	inner.attrs = h.attrs.WithGroup(name)
	return &inner
}
