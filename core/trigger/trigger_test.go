package trigger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/source"
	"ahriman/core/trigger"

	"github.com/google/go-cmp/cmp"
)

// settings reads a configuration for aur/x86_64.
func settings(t *testing.T, text string) *config.Settings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ahriman.ini")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := file.For(alpm.RepositoryID{Name: "aur", Architecture: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// master records what triggers do to it.
type master struct {
	did    []string
	refuse string // upload of this file
	answer trigger.Answer
}

func (m *master) Upload(_ context.Context, paths ...string) error {
	for _, path := range paths {
		m.did = append(m.did, "upload "+filepath.Base(path))
		if filepath.Base(path) == m.refuse {
			return fmt.Errorf("uploading %s: refused", m.refuse)
		}
	}
	return nil
}

func (m *master) Call(_ context.Context, call trigger.Call, wait time.Duration) (*trigger.Answer, error) {
	m.did = append(m.did, fmt.Sprintf("call %+v wait %s", call, wait))
	return &m.answer, nil
}

func (m *master) options(s *config.Settings) trigger.Options {
	return trigger.Options{
		Settings: s,
		Uploader: func(config.RemoteService) (trigger.Uploader, error) { return m, nil },
		Caller:   func() (trigger.Caller, error) { return m, nil },
	}
}

// worker is the documentation's configuration of a worker.
const worker = `
[upload]
target = remote-service
[remote-service]
[report]
target = remote-call
[remote-call]
manual = yes
wait_timeout = 0
[build]
triggers = ahriman.core.gitremote.RemotePullTrigger ahriman.core.upload.UploadTrigger ahriman.core.report.ReportTrigger ahriman.core.gitremote.RemotePushTrigger
`

func level(bases ...string) trigger.Result {
	result := trigger.Result{Repository: alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}}
	for _, base := range bases {
		result.Built = append(result.Built, trigger.Built{
			Package: source.Package{Base: base, Version: "1-1", Origin: source.Origin{Source: source.AUR},
				Packages: map[string]source.Properties{base: {}}},
			Files: []string{"/out/" + base + "-1-1-any.pkg.tar.zst"},
		})
	}
	return result
}

// run does a whole run with these results and joins the errors.
func run(ctx context.Context, c *trigger.Chain, results ...trigger.Result) error {
	errs := []error{c.Start(ctx)}
	for _, result := range results {
		errs = append(errs, c.Result(ctx, result))
	}
	return errors.Join(append(errs, c.Stop(ctx))...)
}

func mustNew(t *testing.T, names []string, options trigger.Options) *trigger.Chain {
	t.Helper()
	chain, err := trigger.New(names, options)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// TestDocumentedWorker checks that each level is uploaded and then called for.
func TestDocumentedWorker(t *testing.T) {
	m := &master{}
	chain := mustNew(t, nil, m.options(settings(t, worker)))
	if err := run(t.Context(), chain, level("a", "b"), level("c")); err != nil {
		t.Fatal(err)
	}
	const call = "call {AUR:false Local:false Manual:true} wait 0s"
	want := []string{
		"upload a-1-1-any.pkg.tar.zst", "upload b-1-1-any.pkg.tar.zst", call, "upload c-1-1-any.pkg.tar.zst", call,
	}
	if diff := cmp.Diff(want, m.did); diff != "" {
		t.Error(diff)
	}
}

func TestFailureDoesNotStopTheNext(t *testing.T) {
	m := &master{refuse: "a-1-1-any.pkg.tar.zst"}
	chain := mustNew(t, nil, m.options(settings(t, worker)))
	err := run(t.Context(), chain, level("a", "b"))
	if err == nil || !strings.Contains(err.Error(), trigger.Upload) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
	if len(m.did) != 3 {
		t.Errorf("did %q", m.did)
	}
}

func TestRemoteCallOutcome(t *testing.T) {
	for _, test := range []struct {
		answer trigger.Answer
		want   string
	}{
		{trigger.Answer{Ended: true}, ""}, // a Python master
		{trigger.Answer{}, ""},            // not waited for
		{trigger.Answer{Ended: true, Outcome: "success"}, ""},
		{trigger.Answer{Process: "p", Ended: true, Outcome: "failed", Message: "no space"}, "process p on the master ended as failed: no space"},
		{trigger.Answer{Process: "p", Ended: true, Outcome: "partial", Failed: []trigger.Failure{{Base: "x", Reason: "r"}}}, "partial: x: r"},
	} {
		m := &master{answer: test.answer}
		chain := mustNew(t, []string{trigger.Report}, m.options(settings(t, worker)))
		err := run(t.Context(), chain, trigger.Result{})
		if len(m.did) != 1 || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v after %q", test.answer, err, m.did)
		}
	}
	m := &master{}
	chain := mustNew(t, []string{trigger.Report}, m.options(settings(t, worker)))
	if err := run(t.Context(), chain, trigger.Result{Failed: []trigger.Failure{{Base: "a"}}}); err != nil || len(m.did) > 0 {
		t.Errorf("a result of failures alone: %v, %q", err, m.did)
	}
}

