package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestEightProcesses is two nodes on one host, on each of which a web service
// and, at once, five processes work for a few seconds; AHRIMAN_TEST_FULL=1 makes
// that a minute. Each package has one process that changes it, so that it is
// known what is to be there at the end.
func TestEightProcesses(t *testing.T) {
	long := 3 * time.Second
	if os.Getenv("AHRIMAN_TEST_FULL") != "" {
		long = time.Minute
	}
	dir := world(t)
	nodes := []*crowd{newCrowd(t, filepath.Join(dir, "one")), newCrowd(t, filepath.Join(dir, "two"))}
	for _, c := range nodes {
		if err := c.add("a", 0); err != nil {
			t.Fatal(err)
		}
		c.serve()
	}
	over := time.Now().Add(long)
	var all sync.WaitGroup
	var count [2][5]int
	for n, c := range nodes {
		for p, work := range []func(i int) error{
			func(i int) error { return c.add("a", i+1) }, c.comeAndGo, c.build, c.upload, c.note,
		} {
			all.Go(func() {
				for i := 0; i == 0 || time.Now().Before(over); i++ {
					if err := work(i); err != nil {
						t.Error(err)
						return
					}
					count[n][p]++
				}
			})
		}
	}
	all.Wait()
	t.Logf("rounds of each: %v", count)
	for _, c := range nodes {
		c.stop()
		c.check()
	}
}

// TestTwoNodesTwoLocks: a build on one node keeps no build on another waiting,
// only those on its own; and it keeps nobody from publishing.
func TestTwoNodesTwoLocks(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	dir := world(t)
	one, two := newCrowd(t, filepath.Join(dir, "one")), newCrowd(t, filepath.Join(dir, "two"))
	begun, release := make(chan struct{}), make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
	})}
	go server.Serve(listener)
	defer server.Close()
	if err := os.Mkdir(filepath.Join(one.dir, "src", "slow"), 0o755); err != nil {
		t.Fatal(err)
	}
	one.write("src/slow/PKGBUILD", fmt.Sprintf("pkgname=slow\npkgver=1\npkgrel=1\narch=(any)\nbuild() { curl -sS http://%s; }\npackage() { :; }\n", listener.Addr()))
	slow := make(chan error, 1)
	go func() { slow <- one.run("package-add", "--now", filepath.Join(one.dir, "src", "slow")) }()
	select {
	case <-begun:
	case err := <-slow:
		t.Fatal(err)
	}
	if err := two.runWith("", "--wait-timeout", "-1", "package-add", "--now", filepath.Join(two.dir, "src", "built")); err != nil {
		t.Errorf("on the other node: %v", err)
	}
	err = one.runWith("", "--wait-timeout", "-1", "package-add", "--now", filepath.Join(one.dir, "src", "built"))
	if err == nil || !strings.Contains(err.Error(), ".build-aur-x86_64.lock") {
		t.Errorf("on the same node: %v", err)
	}
	if err := one.runWith("", "--wait-timeout", "-1", "package-add", "--now", one.file("file", "1-1")); err != nil {
		t.Errorf("a package file, on the same node: %v", err)
	}
	close(release)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	two.is("built", "1-1")
	one.is("slow", "1-1")
	one.is("file", "1-1")
	if err := one.run("repo-update", "--no-aur"); err != nil { // what was asked for in vain
		t.Error(err)
	}
	one.is("built", "1-1")
	one.check()
	two.check()
}
