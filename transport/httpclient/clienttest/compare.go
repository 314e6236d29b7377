package clienttest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// named is what the path of a request has of its own: ids of processes, and
// bases of packages.
var named = regexp.MustCompile(`(/service/process/|/api/v\d/packages/)[^/?]+`)

// Unlike returns, in words, what of the requests a Python node of the capture
// did not say: a method and path that is not there, a query, a field of a body,
// a value of another type. Ids and bases may be others, fields may be left out,
// and what is under /node/ is left out: Python nodes answer 404.
func Unlike(python, ours []Request) []string {
	known := map[string][]Request{}
	for _, r := range python {
		known[shape(r)] = append(known[shape(r)], r)
	}
	var unlike []string
	for _, r := range ours {
		if strings.HasPrefix(r.Path, "/node/") {
			continue
		}
		candidates := known[shape(r)]
		if len(candidates) == 0 {
			unlike = append(unlike, "it does not ask "+shape(r))
			continue
		}
		var differs []string
		if !slices.ContainsFunc(candidates, func(p Request) bool {
			differs = differences("", p.Body, r.Body)
			return len(differs) == 0
		}) {
			unlike = append(unlike, fmt.Sprintf("%s: %s", shape(r), strings.Join(differs, ", ")))
		}
	}
	slices.Sort(unlike)
	return slices.Compact(unlike)
}

// shape is a request's method, path and query without names.
func shape(r Request) string { return r.Method + " " + named.ReplaceAllString(r.Path, "${1}NAME") }

// differences compares values by their fields and types.
func differences(at string, python, ours any) []string {
	p, pIs := python.(map[string]any)
	o, oIs := ours.(map[string]any)
	if !pIs || !oIs {
		if ours != nil && fmt.Sprintf("%T", python) != fmt.Sprintf("%T", ours) {
			return []string{fmt.Sprintf("%s is a %T, not a %T", at, ours, python)}
		}
		return nil
	}
	var all []string
	for key, value := range o {
		there, ok := p[key]
		switch {
		case strings.HasSuffix(at, ".packages"): // by the names of packages
			for _, there = range p {
				break
			}
		case !ok && slices.Contains([]string{"data", "pkgbuild", "changes", "message"}, key):
			continue // of events and changes: in the reference, and not in the captures
		case !ok:
			all = append(all, at+"."+key+" is not there")
			continue
		}
		all = append(all, differences(at+"."+key, there, value)...)
	}
	slices.Sort(all)
	return all
}
