package httpclient

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

// Uploaded is what became of an upload.
type Uploaded struct {
	Name   string // under which the node keeps it
	Size   int64  // bytes
	SHA256 string // hex, of what was sent; a node of ours has confirmed it
	Signed bool   // a signature went with it
}

// Bounds of an upload.
const (
	// maxSignature is pacman's limit on a detached signature, in bytes.
	maxSignature = 16 << 10
	// slowestDisk is what a node is expected to write and check, in bytes a
	// second, when the last byte is sent and the answer is awaited.
	slowestDisk = 20 << 20
	// expectAbove is the size from which a node of ours is asked whether it
	// wants the body at all, which costs a round trip.
	expectAbove = 1 << 20
)

// Upload sends a package file, and the signature beside it (path + ".sig") when
// there is one. The file is read once and never held in memory. Progress, which
// may be nil, is called often with the bytes sent and to be sent, from another
// goroutine; the count falls back when a retry begins.
//
// A name the node has with the same bytes is no error. With other bytes a node
// of ours answers *api.Conflict; a Python node replaces what it has.
func (r *Repository) Upload(ctx context.Context, path string, progress func(sent, total int64)) (*Uploaded, error) {
	set, err := r.NewUploadSet(ctx)
	if err != nil {
		return nil, fmt.Errorf("uploading %s: %w", filepath.Base(path), err)
	}
	done, err := set.Add(ctx, path, progress)
	if err == nil {
		err = set.Commit(ctx)
	}
	if err != nil {
		set.Abandon(ctx)
		return nil, err
	}
	return done, nil
}

// uploadForm sends a file as ahriman's client does.
func (r *Repository) uploadForm(ctx context.Context, path string, digests bool, progress func(sent, total int64)) (*Uploaded, error) {
	name := filepath.Base(path)
	what := "uploading " + name
	f := &form{path: path, name: alpm.SafeFileName(name), digests: digests, progress: progress}
	if err := f.measure(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var reply api.UploadReply
	send := call{
		what: what, method: http.MethodPost, path: api.PathUpload, query: api.RepositoryQuery(r.id),
		form: f, safe: true, wait: time.Duration(f.total/slowestDisk) * time.Second,
	}
	if f.digests {
		send.into = &reply
	}
	if err := r.client.do(ctx, send); err != nil {
		return nil, err
	}
	sum, err := f.sum()
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", what, r.client.address, err)
	}
	if f.digests && reply.SHA256 != sum {
		return nil, fmt.Errorf("%s: %s: the node has sha256 %s, sent was %s", what, r.client.address, reply.SHA256, sum)
	}
	return &Uploaded{Name: f.name, Size: f.files[0].size, SHA256: sum, Signed: len(f.files) > 1}, nil
}
