package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"ahriman/core/config"
	"ahriman/core/source"
	"ahriman/core/trigger"
	"ahriman/transport/api"
	"ahriman/transport/httpclient"
)

// master is the repository on the node that the section status names, as
// triggers and commands use it.
type master struct{ *httpclient.Repository }

var (
	_ trigger.Uploader = master{}
	_ trigger.Caller   = master{}
)

// connect makes a client of the node that the section status names. Service is
// the remote-service target whose time limits and retries apply; nil for those
// of the section status.
func connect(s *config.Settings, service *config.RemoteService) (master, error) {
	address := s.StatusAddress()
	if address == "" {
		return master{}, Hinted(errors.New("no node is configured to talk to"), "set address in the section status")
	}
	token, err := statusToken(s)
	if err != nil {
		return master{}, err
	}
	c := httpclient.Config{
		Address: address, Username: s.Status.Username, Password: s.Status.Password, Token: token,
		Timeout: s.Status.Timeout, MaxRetries: s.Status.MaxRetries, Backoff: seconds(s.Status.RetryBackoff),
		UserAgent: "ahriman/" + Version(),
	}
	if service != nil {
		c.Timeout, c.MaxRetries, c.Backoff = service.Timeout, service.MaxRetries, seconds(service.RetryBackoff)
	}
	if c.Timeout == 0 {
		c.Timeout = -1 // the configuration's word for none
	}
	client, err := httpclient.New(c)
	if err != nil {
		return master{}, fmt.Errorf("status.address: %w", err)
	}
	return master{client.Repository(s.ID)}, nil
}

// statusToken is status.token, or what is in the file that status.token_file
// names; empty without either.
func statusToken(s *config.Settings) (string, error) {
	if s.Status.Token != "" || s.Status.TokenFile == "" {
		return s.Status.Token, nil
	}
	return readToken("status.token_file", s.Status.TokenFile)
}

// readToken reads a file that holds a token and nothing else; what names it.
func readToken(what, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPasswordLine))
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", what, err)
	case token == "" || strings.ContainsFunc(token, unicode.IsSpace):
		return "", fmt.Errorf("%s: %s holds no token", what, path)
	}
	return token, nil
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// Upload sends package files and the signatures beside them, as one set.
func (m master) Upload(ctx context.Context, paths ...string) error {
	set, err := m.NewUploadSet(ctx)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if _, err = set.Add(ctx, path, nil); err != nil {
			set.Abandon(ctx)
			return err
		}
	}
	return set.Commit(ctx)
}

// Call asks the node to update, and waits for it.
func (m master) Call(ctx context.Context, call trigger.Call, wait time.Duration) (*trigger.Answer, error) {
	request := api.NewUpdateRequest()
	request.AUR, request.Local, request.Manual = call.AUR, call.Local, call.Manual
	id, err := m.Update(ctx, request)
	if err != nil {
		return nil, err
	}
	if wait < 0 {
		return &trigger.Answer{Process: id}, nil
	}
	process, err := m.Client().Wait(ctx, id, wait)
	if err != nil {
		return nil, fmt.Errorf("waiting for process %s: %w", id, err)
	}
	answer := &trigger.Answer{
		Process: id, Ended: true, Outcome: string(process.Outcome), Message: process.Message,
		Updated: process.Updated, Warnings: process.Warnings,
	}
	for _, failure := range process.Failed {
		answer.Failed = append(answer.Failed, trigger.Failure(failure))
	}
	return answer, nil
}

// Patches returns what the node keeps for a base; one that keeps no packages,
// as with web.service_only, has none.
func (m master) Patches(ctx context.Context, base string) ([]source.Patch, error) {
	patches, err := m.Client().Patches(ctx, base)
	if errors.Is(err, api.ErrNotFound) {
		return nil, nil
	}
	return patches, err
}

// has returns the names of the package files that the node lists as published.
func (m master) has(ctx context.Context) (map[string]bool, error) {
	entries, err := m.Packages(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, entry := range entries {
		for _, p := range entry.Package.Packages {
			names[p.FileName] = names[p.FileName] || entry.Status.Status == api.Success
		}
	}
	return names, nil
}
