package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits on what the AUR answers and is asked.
const (
	maxAnswer = 16 << 20 // bytes; a search ends at 5,000 packages, some 600 bytes each
	maxQuery  = 4000     // of one address, in bytes
	// answerTime is how many timeouts an answer may take from its first byte to
	// its last: one that comes byte by byte never stands still for one.
	answerTime = 4
)

// AURPackage is one package as the AUR's RPC interface, version 5, shows it.
// Search leaves the relations out.
type AURPackage struct {
	Name           string   `json:"Name"`
	Base           string   `json:"PackageBase"`
	Version        string   `json:"Version"`
	Description    string   `json:"Description"`
	URL            string   `json:"URL"`
	NumVotes       int      `json:"NumVotes"`
	Popularity     float64  `json:"Popularity"`
	OutOfDate      int64    `json:"OutOfDate"` // unix seconds; 0: it is not
	Maintainer     string   `json:"Maintainer"`
	Submitter      string   `json:"Submitter"`
	FirstSubmitted int64    `json:"FirstSubmitted"` // unix seconds
	LastModified   int64    `json:"LastModified"`   // unix seconds
	URLPath        string   `json:"URLPath"`
	Depends        []string `json:"Depends"`
	MakeDepends    []string `json:"MakeDepends"`
	CheckDepends   []string `json:"CheckDepends"`
	OptDepends     []string `json:"OptDepends"`
	Provides       []string `json:"Provides"`
	Conflicts      []string `json:"Conflicts"`
	Replaces       []string `json:"Replaces"`
	Groups         []string `json:"Groups"`
	License        []string `json:"License"`
	Keywords       []string `json:"Keywords"`
}

// Info asks the AUR for packages by name, many in one request. It returns
// those that exist, by name.
func (f *Fetcher) Info(ctx context.Context, names ...string) ([]AURPackage, error) {
	var found []AURPackage
	asked := map[string]bool{}
	for _, name := range names {
		asked[name] = true
	}
	for len(names) > 0 {
		address := f.config.AUR + "/rpc/v5/info?"
		taken := 0
		for _, name := range names {
			argument := "arg%5B%5D=" + url.QueryEscape(name)
			if taken > 0 && len(address)+len(argument) > maxQuery {
				break
			}
			if taken > 0 {
				address += "&"
			}
			address += argument
			taken++
		}
		names = names[taken:]
		answer, err := f.ask(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("asking the AUR at %s: %w", redacted(f.config.AUR), brief(err))
		}
		found = append(found, answer...)
	}
	found = slices.DeleteFunc(found, func(p AURPackage) bool { return !asked[p.Name] })
	slices.SortFunc(found, func(a, b AURPackage) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// brief leaves out the address of a request, which may name a hundred packages.
func brief(err error) error {
	if refused, ok := errors.AsType[*url.Error](err); ok {
		return refused.Err
	}
	return err
}

// Search asks the AUR for packages whose name or description holds all terms,
// and returns them by name.
func (f *Fetcher) Search(ctx context.Context, terms ...string) ([]AURPackage, error) {
	var found map[string]AURPackage
	for _, term := range terms {
		answer, err := f.ask(ctx, f.config.AUR+"/rpc/v5/search/"+url.PathEscape(term)+"?by=name-desc")
		if err != nil {
			return nil, fmt.Errorf("searching the AUR at %s: %w", redacted(f.config.AUR), brief(err))
		}
		kept := map[string]AURPackage{}
		for _, p := range answer {
			if _, ok := found[p.Name]; ok || found == nil {
				kept[p.Name] = p
			}
		}
		found = kept
	}
	list := make([]AURPackage, 0, len(found))
	for _, p := range found {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b AURPackage) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// ask makes one request of the RPC interface.
func (f *Fetcher) ask(ctx context.Context, address string) ([]AURPackage, error) {
	var answer struct {
		Type    string
		Error   string
		Results []AURPackage
	}
	err := f.get(ctx, address, func(body io.Reader) error {
		body = &punctual{body, time.Now().Add(answerTime * f.config.Timeout)}
		text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
		if err != nil {
			return err
		}
		if len(text) > maxAnswer {
			return fmt.Errorf("%w: the answer has more than %d bytes", ErrTooLarge, maxAnswer)
		}
		answer.Results = nil
		return unreadable(json.Unmarshal(text, &answer))
	})
	if err != nil {
		return nil, err
	}
	if answer.Type == "error" {
		return nil, fmt.Errorf("the AUR refused: %s", answer.Error)
	}
	for _, p := range answer.Results {
		if !plainName(p.Name) || !plainName(p.Base) {
			return nil, fmt.Errorf("the AUR answered with the name %q", p.Name+"/"+p.Base)
		}
	}
	return answer.Results, nil
}

// punctual is a body that is to be read to its end by then.
type punctual struct {
	body io.Reader
	by   time.Time
}

func (p *punctual) Read(b []byte) (int, error) {
	if time.Now().After(p.by) {
		return 0, errors.New("the answer comes too slowly")
	}
	return p.body.Read(b)
}

// unreadable says of an answer what is wrong with it, in words of JSON.
func unreadable(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the answer is not what the AUR's RPC interface, version 5, gives: a JSON %s at byte %d", wrong.Value, wrong.Offset)
	}
	if err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	return nil
}
