package httpserver

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// ListenTLS makes connections of l speak TLS, with a certificate and its key from
// two files of PEM, the chain included. Files that are renewed count from the
// next connection on; log is told when they cannot be read then.
func ListenTLS(l net.Listener, certificate, key string, log *slog.Logger) (net.Listener, error) {
	pair := &keyPair{certificate: certificate, key: key, log: log}
	if err := pair.read(); err != nil {
		return nil, err
	}
	return tls.NewListener(listener{l}, &tls.Config{
		GetCertificate: pair.get, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}), nil
}

// keyPair is a certificate that is read again when its files change.
type keyPair struct {
	certificate, key string // paths
	log              *slog.Logger

	mu   sync.Mutex
	pair *tls.Certificate // the last that could be read
	seen [2]fileState     // of the files that were read last
}

// fileState tells whether a file is another than before.
type fileState struct {
	size    int64
	changed time.Time
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return fileState{info.Size(), info.ModTime()}
}

// get is for each connection.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen != [2]fileState{stateOf(k.certificate), stateOf(k.key)} {
		// One of the two may not be there yet: then the next change counts.
		if err := k.read(); err != nil {
			k.log.Warn("the certificate is the old one", "error", err)
		}
	}
	return k.pair, nil
}

func (k *keyPair) read() error {
	k.seen = [2]fileState{stateOf(k.certificate), stateOf(k.key)}
	pair, err := tls.LoadX509KeyPair(k.certificate, k.key)
	if err != nil {
		return fmt.Errorf("reading %s and %s: %w", k.certificate, k.key, err)
	}
	k.pair = &pair
	return nil
}
