package httpserver

import (
	"cmp"
	"reflect"
	"regexp"
	"strings"

	"ahriman/transport/api"
)

// pathDocs describes this very API, as OpenAPI 3.1: what routes there are, for
// whom, and what they take and give comes from the routes themselves.
const pathDocs = "/api-docs"

// text is what cannot be seen from a route.
type text struct {
	summary string
	query   string // names, separated by spaces
}

const inRepo = "repository architecture "

// texts describe each method of each path.
func texts() map[string]text {
	return map[string]text{
		"POST " + api.PathLogin:  {"begin a session, whose cookie the answer sets", ""},
		"POST " + api.PathLogout: {"end the session", ""},
		"GET " + api.PathInfo:    {"what the first repository is", ""},
		"GET " + api.PathInfoV2:  {"what this node is", ""},
		"GET " + api.PathNode:    {"what a node of ours is", ""},
		"GET " + api.PathMetrics: {"counters for Prometheus", ""},

		"GET " + api.PathRepositories:   {"the repositories", ""},
		"GET " + api.PathEvents:         {"what happened, newest first", inRepo + "event object_id from_date to_date limit offset"},
		"POST " + api.PathEvents:        {"add an event", inRepo},
		"GET " + api.PathEventStream:    {"what happens, as server-sent events", inRepo + "event object_id"},
		"GET " + api.PathDistributed:    {"workers that registered", ""},
		"POST " + api.PathDistributed:   {"register as a worker, or renew it", ""},
		"DELETE " + api.PathDistributed: {"forget all workers", ""},
		"DELETE " + api.PathNodeWorker:  {"forget one worker", ""},
		"GET " + api.PathStatus:         {"the node and its packages, counted", inRepo},
		"POST " + api.PathStatus:        {"set the status of the node", inRepo},

		"GET " + api.PathPackages:      {"packages with their status", inRepo + "limit offset"},
		"POST " + api.PathPackages:     {"read them again from what is published", inRepo},
		"GET " + api.PathPackage:       {"one base", inRepo},
		"POST " + api.PathPackage:      {"set its status, and what it is", inRepo},
		"DELETE " + api.PathPackage:    {"forget it", inRepo},
		"GET " + api.PathChanges:       {"what its source has become", inRepo},
		"POST " + api.PathChanges:      {"set it", inRepo},
		"GET " + api.PathDependencies:  {"paths of other packages that it uses", inRepo},
		"POST " + api.PathDependencies: {"set them", inRepo},
		"POST " + api.PathHold:         {"keep updates from it, or let them have it again", inRepo},
		"GET " + api.PathArchives:      {"versions whose files are kept", inRepo},
		"GET " + api.PathPatches:       {"its patches", ""},
		"POST " + api.PathPatches:      {"add one, or replace it", ""},
		"GET " + api.PathPatch:         {"one patch", ""},
		"DELETE " + api.PathPatch:      {"remove it", ""},
		"GET " + api.PathLogs:          {"its logs as one text", inRepo},
		"POST " + api.PathLogs:         {"add a line to its log", inRepo},
		"DELETE " + api.PathLogs:       {"remove its logs", inRepo + "version"},
		"GET " + api.PathLogsV2:        {"its logs, line by line", inRepo + "limit offset version process_id head"},
		"POST " + api.PathNodeLogs:     {"add lines to its log", inRepo},
		"DELETE " + api.PathRotateLogs: {"keep the newest logs of each base only", inRepo + "keep_last_records"},

		"GET " + api.PathProcess:      {"whether a job goes on; after its end, 404", ""},
		"GET " + api.PathNodeProcess:  {"how a job goes, or ended", "wait"},
		"POST " + api.PathUpload:      {"hand in package files with their signatures, as multipart/form-data: package, signature", inRepo},
		"GET " + api.PathUploadFile:   {"how much of a file of a set is here", inRepo},
		"PUT " + api.PathUploadFile:   {"send a file of a set, or the rest of it", inRepo + "offset"},
		"POST " + api.PathUploadSet:   {"take the files of a set, all or none", inRepo},
		"DELETE " + api.PathUploadSet: {"drop the files of a set", inRepo},
		"GET " + api.PathSearch:       {"search the AUR", "for"},
		"GET " + api.PathPGP:          {"a public key of a keyserver", "key server"},
		"POST " + api.PathPGP:         {"take a public key from a keyserver", ""},
		"GET " + api.PathConfig:       {"the configuration, without secrets", ""},
		"POST " + api.PathConfig:      {"read the configuration again", ""},
		"POST " + api.PathAdd:         {"build packages and publish them", inRepo},
		"POST " + api.PathRequest:     {"ask for packages to be built with the next update", inRepo},
		"POST " + api.PathUpdate:      {"publish what waits, build what is due", inRepo},
		"POST " + api.PathRebuild:     {"build again what needs a package", inRepo},
		"POST " + api.PathRemove:      {"remove packages", inRepo},
		"POST " + api.PathRollback:    {"publish an earlier version", inRepo},

		"GET " + api.PathBuilds:    {"what this node builds for masters, and could", ""},
		"GET " + api.PathBuild:     {"how a build goes, or ended", "wait"},
		"PUT " + api.PathBuild:     {"begin a build", ""},
		"DELETE " + api.PathBuild:  {"end a build and forget it", "keep"},
		"GET " + api.PathBuildLog:  {"its log", "offset wait"},
		"GET " + api.PathBuildFile: {"one of its package files", ""},
		"HEAD " + api.PathObject:   {"how much of an object is here", ""},
		"PUT " + api.PathObject:    {"send an object, or the rest of it", "size offset"},
	}
}

