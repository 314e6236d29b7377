package httpclient

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"

	"github.com/google/uuid"
)

// Bounds of how a file is sent that breaks off. Together they give a node that is
// started anew half a minute.
const (
	uploadStalls  = 8                      // failures in a row without a byte between them
	uploadBackoff = 100 * time.Millisecond // doubled each time
)

// UploadSet is package files that a node takes together, those of one base: Add
// sends them, Commit has them taken, all or none. A Python node knows no sets and
// takes each file as it comes; so does a node of ours that is older. It is not
// safe for concurrent use.
type UploadSet struct {
	repository *Repository
	node       api.Node
	id         string
	paths      []string           // added and not committed
	files      []api.UploadedFile // as they were sent
	size       int64              // of those, bytes
	began      bool               // the node may have something of it
}

// NewUploadSet begins a set. It sends nothing but the question what the node is.
func (r *Repository) NewUploadSet(ctx context.Context) (*UploadSet, error) {
	node, err := r.client.Node(ctx)
	if err != nil {
		return nil, err
	}
	return &UploadSet{repository: r, node: node, id: uuid.NewString()}, nil
}

// Together reports whether the node takes the files together; otherwise what was
// added is there.
func (s *UploadSet) Together() bool { return s.node.Has(api.FeatureUploadSets) }

// Add sends a package file, and the signature beside it, see Upload. A connection
// that breaks off is made anew as long as some bytes come through, and what the
// node has got is not sent again.
func (s *UploadSet) Add(ctx context.Context, path string, progress func(sent, total int64)) (*Uploaded, error) {
	if !s.Together() {
		return s.repository.uploadForm(ctx, path, s.node.Has(api.FeatureUploadDigest), progress)
	}
	done, err := s.send(ctx, path, progress)
	if err == nil {
		s.paths = append(s.paths, path)
	} else {
		if _, ours := errors.AsType[*Error](err); !ours {
			err = fmt.Errorf("uploading %s: %w", filepath.Base(path), err)
		}
		return nil, err
	}
	return done, nil
}

func (s *UploadSet) send(ctx context.Context, path string, progress func(sent, total int64)) (*Uploaded, error) {
	name := alpm.SafeFileName(filepath.Base(path))
	signature, err := openPiece(path+".sig", name+".sig")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	signed := err == nil
	if signed {
		if signature.size > maxSignature {
			return nil, fmt.Errorf("%s: %d bytes are too many for a signature", signature.path, signature.size)
		}
		if err := s.sendPiece(ctx, signature); err != nil {
			return nil, err
		}
	}
	file, err := openPiece(path, name)
	if err != nil {
		return nil, err
	}
	file.progress = progress
	if err := s.sendPiece(ctx, file); err != nil {
		return nil, err
	}
	return &Uploaded{Name: name, Size: file.size, SHA256: s.files[len(s.files)-1].SHA256, Signed: signed}, nil
}

// Commit has the node check and take what was added. Nothing of it is there when
// that fails. The set is empty afterwards.
func (s *UploadSet) Commit(ctx context.Context) error {
	if len(s.files) == 0 {
		return nil
	}
	defer func() { s.paths = nil; s.reset() }()
	err := s.commit(ctx)
	if !errors.Is(err, api.ErrNotFound) {
		return err
	}
	// The node has lost some of it. What it has it takes again.
	s.reset()
	for _, path := range s.paths {
		if _, err := s.send(ctx, path, nil); err != nil {
			return err
		}
	}
	return s.commit(ctx)
}

func (s *UploadSet) reset() { s.id, s.files, s.size, s.began = uuid.NewString(), nil, 0, false }

func (s *UploadSet) commit(ctx context.Context) error {
	for failed := 0; ; failed++ {
		var replies []api.UploadReply
		err := s.repository.client.once(ctx, call{
			what: "uploading " + s.files[len(s.files)-1].Name, method: http.MethodPost, path: api.Path(api.PathUploadSet, s.id),
			query: api.RepositoryQuery(s.repository.id), body: api.UploadSet{Files: s.files}, into: &replies,
			wait: time.Duration(s.size/slowestDisk) * time.Second,
		})
		if err == nil || !transient(err) || s.enough(ctx, failed) {
			return err
		}
		if err := s.pause(ctx, failed); err != nil {
			return err
		}
	}
}

