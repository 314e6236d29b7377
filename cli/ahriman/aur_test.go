package main

import (
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/source"
)

// aurStandin serves as an AUR until it is killed:
//
//	aurstandin -dir DIR -addr-file FILE
//
// DIR/packages.json is a list of packages as the RPC interface shows them, read
// again for each request; DIR/BASE.git are the repositories.
func aurStandin() {
	dir := flag.String("dir", "", "of packages.json and checkouts")
	addrFile := flag.String("addr-file", "", "")
	flag.Parse()

	root, err := filepath.Abs(*dir)
	if err != nil {
		log.Fatal(err)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/rpc/v5/info", func(w http.ResponseWriter, r *http.Request) {
		wanted := r.URL.Query()["arg[]"]
		answerAUR(w, root, func(p source.AURPackage) bool { return slices.Contains(wanted, p.Name) })
	})
	mux.HandleFunc("/rpc/v5/search/{term}", func(w http.ResponseWriter, r *http.Request) {
		term := r.PathValue("term")
		if len(term) < 2 {
			_, _ = w.Write([]byte(`{"version":5,"type":"error","resultcount":0,"results":[],"error":"Query arg too small."}`))
			return
		}
		answerAUR(w, root, func(p source.AURPackage) bool {
			return strings.Contains(p.Name, term) || strings.Contains(p.Description, term)
		})
	})
	mux.Handle("/", &cgi.Handler{Path: git, Args: []string{"-c", "safe.directory=*", "http-backend"},
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*addrFile, []byte("http://"+listener.Addr().String()), 0o644); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, mux))
}

// answerAUR answers with the packages that fit.
func answerAUR(w http.ResponseWriter, root string, fits func(source.AURPackage) bool) {
	var all []source.AURPackage
	text, err := os.ReadFile(filepath.Join(root, "packages.json"))
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	all = slices.DeleteFunc(all, func(p source.AURPackage) bool { return !fits(p) })
	_ = json.NewEncoder(w).Encode(map[string]any{"version": 5, "type": "multiinfo", "resultcount": len(all), "results": all})
}
