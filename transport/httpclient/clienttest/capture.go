package clienttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// ReadCapture returns the requests of a capture of two nodes' conversation
// whose label (worker-to-master, master-self, probe, …) is the one given, in
// order. Lines that begin with ">" were sent.
func ReadCapture(capture []byte, label string) ([]Request, error) {
	var requests []Request
	var current *Request
	lines := bufio.NewScanner(bytes.NewReader(capture))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		if head, ok := strings.CutPrefix(line, "=== #"); ok {
			current = nil
			if words := strings.Fields(head); len(words) > 2 && words[2] == label {
				requests = append(requests, Request{Header: http.Header{}})
				current = &requests[len(requests)-1]
			}
			continue
		}
		if sent, ok := strings.CutPrefix(line, "> "); ok && current != nil {
			if err := current.addLine(sent); err != nil {
				return nil, err
			}
		}
	}
	return requests, lines.Err()
}

// addLine adds a line of a capture: the request line, a header, or a body.
func (r *Request) addLine(line string) error {
	disposition := regexp.MustCompile(`^    Content-Disposition: form-data; name="([^"]*)"(?:; filename="([^"]*)")?$`)
	size := regexp.MustCompile(`^    <(\d+) bytes,`)
	switch {
	case r.Method == "":
		words := strings.Fields(line)
		if len(words) != 3 {
			return fmt.Errorf("request line %q", line)
		}
		r.Method, r.Path = words[0], words[1]
	case strings.HasPrefix(line, "{"), strings.HasPrefix(line, "["):
		if strings.HasPrefix(line, "[multipart body") {
			return nil
		}
		return json.Unmarshal([]byte(line), &r.Body)
	case disposition.MatchString(line):
		names := disposition.FindStringSubmatch(line)
		r.Parts = append(r.Parts, Part{Name: names[1], FileName: names[2]})
	case strings.HasPrefix(line, "    Content-Type: "):
		r.Parts[len(r.Parts)-1].ContentType = strings.TrimPrefix(line, "    Content-Type: ")
	case size.MatchString(line):
		n, err := strconv.ParseInt(size.FindStringSubmatch(line)[1], 10, 64)
		r.Parts[len(r.Parts)-1].Size = n
		return err
	case !strings.HasPrefix(line, " "):
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
		if name == "Content-Length" {
			n, err := strconv.ParseInt(value, 10, 64)
			r.Length = n
			return err
		}
	}
	return nil
}
