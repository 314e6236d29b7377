package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
	"ahriman/transport/httpclient/clienttest"
)

// pythonWorker serves as a Python worker until it is killed:
//
//	pythonworker -user NAME:PASSWORD -master URL -dir DIR -addr-file FILE
//
// It "builds" by taking DIR/BASE-*.pkg.tar.zst, and fails without. Once it is
// idle, /idle says what was wrong with the conversation.
func pythonWorker() {
	user := flag.String("user", "", "here and at the master")
	master := flag.String("master", "", "address")
	dir := flag.String("dir", "", "of the packages it builds")
	addrFile := flag.String("addr-file", "", "")
	flag.Parse()

	w := &clienttest.PythonWorker{
		Master: *master, Architecture: "x86_64", RepositoryName: "aur", Poll: 10 * time.Millisecond,
		Build: func(base string, _ []source.Patch) (map[string][]byte, source.Package, error) {
			return take(*dir, base)
		},
	}
	w.Username, w.Password, _ = strings.Cut(*user, ":")
	w.MasterUsername, w.MasterPassword = w.Username, w.Password
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*addrFile, []byte(listener.Addr().String()), 0o644); err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/idle" {
			w.ServeHTTP(rw, r)
			return
		}
		collided, err := w.Wait()
		fmt.Fprintf(rw, "failed on the lock: %d, problems: %v\n", collided, err)
	})
	log.Fatal(http.Serve(listener, handler))
}

// take reads the packages of a base.
func take(dir, base string) (map[string][]byte, source.Package, error) {
	paths, err := filepath.Glob(filepath.Join(dir, base+"-*.pkg.tar.zst"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s cannot be built", base)
	}
	files := map[string][]byte{}
	var packages []alpm.Package
	for _, path := range paths {
		info, infoErr := alpm.ReadInfo(path)
		content, readErr := os.ReadFile(path)
		if infoErr != nil || readErr != nil {
			return nil, source.Package{}, fmt.Errorf("%w, %w", infoErr, readErr)
		}
		files[filepath.Base(path)] = content
		packages = append(packages, alpm.Package{Info: info, FileName: filepath.Base(path), CompressedSize: int64(len(content))})
	}
	if err != nil {
		return nil, source.Package{}, err
	}
	bases, err := source.FromPackages(packages, source.Origin{Source: source.AUR})
	if err != nil {
		return nil, source.Package{}, err
	}
	return files, bases[0], nil
}