func TestDefaultTriggersDoNothingUnconfigured(t *testing.T) {
	var out bytes.Buffer
	chain := mustNew(t, nil, trigger.Options{Settings: settings(t, ""), Output: &out})
	result := level("a")
	result.Removed, result.Failed = []string{"b"}, []trigger.Failure{{Base: "c", Reason: "exit\nstatus 4"}}
	if err := run(t.Context(), chain, result); err != nil {
		t.Error(err)
	}
	if want := "✔ a 1-1\n✖ b removed\n✘ c failed: exit status 4\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if !chain.Has(trigger.ArchiveRotation) || chain.Has(trigger.Worker) {
		t.Errorf("names %q", chain.Names())
	}
}

func TestRefusedNames(t *testing.T) {
	for _, test := range []struct{ name, text, hint string }{
		{"ahriman.core.upload.UploadTriger", "is unknown", "did you mean " + trigger.Upload},
		{"UploadTrigger", "is unknown", "did you mean " + trigger.Upload},
		{"upload", "is unknown", "did you mean " + trigger.Upload},
		{"ahriman.core.gitremote.RemotePullTriger", "is unknown", "did you mean " + trigger.RemotePull},
		{"nonsense", "is unknown", "known are " + trigger.RemotePull},
		{"/opt/plugin.py", "Python plugin", "exec:/opt/plugin.py"},
		{"exec:relative", "no absolute path", "exec:/path"},
		{"exec:/dev/null", "is no program", "chmod"},
		{"exec:/none", "no such file", ""},
		{trigger.Archive, "not supported yet", "build.triggers"},
	} {
		_, err := trigger.New([]string{test.name}, trigger.Options{Settings: settings(t, "")})
		if err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: got %v", test.name, err)
			continue
		}
		var hinter interface{ Hint() string }
		if test.hint != "" && (!errors.As(err, &hinter) || !strings.Contains(hinter.Hint(), test.hint)) {
			t.Errorf("%s: no hint %q in %v", test.name, test.hint, err)
		}
	}
}

func TestRefusedTargets(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{trigger.Upload, "[upload]\ntarget = rsync\n[rsync]\ncommand = rsync\nremote = a:b", "upload.target rsync is of type rsync, which is not supported yet"},
		{trigger.Report, "[report]\ntarget = rss\n[rss]\npath = /x\nlink_path = http://a", "report.target rss"},
		{trigger.RemotePull, "[remote-pull]\ntarget = gitremote\n[gitremote]\npush_url = x", "has no pull_url"},
		{trigger.Mirrorlist, "[mirrorlist]\ntarget = mirrors\n[mirrors]\npath = /x", "mirrorlist.target mirrors has no servers"},
		{trigger.Mirrorlist, "[mirrorlist]\ntarget = mirrors\n[mirrors]\nservers = https://a\npath = /x/../y", "has the path"},
	} {
		_, err := trigger.New([]string{test.name}, trigger.Options{Settings: settings(t, test.text)})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// program writes a shell script and returns its trigger's name.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return trigger.ExecPrefix + path
}

