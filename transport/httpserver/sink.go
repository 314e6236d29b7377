package httpserver

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushEvery is after how many bytes the disk begins with a file that still
// arrives.
const flushEvery = 16 << 20

// sink writes a file, from its beginning or where written says.
type sink struct {
	file *os.File
	here int64 // so many bytes are there already, and are not written again
	err  error // of the first write that did not succeed

	written, flushed int64 // bytes; of flushed the kernel was told to write them
}

func (s *sink) Write(p []byte) (int, error) {
	known := min(max(s.here-s.written, 0), int64(len(p)))
	n, err := s.file.WriteAt(p[known:], s.written+known)
	if err != nil && s.err == nil {
		s.err = err
	}
	n += int(known)
	s.written += int64(n)
	if s.written-s.flushed >= flushEvery {
		// Only a hint: the fsync at the end has less to wait for.
		_ = unix.SyncFileRange(int(s.file.Fd()), s.flushed, s.written-s.flushed, unix.SYNC_FILE_RANGE_WRITE)
		s.flushed = s.written
	}
	return n, err
}
