// Package buildtest holds what every build.Runner must do, as tests that build
// real packages with makepkg. A Runner on another machine passes the same
// tests when that machine is this one: some look for processes in /proc.
package buildtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/build"
)

// patience bounds every wait of the suite; a build takes seconds, on a busy
// machine tens of them.
const patience = 3 * time.Minute

// serial makes the names of the suite's processes its own.
var serial atomic.Int64

// Options say what a Runner can do beyond the interface.
type Options struct {
	// Architecture of the jobs; empty: x86_64.
	Architecture string
	// Shared is for a Runner without isolation: jobs may see each other.
	Shared bool
}

type suite struct {
	open         func(*testing.T) build.Runner
	architecture string
	shared       bool
}

// Run tests the Runners that open returns. Each test gets its own; open uses
// t.Cleanup to close it.
func Run(t *testing.T, options Options, open func(t *testing.T) build.Runner) {
	s := &suite{open: open, architecture: options.Architecture, shared: options.Shared}
	if s.architecture == "" {
		s.architecture = "x86_64"
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"GivesPackages", s.givesPackages},
		{"StartTwiceIsOneBuild", s.startTwice},
		{"AttachStreams", s.attachStreams},
		{"AttachEndsWithItsContext", s.attachContext},
		{"FailureIsNotLoss", s.failure},
		{"CancelLeavesNoProcess", s.cancel},
		{"UnknownJob", s.unknown},
		{"JobsAreApart", s.apart},
		{"LeaseEndsTheBuild", s.leaseEnds},
		{"AttachHoldsTheLease", s.leaseHeld},
		{"DependenciesAreThere", s.dependencies},
		{"SourceIsNotWritten", s.sourceUntouched},
	} {
		t.Run(test.name, test.run)
	}
}

// PKGBUILD returns a directory with a PKGBUILD of the base, whose package()
// runs body.
func PKGBUILD(t testing.TB, base, body string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("pkgname=%s\npkgver=1.0\npkgrel=1\narch=(any)\npackage() {\n%s\n}\n", base, body)
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Build starts the job and waits for its end; it returns the log too.
func Build(t *testing.T, runner build.Runner, job build.Job) (*build.Result, string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := runner.Start(ctx, job); err != nil {
		t.Fatalf("Start: %v", err)
	}
	var log bytes.Buffer
	result, err := runner.Attach(ctx, job.ID, &log)
	return result, log.String(), err
}

// job returns a job for a PKGBUILD made of body.
func (s *suite) job(t *testing.T, base, body string) build.Job {
	t.Helper()
	return build.Job{ID: base + "-1", Base: base, Architecture: s.architecture, Source: PKGBUILD(t, base, body)}
}

func (s *suite) givesPackages(t *testing.T) {
	runner := s.open(t)
	job := s.job(t, "given", `echo "a line of log"; install -Dm644 /dev/null "$pkgdir/usr/share/given"; echo "epoch $SOURCE_DATE_EPOCH"`)
	job.Packager, job.SourceDate = "Jane Doe <jane@example.org>", 1700000000
	result, log, err := Build(t, runner, job)
	if err != nil {
		t.Fatalf("Attach: %v\n%s", err, log)
	}
	if len(result.Files) != 1 || result.Duration <= 0 {
		t.Fatalf("got %+v, want one file and a duration", result)
	}
	p, err := alpm.OpenPackage(result.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.FileName, "given-1.0-1-any.pkg.tar.zst"; got != want {
		t.Errorf("file name: got %s, want %s", got, want)
	}
	if p.Base != "given" || p.Packager != job.Packager || p.BuildDate != job.SourceDate {
		t.Errorf("got base %q, packager %q, build date %d", p.Base, p.Packager, p.BuildDate)
	}
	for _, line := range []string{"a line of log", "epoch 1700000000"} {
		if !strings.Contains(log, line) {
			t.Errorf("log has no %q:\n%s", line, log)
		}
	}
}

func (s *suite) startTwice(t *testing.T) {
	runner := s.open(t)
	job := s.job(t, "twice", `echo "build $$ $(date +%N)"`)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if err := runner.Start(t.Context(), job); err != nil {
				t.Errorf("Start: %v", err)
			}
		})
	}
	wait.Wait()
	first, log, err := Build(t, runner, job)
	if err != nil {
		t.Fatalf("Attach: %v\n%s", err, log)
	}
	if n := strings.Count(log, "\nbuild "); n != 1 {
		t.Errorf("package() ran %d times", n)
	}
	second, again, err := Build(t, runner, job)
	if err != nil {
		t.Fatalf("Attach after the end: %v", err)
	}
	if again != log || second.Duration != first.Duration {
		t.Errorf("Start after the end built again:\n%s", again)
	}
}

