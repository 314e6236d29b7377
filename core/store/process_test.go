package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"ahriman/core/source"
)

// TestMain is also the other process of the tests below.
func TestMain(m *testing.M) {
	var err error
	switch path := os.Getenv("STORE_TEST_FILE"); os.Getenv("STORE_TEST_AS") {
	case "":
		os.Exit(m.Run())
	case "writer":
		err = write(path, os.Getenv("STORE_TEST_NAME"))
	case "job":
		err = holdJob(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const rounds = 20

// write opens the file anew now and then, as commands do, and works in it.
func write(path, name string) error {
	for i := range rounds {
		if err := writeOnce(path, name, i); err != nil {
			return err
		}
	}
	return nil
}

func writeOnce(path, name string, i int) error {
	ctx := context.Background()
	db, err := Open(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	base := name + "-" + strconv.Itoa(i)
	job, err := db.CreateJob(ctx, Job{Repository: aur, Kind: "update"})
	return errors.Join(err,
		db.StartJob(ctx, job.ID),
		db.SetPackage(ctx, aur, source.Package{Base: base, Version: "1-1"}, Building),
		db.SetStatus(ctx, aur, base, Success),
		db.AddLogs(ctx, aur, "shared", []LogLine{{Created: float64(i), Message: base, Version: "1", Process: name}}),
		db.AddEvent(ctx, aur, Event{Event: EventPackageUpdated, Object: base}),
		func() error { _, err := db.Packages(ctx, aur); return err }(),
		func() error { _, err := db.RecoverJobs(ctx); return err }(),
		db.EndJob(ctx, job.ID, Succeeded, Outcome{}, ""),
	)
}

// TestProcesses lets eight processes create the file and work in it at once.
func TestProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.db")
	results := make(chan error)
	const processes = 8
	for i := range processes {
		cmd := child(path, "writer", fmt.Sprint("p", i))
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			results <- err
		}()
	}
	for range processes {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	db := openAt(t, path)
	records, err := db.Packages(t.Context(), aur)
	if err != nil || len(records) != processes*rounds {
		t.Errorf("%d packages, want %d (%v)", len(records), processes*rounds, err)
	}
	lines, err := db.Logs(t.Context(), aur, "shared", LogQuery{})
	if err != nil || len(lines) != processes*rounds {
		t.Errorf("%d log lines, want %d (%v)", len(lines), processes*rounds, err)
	}
	jobs, err := db.Jobs(t.Context(), -1)
	if err != nil || len(jobs) != processes*rounds {
		t.Errorf("%d jobs, want %d (%v)", len(jobs), processes*rounds, err)
	}
	for _, job := range jobs {
		if job.State != Succeeded {
			t.Errorf("job %s is %s: a live process's job was taken for lost", job.ID, job.State)
		}
	}
	var verdict string
	if err := db.row(t.Context(), nil, []any{&verdict}, "PRAGMA integrity_check"); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s (%v)", verdict, err)
	}
}

// holdJob starts a job, says its id, and lives until it is killed.
func holdJob(path string) error {
	ctx := context.Background()
	db, err := Open(ctx, path)
	if err != nil {
		return err
	}
	job, err := db.CreateJob(ctx, Job{Repository: aur, Kind: "update", Arguments: []byte(`{"aur":true}`), User: "ann"})
	if err := errors.Join(err, db.StartJob(ctx, job.ID)); err != nil {
		return err
	}
	fmt.Println(job.ID)
	select {}
}

// TestRecoverJobs kills a process with a running job.
func TestRecoverJobs(t *testing.T) {
	db := open(t)
	own, err := db.CreateJob(t.Context(), Job{Repository: aur, Kind: "update"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := child(db.Path(), "job", "")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if jobs, err := db.RecoverJobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("while it lives: %v, %v", jobs, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	jobs, err := db.RecoverJobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].ID+"\n" != id || jobs[0].State != Interrupted {
		t.Fatalf("after it was killed: %+v, %v", jobs, err)
	}
	if string(jobs[0].Arguments) != `{"aur":true}` || jobs[0].Repository != aur || jobs[0].User != "ann" || jobs[0].Ended.IsZero() {
		t.Errorf("what it was for is lost: %+v", jobs[0])
	}
	if jobs, err := db.RecoverJobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("twice: %v, %v", jobs, err)
	}
	if job, err := db.Job(t.Context(), own.ID); err != nil || job.State != Queued {
		t.Errorf("own job: %+v, %v", job, err)
	}
}

func child(path, as, name string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_FILE="+path, "STORE_TEST_AS="+as, "STORE_TEST_NAME="+name)
	return cmd
}
