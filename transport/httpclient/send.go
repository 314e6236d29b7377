package httpclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"ahriman/transport/api"
)

// sendAll sends what the worker misses; from is where it is here, by digest.
func (j *remoteJob) sendAll(ctx context.Context, missing []api.Object, from map[string]string) error {
	var total, sent int64
	for _, object := range missing {
		if from[object.SHA256] == "" {
			return fmt.Errorf("the worker asks for %q, which it does not need", object.SHA256)
		}
		total += object.Size
	}
	moved := j.report("sending", total)
	defer moved.end()
	for _, object := range missing {
		if err := j.runner.send(ctx, object, from[object.SHA256], moved, sent); err != nil {
			return err
		}
		sent += object.Size
	}
	return nil
}

// send sends an object, and goes on where it broke off. before is how much of
// what moved is not of it.
func (r *Runner) send(ctx context.Context, object api.Object, path string, moved *progress, before int64) error {
	select {
	case r.sending <- struct{}{}:
		defer func() { <-r.sending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	offset := min(max(object.Have, 0), info.Size())
	for stalled := 0; ; stalled++ {
		sending := call{
			what: "sending " + filepath.Base(path), method: http.MethodPut, path: api.Path(api.PathObject, object.SHA256),
			query: url.Values{api.QueryOffset: {strconv.FormatInt(offset, 10)}, api.QuerySize: {strconv.FormatInt(info.Size(), 10)}},
			file: &section{path: path, offset: offset, size: info.Size(), seen: func(at int64, p []byte) {
				moved.bytes.Store(before + at + int64(len(p)))
			}},
			still: r.config.Silence,
		}
		err := r.client.once(ctx, sending)
		if err == nil || ctx.Err() != nil || stalled >= maxStalled || decided(err) && !errors.Is(err, api.ErrConflict) {
			return err
		}
		if pauseErr := r.pause(ctx, stalled); pauseErr != nil {
			return pauseErr
		}
		have, whole, headErr := r.have(ctx, object.SHA256)
		if whole {
			return nil
		}
		if headErr == nil && have > offset && have <= info.Size() {
			stalled = -1
		}
		if headErr == nil {
			offset = min(have, info.Size())
		}
	}
}

// pause waits before the next try. It does not wait long: the network may have
// healed, and there is a lease to keep.
func (r *Runner) pause(ctx context.Context, failures int) error {
	return pause(ctx, min(max(r.client.backoff(failures), minPause), maxPause))
}

// have asks how much of an object is there.
func (r *Runner) have(ctx context.Context, digest string) (size int64, whole bool, err error) {
	err = r.client.once(ctx, call{
		what: "asking for an object", method: http.MethodHead, path: api.Path(api.PathObject, digest),
		refused: func(response *http.Response) {
			size, _ = strconv.ParseInt(response.Header.Get(api.HeaderOffset), 10, 64)
		},
	})
	if errors.Is(err, api.ErrNotFound) {
		return max(size, 0), false, nil
	}
	return 0, err == nil, err
}
