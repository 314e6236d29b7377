package httpclient_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpserver"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
)

const salt = "salt"

// jobs is a Submitter that stores jobs and ends updates at once.
type jobs struct{ db *store.DB }

func (jobs) Kinds() []string { return []string{httpserver.JobUpdate, httpserver.JobAdd} }

func (j jobs) Submit(ctx context.Context, id alpm.RepositoryID, kind string, arguments any, user string) (string, error) {
	text, err := json.Marshal(arguments)
	if err != nil {
		return "", err
	}
	job, err := j.db.CreateJob(ctx, store.Job{Repository: id, Kind: kind, Arguments: text, User: user})
	if err != nil || kind != httpserver.JobUpdate {
		return job.ID, err
	}
	if err := j.db.StartJob(ctx, job.ID); err != nil {
		return "", err
	}
	return job.ID, j.db.EndJob(ctx, job.ID, store.Partial, store.Outcome{
		Updated: []string{"a"}, Failed: []store.Failure{{Base: "b", Reason: "no luck"}},
	}, "b failed")
}

// newServer makes a master of ours with log-in on. There may be more repositories
// than refrepo, whose names are given.
func newServer(ctx context.Context, root string, more ...string) (*httpserver.Server, *store.DB, *repository.Repository, error) {
	db, err := store.Open(ctx, filepath.Join(root, "node.db"))
	if err != nil {
		return nil, nil, nil, err
	}
	// The least cost bcrypt has: this is not what is tested, and slow with -race.
	hash, err := bcrypt.GenerateFromPassword([]byte("very-secure-password"+salt), bcrypt.MinCost)
	if err == nil {
		err = db.SetUser(ctx, store.User{Name: "worker-user", Password: string(hash), Access: store.Full})
	}
	if err != nil {
		return nil, nil, nil, err
	}
	config := httpserver.Config{
		Store: db, Version: "1.0.0", Uploads: true, Submitter: jobs{db},
		Auth: httpserver.Auth{Enabled: true, AllowReadOnly: true, Salt: salt},
	}
	var first *repository.Repository
	for _, name := range append([]string{refrepo().Name}, more...) {
		id := refrepo()
		id.Name = name
		repo, err := repository.Open(repository.Options{Root: root, ID: id})
		if err != nil {
			return nil, nil, nil, err
		}
		if first == nil {
			first = repo
		}
		config.Repositories = append(config.Repositories, httpserver.Repository{ID: id, Shelf: repo})
	}
	server, err := httpserver.New(config)
	return server, db, first, err
}

// writePackage makes a package file of about size bytes that do not compress.
func writePackage(dir, name string, size int64, content io.Reader) (path string, err error) {
	path = filepath.Join(dir, name+"-1-1-any.pkg.tar.zst")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	packed, err := alpm.Compress(file, alpm.Zstd)
	if err != nil {
		return "", err
	}
	archive := tar.NewWriter(packed)
	info := fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = 1-1\narch = any\nsize = %d\nbuilddate = 1795355916\n", name, name, size)
	if err := archive.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info))}); err != nil {
		return "", err
	}
	if _, err := io.WriteString(archive, info); err != nil {
		return "", err
	}
	if err := archive.WriteHeader(&tar.Header{Name: "usr/data", Mode: 0o644, Size: size}); err != nil {
		return "", err
	}
	if _, err := io.CopyN(archive, content, size); err != nil {
		return "", err
	}
	return path, errors.Join(archive.Close(), packed.Close())
}

