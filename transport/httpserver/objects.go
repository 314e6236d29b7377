package httpserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"ahriman/transport/api"
)

// partSuffix ends the names of objects that are not whole yet.
const partSuffix = ".part"

// stalePart is the age at which a part that nobody went on with is dropped.
const stalePart = 24 * time.Hour

// objects are files by their digest in a directory: the sources and packages
// that builds are made from. What was used longest ago goes when there is no
// room for more. It is safe for concurrent use.
type objects struct {
	dir   string
	limit int64 // bytes of all together

	mu   sync.Mutex               // held while files come and go
	busy map[string]chan struct{} // digests that are being received; closed when they are not
}

// openObjects opens the directory, and drops what can be of no use in it.
func openObjects(dir string, limit int64) (*objects, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		digest, part := strings.CutSuffix(entry.Name(), partSuffix)
		info, err := entry.Info()
		if err != nil || !api.SoundDigest(digest) || part && time.Since(info.ModTime()) > stalePart {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return nil, err
			}
		}
	}
	return &objects{dir: dir, limit: limit, busy: map[string]chan struct{}{}}, nil
}

func (o *objects) path(digest string) string { return filepath.Join(o.dir, digest) }

// have returns how many bytes of an object are there, and whether that is all.
// It counts as a use.
func (o *objects) have(digest string) (size int64, whole bool) {
	now := time.Now()
	if info, err := os.Stat(o.path(digest)); err == nil {
		// Should it fail, the object goes sooner than it had to.
		_ = os.Chtimes(o.path(digest), now, now)
		return info.Size(), true
	}
	info, err := os.Stat(o.path(digest) + partSuffix)
	if err != nil {
		return 0, false
	}
	return info.Size(), false
}

// link puts an object at path too, where it stays when the object goes.
func (o *objects) link(digest, path string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := os.Link(o.path(digest), path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return copyObject(o.path(digest), path) // a file system without links
}

func copyObject(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// claim waits until nobody else receives the object; release lets others.
func (o *objects) claim(ctx context.Context, digest string) (release func(), err error) {
	for {
		o.mu.Lock()
		other, taken := o.busy[digest]
		if !taken {
			mine := make(chan struct{})
			o.busy[digest] = mine
			o.mu.Unlock()
			return func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				delete(o.busy, digest)
				close(mine)
			}, nil
		}
		o.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// offsetError says that a body begins beyond what is there.
type offsetError struct{ have int64 }

func (e offsetError) Error() string { return fmt.Sprintf("%d bytes are there", e.have) }

func (e offsetError) Unwrap() error { return api.ErrConflict }

// receive takes the bytes of an object of size bytes from offset on. What has
// arrived of a body that breaks off is kept; bytes that are not the digest's are
// not. The errors are api's, where the sender or the disk is at fault.
func (o *objects) receive(ctx context.Context, digest string, offset, size int64, body io.Reader) error {
	release, err := o.claim(ctx, digest)
	if err != nil {
		return err
	}
	defer release()
	if _, whole := o.have(digest); whole {
		return nil
	}
	if err := o.makeRoom(digest, size); err != nil {
		return err
	}
	path := o.path(digest) + partSuffix
	part, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return diskError(err)
	}
	defer part.Close()
	sum := sha256.New()
	if err := resumeAt(part, offset, sum); err != nil {
		return err
	}
	into := &sink{file: part, written: offset, flushed: offset}
	n, err := io.CopyBuffer(io.MultiWriter(into, sum), io.LimitReader(body, size-offset+1), make([]byte, 256<<10))
	switch got := offset + n; {
	case into.err != nil:
		os.Remove(path) // for the room
		return diskError(into.err)
	case got > size:
		os.Remove(path)
		return api.Errorf(api.ErrBadRequest, "the body is longer than the %d bytes announced", size-offset)
	case got < size:
		return api.Errorf(api.ErrBadRequest, "the body ended after %d of %d bytes: %v", n, size-offset, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		os.Remove(path)
		return api.Errorf(api.ErrBadRequest, "the bytes received have sha256 %s, not %s", got, digest)
	}
	return o.keep(part, digest)
}

// resumeAt makes the part end at offset, and sum know what is before.
func resumeAt(part *os.File, offset int64, sum hash.Hash) error {
	info, err := part.Stat()
	if err != nil {
		return err
	}
	if offset > info.Size() {
		return offsetError{info.Size()}
	}
	if _, err := io.CopyN(sum, part, offset); err != nil {
		return err
	}
	return part.Truncate(offset)
}

// keep gives a whole object its name. Its bytes last before the name does.
func (o *objects) keep(part *os.File, digest string) error {
	if err := part.Sync(); err != nil {
		return diskError(err)
	}
	if err := os.Rename(part.Name(), o.path(digest)); err != nil {
		return diskError(err)
	}
	return syncDirectory(o.dir)
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// diskError tells a client that this node's disk is the trouble.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return api.Errorf(api.ErrUnavailable, "this node's disk is full")
	}
	return err
}

// stored is a file of objects.
type stored struct {
	name string
	size int64
	used time.Time
}

// makeRoom removes what was used longest ago until size bytes more, those of
// digest, fit into the limit and onto the disk.
func (o *objects) makeRoom(digest string, size int64) error {
	if size > o.limit {
		return api.Errorf(api.ErrTooLarge, "an object of %d bytes, and this node keeps at most %d", size, o.limit)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return err
	}
	var used int64
	var others []stored
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), partSuffix)
		info, err := entry.Info()
		if err != nil || name == digest {
			continue
		}
		used += info.Size()
		if _, taken := o.busy[name]; !taken {
			others = append(others, stored{entry.Name(), info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(others, func(a, b stored) int { return a.used.Compare(b.used) })
	for _, oldest := range others {
		free, err := freeBytes(o.dir)
		if err != nil {
			return err
		}
		if used+size <= o.limit && size <= free {
			break
		}
		if err := os.Remove(filepath.Join(o.dir, oldest.name)); err != nil {
			return err
		}
		used -= oldest.size
	}
	return nil
}

// freeBytes is what is free on the file system of dir.
func freeBytes(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}