// object is one of JSON.
type object = map[string]any

// describe is the whole description.
func (s *Server) describe() object {
	d := describer{schemas: object{}, texts: texts()}
	paths := object{}
	for path, r := range s.routes {
		if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/node/") {
			continue
		}
		methods := object{}
		for method, e := range r {
			methods[strings.ToLower(method)] = d.method(method, path, e)
		}
		paths[path] = methods
	}
	d.schemas["Error"] = object{"type": "object", "properties": object{"error": object{"type": "string"}}, "required": []string{"error"}}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "ahriman", "version": s.config.Version, "license": object{"name": "GPL-3.0-or-later"},
			"description": "Below /api what ahriman nodes speak, below /node what those of ours do. Arguments that name a repository may be left out where there is one only.",
		},
		"paths": paths,
		"components": object{
			"schemas": d.schemas,
			"securitySchemes": object{
				"session": object{"type": "apiKey", "in": "cookie", "name": api.CookieSession},
				"basic":   object{"type": "http", "scheme": "basic"},
				"token":   object{"type": "http", "scheme": "bearer"},
			},
		},
	}
}

// describer collects the schemas that methods refer to.
type describer struct {
	schemas object
	texts   map[string]text
}

// method describes one.
func (d *describer) method(method, path string, e endpoint) object {
	about := d.texts[method+" "+path]
	parameters := []object{}
	for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		parameters = append(parameters, object{"name": name[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for name := range strings.FieldsSeq(about.query) {
		parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": queryType(name)}})
	}
	good := object{"description": "done"}
	status := "200"
	switch {
	case e.out == reflect.TypeFor[nothing]():
		status = "204"
	case e.out != nil:
		good["content"] = object{"application/json": object{"schema": d.schema(e.out)}}
	}
	bad := object{"description": "refused", "content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}}}
	described := object{
		"summary": about.summary, "parameters": parameters, "responses": object{status: good, "default": bad},
		"description": "Access: " + string(cmp.Or(e.scope.Level(), api.AccessFull)) + ".",
	}
	if e.scope != api.ScopePublic {
		described["security"] = []object{{"session": []string{}}, {"basic": []string{}}, {"token": []string{}}}
	}
	if e.in != nil && e.in != reflect.TypeFor[nothing]() {
		described["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.schema(e.in)}}}
	}
	return described
}

func queryType(name string) string {
	switch name {
	case api.QueryLimit, api.QueryOffset, api.QueryKeepLastRecords, api.QueryFromDate, api.QueryToDate, api.QuerySize:
		return "integer"
	case api.QueryWait:
		return "number"
	case api.QueryHead:
		return "boolean"
	}
	return "string"
}

// schema describes the JSON of a type; structs go among the schemas.
func (d *describer) schema(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		return object{"oneOf": []object{d.schema(t.Elem()), {"type": "null"}}}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 { // json.RawMessage
			return object{}
		}
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Struct:
		if _, known := d.schemas[t.Name()]; !known {
			d.schemas[t.Name()] = object{} // it may hold itself
			d.schemas[t.Name()] = d.properties(t)
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	return object{}
}

// properties describes a struct.
func (d *describer) properties(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || field.Anonymous || name == "-" {
			continue
		}
		name = cmp.Or(name, field.Name)
		properties[name] = d.schema(field.Type)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
	}
	described := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		described["required"] = required
	}
	return described
}

// docs answers with the description.
func (s *Server) docs(*call, nothing) (object, error) { return s.describe(), nil }
