package clienttest

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"ahriman/transport/api"
)

// Node adds our extensions to a PythonNode: what is under /node/, and digests
// of uploads.
type Node struct {
	PythonNode
	Stored  map[string]string // digests of files the node has, by name
	Process api.Process       // what its processes end as

	mu   sync.Mutex
	logs []api.LogRecord
}

// Logs returns the log records received in batches.
func (n *Node) Logs() []api.LogRecord {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]api.LogRecord{}, n.logs...)
}

// ServeHTTP answers what is ours and leaves the rest to the PythonNode, which
// records all of it.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.Extended = n.extend
	n.PythonNode.ServeHTTP(w, r)
}

func (n *Node) extend(r *http.Request, record *Request) (int, any) {
	switch {
	case r.URL.Path == api.PathNode:
		return http.StatusOK, api.Node{Version: "1.0.0", Features: []api.Feature{
			api.FeatureProcessOutcome, api.FeatureLogBatch, api.FeatureUploadDigest, api.FeatureWorkers,
		}}
	case strings.HasPrefix(r.URL.Path, "/node/v1/processes/"):
		if _, alive := n.process(strings.TrimPrefix(r.URL.Path, "/node/v1/processes/")); alive == nil {
			return http.StatusOK, api.Process{IsAlive: true}
		}
		return http.StatusOK, n.Process
	case strings.HasPrefix(r.URL.Path, "/node/v1/packages/"):
		n.addLogs(record)
		return http.StatusNoContent, nil
	case strings.HasPrefix(r.URL.Path, "/node/v1/workers/"):
		return http.StatusNoContent, nil
	case r.URL.Path == api.PathUpload && len(record.Parts) > 0:
		return n.accept(record.Parts)
	}
	return 0, nil
}

// accept checks an upload's digests against what came.
func (n *Node) accept(parts []Part) (int, any) {
	digests := parts[len(parts)-1]
	var want strings.Builder
	for _, part := range parts[:len(parts)-1] {
		want.WriteString(api.DigestLine(part.SHA256, part.FileName))
	}
	if digests.Name != api.PartSHA256 || digests.Text != want.String() {
		return refuse(http.StatusBadRequest, "digests "+digests.Text+" for "+want.String())
	}
	file := parts[0]
	if stored := n.Stored[file.FileName]; stored != "" && stored != file.SHA256 {
		status, body := api.StatusOf(&api.Conflict{File: file.FileName, Stored: stored, Received: file.SHA256})
		return status, body
	}
	return http.StatusCreated, api.UploadReply{File: file.FileName, Size: file.Size, SHA256: file.SHA256}
}

func (n *Node) addLogs(record *Request) {
	var batch api.LogBatch
	if data, err := json.Marshal(record.Body); err == nil && json.Unmarshal(data, &batch) == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.logs = append(n.logs, batch.Records...)
	}
}
