package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

// statusError is an answer that is not 200.
type statusError struct {
	status int
	host   string
	wait   time.Duration // Retry-After; 0: it does not say
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.host, e.status, http.StatusText(e.status))
	if e.wait > 0 {
		text += fmt.Sprintf(", and not to ask again for %v", e.wait)
	}
	return text
}

// maxWait is how long an answer may keep a request from being made again.
const maxWait = time.Minute

// retryAfter reads the header of that name; 0: it says nothing.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now).Round(time.Second))
	}
	return 0
}

// temporary reports whether asking again may help.
func temporary(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return (status.status == http.StatusTooManyRequests || status.status >= 500) && status.wait <= maxWait
	}
	var refused *url.Error
	return errors.As(err, &refused) || errors.Is(err, io.ErrUnexpectedEOF)
}

// get asks for an address and hands its body to read, again while that may
// help. Headers have to come within Timeout; a body that stands still for as
// long is given up.
func (f *Fetcher) get(ctx context.Context, address string, read func(io.Reader) error) error {
	var err error
	wait := f.config.Backoff
	for try := 0; ; try++ {
		if err = f.getOnce(ctx, address, read); err == nil || try >= f.config.Retries || ctx.Err() != nil || !temporary(err) {
			return err
		}
		timer := time.NewTimer(max(wait, waitOf(err)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		wait *= 2
	}
}

// waitOf is how long an answer asks to wait.
func waitOf(err error) time.Duration {
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.wait
	}
	return 0
}

// errSilent says that nothing came for the length of the timeout.
var errSilent = errors.New("no answer within the timeout")

func (f *Fetcher) getOnce(ctx context.Context, address string, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(f.config.Timeout, func() { cancel(errSilent) })
	defer silence.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "ahriman")
	response, err := f.config.Client.Do(request)
	if err != nil {
		return f.because(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return &statusError{response.StatusCode, request.URL.Host, retryAfter(response.Header, time.Now())}
	}
	body := &lively{body: response.Body, silence: silence, timeout: f.config.Timeout}
	if err := read(body); err != nil {
		return f.because(ctx, err)
	}
	return nil
}

// because names the timeout where that is what ended a request.
func (f *Fetcher) because(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return &url.Error{Op: "GET", URL: "", Err: fmt.Errorf("%w of %v", errSilent, f.config.Timeout)}
	}
	return err
}

// lively puts the timeout off whenever something arrives.
type lively struct {
	body    io.Reader
	silence *time.Timer
	timeout time.Duration
}

func (l *lively) Read(p []byte) (int, error) {
	n, err := l.body.Read(p)
	if n > 0 {
		l.silence.Reset(l.timeout)
	}
	return n, err
}

// download fetches a package file into dir; the file appears there whole.
func (f *Fetcher) download(ctx context.Context, address, dir string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	name := path.Base(parsed.Path)
	if !isPackageFile(name) || !plainName(name) {
		return "", fmt.Errorf("%q is no package's file name", name)
	}
	file, err := os.CreateTemp(dir, ".download-")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name())
	err = f.get(ctx, address, func(body io.Reader) error {
		if err := file.Truncate(0); err != nil {
			return err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		n, err := io.Copy(file, io.LimitReader(body, f.config.MaxFile+1))
		if err == nil && n > f.config.MaxFile {
			err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, f.config.MaxFile)
		}
		return err
	})
	if err == nil {
		err = file.Chmod(0o644)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, name)
	return target, os.Rename(file.Name(), target)
}
