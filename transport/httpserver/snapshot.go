package httpserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sort"
	"sync"

	"ahriman/core/alpm"
	"ahriman/core/store"
	"ahriman/transport/api"
)

// list is what the last look at a repository's packages gave. It is good while
// the store's revision of them is the same, which is asked for each request, but
// once for all that wait.
type list struct {
	name string // in Etags: another server's revisions are others
	turn chan struct{}

	mu   sync.Mutex
	next *look // that has not begun; nil: nobody waits

	snapshot *snapshot // changed in turn
}

// look is one look at the store, and what it gave.
type look struct {
	done     chan struct{}
	snapshot *snapshot
	err      error
}

func newList() *list { return &list{name: rand.Text()[:10], turn: make(chan struct{}, 1)} }

// packages returns the present packages of a repository.
func (s *Server) packages(ctx context.Context, id alpm.RepositoryID) (*snapshot, error) {
	l := s.lists[id]
	l.mu.Lock()
	ours, first := l.next, l.next == nil
	if first {
		ours = &look{done: make(chan struct{})}
		l.next = ours
	}
	l.mu.Unlock()
	if !first { // it begins later than this request did: what it sees is no older
		select {
		case <-ours.done:
			return ours.snapshot, ours.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.mu.Lock()
	l.next = nil
	l.mu.Unlock()
	defer close(ours.done)
	// The others are not to fail because this client goes away.
	ours.snapshot, ours.err = s.refreshed(context.WithoutCancel(ctx), id, l)
	return ours.snapshot, ours.err
}

// refreshed brings the list up to date; it is the caller's turn.
func (s *Server) refreshed(ctx context.Context, id alpm.RepositoryID, l *list) (*snapshot, error) {
	// Before the packages: when they change in between, this is asked again.
	revision, err := s.config.Store.Revision(ctx, id)
	if err != nil {
		return nil, err
	}
	old := l.snapshot
	if old != nil && old.revision == revision {
		return old, nil
	}
	if old == nil || old.revision > revision {
		old = &snapshot{}
	}
	changed, count, err := s.config.Store.PackagesSince(ctx, id, old.revision)
	if err != nil {
		return nil, err
	}
	if old.grown(changed) != count { // some were removed
		old = &snapshot{}
		if changed, _, err = s.config.Store.PackagesSince(ctx, id, -1); err != nil {
			return nil, err
		}
	}
	next, err := old.with(id, changed)
	if err != nil {
		return nil, err
	}
	next.revision = revision
	etag := fmt.Sprintf(`"%s-%d"`, l.name, revision)
	next.all = sync.OnceValue(func() document { return next.encode(etag) })
	l.snapshot = next
	return next, nil
}

// snapshot is the packages of a repository at one revision. It is never changed.
type snapshot struct {
	revision int64
	entries  []api.PackageEntry // sorted by base
	encoded  [][]byte           // each of them as JSON
	counts   api.Counts
	stats    api.Stats
	all      func() document // all entries; made when first asked for
}

// find returns where a base is, or would be.
func (n *snapshot) find(base string) (at int, found bool) {
	at = sort.Search(len(n.entries), func(i int) bool { return n.entries[i].Package.Base >= base })
	return at, at < len(n.entries) && n.entries[at].Package.Base == base
}

// grown is how many entries there are with these.
func (n *snapshot) grown(changed []store.Record) int {
	count := len(n.entries)
	for _, r := range changed {
		if _, known := n.find(r.Package.Base); !known {
			count++
		}
	}
	return count
}

// with returns the entries with those that changed, which are sorted; the others
// are not encoded again.
func (n *snapshot) with(id alpm.RepositoryID, changed []store.Record) (*snapshot, error) {
	size := n.grown(changed)
	next := &snapshot{entries: make([]api.PackageEntry, 0, size), encoded: make([][]byte, 0, size)}
	from := 0
	keep := func(to int) {
		next.entries, next.encoded = append(next.entries, n.entries[from:to]...), append(next.encoded, n.encoded[from:to]...)
		from = to
	}
	for _, r := range changed {
		at, known := n.find(r.Package.Base)
		keep(at)
		if known {
			from = at + 1
		}
		entry := entryOf(id, r)
		text, err := json.Marshal(entry)
		if err != nil {
			return nil, err
		}
		next.entries, next.encoded = append(next.entries, entry), append(next.encoded, text)
	}
	keep(len(n.entries))
	for i := range next.entries {
		next.count(&next.entries[i])
	}
	return next, nil
}

// count adds an entry to the sums.
func (n *snapshot) count(e *api.PackageEntry) {
	n.counts.Total++
	switch e.Status.Status {
	case api.Unknown:
		n.counts.Unknown++
	case api.Pending:
		n.counts.Pending++
	case api.Building:
		n.counts.Building++
	case api.Failed:
		n.counts.Failed++
	case api.Success:
		n.counts.Success++
	}
	n.stats.Bases++
	for _, p := range e.Package.Packages {
		n.stats.Packages++
		n.stats.ArchiveSize += p.ArchiveSize
		n.stats.InstalledSize += p.InstalledSize
	}
}

// encode joins the entries to a list.
func (n *snapshot) encode(etag string) document {
	size := 2
	for _, text := range n.encoded {
		size += len(text) + 1
	}
	var b bytes.Buffer
	b.Grow(size)
	b.WriteByte('[')
	for i, text := range n.encoded {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(text)
	}
	b.WriteByte(']')
	return document{body: b.Bytes(), etag: etag}
}
