package main

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"ahriman/transport/httpclient/clienttest"
)

// standin serves as a master until it is killed:
//
//	standin [-python] [-user NAME:PASSWORD] [-process JSON] -dir DIR -addr-file FILE
//
// It stores uploads in DIR, knows nothing else, and writes its address to FILE.
func standin() {
	python := flag.Bool("python", false, "be a Python node")
	user := flag.String("user", "", "want a log-in")
	process := flag.String("process", "{}", "what processes end as, api.Process")
	dir := flag.String("dir", "", "for uploads")
	addrFile := flag.String("addr-file", "", "")
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*addrFile, []byte("http://"+listener.Addr().String()), 0o644); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, handler))
}