// Waiting returns the body of a package() that prints "ready" and then never
// ends, and the text that finds its processes, one of them in a session of its own.
func Waiting() (body, mark string) {
	mark = fmt.Sprintf("%d.%d", 86400+serial.Add(1), os.Getpid())
	return fmt.Sprintf("setsid sleep %s &\n( setsid sh -c 'trap \"\" TERM HUP INT; sleep %s; :' & )\necho ready\nsleep %s", mark, mark, mark), mark
}

// Held returns the body of a package() that prints "ready" and goes on once
// release is called.
func Held(t *testing.T) (body string, release func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	released := make(chan struct{})
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			<-released
			fmt.Fprintln(c, "go")
			c.Close()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	return fmt.Sprintf("echo ready; read -r word < /dev/tcp/127.0.0.1/%d; echo after all", port), sync.OnceFunc(func() { close(released) })
}

// Processes lists the processes whose command line holds mark.
func Processes(t *testing.T, mark string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err == nil && bytes.Contains(data, []byte(mark)) {
			found = append(found, path+": "+strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}

// AwaitProcesses waits for a process whose command line holds mark: what has
// begun may be about to become it.
func AwaitProcesses(t *testing.T, mark string) {
	t.Helper()
	for end := time.Now().Add(patience); len(Processes(t, mark)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no process shows %s in /proc", mark)
		}
	}
}

// Follow attaches in the background and waits until the log holds text; the
// function it returns waits for the end.
func Follow(t *testing.T, runner build.Runner, id, text string) func() (*build.Result, error) {
	t.Helper()
	reader, writer := io.Pipe()
	type outcome struct {
		result *build.Result
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := runner.Attach(t.Context(), id, writer)
		writer.CloseWithError(errors.New("the log ended"))
		done <- outcome{result, err}
	}()
	seen := make(chan error, 1)
	go func() {
		var all []byte
		buffer := make([]byte, 4096)
		for !bytes.Contains(all, []byte(text)) {
			n, err := reader.Read(buffer)
			all = append(all, buffer[:n]...)
			if err != nil {
				seen <- fmt.Errorf("%w before %q:\n%s", err, text, all)
				return
			}
		}
		seen <- nil
		_, _ = io.Copy(io.Discard, reader)
	}()
	select {
	case err := <-seen:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("the log of %s did not show %q", id, text)
	}
	return func() (*build.Result, error) {
		select {
		case o := <-done:
			return o.result, o.err
		case <-time.After(patience):
			return nil, errors.New("attach did not return")
		}
	}
}

func (s *suite) attachStreams(t *testing.T) {
	runner := s.open(t)
	body, _ := Waiting()
	job := s.job(t, "streams", "echo first\n"+body)
	if err := runner.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	one := Follow(t, runner, job.ID, "ready")
	two := Follow(t, runner, job.ID, "first") // late, and yet from the beginning
	if err := runner.Cancel(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	for _, wait := range []func() (*build.Result, error){one, two} {
		if _, err := wait(); !errors.Is(err, build.ErrCancelled) {
			t.Errorf("Attach: got %v, want %v", err, build.ErrCancelled)
		}
	}
	Follow(t, runner, job.ID, "ready") // after the end
}

func (s *suite) attachContext(t *testing.T) {
	runner := s.open(t)
	body, _ := Waiting()
	job := s.job(t, "leaves", body)
	if err := runner.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	wait := Follow(t, runner, job.ID, "ready")
	left := make(chan error, 1)
	go func() {
		_, err := runner.Attach(ctx, job.ID, io.Discard)
		left <- err
	}()
	stop()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("Attach: got %v, want %v", err, context.Canceled)
	}
	if err := runner.Cancel(t.Context(), job.ID); err != nil {
		t.Error(err)
	}
	if _, err := wait(); !errors.Is(err, build.ErrCancelled) {
		t.Errorf("the build ended with %v before it was cancelled", err)
	}
}

func (s *suite) failure(t *testing.T) {
	runner := s.open(t)
	_, log, err := Build(t, runner, s.job(t, "fails", `echo "this is why"; return 7`))
	var failure *build.Failure
	if !errors.As(err, &failure) || errors.Is(err, build.ErrLost) {
		t.Fatalf("Attach: got %v, want a failure\n%s", err, log)
	}
	if failure.Base != "fails" || failure.Reason == "" || !strings.Contains(log, "this is why") {
		t.Errorf("got %+v with log\n%s", failure, log)
	}
}

func (s *suite) cancel(t *testing.T) {
	runner := s.open(t)
	body, mark := Waiting()
	job := s.job(t, "cancelled", body)
	if err := runner.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	wait := Follow(t, runner, job.ID, "ready")
	AwaitProcesses(t, mark)
	if err := runner.Cancel(t.Context(), job.ID); err != nil {
		t.Fatal(err)
	}
	if left := Processes(t, mark); len(left) > 0 {
		t.Errorf("left after Cancel: %s", left)
	}
	if _, err := wait(); !errors.Is(err, build.ErrCancelled) {
		t.Errorf("Attach: got %v, want %v", err, build.ErrCancelled)
	}
	if err := runner.Cancel(t.Context(), job.ID); err != nil {
		t.Errorf("second Cancel: %v", err)
	}
}

func (s *suite) unknown(t *testing.T) {
	runner := s.open(t)
	if _, err := runner.Attach(t.Context(), "nobody", io.Discard); !errors.Is(err, build.ErrUnknownJob) {
		t.Errorf("Attach: got %v, want %v", err, build.ErrUnknownJob)
	}
	if err := runner.Cancel(t.Context(), "nobody"); !errors.Is(err, build.ErrUnknownJob) {
		t.Errorf("Cancel: got %v, want %v", err, build.ErrUnknownJob)
	}
}

func (s *suite) apart(t *testing.T) {
	runner := s.open(t)
	const count = 3
	var wait sync.WaitGroup
	for i := range count {
		body := `test ! -e "$TMPDIR/mark" || { echo "somebody else was here"; return 1; }; echo mine > "$TMPDIR/mark"; sleep 0.3`
		if s.shared {
			body = "sleep 0.3"
		}
		job := s.job(t, fmt.Sprintf("apart%d", i), body)
		wait.Go(func() {
			result, log, err := Build(t, runner, job)
			if err != nil {
				t.Errorf("%s: %v\n%s", job.Base, err, log)
			} else if len(result.Files) != 1 || !strings.HasPrefix(filepath.Base(result.Files[0]), job.Base+"-") {
				t.Errorf("%s gave %s", job.Base, result.Files)
			}
		})
	}
	wait.Wait()
}

func (s *suite) leaseEnds(t *testing.T) {
	runner := s.open(t)
	body, mark := Waiting()
	job := s.job(t, "forgotten", body)
	job.Lease = 300 * time.Millisecond
	if err := runner.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	// Nobody attaches. The lease ends while makepkg begins, or later; what
	// counts is that it does end, which Attach then says.
	time.Sleep(2 * job.Lease)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	_, err := runner.Attach(ctx, job.ID, io.Discard)
	var failure *build.Failure
	if !errors.Is(err, build.ErrLost) || errors.As(err, &failure) {
		t.Errorf("Attach: got %v, want %v", err, build.ErrLost)
	}
	if left := Processes(t, mark); len(left) > 0 {
		t.Errorf("left after the lease: %s", left)
	}
}

func (s *suite) leaseHeld(t *testing.T) {
	runner := s.open(t)
	job := s.job(t, "held", "sleep 1.5")
	job.Lease = 500 * time.Millisecond
	if _, log, err := Build(t, runner, job); err != nil {
		t.Errorf("Attach did not hold the lease: %v\n%s", err, log)
	}
}

func (s *suite) dependencies(t *testing.T) {
	runner := s.open(t)
	first, log, err := Build(t, runner, s.job(t, "needed", `
	install -d "$pkgdir"/usr/{include,bin,lib/pkgconfig}
	echo 'int needed(void);' > "$pkgdir/usr/include/needed-by-suite.h"
	echo 'int needed(void) { return 42; }' > needed.c
	gcc -c needed.c && ar rc "$pkgdir/usr/lib/libneeded-by-suite.a" needed.o
	printf '#!/bin/sh\necho tool of needed\n' > "$pkgdir/usr/bin/needed-by-suite"
	chmod 755 "$pkgdir/usr/bin/needed-by-suite"`))
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	job := s.job(t, "needing", `
	needed-by-suite
	printf '#include <needed-by-suite.h>\nint main(void) { return needed() != 42; }' > main.c
	gcc -o main main.c -lneeded-by-suite && ./main`)
	job.Dependencies = first.Files
	_, log, err = Build(t, runner, job)
	if err != nil || !strings.Contains(log, "tool of needed") {
		t.Errorf("%v\n%s", err, log)
	}
	job = s.job(t, "alone", `! test -e /usr/include/needed-by-suite.h`)
	if _, log, err := Build(t, runner, job); err != nil {
		t.Errorf("another job sees the dependency: %v\n%s", err, log)
	}
}

func (s *suite) sourceUntouched(t *testing.T) {
	runner := s.open(t)
	job := s.job(t, "moving", `echo x > "$startdir/left-behind"; ls "$startdir"`)
	text, err := os.ReadFile(filepath.Join(job.Source, "PKGBUILD"))
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "pkgver() { echo 2.0; }\n"...)
	if err := os.WriteFile(filepath.Join(job.Source, "PKGBUILD"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	result, log, err := Build(t, runner, job)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if got, want := filepath.Base(result.Files[0]), "moving-2.0-1-any.pkg.tar.zst"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	now, err := os.ReadFile(filepath.Join(job.Source, "PKGBUILD"))
	if err != nil || !bytes.Equal(now, text) {
		t.Errorf("the PKGBUILD has changed: %v\n%s", err, now)
	}
	if entries, err := os.ReadDir(job.Source); err != nil || len(entries) != 1 {
		t.Errorf("the source directory has changed: %v, %v", entries, err)
	}
}
