package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// owner is this process as the one that runs jobs. While it lives it locks the
// byte at its id in a file beside the database; the kernel lets go of that lock
// however the process ends, in whatever PID namespace it was.
type owner struct {
	mu   sync.Mutex
	id   int64 // 0: none yet
	file *os.File
}

// ownerID returns this process's id as an owner of jobs, taking one first.
func (db *DB) ownerID(ctx context.Context) (int64, error) {
	o := &db.owner
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.id != 0 {
		return o.id, nil
	}
	if err := o.open(db.path); err != nil {
		return 0, err
	}
	var id int64
	err := db.update(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "INSERT INTO owners (started_us) VALUES (?)", microseconds(db.now()))
		if err != nil {
			return err
		}
		id, err = result.LastInsertId()
		if err != nil {
			return err
		}
		// Inside the transaction, so that nobody sees the id without its lock.
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: id, Len: 1}
		if err := unix.FcntlFlock(o.file.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
			return fmt.Errorf("locking %s: %w", o.file.Name(), err)
		}
		return nil
	})
	if err == nil {
		o.id = id
	}
	return id, err
}

// alive says whether the process that owns id still runs.
func (db *DB) alive(id int64) (bool, error) {
	o := &db.owner
	o.mu.Lock()
	defer o.mu.Unlock()
	if id == o.id {
		return true, nil
	}
	if err := o.open(db.path); err != nil {
		return false, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: id, Len: 1}
	if err := unix.FcntlFlock(o.file.Fd(), unix.F_OFD_GETLK, &lock); err != nil {
		return false, fmt.Errorf("asking for locks of %s: %w", o.file.Name(), err)
	}
	return lock.Type != unix.F_UNLCK, nil
}

func (o *owner) open(database string) error {
	if o.file != nil {
		return nil
	}
	f, err := os.OpenFile(database+"-owners", os.O_RDWR|os.O_CREATE, 0o600)
	o.file = f
	return err
}

func (o *owner) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}
