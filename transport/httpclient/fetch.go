package httpclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

// fetchAll fetches the files of the result, and checks that they are what was
// asked for. After an error none is left.
func (j *remoteJob) fetchAll(ctx context.Context, files []api.Object) (paths []string, err error) {
	defer func() {
		if err != nil {
			for _, path := range paths {
				os.Remove(path)
			}
			paths = nil
		}
	}()
	if len(files) == 0 || len(files) > api.MaxDependencies {
		return nil, falsef("it answers with %d package files", len(files))
	}
	var total int64
	for _, object := range files {
		total += object.Size
	}
	moved := j.report("fetching", total)
	defer moved.end()
	seen := map[string]bool{filepath.Base(j.log.Path()): true}
	for _, object := range files {
		if !api.SoundName(object.Name) || seen[object.Name] || object.Validate() != nil || object.Size == 0 {
			return paths, falsef("it answers with a file %q of %d bytes", object.Name, object.Size)
		}
		seen[object.Name] = true
		path := filepath.Join(j.dir, object.Name)
		paths = append(paths, path)
		if err := j.fetch(ctx, object, path, moved); err != nil {
			return paths, fmt.Errorf("fetching %s: %w", object.Name, err)
		}
		info, err := alpm.ReadInfo(path)
		if err == nil {
			err = j.spec.CheckPackage(&alpm.Package{Info: info, FileName: object.Name})
		}
		if err != nil {
			return paths, falsef("%v", err)
		}
	}
	return paths, nil
}

// fetch copies one file of the result to path, going on where it broke off.
func (j *remoteJob) fetch(ctx context.Context, object api.Object, path string, moved *progress) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	got := &received{file: file, sum: sha256.New(), want: object.Size, moved: moved}
	for stalled := 0; ; {
		before, asked := got.size, time.Now()
		err := j.fetchRest(ctx, object.Name, got)
		switch {
		case err == nil && got.size == object.Size:
			if digest := hex.EncodeToString(got.sum.Sum(nil)); digest != object.SHA256 {
				return falsef("its sha256 is %s, not %s as announced", digest, object.SHA256)
			}
			info, err := file.Stat()
			if err == nil {
				j.runner.config.Digests.add(info, object.SHA256) // another build may need it
			}
			return errors.Join(err, file.Close())
		case ctx.Err() != nil:
			return ctx.Err()
		case got.err != nil:
			return got.err
		case err == nil:
			err = io.ErrUnexpectedEOF
		}
		if got.size > before {
			stalled, j.heard = 0, time.Now()
		} else if j.heard.After(asked) {
			stalled++ // it answers, and sends nothing
		}
		if decided(err) || stalled >= maxStalled || time.Since(j.heard) > j.lease() {
			return err
		}
		if err := j.runner.pause(ctx, stalled); err != nil {
			return err
		}
	}
}

// fetchRest asks for what is missing of a file.
func (j *remoteJob) fetchRest(ctx context.Context, name string, got *received) error {
	return j.runner.client.once(ctx, call{
		what: "fetching " + name, method: http.MethodGet, path: api.Path(api.PathBuildFile, j.spec.ID, name),
		header: http.Header{"Range": {fmt.Sprintf("bytes=%d-", got.size)}}, still: j.runner.config.Silence,
		take: func(response *http.Response) error {
			j.heard = time.Now()
			want := fmt.Sprintf("bytes %d-%d/%d", got.size, got.want-1, got.want)
			if response.StatusCode != http.StatusPartialContent || response.Header.Get("Content-Range") != want {
				return falsef("asked for %s, it answers %d with %q", want, response.StatusCode, response.Header.Get("Content-Range"))
			}
			_, err := io.CopyBuffer(got, io.LimitReader(response.Body, got.want-got.size), make([]byte, 1<<20))
			return err
		},
	})
}

// received is a file as far as it has come.
type received struct {
	file  *os.File
	sum   hash.Hash
	size  int64
	want  int64
	moved *progress
	err   error // of writing
}

func (r *received) Write(p []byte) (int, error) {
	n, err := r.file.Write(p)
	r.sum.Write(p[:n])
	r.size += int64(n)
	r.moved.bytes.Add(int64(n))
	r.err = err
	return n, err
}
