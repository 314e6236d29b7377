package httpserver_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// TestDocs: the description has each method of the API, and nothing else, and
// what the server answers fits it.
func TestDocs(t *testing.T) {
	n := startWhole(t)
	job := n.seedAll()
	var docs struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Summary     string
			Parameters  []struct{ Name, In string }
			RequestBody any
			Responses   map[string]struct {
				Content map[string]struct{ Schema any }
			}
		}
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(n.want(n.do("GET", "/api-docs", nil), 200).body, &docs); err != nil {
		t.Fatal(err)
	}
	described := httpserver.Described()
	for path, methods := range docs.Paths {
		for method, about := range methods {
			if about.Summary == "" {
				t.Errorf("%s %s has no summary", method, path)
			}
			described = slices.DeleteFunc(described, func(s string) bool { return s == strings.ToUpper(method)+" "+path })
		}
	}
	for _, left := range described {
		t.Errorf("%s is described and does not exist", left)
	}
	fitting := 0
	for path, methods := range docs.Paths {
		responses := methods["get"].Responses
		if responses == nil || path == api.PathEventStream {
			continue
		}
		asked := strings.Replace(filled(path), pieceID("1"), job, 1)
		switch path {
		case api.PathSearch:
			asked += "?for=aur-toy"
		case api.PathPGP:
			asked += "?key=8BE91E5A773FB48A&server=a"
		}
		for status, as := range map[string][]string{"200": worker(), "default": nil} {
			a := n.do(http.MethodGet, asked, nil, as...)
			if a.status >= 400 {
				status = "default"
			}
			schema := responses[status].Content["application/json"].Schema
			if schema == nil || a.status == 200 && as == nil { // not JSON; for everybody
				continue
			}
			var got any
			if err := json.Unmarshal(a.body, &got); err != nil {
				t.Errorf("%s: %d %s", asked, a.status, a.body)
			}
			for _, wrong := range misfits(docs.Components.Schemas, schema, got, asked) {
				t.Error(wrong)
			}
			if a.status == 200 {
				fitting++
			}
		}
	}
	if fitting < 20 {
		t.Errorf("only %d answers were compared", fitting)
	}
}

// seedAll makes the node hold something of each kind, and returns a job's id.
func (n *node) seedAll() string {
	n.t.Helper()
	for path, body := range map[string]string{
		api.Path(api.PathChanges, "package-0001"):      `{"last_commit_sha":"a","changes":"b","pkgbuild":"c"}`,
		api.Path(api.PathDependencies, "package-0001"): `{"paths":{"usr/lib/a":["a","b"]}}`,
		api.Path(api.PathPatches, "package-0001"):      `{"key":"k","value":["v"]}`,
		api.Path(api.PathLogs, "package-0001"):         `{"created":1.5,"message":"m","version":"1-1","process_id":"p"}`,
		api.PathEvents:                                 `{"event":"package-updated","object_id":"package-0001","message":"m","data":{"k":1}}`,
		api.PathDistributed:                            `{"address":"http://a","identifier":"w"}`,
		api.PathStatus:                                 `{"status":"success"}`,
	} {
		n.want(n.do("POST", path, strings.NewReader(body), worker()...), 204)
	}
	return n.submit(api.PathUpdate, "{}")
}

// misfits checks a value against as much of JSON Schema as the description uses.
func misfits(schemas map[string]map[string]any, schema, value any, at string) (wrong []string) {
	s, described := schema.(map[string]any)
	if described && len(s) == 0 { // anything
		return nil
	}
	if ref, ok := s["$ref"].(string); ok {
		name := ref[strings.LastIndex(ref, "/")+1:]
		if schemas[name] == nil {
			return []string{at + ": there is no schema " + name}
		}
		return misfits(schemas, schemas[name], value, at)
	}
	if list, ok := s["oneOf"].([]any); ok {
		if value == nil {
			return nil
		}
		return misfits(schemas, list[0], value, at)
	}
	kinds := map[string]bool{}
	switch v := value.(type) {
	case map[string]any:
		kinds["object"] = true
		properties, _ := s["properties"].(map[string]any)
		for key, inner := range v {
			inside := s["additionalProperties"]
			if p, ok := properties[key]; ok {
				inside = p
			} else if inside == nil {
				wrong = append(wrong, at+": "+key+" is not described")
				continue
			}
			wrong = append(wrong, misfits(schemas, inside, inner, at+"."+key)...)
		}
		for _, key := range asStrings(s["required"]) {
			if _, ok := v[key]; !ok {
				wrong = append(wrong, at+": no "+key)
			}
		}
	case []any:
		kinds["array"] = true
		for _, inner := range v {
			wrong = append(wrong, misfits(schemas, s["items"], inner, at+"[]")...)
		}
	case string:
		kinds["string"] = true
	case float64:
		kinds["number"], kinds["integer"] = true, true
	case bool:
		kinds["boolean"] = true
	}
	if kind, ok := s["type"].(string); ok && !kinds[kind] {
		wrong = append(wrong, at+": not a "+kind)
	}
	return wrong
}

func asStrings(value any) (texts []string) {
	list, _ := value.([]any)
	for _, v := range list {
		texts = append(texts, v.(string))
	}
	return texts
}
