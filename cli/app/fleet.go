package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"
	"ahriman/transport/api"
	"ahriman/transport/sshdial"
)

// localWorker is the address of this machine as a worker of itself.
const localWorker = "local://"

// Who says that there is a worker.
const (
	fromConfiguration = "configuration" // build.workers
	fromCommand       = "added"         // workers add
	fromRegistration  = "registered"    // the worker itself, see WorkerLoaderTrigger
	fromDefault       = "default"       // nobody: this machine builds when no other does
)

// member is one worker of this master, with who says so.
type member struct {
	store.Member
	origin string
	bases  []string // the only ones that it may have; nil: all
	lesser bool     // who registered it is not to have the credential of status
}

// fleet returns the workers of this master, sorted by name: those of
// build.workers, those that were added, and those that registered where
// WorkerLoaderTrigger is among build.triggers: these for what they may work on by
// the user that they have here. Without any it is this machine.
func fleet(ctx context.Context, s *config.Settings, db *store.DB) ([]member, error) {
	kept, err := db.Members(ctx)
	if err != nil {
		return nil, err
	}
	f := fleetList{kept: kept, byAddress: map[string]*member{}}
	for _, address := range s.Build.Workers {
		if err := f.configured(address); err != nil {
			return nil, fmt.Errorf("build.workers: %w", err)
		}
	}
	for _, m := range kept {
		if m.Added {
			f.add(m.Address, fromCommand)
		}
	}
	if slices.Contains(s.Build.Triggers, config.WorkerLoaderTrigger) {
		registered, err := db.Workers(ctx)
		if err != nil {
			return nil, err
		}
		own, err := statusUser(ctx, s, db)
		if err != nil {
			return nil, err
		}
		for _, w := range registered {
			user, err := db.User(ctx, w.User)
			if err != nil && !errors.Is(err, store.ErrUnknownUser) {
				return nil, err
			}
			if user.Repository != (alpm.RepositoryID{}) && user.Repository != s.ID {
				continue
			}
			if m := f.add(w.Address, fromRegistration); m.origin == fromRegistration {
				m.Name, m.Seen, m.bases = w.Identifier, w.Seen, user.Bases
				m.lesser = w.User != "" && isLesser(user, own)
			}
		}
	}
	if len(f.byAddress) == 0 {
		f.add(localWorker, fromDefault)
	}
	return f.sorted(), nil
}

// statusUser is the user of this node that the credential of the section status,
// which workers are sent, stands for; the zero value for none.
func statusUser(ctx context.Context, s *config.Settings, db *store.DB) (user store.User, err error) {
	if s.Auth.Target == "disabled" { // who may do anything has nothing to gain
		return user, nil
	}
	token, err := statusToken(s)
	if err != nil {
		return user, err
	}
	if token != "" {
		user, _, err = db.TokenUser(ctx, token)
	} else {
		user, err = db.User(ctx, s.Status.Username)
	}
	if errors.Is(err, store.ErrUnknownUser) || errors.Is(err, store.ErrUnknownToken) {
		err = nil
	}
	return user, err
}

// isLesser says whether a user could do more by having the credential of another.
func isLesser(user, other store.User) bool {
	if other.Name == "" || other.Name == user.Name {
		return false
	}
	return !api.Access(user.Access).Allows(api.Access(other.Access).Scopes()) || user.Repository != (alpm.RepositoryID{}) || len(user.Bases) > 0
}

// fleetList collects workers, each address once.
type fleetList struct {
	kept      []store.Member
	byAddress map[string]*member
}

// add returns the worker of an address, which is there from then on: who named
// it first counts.
func (f *fleetList) add(address, origin string) *member {
	address = strings.TrimSuffix(address, "/")
	if address == strings.TrimSuffix(localWorker, "/") || address == "local:" {
		address = localWorker
	}
	if m := f.byAddress[address]; m != nil {
		return m
	}
	m := &member{Member: store.Member{Address: address, Name: workerName(address)}, origin: origin}
	if i := slices.IndexFunc(f.kept, func(k store.Member) bool { return k.Address == address }); i >= 0 {
		m.Member = f.kept[i]
	}
	f.byAddress[address] = m
	return m
}

