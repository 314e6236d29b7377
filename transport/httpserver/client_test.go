package httpserver_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
)

// connect returns a client of ours for the node's repository.
func (n *node) connect() *httpclient.Repository {
	n.t.Helper()
	client, err := httpclient.New(httpclient.Config{
		Address: n.server.URL, Username: "worker-user", Password: "very-secure-password", Timeout: 30 * time.Second,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(client.Close)
	return client.Repository(refrepo)
}

// TestWorkerOfOurs is the conversation of a worker of ours with a master of
// ours: build, log, upload, update, wait.
func TestWorkerOfOurs(t *testing.T) {
	n := start(t, nil)
	r, ctx := n.connect(), t.Context()
	foo := source.Package{Base: "foo", Version: "1:2.0-1", Origin: source.Origin{Source: source.AUR}}
	if _, err := r.Package(ctx, "foo"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a package that is not there: %v", err)
	}
	if err := r.SetPackage(ctx, "foo", api.Building, &foo); err != nil {
		t.Fatal(err)
	}
	log := r.Log(ctx, "foo", foo.Version, "p1")
	for range 2500 { // more than one batch
		log.Write([]byte("==> a line\n"))
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if lines, err := r.Logs(ctx, "foo", api.All()); err != nil || len(lines) != 2500 {
		t.Errorf("%d log lines, want 2500 (%v)", len(lines), err)
	}

	path := filepath.Join(t.TempDir(), fooFile)
	content := packageFile(t, fooFile, bytes.Repeat([]byte("x"), 1<<20))
	if err := errors.Join(os.WriteFile(path, content, 0o644), os.WriteFile(path+".sig", []byte{0x88, 3, 1, 2, 3}, 0o644)); err != nil {
		t.Fatal(err)
	}
	reply, err := r.Upload(ctx, path, nil)
	if err != nil || reply.SHA256 != sum(content) || reply.Name != fooFile {
		t.Errorf("upload: %+v, %v", reply, err)
	}
	n.publish(fooFile)
	if err := os.WriteFile(path, packageFile(t, fooFile, []byte("other")), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = r.Upload(ctx, path, nil)
	conflict, ok := errors.AsType[*api.Conflict](err)
	if !ok || conflict.Stored != sum(content) {
		t.Errorf("other bytes under the same name: %v", err)
	}

	id, err := r.Update(ctx, api.UpdateRequest{Manual: true, Increment: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Client().Wait(ctx, id, 50*time.Millisecond); !errors.Is(err, httpclient.ErrStillRunning) {
		t.Errorf("wait for a job that runs: %v", err)
	}
	outcome := store.Outcome{Updated: []string{"foo"}, Warnings: []string{"w"}}
	if err := n.db.EndJob(ctx, id, store.Succeeded, outcome, ""); err != nil {
		t.Fatal(err)
	}
	process, err := r.Client().Wait(ctx, id, 0)
	if err != nil || process.Outcome != api.OutcomeSuccess || strings.Join(process.Updated, " ") != "foo" {
		t.Errorf("outcome: %+v, %v", process, err)
	}
}

// TestWorkersOfOurs registers, renews and leaves.
func TestWorkersOfOurs(t *testing.T) {
	n := start(t, nil)
	client, ctx := n.connect().Client(), t.Context()
	for _, name := range []string{"w2", "w1", "w2"} {
		if err := client.Register(ctx, api.Worker{Address: "http://" + name, Identifier: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Unregister(ctx, "w1"); err != nil {
		t.Fatal(err)
	}
	workers, err := client.Workers(ctx)
	if err != nil || len(workers) != 1 || workers[0].Address != "http://w2" {
		t.Errorf("workers: %+v, %v", workers, err)
	}
}
