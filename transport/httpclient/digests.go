package httpclient

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"ahriman/core/alpm"
	"ahriman/transport/api"
)

// Digests remembers the SHA-256 of files that were read, so that a package is
// read once however many workers are sent it, and not at all when it came from
// one. The zero value is ready; it is safe for concurrent use.
type Digests struct {
	mu    sync.Mutex
	known map[fileState]string
}

// fileState is a file as it was when it was read, whatever its name.
type fileState struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

func stateOf(info os.FileInfo) fileState {
	state := fileState{size: info.Size(), modified: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		state.device, state.inode = stat.Dev, stat.Ino
	}
	return state
}

// maxDigests bounds what Digests remembers.
const maxDigests = 100_000

// object describes the file at path.
func (d *Digests) object(path string) (api.Object, error) {
	info, err := os.Stat(path)
	if err != nil {
		return api.Object{}, err
	}
	object := api.Object{Name: filepath.Base(path), Size: info.Size()}
	d.mu.Lock()
	object.SHA256 = d.known[stateOf(info)]
	d.mu.Unlock()
	if object.SHA256 == "" {
		if object.SHA256, err = alpm.FileDigest(path); err != nil {
			return object, err
		}
		d.add(info, object.SHA256)
	}
	return object, nil
}

// add remembers the digest of a file.
func (d *Digests) add(info os.FileInfo, digest string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDigests {
		d.known = map[fileState]string{}
	}
	d.known[stateOf(info)] = digest
}
