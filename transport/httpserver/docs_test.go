package httpserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ahriman/core/alpm"
	"ahriman/transport/api"
	"ahriman/transport/httpserver"
)

// TestDocs: the description has each method of the API, and nothing else, and
// what the server answers fits it.
func TestDocs(t *testing.T) {
	n := start(t, func(c *httpserver.Config) {
		c.Refresh = func(context.Context, alpm.RepositoryID) error { return nil }
	})
	n.addPackages(2)
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
		if !strings.Contains(left, "/node/v1/builds") && !strings.Contains(left, "/node/v1/objects") { // of workers
			t.Errorf("%s is described and does not exist", left)
		}
	}
	for path, method := range map[string]string{
		api.PathPackages: "get", api.PathStatus: "get", api.PathInfoV2: "get", api.PathRepositories: "get", api.PathDistributed: "get",
	} {
		var got any
		if err := json.Unmarshal(n.want(n.do(http.MethodGet, path, nil, worker()...), 200).body, &got); err != nil {
			t.Fatal(err)
		}
		schema := docs.Paths[path][method].Responses["200"].Content["application/json"].Schema
		for _, wrong := range misfits(docs.Components.Schemas, schema, got, path) {
			t.Error(wrong)
		}
	}
}

// misfits checks a value against as much of JSON Schema as the description uses.
func misfits(schemas map[string]map[string]any, schema, value any, at string) (wrong []string) {
	s, _ := schema.(map[string]any)
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
