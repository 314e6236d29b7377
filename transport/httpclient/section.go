package httpclient

import (
	"io"
	"net/http"
	"os"
	"time"
)

// expectFrom is the length of a body, in bytes, from which on the server is
// asked before it is sent.
const expectFrom = 1 << 20

// section is the rest of a file, from offset on, as a request's body.
type section struct {
	path         string
	offset, size int64 // size is the whole file's
	// seen gets what is read, and where it stands in the file; may be nil.
	seen func(offset int64, p []byte)
}

// attach makes the section the body of a request. Each read restarts the timer.
func (s *section) attach(request *http.Request, timer *time.Timer, still time.Duration) error {
	begin := func() (io.ReadCloser, error) {
		file, err := os.Open(s.path)
		if err != nil {
			return nil, err
		}
		if _, err := file.Seek(s.offset, io.SeekStart); err != nil {
			file.Close()
			return nil, err
		}
		limited := struct {
			io.Reader
			io.Closer
		}{&watched{from: io.LimitReader(file, s.size-s.offset), at: s.offset, seen: s.seen}, file}
		return &moving{ReadCloser: limited, timer: timer, still: still}, nil
	}
	body, err := begin()
	if err != nil {
		return err
	}
	request.Body, request.GetBody, request.ContentLength = body, begin, s.size-s.offset
	if request.ContentLength == 0 {
		body.Close()
		request.Body, request.GetBody = http.NoBody, nil
	}
	if request.ContentLength > expectFrom {
		request.Header.Set("Expect", "100-continue")
	}
	return nil
}

// watched shows what is read.
type watched struct {
	from io.Reader
	at   int64
	seen func(offset int64, p []byte)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if w.seen != nil && n > 0 {
		w.seen(w.at, p[:n])
	}
	w.at += int64(n)
	return n, err
}

// moving restarts a timer with each read.
type moving struct {
	io.ReadCloser
	timer *time.Timer
	still time.Duration
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if m.still > 0 && n > 0 {
		m.timer.Reset(m.still)
	}
	return n, err
}