// TestOurServer goes through a worker's round with the real server.
func TestOurServer(t *testing.T) {
	ctx := t.Context()
	handler, db, repo, err := newServer(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	server := httptest.NewServer(handler)
	defer server.Close()
	client, err := httpclient.New(httpclient.Config{Address: server.URL, Username: "worker-user", Password: "very-secure-password"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := client.Repository(refrepo())
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}

	node, err := client.Node(ctx)
	if err != nil || !node.Has(api.FeatureProcessOutcome) || !node.Has(api.FeatureLogBatch) || !node.Has(api.FeatureUploadDigest) {
		t.Errorf("node %+v, %v", node, err)
	}
	p := source.Package{Base: "a", Version: "1-1", Origin: source.Origin{Source: source.AUR}, Packages: map[string]source.Properties{
		"a": {Depends: []string{"b"}, MakeDepends: []string{}, OptDepends: []string{}, CheckDepends: []string{},
			Groups: []string{}, Licenses: []string{}, Provides: []string{}},
	}}
	check("package", r.SetPackage(ctx, "a", api.Building, &p))
	entry, err := r.Package(ctx, "a")
	check("package", err)
	if entry == nil || entry.Status.Status != api.Building || cmp.Diff(p, entry.Package) != "" {
		t.Errorf("package %+v", entry)
	}
	check("status", r.SetStatus(ctx, api.Building))
	check("changes", r.SetChanges(ctx, "a", api.Changes{LastCommitSHA: "abc"}))
	check("dependencies", r.SetDependencies(ctx, "a", nil))
	check("event", r.AddEvent(ctx, api.Event{Event: api.EventPackageUpdated, ObjectID: "a", Data: json.RawMessage(`{"took":1}`)}))
	if changes, err := r.Changes(ctx, "a"); err != nil || changes.LastCommitSHA != "abc" {
		t.Errorf("changes %+v, %v", changes, err)
	}
	if _, err := r.Package(ctx, "none"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("unknown package: %v", err)
	}
	log := r.Log(ctx, "a", "1-1", "job")
	fmt.Fprint(log, "one\ntwo\n")
	check("log", log.Close())
	if records, err := r.Logs(ctx, "a", api.All()); err != nil || len(records) != 2 || records[1].Message != "two" {
		t.Errorf("logs %+v, %v", records, err)
	}
	check("register", client.Register(ctx, api.Worker{Address: "http://127.0.0.1:1", Identifier: "w1"}))
	check("register", client.Register(ctx, api.Worker{Address: "http://127.0.0.1:2", Identifier: "w2"}))
	check("unregister", client.Unregister(ctx, "w1"))
	if workers, err := client.Workers(ctx); err != nil || len(workers) != 1 || workers[0].Identifier != "w2" {
		t.Errorf("workers %+v, %v", workers, err)
	}
	uploadTwice(t, r, repo)

	id, err := r.Update(ctx, api.NewUpdateRequest())
	check("update", err)
	process, err := client.Wait(ctx, id, time.Minute)
	check("wait", err)
	if process == nil || process.Outcome != api.OutcomePartial || len(process.Failed) != 1 || process.Failed[0].Reason != "no luck" {
		t.Errorf("process %+v", process)
	}
	if _, err := client.Wait(ctx, "12658eb2-35af-42e5-b04a-e3013349bf31", 0); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("unknown process: %v", err)
	}
	running, err := r.Add(ctx, api.AddRequest{Packages: []string{"x"}})
	check("add", err)
	if _, err := client.Wait(ctx, running, 50*time.Millisecond); !errors.Is(err, httpclient.ErrStillRunning) {
		t.Errorf("a running process: %v", err)
	}
}

// uploadTwice uploads a package, the same again, and other bytes under its name.
func uploadTwice(t *testing.T, r *httpclient.Repository, repo *repository.Repository) {
	t.Helper()
	random := func() io.Reader { return &numbers{} }
	path, err := writePackage(t.TempDir(), "a", 3<<20, random())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		done, err := r.Upload(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(repo.Waiting(), done.Name)); err != nil {
			t.Error(err)
		}
	}
	other, err := writePackage(t.TempDir(), "a", 1<<20, random())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Upload(t.Context(), other, nil); !errors.Is(err, api.ErrConflict) {
		t.Errorf("other bytes: %v", err)
	}
}

// numbers is a reader of bytes that do not compress, the same each time.
type numbers struct{ state uint64 }

func (n *numbers) Read(p []byte) (int, error) {
	for i := range p {
		n.state = n.state*6364136223846793005 + 1442695040888963407
		p[i] = byte(n.state >> 56)
	}
	return len(p), nil
}