// enough says whether a failure is one too many.
func (s *UploadSet) enough(ctx context.Context, failed int) bool {
	return ctx.Err() != nil || failed >= max(uploadStalls, s.repository.client.config.MaxRetries)
}

func (s *UploadSet) pause(ctx context.Context, failed int) error {
	return pause(ctx, backoff(cmp.Or(s.repository.client.config.Backoff, uploadBackoff), failed))
}

// Abandon drops what was added and not committed, where the node can be told.
func (s *UploadSet) Abandon(ctx context.Context) {
	if !s.began {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.repository.client.once(ctx, call{ // it forgets them by itself after a while
		what: "dropping an upload", method: http.MethodDelete, path: api.Path(api.PathUploadSet, s.id),
		query: api.RepositoryQuery(s.repository.id),
	})
	s.paths = nil
	s.reset()
}

// piece is a file on its way. Its digest is made of the bytes as they are first
// read for sending, by the goroutine that net/http reads them with.
type piece struct {
	path, name string
	size       int64
	modified   time.Time
	progress   func(sent, total int64)

	mu     sync.Mutex
	digest hash.Hash
	hashed int64
}

func openPiece(path, name string) (*piece, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return &piece{path: path, name: name, size: info.Size(), modified: info.ModTime(), digest: sha256.New()}, nil
}

// seen takes bytes of the file into the digest, unless they were seen before.
func (p *piece) seen(offset int64, bytes []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := offset + int64(len(bytes))
	if offset <= p.hashed && end > p.hashed {
		p.digest.Write(bytes[p.hashed-offset:])
		p.hashed = end
	}
	if p.progress != nil {
		p.progress(end, p.size)
	}
}

// sum is the digest of a file that was sent and has stayed the same.
func (p *piece) sum() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.path)
	if err != nil {
		return "", err
	}
	if info.Size() != p.size || !info.ModTime().Equal(p.modified) || p.hashed != p.size {
		return "", fmt.Errorf("%s: changed while it was sent", p.path)
	}
	return hex.EncodeToString(p.digest.Sum(nil)), nil
}

// sendPiece sends a file until the node has all of it.
func (s *UploadSet) sendPiece(ctx context.Context, p *piece) error {
	for offset, stalled := int64(0), 0; ; stalled++ {
		err := s.put(ctx, p, offset)
		if err == nil {
			break
		}
		lost := offset > 0 && errors.Is(err, api.ErrNotFound) // what was there is there no more
		if !resumable(err) && !lost || s.enough(ctx, stalled) {
			return err
		}
		if err := s.pause(ctx, stalled); err != nil {
			return err
		}
		have, headErr := s.have(ctx, p)
		if headErr != nil {
			continue // the next PUT tells
		}
		have = min(have, p.size)
		if have > offset {
			stalled = -1
		}
		offset = have
	}
	sum, err := p.sum()
	if err == nil {
		s.files = append(s.files, api.UploadedFile{Name: p.name, Size: p.size, SHA256: sum})
		s.size += p.size
	}
	return err
}

// resumable reports whether what broke is the connection, or only where to go on.
func resumable(err error) bool { return transient(err) || errors.Is(err, api.ErrConflict) }

func (s *UploadSet) put(ctx context.Context, p *piece, offset int64) error {
	s.began = true
	query := api.RepositoryQuery(s.repository.id)
	query.Set(api.QueryOffset, strconv.FormatInt(offset, 10))
	query.Set(api.QuerySize, strconv.FormatInt(p.size, 10))
	return s.repository.client.once(ctx, call{
		what: "uploading " + p.name, method: http.MethodPut, path: api.Path(api.PathUploadFile, s.id, p.name), query: query,
		file: &section{path: p.path, offset: offset, size: p.size, seen: p.seen}, still: s.repository.client.config.Timeout,
	})
}

// have asks how much of a file the node has got: nothing of one that it does not
// know.
func (s *UploadSet) have(ctx context.Context, p *piece) (int64, error) {
	var size int64
	err := s.repository.client.once(ctx, call{
		what: "uploading " + p.name, method: http.MethodHead, path: api.Path(api.PathUploadFile, s.id, p.name),
		query: api.RepositoryQuery(s.repository.id),
		take: func(response *http.Response) (err error) {
			size, err = strconv.ParseInt(response.Header.Get(api.HeaderOffset), 10, 64)
			return err
		},
	})
	if errors.Is(err, api.ErrNotFound) {
		return 0, nil
	}
	return size, err
}