// configured adds an address of build.workers.
func (f *fleetList) configured(text string) error {
	w, err := parseWorker(text)
	if err != nil {
		return err
	}
	m := f.add(w.Address, fromConfiguration)
	m.Slots, m.Speed = cmp.Or(m.Slots, w.Slots), cmp.Or(m.Speed, w.Speed)
	if m.Features == nil {
		m.Features = w.Features
	}
	if m.Username == "" && m.Token == "" {
		m.Username, m.Password = w.Username, w.Password
	}
	return nil
}

func (f *fleetList) sorted() []member {
	var all []member
	for _, m := range f.byAddress {
		all = append(all, *m)
	}
	slices.SortFunc(all, func(a, b member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address)) })
	for i := 1; i < len(all); i++ { // names are how workers are told apart
		if all[i].Name == all[i-1].Name {
			all[i].Name = all[i].Address
		}
	}
	return all
}

// workerName is how a worker is called unless somebody gives it a name: host
// and port of its address.
func workerName(address string) string {
	if address == localWorker {
		return "local"
	}
	_, rest, _ := strings.Cut(address, "://")
	if strings.HasPrefix(address, "http+unix://") {
		if path, err := url.PathUnescape(rest); err == nil {
			return path
		}
	}
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// parseWorker reads a worker's address: URL?slots=2&speed=1.5&features=big,gpu
// with http, https, http+unix, ssh or local as its scheme. User and password
// of HTTP are taken out of the address.
func parseWorker(text string) (store.Member, error) {
	address, query, _ := strings.Cut(text, "?")
	if err := config.CheckWorker(address); err != nil {
		return store.Member{}, fmt.Errorf("worker %s: %w", config.Redact(text), err)
	}
	var m store.Member
	options, err := url.ParseQuery(query)
	if err == nil {
		err = workerOptions(options, &m)
	}
	if err != nil {
		return store.Member{}, fmt.Errorf("worker %s: %w", config.Redact(text), err)
	}
	m.Address = strings.TrimRight(address, "/")
	switch scheme, _, _ := strings.Cut(address, "://"); scheme {
	case "local":
		m.Address = localWorker
	case sshdial.Scheme:
		if _, err := sshdial.ParseTarget(m.Address); err != nil {
			return store.Member{}, err
		}
	case "http", "https":
		u, err := url.Parse(m.Address)
		if err != nil {
			return store.Member{}, fmt.Errorf("worker %s: not a URL", config.Redact(text))
		}
		m.Username = u.User.Username()
		m.Password, _ = u.User.Password()
		u.User = nil
		m.Address = u.String()
	}
	m.Name = workerName(m.Address)
	return m, nil
}

// workerOptions reads what stands behind the question mark.
func workerOptions(query url.Values, m *store.Member) (err error) {
	for key, values := range query {
		value := values[len(values)-1]
		switch key {
		case "slots":
			if m.Slots, err = strconv.Atoi(value); err != nil || m.Slots < 1 || m.Slots > maxSlots {
				return fmt.Errorf("slots=%s: not a number from 1 to %d", value, maxSlots)
			}
		case "speed":
			if m.Speed, err = strconv.ParseFloat(value, 64); err != nil || !(m.Speed > 0 && m.Speed <= maxSpeed) {
				return fmt.Errorf("speed=%s: not a number above 0, at most %d", value, maxSpeed)
			}
		case "features":
			m.Features = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		default:
			return fmt.Errorf("unknown option %q; there are slots, speed and features", key)
		}
	}
	return nil
}

// Bounds of what is said of a worker.
const (
	maxSlots = 1024
	maxSpeed = 1000
)
