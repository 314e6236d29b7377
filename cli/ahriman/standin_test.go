package main

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"ahriman/transport/httpclient/clienttest"

	"github.com/rogpeppe/go-internal/testscript"
)

// standin serves as a master until it is killed:
//
//	standin [-python] [-user NAME:PASSWORD] [-process JSON] [-requests FILE] -dir DIR -addr-file FILE
//
// It stores uploads in DIR, knows nothing else, and writes its address to FILE;
// and what it was asked to the FILE of -requests, after each request.
func standin() {
	python := flag.Bool("python", false, "be a Python node")
	user := flag.String("user", "", "want a log-in")
	process := flag.String("process", "{}", "what processes end as, api.Process")
	dir := flag.String("dir", "", "for uploads")
	addrFile := flag.String("addr-file", "", "")
	requests := flag.String("requests", "", "where to write what was asked")
	flag.Parse()

	node := &clienttest.Node{PythonNode: clienttest.PythonNode{Directory: *dir, Polls: 1}}
	node.Username, node.Password, _ = strings.Cut(*user, ":")
	if err := json.Unmarshal([]byte(*process), &node.Process); err != nil {
		log.Fatal(err)
	}
	node.Stored = map[string]string{"taken-1-1-any.pkg.tar.zst": strings.Repeat("ab", 32)}
	var handler http.Handler = node
	if *python {
		handler = &node.PythonNode
	}
	if *requests != "" {
		handler = noting(handler, node, *requests)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*addrFile, []byte("http://"+listener.Addr().String()), 0o644); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, handler))
}

// noting writes what a node was asked, after each request.
func noting(next http.Handler, node *clienttest.Node, path string) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		mu.Lock()
		defer mu.Unlock()
		text, err := json.Marshal(node.Requests())
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o644)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			log.Fatal(err)
		}
	})
}

// likePython compares what a node was asked, as a stand-in wrote it, with what
// the node of a capture was: see clienttest.Unlike. The rest are requests,
// method and the beginning of a path, that must be there in this order.
func likePython(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: likepython CAPTURE LABEL REQUESTS [METHOD PATH…]")
	}
	capture, err := os.ReadFile(args[0])
	ts.Check(err)
	python, err := clienttest.ReadCapture(capture, args[1])
	ts.Check(err)
	var ours []clienttest.Request
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &ours))
	if unlike := clienttest.Unlike(python, ours); len(unlike) > 0 {
		ts.Fatalf("a Python node says nothing like this:\n%s", strings.Join(unlike, "\n"))
	}
	rest := ours
	for _, wanted := range args[3:] {
		i := slices.IndexFunc(rest, func(r clienttest.Request) bool { return strings.HasPrefix(r.Method+" "+r.Path, wanted) })
		if i < 0 {
			var all []string
			for _, r := range ours {
				all = append(all, r.Method+" "+r.Path)
			}
			ts.Fatalf("no %s where it should be among\n%s", wanted, strings.Join(all, "\n"))
		}
		rest = rest[i+1:]
	}
}
