package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// Member is a worker as this node, its master, knows it: one that somebody
// added, or what is kept of one that the configuration names or that registered.
type Member struct {
	Address string // URL
	Name    string // unique; how it is shown and asked for
	Added   bool   // false: somebody else says that there is such a worker

	Draining bool     // gets no new builds
	Slots    int      // builds at once; 0: what the worker says
	Speed    float64  // of builds, 1 is usual; 0: what the worker says
	Features []string // nil: what the worker says

	Username string
	Password string
	Token    string // instead of user name and password
	HostKey  string // accepted fingerprint of an SSH worker, "SHA256:…"

	Seen   time.Time // when it last answered; zero: never
	Failed time.Time // when it was last tried in vain; zero: not since it was seen
	Reason string    // of that
}

const memberColumns = `address, name, added, draining, slots, speed, features, username, password, token, host_key,
	seen_us, failed_us, reason`

// AddMember adds a worker, or replaces the one of that address; how it did
// before stays. A name that another address has is an error.
func (db *DB) AddMember(ctx context.Context, m Member) error {
	features, err := json.Marshal(append([]string{}, m.Features...))
	if err == nil {
		_, err = db.exec(ctx, `INSERT INTO fleet (address, name, added, draining, slots, speed, features, username, password, token, host_key)
			VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (address) DO UPDATE SET name = excluded.name, added = 1,
			draining = excluded.draining, slots = excluded.slots, speed = excluded.speed, features = excluded.features,
			username = excluded.username, password = excluded.password, token = excluded.token, host_key = excluded.host_key`,
			m.Address, m.Name, m.Draining, m.Slots, m.Speed, string(features), m.Username, m.Password, m.Token, m.HostKey)
	}
	if err != nil {
		return fmt.Errorf("adding worker %s: %w", m.Name, err)
	}
	return nil
}

// Members returns what is known of workers, sorted by name.
func (db *DB) Members(ctx context.Context) ([]Member, error) {
	members := []Member{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var m Member
		var features string
		var seen, failed sql.NullInt64
		err := rows.Scan(&m.Address, &m.Name, &m.Added, &m.Draining, &m.Slots, &m.Speed, &features, &m.Username, &m.Password,
			&m.Token, &m.HostKey, &seen, &failed, &m.Reason)
		if err != nil {
			return err
		}
		m.Seen, m.Failed = fromMicroseconds(seen), fromMicroseconds(failed)
		if err := json.Unmarshal([]byte(features), &m.Features); err != nil {
			return err
		}
		if len(m.Features) == 0 {
			m.Features = nil
		}
		members = append(members, m)
		return nil
	}, "SELECT "+memberColumns+" FROM fleet ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("listing workers: %w", err)
	}
	return members, nil
}

// RemoveMember forgets a worker, or returns ErrUnknownWorker.
func (db *DB) RemoveMember(ctx context.Context, address string) error {
	n, err := db.exec(ctx, "DELETE FROM fleet WHERE address = ?", address)
	if err == nil && n == 0 {
		err = ErrUnknownWorker
	}
	if err != nil {
		return fmt.Errorf("removing worker %s: %w", address, err)
	}
	return nil
}

// DrainMember says whether a worker gets new builds; the worker need not have
// been added.
func (db *DB) DrainMember(ctx context.Context, address, name string, draining bool) error {
	_, err := db.exec(ctx, `INSERT INTO fleet (address, name, added, draining) VALUES (?, ?, 0, ?)
		ON CONFLICT (address) DO UPDATE SET draining = excluded.draining`, address, name, draining)
	if err != nil {
		return fmt.Errorf("draining worker %s: %w", name, err)
	}
	return nil
}

// MemberSeen says that a worker has answered now.
func (db *DB) MemberSeen(ctx context.Context, address, name string) error {
	_, err := db.exec(ctx, `INSERT INTO fleet (address, name, added, seen_us) VALUES (?, ?, 0, ?)
		ON CONFLICT (address) DO UPDATE SET seen_us = excluded.seen_us, failed_us = NULL, reason = ''`,
		address, name, microseconds(db.now()))
	if err != nil {
		return fmt.Errorf("noting worker %s: %w", name, err)
	}
	return nil
}

// MemberFailed says that a worker was tried in vain now, and why.
func (db *DB) MemberFailed(ctx context.Context, address, name, reason string) error {
	_, err := db.exec(ctx, `INSERT INTO fleet (address, name, added, failed_us, reason) VALUES (?, ?, 0, ?, ?)
		ON CONFLICT (address) DO UPDATE SET failed_us = excluded.failed_us, reason = excluded.reason`,
		address, name, microseconds(db.now()), reason)
	if err != nil {
		return fmt.Errorf("noting worker %s: %w", name, err)
	}
	return nil
}