func TestExecReadsTheResult(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	name := program(t, "cat >"+out+"; env >>"+out+"; echo done it")
	var log bytes.Buffer
	chain := mustNew(t, []string{name}, trigger.Options{
		Settings: settings(t, ""), Messages: slog.New(slog.NewTextHandler(&log, nil)),
		Environ: []string{"PATH=/usr/bin:/bin", "KEPT=yes", "status:password=secret"},
	})
	result := level("a")
	result.Failed = []trigger.Failure{{Base: "c", Reason: "r"}}
	if err := run(t.Context(), chain, result); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"repository":{"name":"aur","architecture":"x86_64"},"built":[{"package":{"base":"a","version":"1-1",` +
		`"remote":{"source":"aur"},"packages":{"a":{"depends":[],"make_depends":[],"opt_depends":[],"check_depends":[],` +
		`"groups":[],"licenses":[],"provides":[]}}},"files":["/out/a-1-1-any.pkg.tar.zst"]}],"removed":[],"failed":[{"base":"c","reason":"r"}]}`
	if got := string(data); !strings.HasPrefix(got, want) || !strings.Contains(got, "KEPT=yes") || strings.Contains(got, "secret") {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(log.String(), "done it") {
		t.Errorf("messages: %s", &log)
	}
}

func TestExecFails(t *testing.T) {
	chain := mustNew(t, []string{program(t, "echo no luck >&2; exit 3")}, trigger.Options{Settings: settings(t, "")})
	if err := run(t.Context(), chain, level("a")); err == nil || !strings.Contains(err.Error(), "exit status 3: no luck") {
		t.Errorf("got %v", err)
	}
}

// TestExecIsKilled cancels a run and looks for the program's child.
func TestExecIsKilled(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	name := program(t, "sleep 1000 & echo $! >"+pids+".new; mv "+pids+".new "+pids+"; wait")
	chain := mustNew(t, []string{name}, trigger.Options{Settings: settings(t, ""), Environ: []string{"PATH=/usr/bin:/bin"}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- chain.Result(ctx, level("a")) }()
	pid := waitForNumber(t, pids)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !waitFor(t, func() bool { return gone(pid) }) {
		t.Errorf("process %d is alive", pid)
	}
}

// gone reports whether a process has ended; a zombie nobody reaps has.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

func waitForNumber(t *testing.T, path string) int {
	t.Helper()
	n := 0
	waitFor(t, func() bool {
		data, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		n, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return n
}

// waitFor asks until the answer is yes, for at most ten seconds.
func waitFor(t *testing.T, yes func() bool) bool {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); ; {
		if yes() {
			return true
		}
		select {
		case <-tick.C:
		case <-end:
			return false
		}
	}
}

type registrar struct{ registered, unregistered atomic.Int32 }

func (r *registrar) Register(context.Context) error {
	r.registered.Add(1)
	return errors.New("not there yet")
}

func (r *registrar) Unregister(context.Context) error { r.unregistered.Add(1); return nil }

func TestWorkerIsRenewedAndUnregistered(t *testing.T) {
	s := settings(t, "")
	s.Worker.TimeToLive = 8 * time.Millisecond
	r := &registrar{}
	chain := mustNew(t, []string{trigger.Worker}, trigger.Options{Settings: s, Registrar: r})
	ctx, cancel := context.WithCancel(t.Context())
	if err := chain.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if !waitFor(t, func() bool { return r.registered.Load() > 3 }) {
		t.Error("not renewed")
	}
	cancel() // as a signal does
	if err := chain.Stop(ctx); err != nil || r.unregistered.Load() != 1 {
		t.Errorf("unregistered %d times, %v", r.unregistered.Load(), err)
	}
	if err := run(t.Context(), mustNew(t, []string{trigger.Worker}, trigger.Options{Settings: s})); err != nil {
		t.Error(err)
	}
}

func TestLogsRotation(t *testing.T) {
	var kept []int
	options := trigger.Options{RotateLogs: func(_ context.Context, keep int) error { kept = append(kept, keep); return nil }}
	for _, text := range []string{"", "[logs-rotation]\nkeep_last_logs = 0", "[logs-rotation]\nkeep_last_logs = 2"} {
		options.Settings = settings(t, text)
		if err := run(t.Context(), mustNew(t, []string{trigger.LogsRotation}, options), trigger.Result{}); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(kept, []int{5, 2}) {
		t.Errorf("kept %v", kept)
	}
}

func TestCancelledRunStops(t *testing.T) {
	m := &master{}
	chain := mustNew(t, nil, m.options(settings(t, worker)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := chain.Result(ctx, level("a")); !errors.Is(err, context.Canceled) || len(m.did) > 0 {
		t.Errorf("got %v after %q", err, m.did)
	}
}
