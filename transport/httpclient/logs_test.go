package httpclient_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ahriman/transport/api"
	"ahriman/transport/httpclient"
	"ahriman/transport/httpclient/clienttest"
)

func TestLogIsBatched(t *testing.T) {
	node := &clienttest.Node{}
	client := serve(t, node, nil)
	log := client.Repository(refrepo()).Log(t.Context(), "a", "", "job")
	for i := range 2500 {
		fmt.Fprintf(log, "line %d\r\nand ", i)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	records := node.Logs()
	if len(records) != 2501 || records[1].Message != "and line 1" || records[2500].Message != "and " {
		t.Fatalf("got %d records, %+v", len(records), records[1])
	}
	if r := records[0]; r.Version != api.UnknownVersion || r.ProcessID != "job" || r.Created < 1e9 {
		t.Errorf("got %+v", r)
	}
	if n := len(node.Requests()); n > 5 {
		t.Errorf("took %d requests", n)
	}
}

func TestLogIsJoinedForPython(t *testing.T) {
	node := &clienttest.PythonNode{}
	log := start(t, node, nil).Repository(refrepo()).Log(t.Context(), "a", "1-1", "")
	for i := range 3000 {
		fmt.Fprintf(log, "line %d\n", i)
	}
	fmt.Fprintf(log, "%s\n\xff", strings.Repeat("x", 1<<20))
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, request := range node.Requests() {
		if strings.HasPrefix(request.Path, "/api/v1/packages/a/logs?") {
			text = append(text, request.Body.(map[string]any)["message"].(string))
		}
	}
	lines := strings.Split(strings.Join(text, "\n"), "\n")
	if len(lines) != 3002 || lines[2999] != "line 2999" || len(lines[3000]) != 16<<10 || lines[3001] != "\uFFFD" {
		t.Errorf("got %d lines", len(lines))
	}
	if len(text) > 6 {
		t.Errorf("took %d requests", len(text))
	}
}

func TestLogOfADeadNode(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client, err := httpclient.New(httpclient.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	log := client.Repository(refrepo()).Log(t.Context(), "a", "1-1", "")
	line := []byte(strings.Repeat("x", 1000) + "\n")
	for range 10000 { // more than the queue holds
		log.Write(line)
	}
	if err := log.Close(); err == nil {
		t.Error("no error")
	}
}
